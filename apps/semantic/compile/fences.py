"""Fences, and what may fail on the rows behind them.

A database may work out a condition on rows that a rule hides, before the rule: a division or a cast then fails if and only
if a hidden row makes it fail. No database moves conditions through a fence. Where the rows of a question are chosen behind
one is decided in ``chosen``; here are those of single tables, for what the model itself compares, and of SQL views.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from sqlglot import exp

from apps.semantic.compile.nodes import all_hold, literal_number
from apps.semantic.compile.values import Values

FENCES: Mapping[str, tuple[str, type[exp.Expr], int]] = {
    "postgres": ("offset", exp.Offset, 0),
    "redshift": ("offset", exp.Offset, 0),
    "duckdb": ("offset", exp.Offset, 0),
    "mysql": ("limit", exp.Limit, 2**64 - 1),
}
"""by dialect, what cuts nothing off and keeps conditions out; Spark, as we ask it, answers NULL where others fail"""
LINKS = frozenset((
    exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.Between,
    exp.NullSafeEQ, exp.NullSafeNEQ, exp.Coalesce,
))  # fmt: skip
SURE = LINKS | frozenset((
    exp.Identifier, exp.Literal, exp.Var, exp.Boolean, exp.Null, exp.In, exp.Case, exp.If, exp.Lower, exp.Upper,
    exp.Array,
))  # fmt: skip
"""what never fails over parts that never fail"""
FRAME = frozenset((
    exp.Select, exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Subquery,
    exp.Table, exp.TableAlias, exp.Alias, exp.Union, exp.Exists, exp.Star,
))  # fmt: skip
WITHIN = FRAME | LINKS | {exp.In, exp.Case, exp.If, exp.Offset, exp.Filter, exp.WithinGroup, exp.Distinct}
"""what stands in queries and never fails by itself"""
COMPARING = frozenset((
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.In, exp.Between, exp.NullSafeEQ, exp.NullSafeNEQ,
    exp.Coalesce, exp.Case, exp.Anonymous,
))  # fmt: skip
LOGIC = frozenset((exp.And, exp.Or, exp.Not))
PREDICATES = (
    exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.In, exp.Between,
    exp.NullSafeEQ, exp.NullSafeNEQ, exp.Like, exp.ILike, exp.Escape, exp.Boolean,
)  # fmt: skip
"""what is true or false by itself"""
CHOOSING = (exp.Where, exp.Having, exp.Join, exp.Limit)
AROUND_QUERIES = (exp.From, exp.Join, exp.Exists, exp.Union, exp.Subquery, exp.In)
"""where a query stands that is not taken for one value"""
CONSTANTS = (exp.Literal, exp.Var, exp.Null, exp.Boolean)
TEXTS = frozenset((exp.DType.TEXT, exp.DType.VARCHAR, exp.DType.CHAR, exp.DType.CHARACTER_SET))
STORED = "stored"
"""noted of a physical table: none of its columns is worked out when it is read"""
RULED = "ruled"
"""noted of a SELECT over a physical table: which one, and its row policies"""
SURE_MASK = "sure mask"
"""noted of a mask that is a text, over a value that cannot fail"""


class _All(frozenset[str]):
    """All names."""

    def __contains__(self, name: object) -> bool:
        return True


ALL = _All()
Risks = Mapping[str, frozenset[str]]
"""by the name of a source, those of its columns in small letters that are worked out and may fail"""


def fence(query: exp.Expr, dialect: str) -> None:
    """Keep conditions out of a query; one that is cut off keeps them out by that."""
    if not query.args.get("limit") and not query.args.get("offset"):
        key, kind, number = FENCES[dialect]
        query.set(key, kind(expression=literal_number(number)))


def fence_tables(tables: Sequence[exp.Expr], conditions: Sequence[exp.Expr], values: Values, dialect: str) -> None:
    """Fence the tables whose rules could come after conditions of the model that may fail and read them.

    What the source works out is no reason: a fence would have it worked out on rows that a join leaves out.
    """
    failing = Failing(risks_of(tables, trusts_source=True) if conditions else {}, values, dialect)
    reached = {item.table for node in conditions if failing.may(node) for item in node.find_all(exp.Column)}
    for node in tables:
        if node.alias in reached and chooses(node):
            fence(node.this, dialect)


def secure_groups(
    rules: Sequence[exp.Expr], others: Sequence[exp.Expr], values: Values, dialect: str
) -> list[exp.Expr]:
    """Return the other conditions on groups, those that may fail worked out only for the groups that the rules keep."""
    if dialect not in FENCES or not rules:
        return [*others]
    failing = Failing({}, values, dialect, is_strict=True)
    return [_guarded(node, rules) if failing.may(node) else node for node in others]


def secure_policies(select: exp.Select, values: Values, dialect: str) -> None:
    """Fence the query of a derived view off from the view's own policies where these may fail."""
    source, where = select.args["from_"].this, select.args.get("where")
    if dialect in FENCES and where is not None and Failing(risks_of([source]), values, dialect).may(where.this):
        fence(source.this, dialect)


def secure_text(query: exp.Expr, governed: Sequence[exp.Subquery], dialect: str) -> None:
    """Fence the governed tables of an SQL view if anything in its text may fail beside them, but for what it answers."""
    ruled = [node for node in governed if node.this.args.get("where")]
    if dialect in FENCES and ruled and _text_may_fail(query, governed):
        for node in ruled:
            fence(node.this, dialect)


class Failing:
    """Says whether working out a tree could end in an error on some row; without values, of no bound one it is known.

    ``is_strict`` counts what DuckDB converts by itself, a column or a bound text, when the first row gets there: all that is
    compared has to be a text for sure.
    """

    def __init__(self, risks: Risks, values: Values | None, dialect: str = "", *, is_strict: bool = False) -> None:
        self.risks = {name: found for name, found in risks.items() if found or found is ALL}
        self.values = values
        self.is_strict = is_strict and dialect == "duckdb"

    def may(self, root: exp.Expr) -> bool:
        """Say so of a tree over the rows of sources; an aggregate is worked out after conditions on rows."""
        waiting = [root]
        while waiting:
            node = waiting.pop()
            kind = type(node)
            if kind is exp.Column:
                if self.risks and _is_risk(node, self.risks):
                    return True
            elif kind is exp.Cast:
                if not _is_sure_cast(node, is_lazy=self.is_strict):
                    return True
                waiting.append(node.this)
            elif kind is exp.Escape or kind is exp.Like or kind is exp.ILike:
                if not _is_sure_pattern(node, self.values):
                    return True
                waiting.append((node.this if kind is exp.Escape else node).this)
            elif kind is exp.Filter or kind is exp.WithinGroup or isinstance(node, exp.AggFunc):
                if isinstance(node.parent, exp.Window):
                    return True
            elif kind in SURE or (kind is exp.Anonymous and node.name == "COALESCE"):
                if self.is_strict and self._converts(node):
                    return True
                waiting += node.iter_expressions()
            elif not _is_negative_number(node):
                return True
        return False

    def _converts(self, node: exp.Expr) -> bool:
        """Say whether a node could take what a column holds for something else than a text."""
        parts = [item for item in node.iter_expressions() if not isinstance(item, exp.Identifier)]
        if type(node) in LOGIC:
            return not all(map(_is_truth, parts))
        if type(node) not in COMPARING:
            return False
        parts = [*(item.args["true"] if isinstance(item, exp.If) else item for item in parts)]
        if all(map(_is_truth, parts)):
            return False
        return not (isinstance(node, exp.Is) and isinstance(node.expression, exp.Null)) and not all(
            map(self._is_text, parts)
        )

    def _is_text(self, node: exp.Expr) -> bool:
        inner = node.unnest()
        if isinstance(inner, exp.Null | exp.Lower | exp.Upper):
            return True
        if isinstance(inner, exp.Cast):
            return inner.args["to"].this in TEXTS
        if isinstance(inner, exp.Var):
            return self.values is not None and isinstance(self.values.value_of(inner), str)
        return isinstance(inner, exp.Literal) and inner.is_string


def risks_of(sources: Iterable[exp.Expr], *, trusts_source: bool = False) -> Risks:
    """Return the columns of subqueries that may fail: the database may put what they are made of in their place."""
    return {
        node.alias: frozenset(name for name, is_risk in _outputs(node.this, trusts_source) if is_risk)
        for node in sources
        if isinstance(node, exp.Subquery)
    }


def chooses(table: exp.Expr) -> bool:
    """Say whether a table's subquery leaves rows out: by policies, or within the query of a derived view."""
    inner = table.this
    is_derived = isinstance(inner.args["from_"].this, exp.Subquery)
    return bool(inner.args.get("where")) or (is_derived and inner.find(*CHOOSING) is not None)


def holds_risk(root: exp.Expr, values: Values) -> bool:
    """Say whether anything in a tree may fail, on whatever rows: in its subqueries and aggregates too."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        kind = type(node)
        if kind is exp.Table:
            if not node.meta.get(STORED):
                return True
        elif kind is exp.Cast:
            if not _is_sure_cast(node):
                return True
            waiting.append(node.this)
        elif kind is exp.Escape or kind is exp.Like or kind is exp.ILike:
            if not _is_sure_pattern(node, values):
                return True
            waiting.append((node.this if kind is exp.Escape else node).this)
        elif kind is exp.Subquery and node is not root and not isinstance(node.parent, AROUND_QUERIES):
            return True  # two rows are no value
        elif isinstance(node, exp.AggFunc) and isinstance(node.parent, exp.Window):
            return True
        elif node.meta.get(SURE_MASK) or kind is exp.Column or _is_negative_number(node):
            continue
        elif kind in WITHIN or kind in SURE or isinstance(node, exp.AggFunc) or node.name == "COALESCE":
            waiting += node.iter_expressions()
        else:
            return True
    return False


def _outputs(query: exp.Expr, trusts_source: bool) -> list[tuple[str, bool]]:
    if isinstance(query, exp.Subquery):
        return _outputs(query.this, trusts_source)
    if isinstance(query, exp.Union):
        parts = zip(_outputs(query.this, trusts_source), _outputs(query.expression, trusts_source), strict=False)
        return [(name, is_risk or other) for (name, is_risk), (_, other) in parts]
    read = [query.args["from_"], *(query.args.get("joins") or ())] if query.args.get("from_") else []
    sources = [part.this for part in read]
    worked_out = [
        node for node in sources if isinstance(node, exp.Table) and not node.meta.get(STORED) and not trusts_source
    ]
    failing = Failing(
        {**risks_of(sources, trusts_source=trusts_source), **{node.alias_or_name: ALL for node in worked_out}}, None
    )
    return [(node.alias_or_name.lower(), failing.may(node.unalias())) for node in query.expressions]


def _is_risk(node: exp.Expr, risks: Risks) -> bool:
    name = node.name.lower()
    table = node.text("table")
    found = risks.get(table)
    return name in found if found is not None else not table and any(name in names for names in risks.values())


def _is_sure_cast(node: exp.Expr, *, is_lazy: bool = False) -> bool:
    """Say whether a cast is of a value that is the same in each row, or makes a text of any length.

    ``is_lazy``: the database converts a bound value only when a row gets there.
    """
    inner = node.this.unnest()
    if isinstance(inner, CONSTANTS) and not (is_lazy and isinstance(inner, exp.Var)):
        return True
    if node.args["to"].this is exp.DType.BINARY:
        return isinstance(inner, exp.Cast) and inner.to.this is exp.DType.CHARACTER_SET
    return node.args["to"].this in TEXTS


def _is_sure_pattern(node: exp.Expr, values: Values | None) -> bool:
    """Say whether the pattern of a LIKE is one that does not end in a lone escape, which fails on rows that come so far."""
    like, escape = (node.this, node.expression.name) if isinstance(node, exp.Escape) else (node, "\\")
    pattern = like.expression.unnest() if isinstance(like, exp.Like | exp.ILike) else exp.Null()
    text = pattern.name if isinstance(pattern, exp.Literal) else values.value_of(pattern) if values else None
    # A marked text is of another type: the values of later questions take its place.
    return type(text) is str and len(escape) == 1 and (len(text) - len(text.rstrip(escape))) % 2 == 0


def _is_truth(node: exp.Expr) -> bool:
    """Say whether a value is true or false, or missing, whatever the columns in it hold."""
    inner = node.unnest()
    if isinstance(inner, exp.Coalesce | exp.Anonymous):
        return all(map(_is_truth, inner.iter_expressions()))
    return isinstance(inner, (*PREDICATES, exp.Null))


def _is_negative_number(node: exp.Expr) -> bool:
    return isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal)


def _text_may_fail(query: exp.Expr, tables: Sequence[exp.Subquery]) -> bool:
    """Say whether what decides about rows may fail: a query in the place of a value does where it has two rows."""
    governed, worked_out = {id(node) for node in tables}, frozenset[str]().union(*risks_of(tables).values())
    failing = Failing({}, None)
    waiting = [*_deciding_parts(query)]
    while waiting:
        found = waiting.pop()
        kind = type(found)
        if isinstance(found, exp.Column) and found.name.lower() in worked_out:
            return True
        if id(found) in governed or isinstance(found, exp.Identifier):
            continue
        if kind is exp.Subquery and not isinstance(found.parent, AROUND_QUERIES):
            return True
        if kind in FRAME or kind in LINKS or kind in (exp.In, exp.Case, exp.If) or isinstance(found, exp.AggFunc):
            waiting += found.iter_expressions()
        elif failing.may(found):
            return True
    return False


def _deciding_parts(query: exp.Expr) -> Iterator[exp.Expr]:
    """Yield what of a query decides about its rows, the queries that it reads included."""
    if isinstance(query, exp.Union | exp.Subquery):
        yield from _deciding_parts(query.this)
        if isinstance(query, exp.Union):
            yield from _deciding_parts(query.expression)
        return
    parts = (query.args.get(key) for key in ("from_", "where", "having"))
    yield from (part for part in (*parts, *(query.args.get("joins") or ())) if part is not None)


def _guarded(node: exp.Expr, rules: Sequence[exp.Expr]) -> exp.Expr:
    """Return a value that is worked out only where rules hold; where they do not, the group is dropped anyway."""
    return exp.Case(ifs=[exp.If(this=all_hold(rule.copy() for rule in rules), true=node)])
