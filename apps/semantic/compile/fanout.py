"""Fan-out: which views' rows the chosen joins repeat, and what a measure must do about it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from sqlglot import exp

from apps.semantic.compile.facts import facts_of, references
from apps.semantic.compile.plan import Plan, single_filters
from apps.semantic.errors import FanOutError
from apps.semantic.model.types import Measure, TopicJoin, View

TO_ONE = frozenset(("many_to_one", "one_to_one", "assumed_many_to_one"))
FROM_ONE = frozenset(("one_to_many", "one_to_one"))
# Repeated rows change none of these.
IMMUNE = frozenset(("count_distinct", "min", "max"))
IMMUNE_NODES = (exp.Min, exp.Max)
# What makes a value out of the nothing that an outer join leaves where it finds no row.
ABSORBING = (exp.Coalesce, exp.Is, exp.Case, exp.If, exp.Concat, exp.ConcatWs, exp.NullSafeEQ, exp.NullSafeNEQ,
             exp.Greatest, exp.Least, exp.Not, exp.Or, exp.Anonymous)  # fmt: skip


def settle_fanout(plan: Plan) -> Plan:
    """Note the views whose rows come more than once out of the joins.

    Raises:
        FanOutError: a sum, average or count needs rows of such a view, and no key tells them apart.
    """
    facts = facts_of(plan.model)
    measures = list(measures_of(plan))
    views = {view for measure in measures for view in facts.joined(measure)}
    repeated = frozenset(view for view in views if not _keeps_rows(view, plan))
    if repeated:
        for measure in measures:
            _check_keys(measure, plan, repeated)
    return replace(plan, repeated=repeated)


def measures_of(plan: Plan) -> Iterator[Measure]:
    """Yield every measure that the answer rests on."""
    facts = facts_of(plan.model)
    asked = [use.measure for use in plan.measures]
    asked += [item.use.measure for item in (*single_filters(plan.having), *plan.always_having)]
    names = {name for sql in plan.topic.always_having for name in references(sql)}
    found = names.union(*(facts.closure(measure) for measure in asked)) if asked else names
    for measure in asked:
        if plan.model.measure(measure.id) is not measure:
            yield measure
    for name in found:
        known = plan.model.measure(name)
        if known is not None:
            yield known


def key_of(view: View) -> tuple[exp.Expression, ...]:
    """Return the expressions that name a row of a view, or nothing."""
    if view.primary_key:
        return view.primary_key
    return tuple(exp.Placeholder(this=item.id) for item in view.dimensions.values() if item.is_primary_key)


def counted_views(measure: Measure, sql: exp.Expr | None, plan: Plan) -> frozenset[str]:
    """Return the views whose rows an aggregate over ``sql`` takes one by one."""
    named = facts_of(plan.model).views_of(references(sql))
    is_own = measure.aggregate != "expression" or not named or (sql is not None and sql.find(exp.Column) is not None)
    return named | {measure.view} if is_own else named


def needs_distinct(views: frozenset[str], plan: Plan) -> bool:
    """Say whether rows must be told apart by key: so when the joins repeat the rows of every one of the views.

    Where one of them comes unrepeated, its rows are the joined rows, and the others are found by way of it.
    """
    return views <= plan.repeated


def may_be_absent(view: str, plan: Plan) -> bool:
    """Say whether a joined row may lack its part of ``view``, because an outer join found none."""
    path = _path_to_base(view, plan)
    for join in plan.joins:
        kind = join.relationship.join_type
        if kind in ("full", "right") and (kind == "full" or join.view not in path):
            return True
        if kind == "always_left" and join.view in path:
            return True
    return False


def keeps_nothing(sql: exp.Expr) -> bool:
    """Say whether an expression over a missing row is NULL for certain, so that aggregates pass over it."""
    if isinstance(sql, exp.Column | exp.Placeholder):
        return True
    return sql.find(exp.Column, exp.Placeholder) is not None and sql.find(*ABSORBING) is None


def is_immune(node: exp.Expr) -> bool:
    """Say whether an aggregate written in SQL gives the same over repeated rows."""
    return isinstance(node, IMMUNE_NODES) or (isinstance(node, exp.Count) and isinstance(node.this, exp.Distinct))


def _check_keys(measure: Measure, plan: Plan, repeated: frozenset[str]) -> None:
    if measure.distinct_on or measure.level_of_detail is not None or measure.aggregate in IMMUNE:
        return
    for sql in _aggregated(measure):
        views = counted_views(measure, sql, plan)
        if views <= repeated and not all(key_of(plan.model.views[view]) for view in views):
            raise FanOutError(
                f"“{measure.label}” would be counted several times over, because a join repeats the rows it is made of "
                "and no primary key tells them apart.",
                "fields",
            )


def _aggregated(measure: Measure) -> list[exp.Expr | None]:
    if measure.aggregate != "expression":
        return [measure.sql]
    nodes = measure.sql.find_all(exp.AggFunc) if measure.sql is not None else ()
    return [node.this if isinstance(node.this, exp.Expr) else None for node in nodes if not is_immune(node)]


def _keeps_rows(view: str, plan: Plan) -> bool:
    """Say whether each row of ``view`` comes at most once out of the joins, seen as a tree that hangs on ``view``."""
    upwards = _path_to_base(view, plan)
    return all(
        join.relationship.relationship_type in (FROM_ONE if join.view in upwards else TO_ONE)
        and join.relationship.join_type != "cross"
        for join in plan.joins
    )


def _path_to_base(view: str, plan: Plan) -> frozenset[str]:
    by_view: dict[str, TopicJoin] = {join.view: join for join in plan.joins}
    path: set[str] = set()
    while view in by_view and view not in path:
        path.add(view)
        view = by_view[view].parent
    return frozenset(path)


def needs_rows_apart(measures: Iterable[Measure], plan: Plan) -> bool:
    """Say whether some aggregate must see each of its rows once although the joins repeat them."""
    return any(_is_apart(measure, plan) for measure in measures)


def _is_apart(measure: Measure, plan: Plan) -> bool:
    if measure.distinct_on or measure.level_of_detail is not None:
        return True
    if not plan.repeated or measure.aggregate in IMMUNE:
        return False
    return any(needs_distinct(counted_views(measure, sql, plan), plan) for sql in _aggregated(measure))
