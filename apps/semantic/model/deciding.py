"""Which columns of tables decide which rows a derived view has: by conditions, groups, and an order that is cut off.

Masked values there would give whoever sees masks other rows than everybody else has, so such a view is a fault, unless only
those may use it for whom the mask is lifted. A keyed hash keeps apart what differs, so it may make groups; and every mask but
``null`` leaves missing values missing.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from sqlglot import exp

from apps.semantic.model.types import Dimension, Mask, QuerySource, SemanticModel, SqlSource, View, table_text

How = Literal["compared", "grouped", "given"]
Column = tuple[str, str, bool]
"""(view that governs the table, column in small letters, whether it is there as it is and not within an expression)"""
Inputs = Mapping[str, Mapping[str, frozenset[Column]]]


def deciding_columns(source: SqlSource) -> frozenset[tuple[str, str, How]]:
    """Return (view, column) of what decides about an SQL view's rows, and how; ask of a text that can be followed."""
    reader = _Reader(source)
    reader.outputs(source.tree, ())
    return frozenset(reader.found)


def decides(mask: Mask, how: How) -> bool:
    """Say whether rows are others where a mask stands in for values."""
    return how == "compared" or (how == "grouped" and mask.kind != "hash") or (how == "given" and mask.kind == "null")


def deciding_masks(view: View, model: SemanticModel) -> Iterator[Dimension]:
    """Yield the masked dimensions that are columns by which an SQL view's text chooses rows."""
    source = view.sql_source
    for owner, column, how in sorted(deciding_columns(source)) if source is not None else ():
        governed = model.views.get(owner)
        for item in governed.dimensions.values() if governed is not None else ():
            is_it = isinstance(item.sql, exp.Column) and item.sql.name.lower() == column
            if is_it and item.mask_unless_access_grants is not None and decides(item.mask, how):
                yield item


def deciding_names(view: View, own: SemanticModel) -> tuple[str, ...]:
    """Return the fields by which a query view's own question chooses rows: its filters', and its order's where that is cut off.

    Args:
        own: the model as the question's topic sees it.
    """
    source = view.query_source
    topic = own.topics.get(source.topic) if source is not None else None
    if source is None or topic is None:
        return ()
    names = [rule.field for rule in source.filters]
    if source.limit is not None:
        names += _order(source, own, own.views[topic.base_view])
    return tuple(dict.fromkeys(name.partition("[")[0] for name in names))


def _order(source: QuerySource, own: SemanticModel, base: View) -> Iterator[str]:
    """Yield the fields that tell which rows come first: those sorted by, then dimensions until one row is told from all others."""
    aliases = {column: field for field, column in source.columns}
    fields = [field for field, _ in source.columns]
    dimensions = [name for name in fields if own.dimension(name.partition("[")[0]) is not None]
    sorts = [name if name in fields else aliases.get(name.rpartition(".")[2], name) for name, _ in source.sorts]
    if not sorts:  # a time then, or the first measure
        times = [name for name in dimensions if "[" in name or _is_time(name, own)]
        sorts = times + [name for name in fields if name not in dimensions][:1]
    key = {item.id for item in base.dimensions.values() if item.is_primary_key}
    met: set[str] = set()
    for name in (*sorts, *dimensions):
        is_told = bool(key) and key <= met and name.partition(".")[0] == base.name and name in dimensions
        if not is_told:
            yield name
        met.add(name)


def _is_time(name: str, own: SemanticModel) -> bool:
    found = own.dimension(name)
    return found is not None and found.type in ("date", "timestamp")


class _Reader:
    """Walks a text once; ``found`` grows."""

    def __init__(self, source: SqlSource) -> None:
        self.source = source
        self.found: set[tuple[str, str, How]] = set()

    def outputs(self, query: exp.Expr, scopes: tuple[Inputs, ...]) -> list[tuple[str, frozenset[Column]]]:
        if isinstance(query, exp.Subquery):
            return self.outputs(query.this, scopes)
        if isinstance(query, exp.SetOperation):
            sides = zip(self.outputs(query.this, scopes), self.outputs(query.expression, scopes), strict=False)
            found = [(name, columns | others) for (name, columns), (_, others) in sides]
            if query.args.get("distinct"):
                self._note((columns for _, columns in found), "grouped")
            if query.args.get("limit"):
                self._note((columns for _, columns in found), "compared")
            return found
        own = (self._inputs(query, scopes), *scopes)
        found = [(item.alias_or_name.lower(), self._output(item, own)) for item in query.expressions]
        aliases = dict(found)
        for part in (query.args.get("where"), *(join.args.get("on") for join in query.args.get("joins") or ())):
            self._compare(part, own, {})
        self._compare(query.args.get("having"), own, aliases)
        if query.args.get("limit"):
            # Without an order any rows may come, with one those that it puts first.
            self._compare(query.args.get("order"), own, aliases, found)
        if query.args.get("distinct"):
            self._note((columns for _, columns in found), "grouped")
        self._group(query, own, found)
        return found

    def _inputs(self, select: exp.Expr, scopes: tuple[Inputs, ...]) -> Inputs:
        found: dict[str, Mapping[str, frozenset[Column]]] = {}
        parts = [select.args.get("from_"), *(select.args.get("joins") or ())]
        for part in (item.this for item in parts if item is not None):
            if isinstance(part, exp.Table):
                found[part.alias_or_name.lower()] = _Table(self.source.tables.get(table_text(part), ""))
            else:
                found[part.alias_or_name.lower()] = dict(self.outputs(part, scopes))
        return found

    def _group(
        self, select: exp.Expr, scopes: tuple[Inputs, ...], outputs: list[tuple[str, frozenset[Column]]]
    ) -> None:
        group = select.args.get("group")
        for item in group.expressions if group is not None else ():
            place = int(item.name) - 1 if isinstance(item, exp.Literal) and item.is_int else None
            if place is None and isinstance(item, exp.Column) and not item.table:
                names = [name for name, _ in outputs]
                place = names.index(item.name.lower()) if item.name.lower() in names else None
            if place is not None and place < len(outputs):
                self._note([outputs[place][1]], "grouped")
            if not isinstance(item, exp.Literal):
                self._note([self._output(item, scopes)], "grouped")
        if group is not None and not group.expressions:  # GROUP BY ALL
            self._note((columns for _, columns in outputs), "grouped")

    def _output(self, item: exp.Expr, scopes: tuple[Inputs, ...]) -> frozenset[Column]:
        found = self._columns(item, scopes, {})
        is_plain = isinstance(item.unalias(), exp.Column)
        return found if is_plain else frozenset((view, column, False) for view, column, _ in found)

    def _compare(
        self,
        root: exp.Expr | None,
        scopes: tuple[Inputs, ...],
        aliases: Mapping[str, frozenset[Column]],
        places: list[tuple[str, frozenset[Column]]] | None = None,
    ) -> None:
        for node in root.find_all(exp.Literal) if root is not None and places else ():
            if node.is_int and isinstance(node.parent, exp.Ordered) and places and int(node.name) <= len(places):
                self._note([places[int(node.name) - 1][1]], "compared")
        if root is not None:
            self._note([self._columns(root, scopes, aliases, skips_given=True)], "compared")

    def _columns(
        self,
        root: exp.Expr,
        scopes: tuple[Inputs, ...],
        aliases: Mapping[str, frozenset[Column]],
        *,
        skips_given: bool = False,
    ) -> frozenset[Column]:
        found: frozenset[Column] = frozenset()
        waiting = [root]
        while waiting:
            node = waiting.pop()
            if isinstance(node, exp.Query):
                found = found.union(*(columns for _, columns in self.outputs(node, scopes)))
            elif isinstance(node, exp.Column):
                columns = _resolved(node, scopes) | aliases.get(
                    node.name.lower() if not node.table else "", frozenset()
                )
                if skips_given and isinstance(node.parent, exp.Is) and isinstance(node.parent.expression, exp.Null):
                    self._note([columns], "given")
                else:
                    found |= columns
            else:
                waiting += [*node.iter_expressions()]
        return found

    def _note(self, columns: Iterable[frozenset[Column]], how: How) -> None:
        for view, column, is_plain in (item for some in columns for item in some):
            self.found.add((view, column, "compared" if how == "grouped" and not is_plain else how))


class _Table(dict[str, frozenset[Column]]):
    """A table in FROM: any name may be one of its columns."""

    def __init__(self, view: str) -> None:
        super().__init__()
        self.view = view

    def __missing__(self, name: str) -> frozenset[Column]:
        return frozenset(((self.view, name, True),))


def _resolved(node: exp.Column, scopes: tuple[Inputs, ...]) -> frozenset[Column]:
    name, table = node.name.lower(), node.table.lower()
    found: frozenset[Column] = frozenset()
    for item in scopes:
        if table and table in item:
            return _of(item[table], name)
        if not table:
            found = found.union(*(_of(columns, name) for columns in item.values()))
    return found


def _of(columns: Mapping[str, frozenset[Column]], name: str) -> frozenset[Column]:
    return columns[name] if isinstance(columns, _Table) or name in columns else frozenset()
