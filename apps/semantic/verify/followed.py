"""Proves of an SQL view's text, as it stands in the statement, that each column in it is one that a query beside it lets out.

Else it would be another's: a whole row by its table's name, an output of the same SELECT, one that a database has named. The
text is the model's; that it can be followed is not taken from whoever read the model.
"""

from sqlglot import exp

from apps.semantic.verify.demands import demand, given

LOST = "A column of an SQL view cannot be followed."
JOINED = frozenset(("this", "on", "side", "kind"))
SIDES, KINDS = ("", "LEFT", "RIGHT", "FULL"), ("", "INNER", "CROSS", "OUTER")
Let = dict[str, set[str]]
"""by alias, the columns that come out of a query in FROM, in small letters"""


def outputs_of(query: exp.Expr, around: tuple[Let, ...] = (), *, is_shown: bool = True) -> list[str]:
    """Return the names of what a query lets out, in small letters and order; those that are shown differ, and are names.

    Raises:
        UnprovenSqlError: a column in it is not one of a query in FROM here, or around it.
    """
    if type(query) is exp.Union:
        demand(given(query) <= {"this", "expression", "distinct", "order", "limit"}, LOST)
        parts = [
            outputs_of(query.this, around, is_shown=is_shown),
            outputs_of(query.expression, around, is_shown=False),
        ]
        demand(len(parts[0]) == len(parts[1]), "Parts of an SQL view have not as many columns as one another.")
        return parts[0]
    if type(query) is exp.Subquery:
        demand(given(query) == {"this"}, LOST)
        return outputs_of(query.this, around, is_shown=is_shown)
    demand(type(query) is exp.Select, LOST)
    sources = [query.args["from_"].this] if query.args.get("from_") else []
    for join in query.args.get("joins") or ():
        is_plain = given(join) <= JOINED and join.side in SIDES and join.kind in KINDS
        demand(is_plain, "Tables of an SQL view are joined without a condition that names their columns.")
        sources.append(join.this)
    let: Let = {}
    for source in sources:
        is_query = type(source) is exp.Subquery and given(source) == {"this", "alias"}
        demand(is_query and given(source.args["alias"]) == {"this"}, "A query in an SQL view renames its columns.")
        demand(bool(source.alias) and source.alias.lower() not in let, LOST)
        reads_table = type(source.this) is exp.Select and type(source.this.args["from_"].this) is exp.Table
        shown = [node.alias_or_name.lower() for node in source.this.expressions] if reads_table else ()
        let[source.alias.lower()] = set(shown or outputs_of(source.this, around))
    names = [node.alias_or_name.lower() if type(node) in (exp.Alias, exp.Column) else "" for node in query.expressions]
    demand(
        not is_shown or (all(names) and len(set(names)) == len(names)),
        "A column of an SQL view has no name of its own.",
    )
    _demand_columns(query, (let, *around), names)
    return names


def _demand_columns(select: exp.Expr, let: tuple[Let, ...], names: list[str]) -> None:
    places = [(node, False) for node in select.expressions]
    places += [(join.args.get("on"), False) for join in select.args.get("joins") or ()]
    places += [(select.args.get(key), key != "where") for key in ("where", "group", "having", "order")]
    waiting = [(node, may_be_own) for node, may_be_own in places if node is not None]
    while waiting:
        node, may_be_own = waiting.pop()
        if type(node) in (exp.Select, exp.Union, exp.Subquery):
            outputs_of(node, let, is_shown=False)
        elif type(node) is exp.Column:
            demand(given(node) <= {"this", "table"} and _is_let(node, let, names if may_be_own else []), LOST)
        else:
            waiting += [(child, may_be_own) for child in node.iter_expressions()]


def _is_let(node: exp.Column, let: tuple[Let, ...], own: list[str]) -> bool:
    name, table = node.name.lower(), node.table.lower()
    for level in let:
        if table and table in level:
            return name in level[table]
        if not table and any(name in columns for columns in level.values()):
            return True
        if not table and name in level:
            return False
    return not table and name in own
