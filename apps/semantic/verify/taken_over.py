"""Proves that conditions of a question within a query view choose no hidden rows: to fail on, or to decide about others.

What hides the view's rows stands around its query: its own row policies, those of tables beside it, rules of the topic.
"""

from collections.abc import Collection, Iterable, Iterator

from sqlglot import exp

from apps.semantic.verify.demands import Ledger, TakenOver, demand
from apps.semantic.verify.fences import FENCES, Doubts, holds_risk, risks_of, sources_of
from apps.semantic.verify.permits import Permit

NO_LIMIT = "18446744073709551615"
"""of a fence"""
PROBED = "A view takes over a condition that chooses among hidden rows, and tells of them."


def note_taken_over(select: exp.Select, conditions: Iterable[exp.Expr], permit: Permit, ledger: Ledger) -> None:
    """Note that a SELECT over the tables of a query view's topic holds conditions of the question around it."""
    doubts = Doubts(risks_of(_tables(select), ledger), ledger, dialect=permit.dialect)
    may_fail = any(doubts.may_fail(node) for node in conditions)
    ledger.taken_over[id(select)] = TakenOver(may_fail, tuple(_rules(select, permit)))


def demand_unprobed(
    select: exp.Select, is_ruled: bool, permit: Permit, choosing: Collection[str], ledger: Ledger
) -> None:
    """Demand that in no query view beneath what hides rows a condition that is taken over stands beside what tells of them.

    That is what may fail, an end where the query is cut off, and an answer that is joined within it.

    Args:
        select: over the views of a topic.
        is_ruled: a rule of the topic chooses among their rows.
        choosing: names of those that leave rows out.
    """
    for source in _tables(select):
        found = [ledger.taken_over[id(node)] for node in source.find_all(exp.Select) if id(node) in ledger.taken_over]
        if not found:
            continue
        deciding = {*choosing} & _deciding(source.alias, select)
        hiding = [view for view in deciding if not _holds_within(view, permit, found)]
        if is_ruled or hiding or source.this.args.get("where"):
            may_fail = any(item.may_fail for item in found) or holds_risk(source, ledger)
            demand(not (may_fail and permit.dialect in FENCES), PROBED)
            cuts = [node for node in source.find_all(exp.Limit) if node.expression.name != NO_LIMIT]
            demand(not cuts and not any(" " in node.this.alias for node in source.find_all(exp.Join)), PROBED)


def _deciding(view: str, select: exp.Select) -> set[str]:
    """Return the other views without a row of which no row of one comes out of the joins."""
    joins = {join.this.alias: join for join in select.args.get("joins") or ()}
    found = {select.args["from_"].this.alias, *(name for name, join in joins.items() if join.side != "LEFT")}
    waiting, met = [view], set[str]()
    while waiting:
        name = waiting.pop()
        if name not in met:
            met.add(name)
            on = joins[name].args.get("on") if name in joins else None
            waiting += [node.table for node in on.find_all(exp.Column)] if on is not None else []
    return (found | met) - {view}


def _holds_within(view: str, permit: Permit, found: Iterable[TakenOver]) -> bool:
    rule = _rule(view, permit)
    return rule is not None and all(rule in item.rules for item in found)


def _rule(view: str, permit: Permit) -> object:
    """Return the table of a view and its row policies; None where it has no table, or none of these."""
    policies = permit.policies.get(view)
    if not policies or permit.model.views[view].is_derived:
        return None
    return permit.table(view), tuple((tree, item.values, tuple(map(type, item.values))) for tree, item in policies)


def _rules(select: exp.Select, permit: Permit) -> Iterator[object]:
    """Yield the rules on the tables of which each joined row has one."""
    joins = select.args.get("joins") or ()
    if any(join.side in ("RIGHT", "FULL") for join in joins):
        return
    sure = [select.args["from_"].this, *(join.this for join in joins if not join.side)]
    yield from (rule for node in sure if (rule := _rule(node.alias, permit)) is not None)


def _tables(select: exp.Select) -> list[exp.Expr]:
    return [node for node in sources_of(select) if " " not in node.alias]
