"""Where the text of an SQL view names its own outputs: what a name means there, and what no database takes.

Only what was tried is told (PostgreSQL 15, DuckDB, MariaDB).
"""

from collections.abc import Iterator, Mapping, Sequence

from sqlglot import exp

from apps.semantic.model.query_shapes import BENEATH, TRIED, kind_within, own_nodes

OUTPUTS_FIRST = frozenset(("mysql",))
"""dialects in which a key of groups or of a window, and a condition on groups, names an output before a column"""
NO_ALIAS_IN_HAVING = frozenset(("postgres",))
NO_OUTPUTS_IN_AGGREGATES = frozenset(("duckdb",))
"""dialects in which no aggregate in HAVING is of an output"""


def names_output(node: exp.Column, dialect: str) -> bool:
    """Say whether a name that several tables have as a column is an output's where it stands: it is clear then."""
    select = node.find_ancestor(exp.Select)
    if select is None:
        return True
    name, above = node.name.lower(), list(_above(node, select))
    outputs = [item for item in select.expressions if item.alias_or_name.lower() == name]
    clause = above[-1] if above else node
    if dialect not in TRIED or (isinstance(clause, exp.Order) and _is_bare(above[:-1])):
        return bool(outputs)
    if dialect not in OUTPUTS_FIRST:
        return False
    window = next((place for place, item in enumerate(above) if isinstance(item, exp.Window)), None)
    if window is not None:
        return bool(outputs) and _is_bare(above[:window])
    if isinstance(clause, exp.Group):
        return bool(outputs) and _is_bare(above[:-1]) and not any(kind_within(item) for item in outputs)
    is_condition = isinstance(clause, exp.Having) and not any(isinstance(item, exp.AggFunc) for item in above)
    return is_condition and _is_one(name, select)


def misused_outputs(select: exp.Expr, scopes: Sequence[Mapping[str, frozenset[str]]], dialect: str) -> Iterator[str]:
    """Yield names of aggregates and windows where groups are not made, or not whole, yet.

    Args:
        select: a SELECT whose columns can be followed.
        scopes: by name of what it reads, the names of the columns in small letters, which go before outputs; then what is
            read around it, which does so but for groups.
        dialect: of the connection.
    """
    shown = {item.alias.lower(): item.this for item in select.expressions if isinstance(item, exp.Alias)}
    local = {name for names in scopes[0].values() for name in names}
    around = {name for item in scopes[1:] for names in item.values() for name in names}
    for key in ("group", "having", "order"):
        for node in own_nodes(select.args.get(key)):
            name = node.name.lower() if isinstance(node, exp.Column) and not node.table else ""
            if name in shown and name not in local:
                yield from _misused(node, shown[name], key, dialect, is_around=name in around)


def _misused(node: exp.Expr, output: exp.Expr, clause: str, dialect: str, *, is_around: bool) -> Iterator[str]:
    """Yield why a name that is an output's, and that a column around the SELECT may have too, cannot stand there."""
    kind = kind_within(output)
    above = [item for item in _above(node, node.find_ancestor(exp.Select)) if isinstance(item, exp.AggFunc)]
    is_within = any(not isinstance(item.parent, exp.Window) or dialect in OUTPUTS_FIRST for item in above)
    if clause == "group":
        if kind:
            yield f"“{node.name}” is {kind}, by which no groups are made: {BENEATH}"
    elif clause == "having" and kind == "a window" and not (is_around and dialect in NO_ALIAS_IN_HAVING):
        yield f"a window cannot stand in HAVING, and “{node.name}” is one: name it in a query beneath"
    elif clause == "having" and above and not is_around and dialect in NO_OUTPUTS_IN_AGGREGATES:
        yield f"“{node.name}” is an output, and no aggregate in HAVING is of one: write what it is made of"
    elif clause == "order" and kind and is_within and not is_around and dialect in TRIED:
        yield f"“{node.name}” is {kind}, which cannot stand in an aggregate: name it in a query beneath"


def _above(node: exp.Expr, select: exp.Expr | None) -> Iterator[exp.Expr]:
    """Yield what an expression stands in, from the inside, up to the part of its SELECT."""
    parent = node.parent
    while parent is not None and parent is not select:
        yield parent
        parent = parent.parent


def _is_bare(above: list[exp.Expr]) -> bool:
    return all(isinstance(item, exp.Paren | exp.Ordered | exp.Order) for item in above)


def _is_one(name: str, select: exp.Select) -> bool:
    """Say whether a condition on groups that names a column of several tables may mean one output, or one key."""
    group = select.args.get("group")
    keys = group.expressions if group is not None else []
    found = [item.unalias() for item in select.expressions if item.alias_or_name.lower() == name]
    found += [
        item
        for item in (*(item.unalias() for item in select.expressions), *keys)
        if isinstance(item, exp.Column) and item.name.lower() == name
    ]
    are_columns = all(isinstance(item, exp.Column) for item in found)
    return bool(found) and (not are_columns or len({item.sql().lower() for item in found}) == 1)
