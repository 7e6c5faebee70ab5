"""Which columns an SQL view's text takes for another type than a text: masked, they are texts, whatever they were.

Taken for a number or a date, a mask is an error on one database, and nought for everybody on another. For the compiler and
for warnings before there is a question; the proof follows texts by itself (``verify/viewtexts.py``).
"""

from collections.abc import Iterator, Mapping

from sqlglot import exp

from apps.semantic.model.deciding import described_columns
from apps.semantic.model.types import Dimension, SemanticModel, SqlSource, View, table_text

TEXT_TYPES = frozenset((*exp.DataType.TEXT_TYPES, exp.DType.TEXT, exp.DType.VARCHAR, exp.DType.CHAR))
TEXT_MASKS = frozenset(("hash", "redact", "keep_last", "null"))
COMPARISONS = (
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Like, exp.ILike, exp.In, exp.Between,
    exp.StartsWith, exp.EndsWith, exp.Contains,
)  # fmt: skip
PASSING = (
    exp.Alias, exp.Paren, exp.Escape, exp.Min, exp.Max, exp.GroupConcat, exp.Distinct, exp.Filter, exp.Concat, exp.ConcatWs, exp.DPipe,
    exp.Coalesce, exp.Nullif, exp.Replace, exp.Case, exp.If,
)  # fmt: skip
# The text is the first argument; the others say how much of it, and where.
CHANGING = (
    exp.Lower, exp.Upper, exp.Initcap, exp.Trim, exp.Left, exp.Right, exp.Substring, exp.Reverse, exp.SplitPart, exp.Pad, exp.Repeat,
)  # fmt: skip
PICKING = (exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue)
"""gives out the value of another row"""
ENDING = (exp.Count, exp.Is, exp.Group, exp.Ordered, exp.Window, exp.Exists)
"""takes values of every type, and gives them out no more"""
Column = tuple[str, str]
"""(view that governs the table, column in small letters)"""
Texts = frozenset[Column]
Inputs = Mapping[str, Mapping[str, Texts]]
"""what a SELECT reads, by the name that it has there: the columns that each of its columns is, as a text"""


def mistaken_masks(view: View, model: SemanticModel) -> Iterator[Dimension]:
    """Yield the dimensions whose masks are texts, and which an SQL view's text takes for another type."""
    source = view.sql_source
    for owner, column in sorted(mistaken_columns(source, model)) if source is not None else ():
        governed = model.views.get(owner)
        for item in governed.dimensions.values() if governed is not None else ():
            is_it = isinstance(item.sql, exp.Column) and item.sql.name.lower() == column
            if is_it and item.mask_unless_access_grants is not None and item.mask.kind in TEXT_MASKS:
                yield item


def mistaken_columns(source: SqlSource, model: SemanticModel) -> Texts:
    """Return the columns of tables that a text takes for another type; ask of a text that can be followed."""
    reader = _Reader(source, model)
    reader.outputs(source.tree, ())
    return frozenset(reader.found)


class _Reader:
    def __init__(self, source: SqlSource, model: SemanticModel) -> None:
        self.source, self.model = source, model
        self.found: set[Column] = set()

    def outputs(self, query: exp.Expr, around: tuple[Inputs, ...]) -> list[tuple[str, Texts]]:
        """Return the columns that each output of a query is as a text, by its name in small letters, in order."""
        if isinstance(query, exp.Subquery):
            return self.outputs(query.this, around)
        if isinstance(query, exp.SetOperation):
            sides = self.outputs(query.this, around), self.outputs(query.expression, around)
            return [(name, texts | others) for (name, texts), (_, others) in zip(*sides, strict=False)]
        if not isinstance(query, exp.Select):
            return []
        scopes = (self._inputs(query, around), *around)
        found = [(node.alias_or_name.lower(), self._read(node, scopes, {})) for node in query.expressions]
        own = dict(found)
        parts = [query.args.get(key) for key in ("where", "group", "having", "order")]
        for part in (*parts, *(join.args.get("on") for join in query.args.get("joins") or ())):
            if part is not None:
                self._read(part, scopes, own)
        return found

    def _inputs(self, select: exp.Select, around: tuple[Inputs, ...]) -> Inputs:
        parts = [select.args.get("from_"), *(select.args.get("joins") or ())]
        found: dict[str, Mapping[str, Texts]] = {}
        for part in (part.this for part in parts if part is not None):
            if isinstance(part, exp.Table):
                view = self.source.tables.get(table_text(part), "")
                columns = described_columns(self.model.views[view]) if view in self.model.views else frozenset()
                found[part.alias_or_name.lower()] = {column: frozenset(((view, column),)) for column in columns}
            else:
                found[part.alias_or_name.lower()] = dict(self.outputs(part, around))
        return found

    def _read(self, root: exp.Expr, scopes: tuple[Inputs, ...], own: Mapping[str, Texts]) -> Texts:
        """Return the columns that an expression is as a text, and note those that it takes for another type."""
        found: Texts = frozenset()
        waiting = [root]
        while waiting:
            node = waiting.pop()
            if isinstance(node, exp.Query):
                outputs = self.outputs(node, scopes)
                texts = outputs[0][1] if outputs else frozenset()
            elif isinstance(node, exp.Column):
                texts = _resolved(node, scopes, own)
            else:
                waiting += [*node.iter_expressions()]
                continue
            comes_out = _comes_out(node) if texts else False
            self.found |= texts if comes_out is None else frozenset()
            found |= texts if comes_out else frozenset()
        return found


def _resolved(node: exp.Column, scopes: tuple[Inputs, ...], own: Mapping[str, Texts]) -> Texts:
    name, table = node.name.lower(), node.table.lower()
    for scope in scopes:
        inputs = [scope[table]] if table in scope else [] if table else [*scope.values()]
        found = [columns[name] for columns in inputs if name in columns]
        if found:
            return frozenset[Column]().union(*found)
    return own.get(name, frozenset()) if not table else frozenset()


def _comes_out(node: exp.Expr) -> bool | None:
    """Say whether a text leaves its SELECT as one; None where it is taken for another type."""
    while (parent := node.parent) is not None and not isinstance(parent, exp.Query):
        if isinstance(parent, COMPARISONS):
            return None if any(_is_number(item) for item in parent.iter_expressions() if item is not node) else False
        if isinstance(parent, exp.If | exp.Case) and node.arg_key == "this":
            return _is_chosen_by(parent)
        if any(map(_is_number, _beside(node, parent))):
            return None
        is_text = isinstance(parent, exp.Cast) and parent.to.this in TEXT_TYPES
        is_changed = isinstance(parent, (*CHANGING, *PICKING, exp.Window)) and node.arg_key == "this"
        if not (is_text or is_changed or isinstance(parent, PASSING)):
            return False if isinstance(parent, ENDING) else None
        node = parent
    return node.arg_key == "expressions"


def _beside(node: exp.Expr, parent: exp.Expr) -> list[exp.Expr]:
    """Return what may be given in a text's place, of several."""
    if isinstance(parent, exp.Coalesce | exp.Nullif):
        return [item for item in parent.iter_expressions() if item is not node]
    if isinstance(parent, PICKING):
        return [item for item in (parent.args.get("default"),) if item is not None]
    case = parent.parent if isinstance(parent, exp.If) and isinstance(parent.parent, exp.Case) else parent
    if not isinstance(case, exp.Case | exp.If):
        return []
    cases = case.args["ifs"] if isinstance(case, exp.Case) else [case]
    values = [item.args.get(key) for item in (*cases, case) for key in ("true", "false", "default")]
    return [item for item in values if item is not None and item is not node]


def _is_chosen_by(parent: exp.Expr) -> bool | None:
    """Say of what a CASE compares that it ends there; None where that is no text, or compared with nothing."""
    case = parent.parent if isinstance(parent, exp.If) else parent
    if not isinstance(case, exp.Case) or case.this is None:
        return None
    return None if any(map(_is_number, [case.this, *(item.this for item in case.args["ifs"])])) else False


def _is_number(node: exp.Expr) -> bool:
    node = node.unnest()
    if isinstance(node, exp.Literal):
        return not node.is_string
    if isinstance(node, exp.Cast):
        return node.to.this not in TEXT_TYPES
    return isinstance(node, exp.Neg | exp.Add | exp.Sub | exp.Mul | exp.Div | exp.Mod | exp.IntDiv)
