"""Masks within derived views: a column is masked where it is made of what is masked beneath.

Of a query view, where the view's own question masks it; of an SQL view, where the table's column is read masked.
"""

from collections.abc import Iterable, Iterator

from sqlglot import exp

from apps.semantic.compile.facts import Facts, facts_of
from apps.semantic.compile.masks import Standing, masks_beneath, standing_of
from apps.semantic.compile.names import split_field
from apps.semantic.model.types import Dimension, Measure, QuerySource, SemanticModel
from apps.semantic.scope import AccessScope


def standing_in(name: str, model: SemanticModel, scope: AccessScope) -> Standing:
    """Return what becomes of a field of the scope's topic; see :func:`standing_of`.

    Masks within derived views count as well, though nothing is refused for them: a view's columns are all that it has.
    """
    found = standing_of(name, model, scope.masked)
    if found != "clear" or not masked_within(name, model, scope):
        return found
    return "masked" if model.measure(split_field(name)[0]) is None else "counted"


def masked_within(name: str, model: SemanticModel, scope: AccessScope) -> frozenset[tuple[str, str]]:
    """Return (topic, dimension) for each mask that reaches a field through a query view's question or an SQL view's text."""
    facts = facts_of(model)
    field_id = split_field(facts.original(name))[0]
    field = model.dimension(field_id) or model.measure(field_id)
    if field is None or not (scope.nested or scope.masked):
        return frozenset()
    found: set[tuple[str, str]] = set()
    for inner in facts.closure(field):
        item = facts.field(inner)
        if model.views[item.view].is_derived:
            found.update(_of_columns(item, model, scope))
            found.update((scope.topic, name) for name in masks_of_outputs(item, facts, scope))
    return frozenset(found)


def masks_of_outputs(
    item: Dimension | Measure, facts: Facts, scope: AccessScope, *, with_counts: bool = False
) -> Iterator[str]:
    """Yield the masked dimensions that a field of an SQL view is made of, by way of the view's text."""
    outputs = facts.outputs(item.view, with_counts=with_counts)
    if not scope.masked or not outputs:
        return
    read = frozenset[tuple[str, str]]().union(*(outputs.get(name, ()) for name in _columns(_trees(item))))
    masked = (dimension for name in scope.masked if (dimension := facts.model.dimension(name)) is not None)
    for dimension in masked:
        if isinstance(dimension.sql, exp.Column) and (dimension.view, dimension.sql.name.lower()) in read:
            yield dimension.id


def _of_columns(item: Dimension | Measure, model: SemanticModel, scope: AccessScope) -> Iterator[tuple[str, str]]:
    source = model.views[item.view].query_source
    inner = scope.nested.get(source.topic) if source is not None else None
    if source is None or inner is None:
        return
    own = model.of_topic(source.topic)
    for name in asked_by(item, source):
        if standing_of(name, own, inner.masked) == "masked":
            yield from ((source.topic, mask) for mask in masks_beneath(name, own, inner.masked))
        yield from masked_within(name, own, inner)


def asked_by(item: Dimension | Measure, source: QuerySource) -> Iterator[str]:
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
