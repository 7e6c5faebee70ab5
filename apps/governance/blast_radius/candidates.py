"""A state of a model's files, published or not, as the deciding functions want it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import NAMESPACE_URL, UUID, uuid5

from apps.access.types import Actor
from apps.datamodels.models import ModelVersion
from apps.datamodels.selectors import files_of, semantic_model
from apps.datamodels.services import digest_of
from apps.governance.deciding import passed_grants
from apps.governance.scopes import ScopeBuilder, TopicKey, attributes_named
from apps.governance.selectors import MAX_ROWS
from apps.semantic.model.reading import read_model
from apps.semantic.model.types import SemanticModel
from apps.semantic.scope import AccessScope
from apps.tenants.binding import bound_tenant_id

NO_KEY = "compared, never asked"
"""stands in for the key of masks: nothing of what is worked out here meets data"""


@dataclass(frozen=True, slots=True)
class Candidate:
    """``key`` stands in for the id of a version: equal files in one dialect, equal key."""

    key: UUID
    model: SemanticModel = field(compare=False, hash=False)
    files: Mapping[str, str] = field(default_factory=dict, compare=False, hash=False)


def candidate_of(files: Mapping[str, str], *, dialect: str, meaning: SemanticModel | None = None) -> Candidate:
    """Return what the files mean; ``meaning`` is given where somebody has read them already.

    Raises:
        ModelError: the files do not make a model.
    """
    key = uuid5(NAMESPACE_URL, f"{dialect}:{digest_of(files)}")
    return Candidate(key, meaning if meaning is not None else read_model(files, dialect=dialect), files)


def published(version: ModelVersion) -> Candidate:
    """Return a version that has been published, under its own id."""
    return Candidate(version.pk, semantic_model(version), files_of(version))


def stored(version: ModelVersion) -> Candidate:
    """Return any stored version.

    Raises:
        ModelError: its files do not make a model with today's connection.
    """
    return candidate_of(files_of(version), dialect=version.data_model.connection.dialect)


def scope_of(actor: Actor, candidate: Candidate, dataset: str) -> AccessScope | None:
    """Return the scope that the candidate would give; None where its grants close the data set.

    It is built by what builds the scopes of questions. The permission on the data set is another matter.

    Raises:
        MissingAttributeError: a row policy needs an attribute that the actor does not have.
    """
    if dataset not in candidate.model.datasets:
        return None
    model = candidate.model.of_topic(dataset)
    passed = passed_grants(actor, model)
    builder = ScopeBuilder(actor, model, passed, bound_tenant_id(), candidate.key, MAX_ROWS, lambda: NO_KEY)
    return builder.of(dataset)


def attributes_of(candidate: Candidate) -> frozenset[str]:
    """Return every user attribute on which a scope over the candidate can depend."""
    model, found = candidate.model, set[str]()
    for part in (model, *model.topic_models.values()):
        found |= {grant.user_attribute for grant in part.access_grants.values()}
        found |= {rule.user_attribute for view in part.views.values() for rule in view.access_filters}
        found |= {view.schema_attribute for view in part.views.values() if view.schema_attribute}
    for name, topic in model.topics.items():
        found |= {rule.user_attribute for rule in topic.access_filters}
        own = model.of_topic(name)
        found |= attributes_named(TopicKey(candidate.key, name, own.seen_by, own))
    return frozenset(found)
