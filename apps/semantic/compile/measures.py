"""Measures: what is added up, and of which rows."""

from collections.abc import Callable

from sqlglot import exp

from apps.semantic.compile.conditions import Conditions, Subject
from apps.semantic.compile.fanout import counted_key
from apps.semantic.compile.names import split_field
from apps.semantic.compile.nodes import all_hold, operand
from apps.semantic.compile.plan import DimensionUse
from apps.semantic.compile.reads import Reads
from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import FieldFilter, Measure

AGGREGATES: dict[str, Callable[[exp.Expr], exp.Expr]] = {
    "count": lambda node: exp.Count(this=node),
    "count_distinct": lambda node: exp.Count(this=exp.Distinct(expressions=[node])),
    "sum": lambda node: exp.Sum(this=node),
    "average": lambda node: exp.Avg(this=node),
    "min": lambda node: exp.Min(this=node),
    "max": lambda node: exp.Max(this=node),
}


def measure_sql(
    measure: Measure, reads: Reads, conditions: Conditions, outer: tuple[FieldFilter, ...] = ()
) -> exp.Expr:
    """Return the aggregate; filters of a measure narrow the rows of everything that it is made of."""
    filters = outer + measure.filters
    if measure.aggregate == "expression":
        return _expression(measure, reads, conditions, filters)
    return _filtered(AGGREGATES[measure.aggregate](_counted(measure, reads)), filters, reads, conditions)


def subject_of(use: DimensionUse, reads: Reads, path: str, *, is_raw: bool = False) -> Subject:
    """Return what a condition on a dimension speaks of; bounds of a stored moment are turned into UTC."""
    is_stored = use.type == "timestamp" and use.timeframe in (None, "raw")
    zone = reads.plan.query.timezone if is_stored and reads.plan.query.timezone != "UTC" else None
    if is_raw:
        return Subject(lambda: reads.raw(use.name), use.type, path, zone)
    return Subject(lambda: reads.governed(use.name, use.dimension), use.type, path, zone)


def _counted(measure: Measure, reads: Reads) -> exp.Expr:
    if measure.sql is not None:
        return reads.governed_tree(measure.sql, measure.view)
    if measure.aggregate != "count":
        raise UnprovenSqlError(f"{measure.id} aggregates nothing.")
    key = counted_key(measure, reads.plan)
    return exp.Star() if key is None else reads.governed(key)


def _filtered(node: exp.Expr, filters: tuple[FieldFilter, ...], reads: Reads, conditions: Conditions) -> exp.Expr:
    if not filters:
        return node
    holds = [_condition(item, reads, conditions) for item in filters]
    return exp.Filter(this=node, expression=exp.Where(this=all_hold(holds)))


def _condition(item: FieldFilter, reads: Reads, conditions: Conditions) -> exp.Expr:
    field_id, timeframe = split_field(item.field)
    dimension = reads.plan.model.dimension(field_id)
    if dimension is None:
        raise UnprovenSqlError(f"A measure is filtered by {item.field}, which is no dimension.")
    use = DimensionUse(item.field, dimension, timeframe)
    return conditions.translate(item.condition, subject_of(use, reads, "fields"))


def _expression(measure: Measure, reads: Reads, conditions: Conditions, filters: tuple[FieldFilter, ...]) -> exp.Expr:
    if measure.sql is None:
        raise UnprovenSqlError(f"{measure.id} has no expression.")
    holder = exp.Paren(this=measure.sql.copy())
    named = list(holder.find_all(exp.Placeholder, exp.Column))
    for aggregate in list(holder.find_all(exp.AggFunc)) if filters else ():
        _narrow(aggregate, filters, reads, conditions)
    for node in named:
        node.replace(operand(_part(node, measure, reads, conditions, filters)))
    filled: exp.Expr = holder.this
    return filled


def _narrow(node: exp.Expr, filters: tuple[FieldFilter, ...], reads: Reads, conditions: Conditions) -> None:
    if isinstance(node.parent, exp.Filter):
        raise UnprovenSqlError("A filtered measure may not filter its parts a second way.")
    holder = _filtered(exp.Null(), filters, reads, conditions)
    node.replace(holder)
    holder.set("this", node)


def _part(
    node: exp.Expr, measure: Measure, reads: Reads, conditions: Conditions, filters: tuple[FieldFilter, ...]
) -> exp.Expr:
    if isinstance(node, exp.Placeholder):
        field = reads.facts.field(node.name)
        if isinstance(field, Measure):
            return measure_sql(field, reads, conditions, filters)
    return reads.governed_tree(node, measure.view)
