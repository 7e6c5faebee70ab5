"""Which columns of tables decide which rows a derived view has: by conditions, groups, and an order that is cut off.

Masked values there would give whoever sees masks other rows than everybody else has, so such a view is a fault, unless only
those may use it for whom the mask is lifted. A keyed hash keeps apart what differs, so it may make groups; and every mask but
``null`` leaves missing values missing.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from sqlglot import exp

from apps.semantic.model.types import Dimension, FieldFilter, QuerySource, SemanticModel, SqlSource, View, table_text

How = Literal["compared", "grouped", "given"]
State = Literal["plain", "made", "given"]
Column = tuple[str, str, State]
"""(view that governs the table, column in small letters, whether it is there as it is, within an expression, or asked for gaps)"""
FOLDING = frozenset(("mysql",))
"""dialects in which a text may be the same as one in other letters (by its collation), so that their hashes make more groups"""
WITHOUT_LETTERS = frozenset(("number", "boolean", "date", "timestamp"))
FOLDED = "hash of a text"
Inputs = Mapping[str, Mapping[str, frozenset[Column]]]


def described_columns(view: View) -> frozenset[str]:
    """Return the columns that SQL views may read of a view, in small letters."""
    nodes = (node for item in view.dimensions.values() for node in item.sql.find_all(exp.Column))
    return frozenset(node.name.lower() for node in nodes)


def deciding_columns(source: SqlSource, model: SemanticModel) -> frozenset[tuple[str, str, How]]:
    """Return (view, column) of what decides about an SQL view's rows, and how; ask of a text that can be followed."""
    reader = _Reader(source, model)
    reader.outputs(source.tree, ())
    return frozenset(reader.found)


def output_columns(source: SqlSource, model: SemanticModel) -> dict[str, frozenset[Column]]:
    """Return what each output of an SQL view is made of, by its name in small letters."""
    return dict(_Reader(source, model).outputs(source.tree, ()))


def mask_kind(item: Dimension, dialect: str) -> str:
    """Return the kind of a dimension's mask; another one for a hash that tells apart what the database takes for the same."""
    is_folded = dialect in FOLDING and item.mask.kind == "hash" and item.type not in WITHOUT_LETTERS
    return FOLDED if is_folded else item.mask.kind


def decides(item: Dimension, how: How, *, dialect: str) -> bool:
    """Say whether rows are others where a dimension's mask stands in for values."""
    kind = mask_kind(item, dialect)
    return how == "compared" or (how == "grouped" and kind != "hash") or (how == "given" and kind == "null")


def deciding_masks(view: View, model: SemanticModel) -> Iterator[Dimension]:
    """Yield the masked dimensions that are columns by which an SQL view's text chooses rows."""
    source = view.sql_source
    for owner, column, how in sorted(deciding_columns(source, model)) if source is not None else ():
        governed = model.views.get(owner)
        for item in governed.dimensions.values() if governed is not None else ():
            is_it = isinstance(item.sql, exp.Column) and item.sql.name.lower() == column
            if is_it and item.mask_unless_access_grants is not None and decides(item, how, dialect=model.dialect):
                yield item


def deciding_names(view: View, own: SemanticModel) -> tuple[tuple[str, How], ...]:
    """Return the fields by which a query view's own question chooses rows, and how.

    Those are its filters', the dimensions that make its groups, and its order's where that is cut off.

    Args:
        own: the model as the question's topic sees it.
    """
    source = view.query_source
    topic = own.topics.get(source.topic) if source is not None else None
    if source is None or topic is None:
        return ()
    names: list[tuple[str, How]] = [(rule.field, _how(rule)) for rule in source.filters]
    if source.limit is not None:
        names += [(name, "compared") for name in _order(source, own)]
    names += [(name, "compared" if "[" in name else "grouped") for name in _grouping(source, own)]
    return tuple(dict.fromkeys((name.partition("[")[0], how) for name, how in names))


def _how(rule: FieldFilter) -> How:
    """Say how a filter chooses: one that asks no more than whether there is a value compares none."""
    condition = rule.condition
    is_given = condition.operator in ("is", "not") and condition.values == (None,) and "[" not in rule.field
    return "given" if is_given and not condition.children else "compared"


def _grouping(source: QuerySource, own: SemanticModel) -> Iterator[str]:
    yield from grouping([name for name, _ in source.columns], own)


def grouping(names: Iterable[str], own: SemanticModel) -> Iterator[str]:
    """Yield the dimensions that tell a question's groups apart: all but what a table's key, asked for beside it, has told already."""
    asked = [name for name in names if own.dimension(name.partition("[")[0]) is not None]
    for name in asked:
        view, _, column = name.partition(".")
        key = {item.id for item in own.views[view].dimensions.values() if item.is_primary_key}
        is_told = bool(key) and key <= set(asked) and name not in key
        if not is_told or not _is_of_row(f"{view}.{column.partition('[')[0]}", own):
            yield name


def _is_of_row(start: str, own: SemanticModel) -> bool:
    """Say whether a dimension is worked out of one row of its view alone."""
    seen, waiting = set[str](), [start]
    while waiting:
        name = waiting.pop().partition("[")[0]
        found = own.dimension(name)
        is_of_row = found is not None and found.top_n is None and found.level_of_detail is None
        if found is None or not is_of_row or name.partition(".")[0] != start.partition(".")[0]:
            return False
        seen.add(name)
        trees = (found.sql, *((found.duration.start, found.duration.end) if found.duration is not None else ()))
        named = {node.name.partition("[")[0] for tree in trees for node in tree.find_all(exp.Placeholder)}
        waiting += named - seen
    return True


def _order(source: QuerySource, own: SemanticModel) -> Iterator[str]:
    """Yield the fields that tell which rows come first: those sorted by, then dimensions until one row is told from all others."""
    aliases = {column: field for field, column in source.columns}
    fields = [field for field, _ in source.columns]
    dimensions = [name for name in fields if own.dimension(name.partition("[")[0]) is not None]
    sorts = [name if name in fields else aliases.get(name.rpartition(".")[2], name) for name, _ in source.sorts]
    if not sorts:  # a time then, or the first measure
        times = [name for name in dimensions if "[" in name or _is_time(name, own)]
        sorts = times + [name for name in fields if name not in dimensions][:1]
    met: set[str] = set()
    for name in (*sorts, *dimensions):
        view = own.views.get(name.partition(".")[0])
        key = {item.id for item in view.dimensions.values() if item.is_primary_key} if view is not None else set()
        is_told = bool(key) and key <= met and name in dimensions
        if not is_told or not _is_of_row(name, own):
            yield name
        met.add(name)


def _is_time(name: str, own: SemanticModel) -> bool:
    found = own.dimension(name)
    return found is not None and found.type in ("date", "timestamp")


class _Reader:
    """Walks a text once; ``found`` grows."""

    def __init__(self, source: SqlSource, model: SemanticModel) -> None:
        self.source = source
        self.model = model
        self.found: set[tuple[str, str, How]] = set()

    def outputs(self, query: exp.Expr, scopes: tuple[Inputs, ...]) -> list[tuple[str, frozenset[Column]]]:
        if isinstance(query, exp.Subquery):
            return self.outputs(query.this, scopes)
        if isinstance(query, exp.SetOperation):
            sides = zip(self.outputs(query.this, scopes), self.outputs(query.expression, scopes), strict=False)
            # Of two masks, or of a mask and values, what is the same in both would be told apart.
            found = [(name, a if a == b else _made(a | b)) for (name, a), (_, b) in sides]
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
                view = self.model.views.get(self.source.tables.get(table_text(part), ""))
                names = described_columns(view) if view is not None else ()
                found[part.alias_or_name.lower()] = {
                    name: frozenset(((view.name, name, "plain"),)) for name in names if view is not None
                }
            else:
                found[part.alias_or_name.lower()] = dict(self.outputs(part, scopes))
        return found

    def _group(
        self, select: exp.Expr, scopes: tuple[Inputs, ...], outputs: list[tuple[str, frozenset[Column]]]
    ) -> None:
        group = select.args.get("group")
        for item in (key.unnest() for key in group.expressions) if group is not None else ():
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
        return found if is_plain else _made(found)

    def _compare(
        self,
        root: exp.Expr | None,
        scopes: tuple[Inputs, ...],
        aliases: Mapping[str, frozenset[Column]],
        places: list[tuple[str, frozenset[Column]]] | None = None,
    ) -> None:
        for node in root.find_all(exp.Literal) if root is not None and places else ():
            if node.is_int and isinstance(_around(node), exp.Ordered) and places and int(node.name) <= len(places):
                self._note([places[int(node.name) - 1][1]], "compared")
        if root is not None:
            self._note([self._columns(root, scopes, aliases)], "compared")

    def _over(self, window: exp.Window, scopes: tuple[Inputs, ...]) -> None:
        """Note by what a window tells rows apart, and in which order it has them."""
        self._note([self._output(item, scopes) for item in window.args.get("partition_by") or ()], "grouped")
        others = [window.args.get(key) for key in ("order", "spec")]
        self._note([self._columns(item, scopes, {}) for item in others if item is not None], "compared")

    def _columns(
        self,
        root: exp.Expr,
        scopes: tuple[Inputs, ...],
        aliases: Mapping[str, frozenset[Column]],
    ) -> frozenset[Column]:
        found: frozenset[Column] = frozenset()
        waiting = [root]
        while waiting:
            node = waiting.pop()
            if isinstance(node, exp.Query):
                found = found.union(*(columns for _, columns in self.outputs(node, scopes)))
            elif isinstance(node, exp.Column):
                alias = node.name.lower() if not node.table else ""
                found |= self._resolved(node, scopes) | aliases.get(alias, frozenset())
            elif isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
                found |= _gaps(self._columns(node.this, scopes, aliases), node.this)
            elif isinstance(node, exp.Window):
                self._over(node, scopes)
                waiting.append(node.this)
            else:
                waiting += [*node.iter_expressions()]
        return found

    def _resolved(self, node: exp.Column, scopes: tuple[Inputs, ...]) -> frozenset[Column]:
        """Return what a name is: of the nearest query that reads one so called."""
        name, table = node.name.lower(), node.table.lower()
        for item in scopes:
            inputs = [item[table]] if table in item else [] if table else [*item.values()]
            found = frozenset[Column]().union(*(_of(columns, name) for columns in inputs))
            if found or any(name in columns for columns in inputs):
                return found
        return frozenset()

    def _note(self, columns: Iterable[frozenset[Column]], how: How) -> None:
        for view, column, state in (item for some in columns for item in some):
            self.found.add((view, column, "given" if state == "given" else "compared" if state == "made" else how))


def _around(node: exp.Expr) -> exp.Expr | None:
    """Return what a node stands in, but for brackets."""
    while isinstance(node.parent, exp.Paren):
        node = node.parent
    return node.parent


def _made(columns: Iterable[Column]) -> frozenset[Column]:
    """Return columns as they are within an expression; whether one is missing is no more than that there either."""
    return frozenset((view, column, "given" if state == "given" else "made") for view, column, state in columns)


def _gaps(columns: Iterable[Column], asked: exp.Expr) -> frozenset[Column]:
    """Return columns as they are where it is asked whether something is missing: itself, or what is made of them."""
    is_plain = isinstance(asked.unnest(), exp.Column)
    return frozenset(
        (view, column, "given" if state == "plain" and is_plain else "made" if state == "plain" else state)
        for view, column, state in columns
    )


def _of(columns: Mapping[str, frozenset[Column]], name: str) -> frozenset[Column]:
    return columns.get(name, frozenset())
