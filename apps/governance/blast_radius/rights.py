"""One person's rights on one data set, in one state of a model, in a form that can be compared."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from apps.access.types import Actor
from apps.governance.blast_radius.candidates import Candidate, scope_of
from apps.governance.blast_radius.definitions import definitions
from apps.governance.blast_radius.hashing import hash_of
from apps.governance.blast_radius.types import DatasetRights, FieldRight, RowRule
from apps.governance.deciding import as_text
from apps.governance.scopes import SHARED
from apps.semantic.compile.masks import masks_beneath, standing_of
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
        beneath=dict(_beneath(candidate.model.of_topic(dataset), scope)),
        compared=dict(_compared(candidate, scope)),
        rules=dict(_rules(candidate, dataset)),
        turning=frozenset(_turning(candidate, dataset)),
    )


def _fields(candidate: Candidate, scope: AccessScope, dataset: str) -> Iterator[tuple[str, FieldRight]]:
    found = candidate.model.datasets[dataset]
    if not isinstance(found, CompositeTopic):
        for field_id in scope.fields:
            yield field_id, _field(candidate, scope, field_id)
        return
    for name in scope.fields:
        if name.startswith(SHARED):
            mappings = found.shared_dimensions[name.removeprefix(SHARED)].mappings
            yield name, _shared(candidate, scope, name, mappings)
        else:
            topic = next(topic for topic in scope.nested if name.startswith(f"@{topic}."))
            inner = name.removeprefix(f"@{topic}.")
            yield name, _renamed(_field(candidate, scope.nested[topic], inner), {inner: name})


def _shared(candidate: Candidate, scope: AccessScope, name: str, mappings: Mapping[str, str]) -> FieldRight:
    """Return the right on one dimension over several topics: it shows what any of them shows."""
    parts = {
        topic: _field(candidate, scope.nested[topic], mapping.partition("[")[0]) for topic, mapping in mappings.items()
    }
    masks = {f"{topic}: {inner}": mask for topic, right in parts.items() for inner, mask in right.masks.items()}
    return FieldRight(hash_of(sorted(mappings.items()), [right.definition for right in parts.values()]), masks)


def _renamed(right: FieldRight, names: Mapping[str, str]) -> FieldRight:
    return replace(right, masks={names.get(inner, inner): mask for inner, mask in right.masks.items()})


def _field(candidate: Candidate, scope: AccessScope, field_id: str) -> FieldRight:
    """Return the right on a field of the scope's topic; what masks do to it is the compiler's word."""
    model = candidate.model.of_topic(scope.topic)
    masks = _masks(model, masks_beneath(field_id, model, scope.masked))
    own = definitions(candidate, (scope.topic,)).of(field_id)
    dimension = model.dimension(field_id)
    intervals = dimension.timeframes if dimension is not None and dimension.duration is not None else ()
    is_counted = standing_of(field_id, model, scope.masked) == "counted"
    return FieldRight(own, masks, is_counted, frozenset(intervals))


def _masks(model: SemanticModel, names: Iterable[str]) -> dict[str, Mask]:
    return {name: dimension.mask for name in names if (dimension := model.dimension(name)) is not None}


def _beneath(model: SemanticModel, scope: AccessScope, prefix: str = "") -> Iterator[tuple[str, Mask]]:
    """Yield the masks of the tables of SQL views, and of what query views and composites ask for inside.

    ``model`` is as the scope's topic is seen from the data set that is asked.
    """
    topic = model.topics.get(scope.topic)
    tables = {table for view in topic.views for table in model.governed_tables(view)} if topic is not None else set()
    asked = {inner for name in scope.fields for inner in masks_beneath(name, model, scope.masked)} if prefix else set()
    met = {name for name in scope.masked if name in asked or name.partition(".")[0] in tables}
    for field_id, mask in _masks(model, met).items():
        yield f"{prefix}{field_id}", mask
    for name, inner in scope.nested.items():
        yield from _beneath(model.of_topic(name), inner, f"{prefix}{name}: ")


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


def _compared(
    candidate: Candidate, scope: AccessScope, path: tuple[str, ...] = (), prefix: str = ""
) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield what the policies compare: their values are worth what the field beneath them is."""
    places = [("view " + view, policies) for view, policies in scope.row_policies.items()]
    here = (*path, scope.topic)
    for place, policies in (*places, ("the data set", scope.topic_policies)):
        for policy in policies:
            yield (f"{prefix}{place}", policy.field), definitions(candidate, here).of_rule(policy.field)
    is_composite = scope.topic in candidate.model.composites
    for name, inner in scope.nested.items():
        yield from _compared(candidate, inner, () if is_composite else here, f"{prefix}{name}: ")


def _rules(candidate: Candidate, dataset: str) -> Iterator[tuple[str, RowRule]]:
    found = candidate.model.datasets[dataset]
    if not isinstance(found, CompositeTopic):
        yield from definitions(candidate, (dataset,)).rules.items()
        return
    parts = RowRule(frozenset((hash_of(found.topics, found.joins_all_topics),)), {}, "other")
    yield "which topics it joins", parts
    for topic in found.topics:
        for name, rule in definitions(candidate, (topic,)).rules.items():
            yield f"{topic}: {name}", rule


def _turning(candidate: Candidate, dataset: str) -> Iterator[tuple[str, str]]:
    found = candidate.model.datasets[dataset]
    if not isinstance(found, CompositeTopic):
        yield from definitions(candidate, (dataset,)).turning
        return
    for topic in found.topics:
        for place, what in definitions(candidate, (topic,)).turning:
            yield f"{topic}: {place}", what
