"""Masks within query views: a column is masked where the view's own question masks what the column is made of."""

from collections.abc import Iterable, Iterator

from sqlglot import exp

from apps.semantic.compile.facts import facts_of
from apps.semantic.compile.masks import Standing, masks_beneath, standing_of
from apps.semantic.compile.names import split_field
from apps.semantic.model.types import Dimension, Measure, QuerySource, SemanticModel
from apps.semantic.scope import AccessScope


def standing_in(name: str, model: SemanticModel, scope: AccessScope) -> Standing:
    """Return what becomes of a field of the scope's topic; see :func:`standing_of`.

    Masks within query views count as well, though nothing is refused for them: a view's columns are all that it has.
    """
    found = standing_of(name, model, scope.masked)
    if found != "clear" or not masked_within(name, model, scope):
        return found
    return "masked" if model.measure(split_field(name)[0]) is None else "counted"


def masked_within(name: str, model: SemanticModel, scope: AccessScope) -> frozenset[tuple[str, str]]:
    """Return (topic, dimension) for each mask that reaches a field through the question of a query view."""
    facts = facts_of(model)
    field_id = split_field(facts.original(name))[0]
    field = model.dimension(field_id) or model.measure(field_id)
    if field is None or not scope.nested:
        return frozenset()
    found: set[tuple[str, str]] = set()
    for inner in facts.closure(field):
        found.update(_of_columns(facts.field(inner), model, scope))
    return frozenset(found)


def _of_columns(item: Dimension | Measure, model: SemanticModel, scope: AccessScope) -> Iterator[tuple[str, str]]:
    source = model.views[item.view].query_source
    inner = scope.nested.get(source.topic) if source is not None else None
    if source is None or inner is None:
        return
    own = model.of_topic(source.topic)
    for name in _asked(item, source):
        if standing_of(name, own, inner.masked) == "masked":
            yield from ((source.topic, mask) for mask in masks_beneath(name, own, inner.masked))
        yield from masked_within(name, own, inner)


def _asked(item: Dimension | Measure, source: QuerySource) -> Iterator[str]:
    """Yield the fields of a query view's question that an item reads, by way of calculations too."""
    fields = {column.lower(): name for name, column in source.columns}
    calculations = {column.lower(): tree for column, tree in source.calculations}
    seen, waiting = set[str](), _columns(_trees(item))
    while waiting:
        column = waiting.pop()
        if column in seen:
            continue
        seen.add(column)
        if column in fields:
            yield fields[column]
        elif column in calculations:
            waiting |= _columns([calculations[column]])


def _trees(item: Dimension | Measure) -> list[exp.Expression]:
    trees = [item.sql] if item.sql is not None else []
    if isinstance(item, Measure):
        return [*trees, *item.distinct_on]
    return [*trees, *((item.duration.start, item.duration.end) if item.duration is not None else ())]


def _columns(trees: Iterable[exp.Expression]) -> set[str]:
    return {node.name.lower() for tree in trees for node in tree.find_all(exp.Column)}
