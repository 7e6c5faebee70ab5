"""What a database refuses in the SELECT of an SQL view, whatever its tables hold: told before publishing, not with each question.

Only what was tried is told (PostgreSQL 15, DuckDB, MariaDB), and only where it is certain from the text alone.
"""

from collections.abc import Iterator

from sqlglot import exp

TRIED = frozenset(("duckdb", "postgres", "mysql"))
WITHOUT_GROUP_ALL = frozenset(("postgres", "mysql"))
GROUPS_STRICTLY = frozenset(("postgres", "duckdb"))
"""dialects in which each column stands in a group's key or in an aggregate"""
SORTS_WHAT_IS_DISTINCT = frozenset(("postgres",))
WITHOUT_DISTINCT_OVER = frozenset(("postgres", "mysql"))
WRONG_BESIDE_IN = frozenset(("mysql",))
"""dialects of which a server (MariaDB 10.11) gives no rows for the first or last value of a window beside IN or EXISTS"""
WITHOUT_LIMIT_IN_IN = WITHOUT_DEFAULT = frozenset(("mysql",))
NO_CONSTANT_KEYS = {"group": frozenset(("postgres",)), "order": frozenset(("postgres", "duckdb"))}
"""dialects in which no constant but the number of a column stands there, by clause"""
NEEDS_TYPES = frozenset(("postgres",))
"""dialects that do not take a text in quotes, or NULL, for a text by itself"""
NO_TEXTS_IN_SUMS = frozenset(("postgres", "duckdb"))
NAMES: dict[type[exp.Expr], str] = {exp.FirstValue: "FIRST_VALUE", exp.LastValue: "LAST_VALUE"}
BENEATH = "name it in a query beneath, and group that"
CLAUSES = {"where": "WHERE", "group": "GROUP BY", "having": "HAVING"}


def misshapen(tree: exp.Expr, dialect: str) -> Iterator[str]:
    """Yield why the database would refuse this text.

    Args:
        tree: the SELECT of an SQL view, its named queries put where they are read.
        dialect: of the connection.
    """
    for select in tree.find_all(exp.Select):
        limit = select.args.get("limit")
        if limit is not None and not (isinstance(limit.expression, exp.Literal) and limit.expression.is_int):
            yield "a LIMIT is a number"
        if any(isinstance(key, exp.Var) for key in _keys(select, "order")):
            yield "name the columns that it is sorted by"
        yield from _clauses(select)
        yield from _groups(select, dialect)
        for join in select.args.get("joins") or ():
            if join.side and join.args.get("on") is None:
                yield f"a {join.side} JOIN needs a condition: write ON"
        if dialect in SORTS_WHAT_IS_DISTINCT and select.args.get("distinct") is not None:
            yield from _sorted_away(select)
    for query in tree.find_all(exp.Select, exp.SetOperation):
        yield from _places(query, dialect)
        yield from _constant_keys(query, dialect)
    for value in tree.find_all(exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.Sum, exp.Avg):
        yield from _untyped(value, dialect)
    for node in tree.find_all(
        exp.Subquery, exp.In, exp.Lag, exp.Lead, exp.Distinct, exp.FirstValue, exp.LastValue, exp.Window, exp.Exists
    ):
        yield from _within(node, dialect)


def _clauses(select: exp.Select) -> Iterator[str]:
    """Yield aggregates and windows where rows are not chosen, or groups not made, yet."""
    parts = [(name, select.args.get(key)) for key, name in CLAUSES.items()]
    parts += [("ON", join.args.get("on")) for join in select.args.get("joins") or ()]
    for name, part in parts:
        for node in own_nodes(part):
            if isinstance(node, exp.Window):
                yield f"a window cannot stand in {name}: name it in a query beneath"
            elif isinstance(node, exp.AggFunc) and name != "HAVING" and not isinstance(node.parent, exp.Window):
                yield f"an aggregate cannot stand in {name}; conditions on groups stand in HAVING"
    for place in _placed(select):
        if kind := kind_within(select.expressions[place - 1]):
            yield f"column {place} is {kind}, by which no groups are made: {BENEATH}"
    for item in select.expressions:
        for node in own_nodes(item):
            if isinstance(node, exp.AggFunc) and not isinstance(node.parent, exp.Window):
                for inner in node.iter_expressions():
                    if any(isinstance(found, exp.AggFunc) for found in own_nodes(inner)):
                        yield "an aggregate cannot stand in another one: name it in a query beneath"


def kind_within(item: exp.Expr) -> str:
    """Return what an output has that is worked out when groups are made already, in words."""
    nodes = list(own_nodes(item))
    if any(isinstance(node, exp.Window) for node in nodes):
        return "a window"
    return "an aggregate" if any(_is_aggregate(node) for node in nodes) else ""


def _placed(select: exp.Select) -> Iterator[int]:
    """Yield the numbers of outputs that are keys of groups."""
    for key in _keys(select, "group"):
        if isinstance(key, exp.Literal) and key.is_int and 1 <= int(key.name) <= len(select.expressions):
            yield int(key.name)


def _places(query: exp.Expr, dialect: str) -> Iterator[str]:
    """Yield numbers of columns that there are not."""
    count = len(query.selects) if isinstance(query, exp.Query) else 0
    for item in (*_keys(query, "group"), *_keys(query, "order")):
        is_negative = isinstance(item, exp.Neg) and isinstance(item.this, exp.Literal) and item.this.is_int
        if (is_negative and dialect in TRIED) or (
            isinstance(item, exp.Literal) and item.is_int and not 1 <= int(item.name) <= count
        ):
            yield f"there is no column {item.sql()} here"


def _constant_keys(query: exp.Expr, dialect: str) -> Iterator[str]:
    for part, dialects in NO_CONSTANT_KEYS.items():
        for key in _keys(query, part) if dialect in dialects else ():
            if isinstance(key, exp.Boolean | exp.Null) or (isinstance(key, exp.Literal) and not key.is_int):
                yield f"a constant cannot stand in {part.upper()} BY: leave it out, or write its column's name or number"


def _untyped(node: exp.Expr, dialect: str) -> Iterator[str]:
    """Yield constants whose type this database asks for where it could be any."""
    value, name = node.this.unnest(), NAMES.get(type(node), node.key.upper())
    is_text = isinstance(value, exp.Literal) and value.is_string
    if isinstance(node, exp.Sum | exp.Avg):
        dialects = NO_TEXTS_IN_SUMS if is_text else NEEDS_TYPES if isinstance(value, exp.Null) else ()
        if dialect in dialects:
            yield f"{name} takes numbers: write one, or CAST(… AS …)"
    elif (is_text or isinstance(value, exp.Null)) and node.args.get("default") is None and dialect in NEEDS_TYPES:
        yield f"{name} of a constant needs its type: write CAST({value.sql()} AS TEXT)"


def _groups(select: exp.Select, dialect: str) -> Iterator[str]:
    group, keys = select.args.get("group"), _keys(select, "group")
    is_all = group is not None and not keys
    if is_all and dialect in WITHOUT_GROUP_ALL:
        yield "this database has no GROUP BY ALL"
    aggregates = [node for item in select.expressions for node in own_nodes(item) if _is_aggregate(node)]
    is_grouped = bool(keys) or bool(aggregates) or select.args.get("having") is not None
    if dialect not in GROUPS_STRICTLY or is_all or not is_grouped:
        return
    told = {same_text(key) for key in keys}
    for place, item in enumerate(select.expressions, start=1):
        is_key = any(isinstance(key, exp.Literal) and key.name == str(place) for key in keys)
        if not is_key and item.alias_or_name.lower() not in told:
            for column in _loose(item.unalias(), told):
                yield f"“{column}” stands neither in GROUP BY nor in an aggregate"


def _loose(root: exp.Expr, told: set[str]) -> Iterator[str]:
    """Yield the columns of an expression that are part of no key and of no aggregate."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if same_text(node) in told or _is_aggregate(node) or isinstance(node, exp.Query):
            continue
        if isinstance(node, exp.Column):
            yield node.sql()
        elif isinstance(node, exp.Window):
            waiting += [
                item for item in (node.this, *node.args.get("partition_by", ()), node.args.get("order")) if item
            ]
        else:
            waiting += node.iter_expressions()


def _sorted_away(select: exp.Select) -> Iterator[str]:
    shown = {same_text(item.unalias()) for item in select.expressions} | {
        item.alias_or_name.lower() for item in select.expressions
    }
    for key in _keys(select, "order"):
        if not isinstance(key, exp.Literal) and same_text(key) not in shown:
            yield "what SELECT DISTINCT is sorted by stands among its columns"


def _within(node: exp.Expr, dialect: str) -> Iterator[str]:
    """Yield what is wrong with a query within an expression, or with a function."""
    if isinstance(node, exp.FirstValue | exp.LastValue):
        if dialect in WRONG_BESIDE_IN:
            yield "the first or last value of a window is wrong on some servers: use ROW_NUMBER() = 1 in a query beneath"
        return
    if isinstance(node, exp.Exists):
        if node.args.get("expression") is not None or not isinstance(node.this, exp.Query):
            yield "EXISTS asks for the rows of a query"
        return
    if isinstance(node, exp.Window):
        if any(isinstance(found, exp.Window) for part in node.iter_expressions() for found in own_nodes(part)):
            yield "a window cannot stand in another one: name it in a query beneath"
        if isinstance(node.this, exp.Lag | exp.Lead) and node.args.get("order") is None and dialect in WITHOUT_DEFAULT:
            yield f"{node.this.key.upper()} needs an order"
        return
    if isinstance(node, exp.Distinct):
        window = node.find_ancestor(exp.Window, exp.Select)
        if isinstance(window, exp.Window) and dialect in WITHOUT_DISTINCT_OVER:
            yield "no window counts different values here: count them in a query beneath"
        return
    if isinstance(node, exp.Lag | exp.Lead):
        if node.args.get("default") is not None and dialect in WITHOUT_DEFAULT:
            yield f"{node.key.upper()} takes no third value on every server: write COALESCE(…)"
        return
    query = node.args.get("query") if isinstance(node, exp.In) else node
    query = query.this if isinstance(query, exp.Subquery) else query
    is_value = isinstance(node, exp.In) or not isinstance(
        node.parent, exp.From | exp.Join | exp.In | exp.Exists | exp.SetOperation
    )
    if isinstance(query, exp.Select) and is_value and node.parent is not None:
        if len(query.expressions) != 1:
            yield "a query within an expression has one column"
        if isinstance(node, exp.In) and query.args.get("limit") is not None and dialect in WITHOUT_LIMIT_IN_IN:
            yield "this database takes no LIMIT within IN: join a query that has it"


def _keys(select: exp.Expr, part: str) -> list[exp.Expr]:
    found = select.args.get(part)
    items = found.expressions if found is not None else []
    return [(item.this if isinstance(item, exp.Ordered) else item).unnest() for item in items]


def _is_aggregate(node: exp.Expr) -> bool:
    return isinstance(node, exp.AggFunc) and not isinstance(node.parent, exp.Window)


def same_text(node: exp.Expr) -> str:
    """Return an expression as text by which it is compared: of whose tables its columns are is left out."""
    copy = node.copy()
    for column in list(copy.find_all(exp.Column)):
        column.set("table", None)
    return copy.sql(normalize_functions="lower").lower().replace('"', "")


def own_nodes(root: exp.Expr | None) -> Iterator[exp.Expr]:
    """Yield the nodes of an expression but for those of queries within it."""
    waiting: list[exp.Expr] = [root] if root is not None else []
    while waiting:
        node = waiting.pop()
        if not isinstance(node, exp.Query):
            yield node
            waiting += node.iter_expressions()
