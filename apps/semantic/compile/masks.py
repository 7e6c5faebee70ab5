"""Masks follow references: whatever rests on a masked dimension gets the masked value or is refused."""

from dataclasses import replace
from typing import Any, Literal

from sqlglot import exp

from apps.semantic.compile.facts import Facts, facts_of
from apps.semantic.compile.masked_texts import Made, MaskedTexts
from apps.semantic.compile.names import split_field, unknown_field
from apps.semantic.compile.plan import (
    Combined,
    DimensionFilter,
    DimensionUse,
    MeasureUse,
    Plan,
    masked_type,
    single_filters,
)
from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import Dimension, FieldType, Measure, SemanticModel

MIN_KEY_LENGTH = 16
Standing = Literal["clear", "masked", "counted", "refused"]
"""what masks do to a field: nothing; its values are masked; it is a measure of masked values; it cannot be asked for"""


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
    compare = plan.query.compare
    if compare is not None and standing_of(compare.field, plan.model, plan.scope.masked) != "clear":
        raise unknown_field(compare.field, "compare.field")  # a mask cannot be moved to an earlier time
    for use in plan.measures:
        _check_measure(use, f"fields.{plan.query.fields.index(use.name)}", facts, plan)
    for item in single_filters(plan.having):
        _check_measure(item.use, item.path, facts, plan)
    ranked_by = plan.model.measure(plan.top.by) if plan.top is not None else None
    if ranked_by is not None:
        _check_measure(MeasureUse(ranked_by.id, ranked_by), "top.by", facts, plan)
    return replace(
        plan,
        dimensions=tuple(
            _mark(use, f"fields.{plan.query.fields.index(use.name)}", facts, plan) for use in plan.dimensions
        ),
        ranked=None if plan.ranked is None else _mark(plan.ranked, "top.field", facts, plan),
        where=tuple(_mark_filter(item, facts, plan) for item in plan.where),
    )


def standing_of(name: str, model: SemanticModel, masked: frozenset[str]) -> Standing:
    """Return what becomes of a field, in any clause, for somebody for whom these dimensions are masked.

    This is the word of :func:`apply_masks`, before there is a question.

    Args:
        name: id of a field of the model, with or without a timeframe.
        model: as the topic of the question sees it.
        masked: ids of dimensions.
    """
    facts = facts_of(model)
    field_id, timeframe = split_field(facts.original(name))
    dimension, measure = model.dimension(field_id), model.measure(field_id)
    if dimension is not None:
        return _of_dimension(dimension, timeframe, facts, masked)
    return "clear" if measure is None else _of_measure(measure, facts, masked)


def masks_beneath(name: str, model: SemanticModel, masked: frozenset[str]) -> frozenset[str]:
    """Return the masked dimensions whose masks a field is made of: itself, or the first ones on every way down."""
    facts = facts_of(model)
    field_id = split_field(facts.original(name))[0]
    field = model.dimension(field_id) or model.measure(field_id)
    if field is None or not masked & facts.closure(field):
        return frozenset()
    met, seen, waiting = set[str](), {field.id}, [field]
    while waiting:
        found = waiting.pop()
        if found.id in masked:
            met.add(found.id)
            continue
        inner = [facts.field(reference) for reference in facts.named(found)]
        waiting += [item for item in inner if item.id not in seen]
        seen.update(item.id for item in inner)
    return frozenset(met)


def _mark_filter(item: DimensionFilter | Combined, facts: Facts, plan: Plan) -> Any:
    if isinstance(item, Combined):
        return replace(item, children=tuple(_mark_filter(child, facts, plan) for child in item.children))  # type: ignore[arg-type]  # rows only
    return replace(item, use=_mark(item.use, item.path, facts, plan))


def _mark(use: DimensionUse, path: str, facts: Facts, plan: Plan) -> DimensionUse:
    found = _of_dimension(use.dimension, use.timeframe, facts, plan.scope.masked)
    if found == "refused":
        raise unknown_field(use.name, path)
    return replace(use, is_masked=True) if found == "masked" else use


def _of_dimension(dimension: Dimension, timeframe: str | None, facts: Facts, masked: frozenset[str]) -> Standing:
    if not masked & facts.closure(dimension):
        return "clear"
    is_whole = timeframe in (None, "raw")
    return "masked" if is_whole and _can_stand_masked(dimension, facts, masked) else "refused"


def _can_stand_masked(dimension: Dimension, facts: Facts, masked: frozenset[str]) -> bool:
    """Say whether a dimension makes sense over masked values: itself masked, or text all the way down to the mask."""
    if dimension.level_of_detail is not None or dimension.duration is not None:
        return False
    if dimension.id in masked:
        return facts.views(dimension) == frozenset((dimension.view,))
    if isinstance(dimension.sql, exp.Placeholder):
        return _reference_can_stand(dimension.sql.name, facts, masked)
    return _made_of(dimension.sql, facts, masked) != "refused" and all(
        _is_text(name, facts, masked) and _reference_can_stand(name, facts, masked) for name in facts.named(dimension)
    )


def _made_of(sql: exp.Expr, facts: Facts, masked: frozenset[str]) -> Made:
    """Return what an expression is for somebody for whom these dimensions are masked."""
    return MaskedTexts(lambda name: _made(name, facts, masked), lambda name: _type(name, facts)).of(sql)


def _made(name: str, facts: Facts, masked: frozenset[str]) -> Made:
    field = facts.field(name)
    if not masked & facts.closure(field):
        return "clear"
    if not isinstance(field, Dimension) or not _reference_can_stand(name, facts, masked):
        return "refused"
    if field.id in masked:
        return "text" if masked_type(field.mask) == "string" else "refused"
    return _made_of(field.sql, facts, masked)


def _type(name: str, facts: Facts) -> FieldType:
    view, _, field = name.partition(".")
    known = facts.model.views[view].filters.get(field)
    return known.type if known is not None else facts.field(name).type


def _reference_can_stand(name: str, facts: Facts, masked: frozenset[str]) -> bool:
    field = facts.field(name)
    if not masked & facts.closure(field):
        return True
    is_whole = split_field(name)[1] in (None, "raw")
    return is_whole and isinstance(field, Dimension) and _can_stand_masked(field, facts, masked)


def _is_text(name: str, facts: Facts, masked: frozenset[str]) -> bool:
    field = facts.field(name)
    return not masked & facts.closure(field) or field.type in ("string", "unknown")


def _check_measure(use: MeasureUse, path: str, facts: Facts, plan: Plan) -> None:
    if _of_measure(use.measure, facts, plan.scope.masked) == "refused":
        raise unknown_field(use.name, path)


def _of_measure(measure: Measure, facts: Facts, masked: frozenset[str]) -> Standing:
    if not masked & facts.closure(measure):
        return "clear"
    return "counted" if _measure_can_stand(measure, facts, masked) else "refused"


def _measure_can_stand(measure: Measure, facts: Facts, masked: frozenset[str]) -> bool:
    if not masked & facts.closure(measure):
        return True
    if measure.level_of_detail is not None or measure.distinct_on:
        return False
    if any(masked & facts.closure(facts.field(item.field)) for item in measure.filters):
        return False
    fields = [(name, facts.field(name)) for name in facts.named(measure)]
    if measure.aggregate == "expression":
        return all(
            _measure_can_stand(field, facts, masked)
            if isinstance(field, Measure)
            else not masked & facts.closure(field)
            for _, field in fields
        )
    is_counted = measure.aggregate in ("count", "count_distinct")
    return (
        is_counted
        and all(
            _reference_can_stand(name, facts, masked)
            and (_is_text(name, facts, masked) or isinstance(measure.sql, exp.Placeholder))
            for name, _ in fields
        )
        and (
            measure.sql is None
            or isinstance(measure.sql, exp.Placeholder)
            or _made_of(measure.sql, facts, masked) != "refused"
        )
    )
