"""One person's rights on one data set, in one state of a model, in a form that can be compared."""

from collections.abc import Iterator
from dataclasses import dataclass

from apps.access.types import Actor
from apps.governance.blast_radius.candidates import Candidate, scope_of
from apps.governance.blast_radius.definitions import definitions
from apps.governance.blast_radius.types import DatasetRights, FieldRight
from apps.governance.deciding import as_text
from apps.governance.scopes import SHARED
from apps.semantic.errors import MissingAttributeError
from apps.semantic.model.types import CompositeTopic, Mask, SemanticModel
from apps.semantic.scope import AccessScope, RowPolicy


@dataclass(frozen=True, slots=True)
class Closed:
    """Why somebody has nothing of a data set."""

    why: str


def rights_on(actor: Actor, candidate: Candidate, dataset: str) -> DatasetRights | Closed:
    """Return what the candidate gives the actor, who holds the permission; decided by what decides on questions."""
    if dataset not in candidate.model.datasets:
        return Closed("the model does not have it")
    try:
        scope = scope_of(actor, candidate, dataset)
    except MissingAttributeError as error:
        return Closed(f"the user attribute “{error.attribute}” is not set")
    if scope is None:
        return Closed("its grants do not let them through")
    return DatasetRights(
        fields=dict(_fields(candidate, scope, dataset)),
        rows=_rows(scope),
        beneath=dict(_beneath(candidate, scope)),
        joined=dict(_joined(candidate, dataset)),
    )


def _fields(candidate: Candidate, scope: AccessScope, dataset: str) -> Iterator[tuple[str, FieldRight]]:
    found = candidate.model.datasets[dataset]
    if not isinstance(found, CompositeTopic):
        for field_id in scope.fields:
            yield field_id, _field(candidate, scope, dataset, field_id)
        return
    for name in scope.fields:
        if name.startswith(SHARED):
            # one dimension over several topics: as open as its first one
            topic, mapped = next(iter(found.shared_dimensions[name.removeprefix(SHARED)].mappings.items()))
            yield name, _field(candidate, scope.nested[topic], topic, mapped.partition("[")[0])
        else:
            topic = next(topic for topic in scope.nested if name.startswith(f"@{topic}."))
            yield name, _field(candidate, scope.nested[topic], topic, name.removeprefix(f"@{topic}."))


def _field(candidate: Candidate, scope: AccessScope, topic: str, field_id: str) -> FieldRight:
    model = candidate.model.of_topic(topic)
    return FieldRight(definitions(candidate, topic).of(field_id), _mask(model, scope, field_id))


def _mask(model: SemanticModel, scope: AccessScope, field_id: str) -> Mask | None:
    dimension = model.dimension(field_id)
    return dimension.mask if dimension is not None and field_id in scope.masked else None


def _beneath(candidate: Candidate, scope: AccessScope, prefix: str = "") -> Iterator[tuple[str, Mask]]:
    """Yield the masks of the tables of SQL views, and of what query views and composites ask for inside."""
    model = candidate.model.of_topic(scope.topic)
    topic = model.topics.get(scope.topic)
    tables = {table for view in topic.views for table in model.governed_tables(view)} if topic is not None else set()
    for field_id in scope.masked:
        dimension = model.dimension(field_id)
        is_inside = bool(prefix) and field_id in scope.fields
        if dimension is not None and (is_inside or dimension.view in tables):
            yield f"{prefix}{field_id}", dimension.mask
    for name, inner in scope.nested.items():
        yield from _beneath(candidate, inner, f"{prefix}{name}: ")


def _rows(scope: AccessScope, prefix: str = "") -> dict[tuple[str, str], frozenset[str]]:
    """Return the values that may occur; several policies on one field at one place leave what all of them allow."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for place, policies in (*scope.row_policies.items(), ("", scope.topic_policies)):
        for policy in policies:
            key = (prefix + (f"view {place}" if place else "the data set"), policy.field)
            found[key] = found.get(key, _values(policy)) & _values(policy)
    for name, inner in scope.nested.items():
        found |= _rows(inner, f"{prefix}{name}: ")
    return found


def _values(policy: RowPolicy) -> frozenset[str]:
    return frozenset(as_text(value) for value in policy.values)


def _joined(candidate: Candidate, dataset: str) -> Iterator[tuple[str, str]]:
    found = candidate.model.datasets[dataset]
    if not isinstance(found, CompositeTopic):
        yield from definitions(candidate, dataset).joined.items()
        return
    for topic in found.topics:
        for name, value in definitions(candidate, topic).joined.items():
            yield f"{topic}: {name}", value
