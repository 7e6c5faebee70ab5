"""Chooses a rollup that can answer a question in full, every policy included; none is the usual case."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from apps.semantic.compile.facts import Facts, facts_of, references
from apps.semantic.compile.plan import DimensionUse, Plan, single_filters
from apps.semantic.compile.prepare import prepare
from apps.semantic.compile.render import render
from apps.semantic.compile.types import CompiledQuery
from apps.semantic.errors import QueryError, UnprovenSqlError
from apps.semantic.model.rollups import is_truncated, tells_masked
from apps.semantic.model.types import Dimension, Measure, Rollup, SemanticModel
from apps.semantic.query.types import SemanticQuery
from apps.semantic.scope import AccessScope


def rolled_answer(
    query: SemanticQuery, model: SemanticModel, scope: AccessScope, *, dialect: str, today: date
) -> CompiledQuery | None:
    """Return the answer over the first rollup, by name, that covers the question and all rights."""
    topic = model.topics.get(query.dataset)
    if topic is None or query.compare is not None:
        return None
    for name, variant in facts_of(model).rollups(topic.base_view):
        rollup = model.views[name].rollup
        if rollup is None or not _has_policies(scope, variant, topic.base_view):
            continue
        if tells_masked(model, rollup, scope.masked):
            continue
        try:
            plan = prepare(query, variant, scope, dialect=dialect, today=today)
            if _is_covered(plan, rollup) and _adds_up(plan) and not _is_of_a_clock(plan, model):
                return replace(render(plan), rollup=name)
        except (QueryError, UnprovenSqlError):
            # Something is not there; the base view has it, or refuses the question in its own words.
            continue
    return None


def _has_policies(scope: AccessScope, variant: SemanticModel, base_view: str) -> bool:
    """Say whether everything that a row policy or a mask needs is there."""
    ruled = [rule.field for rules in scope.row_policies.values() for rule in rules]
    ruled += [rule.field for rule in scope.topic_policies] + list(scope.masked)
    return all(variant.dimension(name) is not None for name in ruled if name.partition(".")[0] == base_view)


def _is_covered(plan: Plan, rollup: Rollup) -> bool:
    """Say whether time that is held in periods is asked for in periods only, and in the zone in which it was cut."""
    facts = facts_of(plan.model)
    cut = {name for name in (item.partition("[")[0] for item, _ in rollup.columns) if is_truncated(rollup, name)}
    uses = [*plan.dimensions, *(item.use for item in single_filters(plan.where)), *(item.use for item in plan.always)]
    uses += [plan.ranked] if plan.ranked is not None else []
    masked = [found for name in plan.scope.masked if (found := plan.model.dimension(name)) is not None]
    timed = [use for use in uses if cut & facts.closure(use.dimension)]
    if any(cut & facts.closure(field) for field in (*_rules(plan, facts), *masked)):
        return False
    if any(not _is_there(use) for use in uses):
        return False
    in_periods = all(use.dimension.id in cut and _in_periods(use) for use in timed)
    return in_periods and (not timed or plan.query.zone == "UTC")


def _rests_on(plan: Plan) -> list[Dimension | Measure]:
    """Return all fields that a question and its rules are made of, as far as they are not columns of the rollup."""
    facts = facts_of(plan.model)
    uses = [*plan.dimensions, *(item.use for item in (*single_filters(plan.where), *plan.always))]
    uses += [plan.ranked] if plan.ranked is not None else []
    fields = [*(use.dimension for use in uses), *_rules(plan, facts)]
    return [facts.field(name) for name in sorted(frozenset().union(*(facts.closure(field) for field in fields)))]


def _is_of_a_clock(plan: Plan, model: SemanticModel) -> bool:
    """Say whether something is held that was made of moments in another zone than the question's."""
    if plan.query.zone == "UTC":
        return False
    facts = facts_of(model)
    held = [item for item in _rests_on(plan) if item.view == plan.topic.base_view]
    made_of = frozenset().union(*(facts.closure(facts.field(item.id)) - {item.id} for item in held))
    return any(found.timeframes for found in map(model.dimension, made_of) if found is not None)


def _adds_up(plan: Plan) -> bool:
    """Say whether nothing is aggregated of the base view but what is held as an aggregate: its rows are groups here."""
    facts, rests_on = facts_of(plan.model), _rests_on(plan)
    aggregates = [field for field in rests_on if isinstance(field, Measure) or field.level_of_detail is not None]
    below = frozenset().union(*(facts.closure(field) for field in aggregates))
    return not any(name.partition(".")[0] == plan.topic.base_view and plan.model.dimension(name) for name in below)


def _rules(plan: Plan, facts: Facts) -> Iterator[Dimension | Measure]:
    """Yield the fields of everything but dimensions and conditions on rows."""
    yield from (item.dimension for item in plan.topic_policies)
    yield from (item.dimension for items in plan.row_policies.values() for item in items)
    yield from (use.measure for use in plan.measures)
    yield from (item.use.measure for item in (*single_filters(plan.having), *plan.always_having))
    names = [name for sql in (*plan.always_sql, *plan.topic.always_having) for name in references(sql)]
    names += [plan.top.by] if plan.top is not None else []
    yield from (facts.field(name) for name in names)


def _is_there(use: DimensionUse) -> bool:
    """Say whether a rollup's dimension has the timeframe that a rule of the model names; a question's is looked up."""
    return use.timeframe is None or use.timeframe in use.dimension.timeframes


def _in_periods(use: DimensionUse) -> bool:
    return use.timeframe is not None and use.timeframe != "raw"
