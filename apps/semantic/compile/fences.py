"""Nobody learns of hidden rows by errors: rules have chosen before anything that may fail is worked out.

A database may work out a reader's condition on rows that a rule hides, before the rule: a division or a cast then fails
if and only if a hidden row makes it fail. Where a condition may fail, a table's subquery gets a fence, through which no
database moves conditions; and what stands beside the rules of a data set is worked out only where they hold.
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
))  # fmt: skip
"""what never fails over parts that never fail"""
FRAME = frozenset((
    exp.Select, exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Subquery,
    exp.Table, exp.TableAlias, exp.Alias, exp.Union, exp.Exists, exp.Star,
))  # fmt: skip
CHOOSING = (exp.Where, exp.Having, exp.Join, exp.Limit)
CONSTANTS = (exp.Literal, exp.Var, exp.Null, exp.Boolean)
TEXTS = frozenset((exp.DType.TEXT, exp.DType.VARCHAR, exp.DType.CHAR, exp.DType.CHARACTER_SET))
Risks = Mapping[str, frozenset[str]]
"""by the name of a source, those of its columns in small letters that are worked out and may fail"""


def fence(query: exp.Expr, dialect: str) -> None:
    """Keep conditions out of a query; one that is cut off keeps them out by that."""
    if not query.args.get("limit") and not query.args.get("offset"):
        key, kind, number = FENCES[dialect]
        query.set(key, kind(expression=literal_number(number)))


def secure(
    select: exp.Select, rules: Sequence[exp.Expr], others: Sequence[exp.Expr], values: Values, dialect: str
) -> list[exp.Expr]:
    """Fence the tables of a SELECT whose rules could come too late; return the other conditions, to stand beside the rules.

    Joined answers must have names with a space in them, views none.
    """
    if dialect not in FENCES:
        return [*others]
    joins = select.args["joins"]
    tables = [node for node in (select.args["from_"].this, *(join.this for join in joins)) if " " not in node.alias]
    if not rules and not any(map(_chooses, tables)):
        return [*others]
    risks = risks_of(tables)
    having = select.args.get("having")
    ons = [join.args["on"] for join in joins if join.args.get("on") is not None]
    groups = [node for node in _conjuncts(having.this) if not node.find(exp.AggFunc)] if having else []
    failing = {id(node) for node in (*rules, *others, *ons, *groups) if may_fail(node, values, risks)}
    guarded = [join for join in joins if " " in join.this.alias and id(join.args["on"]) in failing] if rules else []
    # What is guarded by the rules reads what they read.
    has_guards = bool(guarded) or any(id(node) in failing for node in others)
    reading = [node for node in (*others, *ons, *groups) if id(node) in failing]
    reading += [node for node in rules if has_guards or id(node) in failing]
    reached = {item.table for node in reading for item in node.find_all(exp.Column)}
    for node in tables:
        if node.alias in reached and _chooses(node):
            fence(node.this, dialect)
    for join in guarded:
        on = join.args["on"].copy()  # what it compares may stand in the answer as well
        _guard_parts(on, rules, values, risks)
        join.set("on", on)
    return [_guarded(node, rules) if rules and id(node) in failing else node for node in others]


def secure_groups(
    rules: Sequence[exp.Expr], others: Sequence[exp.Expr], values: Values, dialect: str
) -> list[exp.Expr]:
    """Return the other conditions on groups, those that may fail worked out only for the groups that the rules keep."""
    if dialect not in FENCES or not rules:
        return [*others]
    return [_guarded(node, rules) if may_fail(node, values, {}) else node for node in others]


def secure_policies(select: exp.Select, values: Values, dialect: str) -> None:
    """Fence the query of a derived view off from the view's own policies where these may fail."""
    source, where = select.args["from_"].this, select.args.get("where")
    if dialect in FENCES and where is not None and may_fail(where.this, values, risks_of([source])):
        fence(source.this, dialect)


def secure_text(query: exp.Expr, governed: Sequence[exp.Subquery], dialect: str) -> None:
    """Fence the governed tables of an SQL view if anything in its text may fail beside them, but for what it answers."""
    ruled = [node for node in governed if node.this.args.get("where")]
    if dialect in FENCES and ruled and _text_may_fail(query, governed):
        for node in ruled:
            fence(node.this, dialect)


def may_fail(node: exp.Expr, values: Values | None, risks: Risks) -> bool:
    """Say whether working out a tree could end in an error on some row; without values, of no bound pattern it is known."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        kind = type(found)
        if kind is exp.Column:
            if _is_risk(found, risks):
                return True
        elif kind is exp.Cast:
            if not _is_sure_cast(found):
                return True
            waiting.append(found.this)
        elif kind is exp.Escape or kind is exp.Like or kind is exp.ILike:
            if not _is_sure_pattern(found, values):
                return True
            waiting.append((found.this if kind is exp.Escape else found).this)
        elif kind is exp.Filter or kind is exp.WithinGroup or isinstance(found, exp.AggFunc):
            if isinstance(found.parent, exp.Window):
                return True
        elif kind in SURE or (kind is exp.Anonymous and found.name == "COALESCE"):
            waiting += found.iter_expressions()
        elif not _is_negative_number(found):
            return True
    return False


def risks_of(sources: Iterable[exp.Expr]) -> Risks:
    """Return the columns of subqueries that may fail: the database may put what they are made of in their place."""
    return {
        node.alias: frozenset(name for name, is_risk in _outputs(node.this) if is_risk)
        for node in sources
        if isinstance(node, exp.Subquery)
    }


def _chooses(table: exp.Expr) -> bool:
    """Say whether a table's subquery leaves rows out: by policies, or within the query of a derived view."""
    inner = table.this
    is_derived = isinstance(inner.args["from_"].this, exp.Subquery)
    return bool(inner.args.get("where")) or (is_derived and inner.find(*CHOOSING) is not None)


def _outputs(query: exp.Expr) -> list[tuple[str, bool]]:
    if isinstance(query, exp.Subquery):
        return _outputs(query.this)
    if isinstance(query, exp.Union):
        parts = zip(_outputs(query.this), _outputs(query.expression), strict=False)
        return [(name, is_risk or other) for (name, is_risk), (_, other) in parts]
    read = [query.args["from_"], *(query.args.get("joins") or ())] if query.args.get("from_") else []
    risks = risks_of(part.this for part in read)
    return [(node.alias_or_name.lower(), may_fail(node.unalias(), None, risks)) for node in query.expressions]


def _is_risk(node: exp.Expr, risks: Risks) -> bool:
    name = node.name.lower()
    table = node.text("table")
    found = risks.get(table)
    return name in found if found is not None else not table and any(name in names for names in risks.values())


def _is_sure_cast(node: exp.Expr) -> bool:
    """Say whether a cast is of a value that is the same in each row, or makes a text of any length."""
    inner = node.this.unnest()
    if isinstance(inner, CONSTANTS):
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


def _is_negative_number(node: exp.Expr) -> bool:
    return isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal)


def _text_may_fail(query: exp.Expr, tables: Sequence[exp.Subquery]) -> bool:
    governed, worked_out = {id(node) for node in tables}, frozenset[str]().union(*risks_of(tables).values())
    waiting = [*_deciding_parts(query)]
    while waiting:
        found = waiting.pop()
        if isinstance(found, exp.Column) and found.name.lower() in worked_out:
            return True
        if id(found) in governed or isinstance(found, exp.Identifier):
            continue
        if type(found) in FRAME or type(found) in LINKS or type(found) in (exp.In, exp.Case, exp.If):
            waiting += found.iter_expressions()
        elif may_fail(found, None, {}):
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


def _conjuncts(node: exp.Expr) -> list[exp.Expr]:
    if isinstance(node, exp.And):
        return _conjuncts(node.this) + _conjuncts(node.expression)
    return _conjuncts(node.this) if isinstance(node, exp.Paren) else [node]


def _guarded(node: exp.Expr, rules: Sequence[exp.Expr]) -> exp.Expr:
    """Return a value that is worked out only where rules hold; where they do not, the row is dropped anyway."""
    return exp.Case(ifs=[exp.If(this=all_hold(rule.copy() for rule in rules), true=node)])


def _guard_parts(node: exp.Expr, rules: Sequence[exp.Expr], values: Values, risks: Risks) -> None:
    """Guard the values that a condition compares and not the condition, so that the database can hash them."""
    for part in [*node.iter_expressions()]:
        if type(part) in LINKS:
            _guard_parts(part, rules, values, risks)
        elif may_fail(part, values, risks):
            part.replace(_guarded(part.copy(), rules))
