"""Joins: only those that the answer or a policy needs."""

from collections.abc import Iterable
from dataclasses import replace

from apps.semantic.compile.facts import Facts, facts_of, references
from apps.semantic.compile.plan import Plan, single_filters
from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import Dimension, Measure, TopicJoin


def choose_joins(plan: Plan) -> Plan:
    """Keep the joins of the views in use, with those that they hang on, in the topic's order.

    Every join but a left one is always kept: it decides which rows there are, whether its fields are asked for or not.
    """
    needed = _views_in_use(plan)
    if not needed <= frozenset(plan.topic.views):
        raise UnprovenSqlError("A rule of the data set rests on a view that the data set does not join.")
    by_view = {join.view: join for join in plan.topic.joins}
    decisive = (join.view for join in plan.topic.joins if join.relationship.join_type != "always_left")
    kept = _with_parents((*needed, *decisive), by_view, facts_of(plan.model))
    return replace(plan, joins=tuple(join for join in plan.topic.joins if join.view in kept))


def _views_in_use(plan: Plan) -> frozenset[str]:
    facts = facts_of(plan.model)
    fields: list[Dimension | Measure] = [use.dimension for use in plan.dimensions]
    fields += [item.use.dimension for item in (*single_filters(plan.where), *plan.always)]
    fields += [use.dimension for use in plan.topic_policies]
    fields += [plan.ranked.dimension] if plan.ranked is not None else []
    fields += [use.measure for use in plan.measures]
    fields += [item.use.measure for item in (*single_filters(plan.having), *plan.always_having)]
    found: frozenset[str] = frozenset((plan.topic.base_view,))
    always = [name for sql in (*plan.topic.always_where, *plan.topic.always_having) for name in references(sql)]
    return found.union(facts.views_of(always), *(facts.joined(field) for field in fields))


def _with_parents(views: Iterable[str], by_view: dict[str, TopicJoin], facts: Facts) -> set[str]:
    kept: set[str] = set()
    waiting = list(views)
    while waiting:
        join = by_view.get(waiting.pop())
        if join is not None and join.view not in kept:
            kept.add(join.view)
            waiting += facts.hangs_on(join)
    return kept
