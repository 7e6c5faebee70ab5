"""Reads a SELECT around fenced rows as the plain SELECT that it is made of, so that all else is proven of that.

``SELECT … FROM (SELECT columns FROM tables WHERE rules OFFSET 0) AS "chosen rows" WHERE more`` answers what the SELECT without
the subquery does, all conditions in its WHERE. It differs in one thing: nothing around the fence is worked out on rows that
what stands within it leaves out.
"""

from collections.abc import Iterator

from sqlglot import exp

from apps.semantic.verify.demands import Ledger, demand, given
from apps.semantic.verify.fences import FENCES, is_fenced
from apps.semantic.verify.trees import conjuncts

CHOSEN = "chosen rows"
PARTS = frozenset(("expressions", "from_", "joins", "where"))
OTHER = "Rows are chosen in another way than by tables, joins and conditions behind a fence."


def open_chosen(root: exp.Select, dialect: str, ledger: Ledger) -> list[exp.Select]:
    """Put what chooses the rows of each SELECT in the place of its subquery, and note what stood there.

    Returns:
        The SELECTs that are no more.

    Raises:
        UnprovenSqlError: a subquery of this name does more than to choose rows behind a fence.
    """
    removed: list[exp.Select] = []
    for select in [*root.find_all(exp.Select)]:
        source = select.args["from_"].this if select.args.get("from_") else None
        if type(source) is exp.Subquery and source.alias == CHOSEN:
            removed.append(_opened(select, source, dialect, ledger))
    return removed


def _opened(select: exp.Select, source: exp.Subquery, dialect: str, ledger: Ledger) -> exp.Select:
    inner = source.this
    demand(given(source) == {"this", "alias"} and given(source.args["alias"]) == {"this"}, OTHER)
    demand(type(inner) is exp.Select and bool(inner.args.get("from_")), OTHER)
    demand(is_fenced(inner, dialect), OTHER)
    demand(given(inner) <= PARTS | {FENCES[dialect][0]}, OTHER)
    beneath, around = (node.args.get("joins") or [] for node in (inner, select))
    # A table that is joined outside would be filtered before the rules; what an answer is joined on may fail.
    demand(not any(" " in join.this.alias for join in beneath), OTHER)
    demand(all(" " in join.this.alias for join in around), OTHER)
    _exchange(select, _columns(inner))
    within, outside = inner.args.get("where"), select.args.get("where")
    ledger.chosen[id(select)] = {id(node) for node in conjuncts(within.this if within is not None else None)}
    select.set("from_", inner.args["from_"])
    select.set("joins", [*beneath, *around])
    both = [node.this for node in (within, outside) if node is not None]
    if both:
        where = both[0] if len(both) == 1 else exp.And(this=both[0], expression=both[1])
        select.set("where", exp.Where(this=where))
    return inner  # type: ignore[no-any-return]  # demanded above


def _columns(inner: exp.Select) -> dict[str, exp.Expr]:
    """Return what the subquery shows, by name: columns of its tables as they are, under names of their own."""
    found: dict[str, exp.Expr] = {}
    for node in inner.expressions:
        demand(type(node) is exp.Alias and " " in node.alias, OTHER)
        made = node.this
        is_plain = (
            type(made) is exp.Column and bool(made.table) and " " not in made.table and given(made) == {"this", "table"}
        )
        demand(is_plain or (type(made) is exp.Literal and len(inner.expressions) == 1), OTHER)
        found[node.alias] = made
    demand(len({name.lower() for name in found}) == len(inner.expressions), OTHER)
    return found


def _exchange(select: exp.Select, columns: dict[str, exp.Expr]) -> None:
    names, used = {name.lower() for name in columns}, set[str]()
    beside = {CHOSEN, *(join.this.alias for join in select.args.get("joins") or ())}
    for node in [*_own_columns(select)]:
        if node.table == CHOSEN:
            made = columns.get(node.name)
            demand(type(made) is exp.Column, OTHER)
            if made is not None:
                node.replace(made.copy())
            used.add(node.name)
        else:
            demand(node.table in beside if node.table else node.name.lower() not in names, OTHER)
        demand(given(node) <= {"this", "table"}, OTHER)
    demand(all(name in used or type(made) is exp.Literal for name, made in columns.items()), OTHER)


def _own_columns(select: exp.Select) -> Iterator[exp.Column]:
    """Yield the columns of a SELECT outside the queries within it."""
    waiting: list[exp.Expr] = [node for node in select.iter_expressions() if not isinstance(node, exp.From)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, exp.Column):
            yield node
        elif not isinstance(node, exp.Subquery):
            waiting += node.iter_expressions()
