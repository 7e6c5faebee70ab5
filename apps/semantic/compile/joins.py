"""Joins: only those that the answer or a policy needs."""

from collections.abc import Iterable
from dataclasses import replace

from apps.semantic.compile.facts import facts_of, references
from apps.semantic.compile.plan import Plan
from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import Dimension, Measure, TopicJoin


def choose_joins(plan: Plan) -> Plan:
    """Keep the joins of the views in use, with those that they hang on, in the topic's order.

    An inner join is always kept: it decides which rows there are, whether its fields are asked for or not.
    """
    needed = _views_in_use(plan)
    if not needed <= frozenset(plan.topic.views):
        raise UnprovenSqlError("A rule of the data set rests on a view that the data set does not join.")
    by_view = {join.view: join for join in plan.topic.joins}
    inner = (join.view for join in plan.topic.joins if join.relationship.join_type == "inner")
    kept = _with_parents((*needed, *inner), by_view)
    return replace(plan, joins=tuple(join for join in plan.topic.joins if join.view in kept))


def _views_in_use(plan: Plan) -> frozenset[str]:
    facts = facts_of(plan.model)
    fields: list[Dimension | Measure] = [use.dimension for use in plan.dimensions]
    fields += [item.use.dimension for item in (*plan.where, *plan.always)]
    fields += [use.dimension for use in plan.topic_policies]
    fields += [use.measure for use in plan.measures]
    fields += [item.use.measure for item in plan.having]
    found: frozenset[str] = frozenset((plan.topic.base_view,))
    return found.union(*(facts.views(field) for field in fields))


def _with_parents(views: Iterable[str], by_view: dict[str, TopicJoin]) -> set[str]:
    kept: set[str] = set()
    waiting = list(views)
    while waiting:
        join = by_view.get(waiting.pop())
        if join is not None and join.view not in kept:
            kept.add(join.view)
            waiting.append(join.parent)
            waiting += (name.partition(".")[0] for name in references(join.relationship.on_sql))
    return kept
