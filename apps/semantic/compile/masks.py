"""Masks follow references: whatever rests on a masked dimension gets the masked value or is refused."""

from dataclasses import replace
from typing import Any

from sqlglot import exp

from apps.semantic.compile.facts import Facts, facts_of
from apps.semantic.compile.names import split_field, unknown_field
from apps.semantic.compile.plan import Combined, DimensionFilter, DimensionUse, MeasureUse, Plan, single_filters
from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import Dimension, Measure

MIN_KEY_LENGTH = 16


def apply_masks(plan: Plan) -> Plan:
    """Mark the uses that see masked values.

    A hash can be counted, grouped, compared and joined; it has no months and no sum. Fields that
    would need the raw value are refused like unknown ones.
    """
    if not plan.scope.masked:
        return plan
    if len(plan.scope.mask_key) < MIN_KEY_LENGTH:
        raise UnprovenSqlError("The scope masks fields but brings no key to mask them with.")
    facts = facts_of(plan.model)
    for use in plan.measures:
        _check_measure(use, f"fields.{plan.query.fields.index(use.name)}", facts, plan)
    for item in single_filters(plan.having):
        _check_measure(item.use, item.path, facts, plan)
    ranking = None if plan.top is None else plan.model.measure(plan.top.by)
    if ranking is not None:
        _check_measure(MeasureUse(ranking.id, ranking), "top.by", facts, plan)
    return replace(
        plan,
        dimensions=tuple(
            _mark(use, f"fields.{plan.query.fields.index(use.name)}", facts, plan) for use in plan.dimensions
        ),
        ranked=None if plan.ranked is None else _mark(plan.ranked, "top.field", facts, plan),
        where=tuple(_mark_filter(item, facts, plan) for item in plan.where),
    )


def _mark_filter(item: DimensionFilter | Combined, facts: Facts, plan: Plan) -> Any:
    if isinstance(item, Combined):
        return replace(item, children=tuple(_mark_filter(child, facts, plan) for child in item.children))  # type: ignore[arg-type]  # rows only
    return replace(item, use=_mark(item.use, item.path, facts, plan))


def _mark(use: DimensionUse, path: str, facts: Facts, plan: Plan) -> DimensionUse:
    masked = plan.scope.masked & facts.closure(use.dimension)
    if not masked:
        return use
    if use.timeframe not in (None, "raw") or not _can_stand_masked(use.dimension, facts, plan):
        raise unknown_field(use.name, path)
    return replace(use, is_masked=True)


def _can_stand_masked(dimension: Dimension, facts: Facts, plan: Plan) -> bool:
    """Say whether a dimension makes sense over masked values: itself masked, or text all the way down to the mask."""
    if dimension.level_of_detail is not None or dimension.duration is not None:
        return False
    if dimension.id in plan.scope.masked:
        return facts.views(dimension) == frozenset((dimension.view,))
    if isinstance(dimension.sql, exp.Placeholder):
        return _reference_can_stand(dimension.sql.name, facts, plan)
    return all(
        _is_text(name, facts, plan) and _reference_can_stand(name, facts, plan) for name in facts.named(dimension)
    )


def _reference_can_stand(name: str, facts: Facts, plan: Plan) -> bool:
    field = facts.field(name)
    if not plan.scope.masked & facts.closure(field):
        return True
    is_whole = split_field(name)[1] in (None, "raw")
    return is_whole and isinstance(field, Dimension) and _can_stand_masked(field, facts, plan)


def _is_text(name: str, facts: Facts, plan: Plan) -> bool:
    field = facts.field(name)
    return not plan.scope.masked & facts.closure(field) or field.type in ("string", "unknown")


def _check_measure(use: MeasureUse, path: str, facts: Facts, plan: Plan) -> None:
    if not _measure_can_stand(use.measure, facts, plan):
        raise unknown_field(use.name, path)


def _measure_can_stand(measure: Measure, facts: Facts, plan: Plan) -> bool:
    if not plan.scope.masked & facts.closure(measure):
        return True
    if measure.level_of_detail is not None or measure.distinct_on:
        return False
    if any(plan.scope.masked & facts.closure(facts.field(item.field)) for item in measure.filters):
        return False
    fields = [(name, facts.field(name)) for name in facts.named(measure)]
    if measure.aggregate == "expression":
        return all(
            _measure_can_stand(field, facts, plan)
            if isinstance(field, Measure)
            else not plan.scope.masked & facts.closure(field)
            for _, field in fields
        )
    is_counted = measure.aggregate in ("count", "count_distinct")
    return is_counted and all(
        _reference_can_stand(name, facts, plan)
        and (_is_text(name, facts, plan) or isinstance(measure.sql, exp.Placeholder))
        for name, _ in fields
    )
