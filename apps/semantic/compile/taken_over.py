"""Conditions of a question that a query view takes over, beneath what hides the view's rows around it.

They choose on which rows the view's query works something out. Where that may fail, its failure would tell of rows that a
policy of the view itself, one of a table beside it or a rule of the data set hides. Where the query is cut off, or has levels
of detail or rankings, such rows would decide about others that are shown. No fence can stand between, as these rules choose
among what the query answers; such a question is refused.
"""

from collections.abc import Iterator, Sequence

from sqlglot import exp

from apps.semantic.compile.fences import FENCES, RULED, Failing, chooses, holds_risk
from apps.semantic.compile.values import Values
from apps.semantic.errors import QueryError

NO_LIMIT = str(2**64 - 1)
"""of a fence"""
TAKEN_OVER = "taken over"
"""noted of a view's SELECT that holds conditions of the question around it: whether one of them may fail"""


def note_taken_over(select: exp.Select, values: Values, dialect: str) -> None:
    """Note of a query view's SELECT that conditions of the question around it stand there."""
    failing = Failing({}, values, dialect, is_strict=True)
    select.meta[TAKEN_OVER] = any(failing.may(node.this) for node in select.find_all(exp.Where))


def refuse_probing(
    base: exp.Expr, joins: Sequence[exp.Join], rules: Sequence[exp.Expr], *, values: Values, dialect: str
) -> None:
    """Refuse conditions that a query view takes over where they would tell of rows that are hidden around it.

    A policy that holds within the view's query too, of a table whose rows all of its own are made of, hides none of them.

    Args:
        base: the first table; ``joins`` those of all others.
        rules: conditions of the data set on the joined rows.

    Raises:
        QueryError: whatever rows there are.
    """
    for table in (base, *(join.this for join in joins)):
        source = table.this.args["from_"].this
        selects = [node for node in source.find_all(exp.Select) if TAKEN_OVER in node.meta]
        if not selects:
            continue
        hiding = [base, *_around(table.alias, joins)]
        hiding = [node for node in hiding if node is not table and chooses(node) and not _holds_within(node, selects)]
        is_hidden = bool(rules or hiding or table.this.args.get("where"))
        may_fail = any(node.meta[TAKEN_OVER] for node in selects) or holds_risk(table, values)
        if is_hidden and (_mixes(source) or (may_fail and dialect in FENCES)):
            raise QueryError(
                "A view of this data set takes over a filter, and could tell of rows that are hidden from you.",
                "filters",
            )


def _mixes(source: exp.Expr) -> bool:
    """Say whether rows decide about others in a view's query: by where it is cut off, or by an answer that is joined."""
    cuts = (node.expression.name for node in source.find_all(exp.Limit))
    return any(number != NO_LIMIT for number in cuts) or any(
        " " in node.this.alias for node in source.find_all(exp.Join)
    )


def _around(alias: str, joins: Sequence[exp.Join]) -> Iterator[exp.Expr]:
    """Yield the tables that decide whether a row of another comes out of the joins: but for those beside it that a left one adds."""
    by_alias = {join.this.alias: join for join in joins}
    waiting, seen = [alias], set[str]()
    while waiting:
        join = by_alias.get(waiting.pop())
        if join is None or join.this.alias in seen:
            continue
        seen.add(join.this.alias)
        named = join.args["on"].find_all(exp.Column) if join.args.get("on") is not None else ()
        waiting += sorted({node.table for node in named})
    yield from (join.this for join in joins if join.this.alias in seen or join.side != "LEFT")


def _holds_within(table: exp.Expr, selects: Sequence[exp.Select]) -> bool:
    """Say whether the policies of a table hold for all rows that some SELECTs are made of."""
    rule = table.this.meta.get(RULED)
    return rule is not None and all(rule in _rules_of(select) for select in selects)


def _rules_of(select: exp.Select) -> Iterator[object]:
    """Yield the policies of the tables of which each row of a SELECT has one."""
    source, joins = select.args["from_"].this, select.args.get("joins") or ()
    if " " in source.alias:
        yield from _rules_of(source.this)
    elif not any(join.side in ("RIGHT", "FULL") for join in joins):
        sure = [source, *(join.this for join in joins if not join.side and " " not in join.this.alias)]
        yield from (node.this.meta[RULED] for node in sure if RULED in node.this.meta)
