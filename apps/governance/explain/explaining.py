"""One question of one person, explained as far as the reader may know."""

from collections.abc import Iterator
from dataclasses import replace

from apps.access.types import Actor
from apps.datamodels.models import Dataset
from apps.datamodels.rules import QUERY
from apps.governance.deciding import Decision, decide, spared_by
from apps.governance.explain.attributes import Attributes
from apps.governance.explain.fields import Fields, asked_fields
from apps.governance.explain.rows import rows_explained
from apps.governance.explain.rules import grant_rule, permission
from apps.governance.explain.types import Because, Explanation, FieldExplained, RowsExplained
from apps.governance.scopes import given_by_grants
from apps.governance.selectors import governed, permitted_dataset, unknown_dataset
from apps.semantic.errors import MissingAttributeError, QueryError
from apps.semantic.query.types import SemanticQuery
from apps.tenants.binding import bound_tenant_id

UNSET = "No row can be shown: a row policy needs an attribute that is not set."
ALLOWED, REFUSED = "The question may be asked.", "The question is refused."


def may_know_all(actor: Actor) -> bool:
    """Say whether the reader is a full administrator, in person; also while seeing as somebody else."""
    if actor.kind != "person" or actor.support is not None:
        return False
    return actor.is_tenant_admin or (actor.viewing is not None and actor.viewing.limits is None)


def explain(actor: Actor, query: SemanticQuery) -> Explanation:
    """Explain the actor's own limits.

    Whoever is no administrator learns nothing of what is closed to them: it reads like what does not exist.

    Raises:
        UnknownDatasetError: there is no such data set, or none that the actor may query.
    """
    if may_know_all(actor):
        return explain_as_administrator(actor, query)
    dataset = permitted_dataset(actor, query.dataset)
    decision = decide(actor, dataset)
    if not decision.is_open:
        raise unknown_dataset(query.dataset)
    return _explanation(actor, dataset, decision, query, Attributes(actor, is_complete=False), ())


def explain_as_administrator(actor: Actor, query: SemanticQuery) -> Explanation:
    """Explain everything about an actor, refusals too. The caller makes sure that the reader is an administrator.

    Raises:
        UnknownDatasetError: there is no such data set.
    """
    dataset = Dataset.objects.select_related("data_model__connection").filter(name=query.dataset).first()
    if dataset is None:
        raise unknown_dataset(query.dataset)
    decision = decide(actor, dataset)
    attributes = Attributes(actor, is_complete=True)
    because = tuple(_dataset_because(actor, dataset, decision, attributes))
    return _explanation(actor, dataset, decision, query, attributes, because)


def _dataset_because(actor: Actor, dataset: Dataset, decision: Decision, attributes: Attributes) -> Iterator[Because]:
    yield permission(actor, dataset, QUERY)
    asked = decision.model.datasets.get(dataset.name) if decision.model is not None else None
    if not dataset.is_published or asked is None:
        yield Because("model", "The published model has no such data set", holds=False)
    elif asked.required_access_grants is not None:
        rule = asked.required_access_grants
        what = f"Data set {dataset.name}"
        yield from grant_rule(rule, decision.grants or {}, attributes, what=what)


def _explanation(
    actor: Actor,
    dataset: Dataset,
    decision: Decision,
    query: SemanticQuery,
    attributes: Attributes,
    because: tuple[Because, ...],
) -> Explanation:
    """Put it together. The verdict is that of :func:`governed`, the function that queries go through."""
    fields = _fields(actor, decision, attributes)
    asked = tuple(fields.explained(name) for name in asked_fields(query)) if fields else ()
    is_usable = all(field.state != "unavailable" for field in asked)
    explanation = Explanation(
        person=_person(actor),
        dataset=dataset.name,
        dataset_label=dataset.label or dataset.name,
        is_allowed=is_usable,
        text=ALLOWED if is_usable else REFUSED,
        is_complete=attributes.is_complete,
        model_version=decision.version.number if decision.version else None,
        because=because,
        fields=asked,
        withheld=_withheld(fields, asked) if fields and attributes.is_complete else (),
        rows=_rows(actor, decision, attributes, fields),
        masked=tuple(name for name in sorted(fields.open) if fields.is_masked(name)) if fields else (),
    )
    try:
        found = governed(actor, dataset)
    except MissingAttributeError as error:
        text = UNSET if attributes.is_complete else error.message
        return replace(explanation, is_allowed=False, text=text)
    except QueryError:
        return replace(explanation, is_allowed=False, text=REFUSED)
    scope = found.scope
    if decision.topic is None and not all(name.partition("[")[0] in scope.fields for name in asked_fields(query)):
        # A composite topic: its fields are those of its parts.
        explanation = replace(explanation, is_allowed=False, text=REFUSED)
    return replace(explanation, limits=found.limits, max_rows=scope.max_rows, fingerprint=scope.fingerprint)


def _person(actor: Actor) -> str:
    return actor.viewing.person_email if actor.viewing else actor.email or actor.label


def _fields(actor: Actor, decision: Decision, attributes: Attributes) -> Fields | None:
    version, model, topic = decision.version, decision.model, decision.topic
    if version is None or model is None or topic is None:
        return None
    spared = spared_by(actor, model)
    rights = given_by_grants(bound_tenant_id(), version.pk, model, topic, decision.passed, spared)
    return Fields(model, topic, dict(decision.grants or {}), attributes, rights, spared)


def _withheld(fields: Fields, asked: tuple[FieldExplained, ...]) -> tuple[FieldExplained, ...]:
    """Explain the closed and masked fields of the data set that the question does not name."""
    named = {field.name.partition("[")[0] for field in asked}
    others = [name for name in sorted(fields.topic.fields) if name not in named]
    explained = (fields.explained(name) for name in others if name not in fields.open or fields.is_masked(name))
    return tuple(explained)


def _rows(actor: Actor, decision: Decision, attributes: Attributes, fields: Fields | None) -> tuple[RowsExplained, ...]:
    if decision.model is None or decision.topic is None or fields is None:
        return ()
    return rows_explained(actor, decision.model, decision.topic, attributes, known=fields.open)
