"""What carries a mask out of a derived view: for the proof, and for warnings before there is a question.

The compiler follows masks by itself (``compile/inner_masks.py``); neither takes the other's word.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from sqlglot import exp

from apps.semantic.model.types import (
    NO_FIELDS,
    Dimension,
    Measure,
    QuerySource,
    SemanticModel,
    SqlSource,
    View,
    table_text,
)


class Masks(Protocol):
    """Ids of the dimensions masked in a topic, and the same of the topics beneath its query views, by name."""

    @property
    def masked(self) -> frozenset[str]: ...

    @property
    def nested(self) -> "Mapping[str, Masks]": ...


def carries_mask(names: Iterable[str], model: SemanticModel, masks: Masks) -> bool:
    """Say whether one of some fields reads, at any depth, a derived view's column that is made of what is masked beneath.

    Counts as well: of values that are gone or alike beneath a mask there are fewer.
    """
    return any(
        _is_masked(column, model.views[item.view], model, masks)
        for item in _resting(names, model)
        if model.views[item.view].is_derived
        for column in sorted(_columns(_trees(item)))
    )


def named_in(tree: exp.Expr | None) -> frozenset[str]:
    """Return the ids of the fields that an expression names."""
    nodes = tree.find_all(exp.Placeholder) if tree is not None else ()
    return frozenset(node.name.partition("[")[0] for node in nodes if not node.name.startswith(NO_FIELDS))


def resting(names: Iterable[str], model: SemanticModel) -> frozenset[str]:
    """Return the ids of some fields and of all that their expressions and filters rest on."""
    return frozenset(item.id for item in _resting(names, model))


def _resting(names: Iterable[str], model: SemanticModel) -> Iterator[Dimension | Measure]:
    seen, waiting = set[str](), [*names]
    while waiting:
        name = waiting.pop().partition("[")[0]
        field = model.dimension(name) or model.measure(name)
        if field is None or name in seen:
            continue
        seen.add(name)
        yield field
        for tree in _trees(field):
            waiting += named_in(tree)
        waiting += [rule.field for rule in field.filters] if isinstance(field, Measure) else []


def _trees(item: Dimension | Measure) -> list[exp.Expression]:
    trees = [item.sql] if item.sql is not None else []
    if isinstance(item, Measure):
        return [*trees, *item.distinct_on]
    return [*trees, *((item.duration.start, item.duration.end) if item.duration is not None else ())]


def _columns(trees: Iterable[exp.Expr]) -> set[str]:
    return {node.name.lower() for tree in trees for node in tree.find_all(exp.Column)}


def _is_masked(column: str, view: View, model: SemanticModel, masks: Masks) -> bool:
    if view.sql_source is not None:
        hidden = {
            (found.view, found.sql.name.lower())
            for name in masks.masked
            if (found := model.dimension(name)) is not None and isinstance(found.sql, exp.Column)
        }
        return bool(hidden) and any(item in hidden for item in _traced(view.sql_source.tree, view.sql_source, column))
    source = view.query_source
    inner = masks.nested.get(source.topic) if source is not None else None
    if source is None or inner is None:
        return False
    own, asked = model.of_topic(source.topic), _asked(column, source, ())
    return bool(inner.masked & resting(asked, own)) or carries_mask(asked, own, inner)


def _asked(column: str, source: QuerySource, path: tuple[str, ...]) -> list[str]:
    """Return the fields of a query view's question that a column is made of, by way of calculations too."""
    found = [name for name, alias in source.columns if alias.lower() == column]
    for alias, tree in source.calculations:
        if alias.lower() == column and not found and column not in path:
            found += [name for inner in sorted(_columns([tree])) for name in _asked(inner, source, (*path, column))]
    return found


def _traced(query: exp.Expr, source: SqlSource, output: str | int) -> Iterator[tuple[str, str]]:
    """Yield (view that governs a table, column in small letters) for all that an output of an SQL view is made of."""
    if isinstance(query, exp.Subquery):
        yield from _traced(query.this, source, output)
    elif isinstance(query, exp.SetOperation):
        place = _place(query, output)
        for side in (query.this, query.expression) if place is not None else ():
            yield from _traced(side, source, place or 0)
    elif isinstance(query, exp.Select):
        place = _place(query, output)
        if place is not None and place < len(query.expressions):
            yield from _read(query.expressions[place], query, source)


def _place(query: exp.Expr, output: str | int) -> int | None:
    """Return which output of a query, counted from 0, has a name; the last of several."""
    if isinstance(output, int):
        return output
    while not isinstance(query, exp.Select):
        query = query.this
    places = [place for place, item in enumerate(query.expressions) if item.alias_or_name.lower() == output]
    return places[-1] if places else None


def _read(item: exp.Expr, select: exp.Select, source: SqlSource) -> Iterator[tuple[str, str]]:
    parts = [select.args.get("from_"), *select.args.get("joins", ())]
    inputs = {part.this.alias_or_name.lower(): part.this for part in parts if part is not None}
    # Of a query within the item, which table a column is of is not followed up: of any.
    within = [*item.find_all(exp.Table)]
    for node in item.find_all(exp.Column):
        own = inputs.get(node.table.lower())
        for part in [*within, *(inputs.values() if own is None else (own,))]:
            if isinstance(part, exp.Table):
                yield source.tables.get(table_text(part), ""), node.name.lower()
            else:
                yield from _traced(part, source, node.name.lower())
