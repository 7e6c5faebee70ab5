"""Chooses a rollup that can answer a question in full, every policy included; none is the usual case."""

from datetime import date

from apps.semantic.compile.facts import facts_of
from apps.semantic.compile.plan import DimensionUse, Plan, single_filters
from apps.semantic.compile.prepare import prepare
from apps.semantic.errors import QueryError, UnprovenSqlError
from apps.semantic.model.rollups import is_truncated
from apps.semantic.model.types import Rollup, SemanticModel
from apps.semantic.query.types import SemanticQuery
from apps.semantic.scope import AccessScope


def rollup_plan(
    query: SemanticQuery, model: SemanticModel, scope: AccessScope, *, dialect: str, today: date
) -> tuple[str, Plan] | None:
    """Return the first rollup, by name, that covers the question and all rights, with the plan over it."""
    topic = model.topics.get(query.dataset)
    if topic is None or query.compare is not None:
        return None
    for name, variant in facts_of(model).rollups(topic.base_view):
        rollup = model.views[name].rollup
        if rollup is None or not _has_policies(scope, variant, topic.base_view):
            continue
        try:
            plan = prepare(query, variant, scope, dialect=dialect, today=today)
        except (QueryError, UnprovenSqlError):
            continue
        if _is_covered(plan, rollup):
            return name, plan
    return None


def _has_policies(scope: AccessScope, variant: SemanticModel, base_view: str) -> bool:
    """Say whether everything that a row policy or a mask needs is there."""
    ruled = [rule.field for rules in scope.row_policies.values() for rule in rules]
    ruled += [rule.field for rule in scope.topic_policies] + list(scope.masked)
    return all(variant.dimension(name) is not None for name in ruled if name.partition(".")[0] == base_view)


def _is_covered(plan: Plan, rollup: Rollup) -> bool:
    """Say whether time that is held in periods is asked for in periods only, and in the zone in which it was cut."""
    uses = [*plan.dimensions, *(item.use for item in single_filters(plan.where)), *(item.use for item in plan.always)]
    uses += [plan.ranked] if plan.ranked is not None else []
    cut = [use for use in uses if is_truncated(rollup, use.dimension.id)]
    ruled = [*plan.topic_policies, *(use for uses in plan.row_policies.values() for use in uses)]
    if any(is_truncated(rollup, item.dimension.id) for item in ruled):
        return False
    return all(_in_periods(use) for use in cut) and (not cut or plan.query.timezone == "UTC")


def _in_periods(use: DimensionUse) -> bool:
    return use.timeframe is not None and use.timeframe != "raw"
