"""Aggregate awareness: a table that holds the answer of a query can answer coarser questions in its base view's stead.

The model as it would be if the base view were that table: same names, so that every policy, mask and grant on the base
view holds on it unchanged; what the table lacks is not there, and a question or policy that needs it cannot use it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from sqlglot import exp

from apps.semantic.model.held import (
    is_as_all_have,
    is_held_for,
    is_of_same_schema,
    told_apart,
    why_no_rollup,
    why_not_held,
)
from apps.semantic.model.types import Dimension, Measure, Rollup, SemanticModel, Topic, View

COARSER = {
    "date": ("date", "week", "month", "quarter", "year"),
    "week": ("week",),
    "month": ("month", "quarter", "year"),
    "quarter": ("quarter", "year"),
    "year": ("year",),
}
AGAIN = ("sum", "count", "min", "max")
OFFSET = "date_offset_from_query"


def rollups_of(model: SemanticModel, base_view: str) -> Iterator[str]:
    """Yield the names of views that hold rollups of a base view; one with rules of its own is left alone."""
    for name in sorted(model.views):
        view = model.views[name]
        has_rules = view.access_filters or view.required_access_grants is not None or view.is_derived
        if view.rollup is not None and view.rollup.base_view == base_view and not has_rules:
            is_sound = not why_no_rollup(model, view.rollup) and told_apart(view.rollup) and is_held_for(model, name)
            if is_sound and is_of_same_schema(model.views[base_view], view):
                yield name


def rolled_up(model: SemanticModel, rollup_view: str) -> SemanticModel:
    """Return the model with the rollup's table in the place of its base view."""
    holder = model.views[rollup_view]
    rollup = holder.rollup
    if rollup is None:
        raise KeyError(rollup_view)
    base = model.views[rollup.base_view]
    held = {item: column for item, column in rollup.columns if _is_held(item.partition("[")[0], model, base.name)}
    dimensions = _dimensions(base, held)
    measures = _measures(base, held)
    replaced = replace(
        base, schema=holder.schema, catalog=holder.catalog, table_name=holder.table_name, primary_key=(),
        is_worked_out=holder.is_worked_out,
        schema_attribute=holder.schema_attribute, dimensions=dimensions, measures=measures, sql_source=None,
        query_source=None, alias_of=None,
    )  # fmt: skip
    views = {**model.views, base.name: replaced}
    topics = dict(model.topics)
    for name, topic in model.topics.items():
        if topic.base_view == base.name:
            kept = _rejoined(topic, views, rollup)
            topics = {**topics, name: kept} if kept is not None else {key: topics[key] for key in topics if key != name}
    return replace(model, views=views, topics=topics, topic_models={})


def _is_held(field_id: str, model: SemanticModel, base_view: str) -> bool:
    return not why_not_held(model, base_view, field_id) and is_as_all_have(model, field_id)


def _rejoined(topic: Topic, views: Mapping[str, View], rollup: Rollup) -> Topic | None:
    """Return a topic with the joins that the rollup's columns allow; None where a lost one decides which rows there are.

    Nor where a join keeps rows without a part of the base view: over such, an expression may say what no column holds.
    What a query or SQL view reads may be the base view's own rows: such a view is not joined to a rollup.
    """
    if any(join.relationship.join_type in ("full", "right") for join in topic.joins):
        return None
    known = {topic.base_view}
    joins = []
    for join in topic.joins:
        rules = [sql for sql in (join.relationship.on_sql, join.relationship.where_sql) if sql is not None]
        names = [node.name for sql in rules for node in sql.find_all(exp.Placeholder)]
        is_possible = join.parent in known and not views[join.view].is_derived
        if is_possible and all(_is_there(name, views, rollup) for name in names):
            known.add(join.view)
            joins.append(join)
        elif join.relationship.join_type != "always_left":
            return None
    return replace(topic, joins=tuple(joins))


def _is_there(name: str, views: Mapping[str, View], rollup: Rollup) -> bool:
    """Say whether a rule of a join can read a field as it was: of another view, or held by the rollup and not cut."""
    view, _, field = name.partition("[")[0].partition(".")
    if view != rollup.base_view:
        return True
    return field in views[view].dimensions and not is_truncated(rollup, f"{view}.{field}")


def tells_masked(model: SemanticModel, rollup: Rollup, masked: frozenset[str]) -> bool:
    """Say whether a column was made of values that someone sees masked only, before the mask: it tells of them.

    What it was made of, the model of all says; where a topic has the field otherwise, what it says counts as well.
    """
    models = [model] if model.of_all is None else [model, model.of_all]
    names = {name.partition("[")[0] for name, _ in rollup.columns} if masked else ()
    return any(_rests_on(part, name, masked) for part in models for name in names)


def _rests_on(model: SemanticModel, field_id: str, masked: frozenset[str]) -> bool:
    # A column that is masked itself leaves the table as its mask.
    seen, waiting = {field_id}, [] if field_id in masked else [field_id]
    while waiting:
        name = waiting.pop()
        field = model.dimension(name) or model.measure(name)
        named = set() if field is None else {name.partition("[")[0] for name in field.references}
        named |= {item.field.partition("[")[0] for item in field.filters} if isinstance(field, Measure) else set()
        if named & masked:
            return True
        waiting += named - seen
        seen |= named
    return False


def _dimensions(base: View, held: Mapping[str, str]) -> dict[str, Dimension]:
    found: dict[str, Dimension] = {}
    for field_id, column in held.items():
        name, bracket, frame = field_id.partition("[")
        known = base.dimensions.get(name.partition(".")[2])
        if known is None or (known.order_by_field is not None and known.order_by_field not in held):
            continue
        plain = replace(known, sql=_column(column), references=frozenset(), is_primary_key=False, duration=None)
        if not bracket:
            found[known.name] = plain
        elif known.name not in found and frame[:-1] in COARSER:
            frames = tuple(item for item in COARSER[frame[:-1]] if item in known.timeframes)
            found[known.name] = replace(plain, type="date", timeframes=frames)
    return found


def _measures(base: View, held: Mapping[str, str]) -> dict[str, Measure]:
    found: dict[str, Measure] = {}
    for measure in base.measures.values():
        is_special = measure.distinct_on or measure.cancelled_filters or _is_moved(measure)
        if measure.id in held and measure.aggregate in AGAIN and not is_special:
            found[measure.name] = _again(measure, _column(held[measure.id]))
    grown = True
    while grown:
        grown = False
        for measure in base.measures.values():
            if measure.name not in found and _is_over(measure, base.name, found):
                found[measure.name] = measure
                grown = True
    return found


def _is_moved(measure: Measure) -> bool:
    """Say whether a measure takes a filter of the query at another time: which, is not known when a rollup is made."""
    return any(item.condition.operator == OFFSET for item in measure.filters)


def _again(measure: Measure, column: exp.Column) -> Measure:
    """Return a measure over its values in a rollup; of no rows there are none."""
    plain = replace(measure, sql=column, filters=(), references=frozenset())
    if measure.aggregate != "count":
        return plain
    none = exp.Coalesce(this=exp.Sum(this=column), expressions=[exp.Literal.number(0)])
    return replace(plain, aggregate="expression", sql=none)


def _is_over(measure: Measure, base: str, held: dict[str, Measure]) -> bool:
    """Say whether a measure is nothing but an expression over measures that are held."""
    is_special = measure.filters or measure.cancelled_filters or measure.level_of_detail or measure.distinct_on
    if measure.aggregate != "expression" or measure.sql is None or is_special:
        return False
    if measure.sql.find(exp.AggFunc, exp.Column) is not None:
        return False
    names = [node.name for node in measure.sql.find_all(exp.Placeholder)]
    return bool(names) and all(name.partition(".")[0] == base and name.partition(".")[2] in held for name in names)


def _column(name: str) -> exp.Column:
    return exp.Column(this=exp.to_identifier(name, quoted=True))


def is_truncated(rollup: Rollup, field_id: str) -> bool:
    """Say whether a rollup holds a time dimension only cut to a period."""
    names = [name for name, _ in rollup.columns]
    return field_id not in names and any(name.startswith(f"{field_id}[") for name in names)
