"""Aggregate awareness: a table that holds the answer of a query can answer coarser questions in its base view's stead.

The model as it would be if the base view were that table: same names, so that every policy, mask and grant on the base
view holds on it unchanged; what the table lacks is not there, and a question or policy that needs it cannot use it.
"""

from collections.abc import Iterator
from dataclasses import replace

from sqlglot import exp

from apps.semantic.model.types import Dimension, Measure, Rollup, SemanticModel, View

COARSER = {
    "date": ("date", "week", "month", "quarter", "year"),
    "week": ("week",),
    "month": ("month", "quarter", "year"),
    "quarter": ("quarter", "year"),
    "year": ("year",),
}
AGAIN = {"sum": "sum", "count": "sum", "min": "min", "max": "max"}


def rollups_of(model: SemanticModel, base_view: str) -> Iterator[str]:
    """Yield the names of views that hold rollups of a base view; one with rules of its own is left alone."""
    for name in sorted(model.views):
        view = model.views[name]
        has_rules = view.access_filters or view.required_access_grants is not None or view.is_derived
        if view.rollup is not None and view.rollup.base_view == base_view and not has_rules:
            yield name


def rolled_up(model: SemanticModel, rollup_view: str) -> SemanticModel:
    """Return the model with the rollup's table in the place of its base view."""
    holder = model.views[rollup_view]
    rollup = holder.rollup
    if rollup is None:
        raise KeyError(rollup_view)
    base = model.views[rollup.base_view]
    dimensions = _dimensions(base, rollup)
    measures = _measures(base, rollup)
    replaced = replace(
        base, schema=holder.schema, catalog=holder.catalog, table_name=holder.table_name, primary_key=(),
        schema_attribute=holder.schema_attribute, dimensions=dimensions, measures=measures, sql_source=None,
        query_source=None, alias_of=None,
    )  # fmt: skip
    return replace(model, views={**model.views, base.name: replaced}, topic_models={})


def _dimensions(base: View, rollup: Rollup) -> dict[str, Dimension]:
    found: dict[str, Dimension] = {}
    for field_id, column in rollup.columns:
        name, bracket, frame = field_id.partition("[")
        known = base.dimensions.get(name.partition(".")[2]) if name.startswith(f"{base.name}.") else None
        if known is None:
            continue
        plain = replace(
            known, sql=_column(column), references=frozenset(), is_primary_key=False, top_n=None, level_of_detail=None,
            duration=None, order_by_field=None,
        )  # fmt: skip
        if not bracket:
            found[known.name] = plain
        elif known.name not in found and frame[:-1] in COARSER:
            frames = tuple(item for item in COARSER[frame[:-1]] if item in known.timeframes)
            found[known.name] = replace(plain, type="date", timeframes=frames)
    return found


def _measures(base: View, rollup: Rollup) -> dict[str, Measure]:
    held = dict(rollup.columns)
    found: dict[str, Measure] = {}
    for measure in base.measures.values():
        again = AGAIN.get(measure.aggregate)
        is_special = measure.distinct_on or measure.level_of_detail or measure.cancelled_filters
        if measure.id in held and again is not None and not is_special:
            sql = _column(held[measure.id])
            found[measure.name] = replace(measure, aggregate=again, sql=sql, filters=(), references=frozenset())  # type: ignore[arg-type]  # values of AGAIN
    grown = True
    while grown:
        grown = False
        for measure in base.measures.values():
            if measure.name not in found and _is_over(measure, base.name, found):
                found[measure.name] = measure
                grown = True
    return found


def _is_over(measure: Measure, base: str, held: dict[str, Measure]) -> bool:
    """Say whether a measure is nothing but an expression over measures that are held."""
    if measure.aggregate != "expression" or measure.sql is None or measure.filters or measure.cancelled_filters:
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
