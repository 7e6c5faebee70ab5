"""Measures: what is added up, and of which rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sqlglot import exp

from apps.semantic.compile.conditions import Conditions, Subject
from apps.semantic.compile.dialects.aggregates import listed, median, percentile
from apps.semantic.compile.facts import ATTRIBUTE_PREFIX
from apps.semantic.compile.fanout import (
    counted_views,
    is_immune,
    keeps_nothing,
    may_be_absent,
    measures_of,
    needs_distinct,
)
from apps.semantic.compile.leaves import Build, Leaves
from apps.semantic.compile.names import split_field
from apps.semantic.compile.nodes import operand
from apps.semantic.compile.plan import DimensionFilter, DimensionUse, Plan, check_alone
from apps.semantic.compile.reads import Reads
from apps.semantic.compile.templates import compare_exactly, fill_attribute
from apps.semantic.errors import FanOutError, QueryError, UnprovenSqlError
from apps.semantic.model.types import FieldFilter, Measure
from apps.semantic.model.types.words import OFFSET_TEXT

AGGREGATES: dict[str, Callable[[exp.Expr], exp.Expr]] = {
    "count": lambda node: exp.Count(this=node),
    "count_distinct": lambda node: exp.Count(this=exp.Distinct(expressions=[node])),
    "sum": lambda node: exp.Sum(this=node),
    "average": lambda node: exp.Avg(this=node),
    "min": lambda node: exp.Min(this=node),
    "max": lambda node: exp.Max(this=node),
}
IMMUNE = frozenset(("count_distinct", "min", "max"))
# No field has a space in its name.
AGGREGATE_MARK = "aggregate "
OFFSET = "date_offset_from_query"


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What narrows the rows of an aggregate: filters of the measures around it, and what they do to the query's own.

    ``cancelled`` are dimensions whose filters of the query do not count; ``offsets`` shift them in time instead.
    """

    filters: tuple[FieldFilter, ...] = ()
    cancelled: frozenset[str] = frozenset()
    offsets: Mapping[str, str] = field(default_factory=dict)

    def with_measure(self, measure: Measure) -> "Narrowing":
        """Return this with a measure's own filters."""
        if not measure.filters and not measure.cancelled_filters:
            return self
        plain = tuple(item for item in measure.filters if item.condition.operator != OFFSET)
        moved = {
            item.field: str(item.condition.values[0]) for item in measure.filters if item.condition.operator == OFFSET
        }
        return Narrowing(self.filters + plain, self.cancelled | measure.cancelled_filters, {**self.offsets, **moved})


def held_filters(plan: Plan) -> tuple[DimensionFilter, ...]:
    """Return the query's filters that some measure of the answer does not heed, so that each measure applies its own.

    Raises:
        MalformedQueryError: one of them holds only together with others.
    """
    fields = {
        name
        for measure in measures_of(plan)
        for name in (*measure.cancelled_filters, *(i.field for i in measure.filters if i.condition.operator == OFFSET))
    }
    for name in fields if plan.grouped else ():
        check_alone(name, plan)
    if not fields:
        return ()
    return tuple(i for i in plan.where if isinstance(i, DimensionFilter) and i.use.dimension.id in fields)


def earlier(use: DimensionUse, offset: str) -> DimensionUse:
    """Return a dimension moved so that a filter of the query finds the time before it."""
    found = OFFSET_TEXT.fullmatch(offset)
    if found is None:
        raise UnprovenSqlError(f"A filter is offset by “{offset}”, which is no length of time.")
    return replace(use, later=(*use.later, (int(found[1]), found[2])))


class Measures:
    """Writes measures of one SELECT over what ``reads`` gives, aggregated by ``leaves``; some heed ``held`` filters."""

    def __init__(self, reads: Reads, conditions: Conditions, leaves: Leaves, held: tuple[DimensionFilter, ...]) -> None:
        self.reads = reads
        self.plan: Plan = reads.plan
        self.conditions = conditions
        self.leaves = leaves
        self.held = held

    def sql(self, measure: Measure, outer: Narrowing | None = None) -> exp.Expr:
        """Return the aggregate; filters of a measure narrow the rows of everything that it is made of."""
        filters = (outer or Narrowing()).with_measure(measure)
        if measure.aggregate == "expression":
            return self._expression(measure, filters)
        if measure.level_of_detail is not None:
            return self._detail(measure, filters)
        return self._simple(measure, filters)

    def over(self, sql: exp.Expr) -> exp.Expr:
        """Return a rule of the topic over measures."""
        holder = exp.Paren(this=sql.copy())
        compare_exactly(holder, self.plan, self.reads.facts.comparing)
        for node in list(holder.find_all(exp.Placeholder)):
            if node.name.startswith(ATTRIBUTE_PREFIX):
                fill_attribute(node, self.reads.plan.scope, self.reads.values)
                continue
            field = self.reads.facts.field(node.name)
            if not isinstance(field, Measure):
                raise UnprovenSqlError(f"A rule over groups names {field.id}, which is no measure.")
            node.replace(operand(self.sql(field)))
        filled: exp.Expr = holder.this
        return filled

    def _simple(self, measure: Measure, filters: Narrowing) -> exp.Expr:
        reads = self.reads
        value = None if measure.sql is None else reads.governed_tree(measure.sql, measure.view)
        if value is None and measure.aggregate != "count":
            raise UnprovenSqlError(f"{measure.id} aggregates nothing.")
        views = counted_views(measure, measure.sql, self.plan)
        key = self._key(measure, views)
        return self.leaves.leaf(
            self._build(measure), value, conditions=self._conditions(filters), key=key, present=self._present(measure, measure.sql, views)
        )  # fmt: skip

    def _detail(self, measure: Measure, filters: Narrowing) -> exp.Expr:
        """Return an aggregate of aggregates: each combination of the inner grain counts once."""
        value = self.reads.detail(measure)
        key = self.reads.grain(measure) or [exp.Literal.number(1)]
        return self.leaves.leaf(self._build(measure), value, conditions=self._conditions(filters), key=key)

    def _build(self, measure: Measure) -> Build:
        dialect = self.plan.dialect
        if measure.aggregate == "list":
            return lambda node: listed(node, dialect)
        if measure.aggregate in ("median", "percentile"):
            fraction = 0.5 if measure.aggregate == "median" else (measure.percentile or 0) / 100
            return lambda node: _given(
                median(node, dialect) if fraction == 0.5 else percentile(node, fraction, dialect), measure
            )
        return AGGREGATES[measure.aggregate]

    def _key(self, measure: Measure, views: frozenset[str]) -> list[exp.Expr]:
        if measure.distinct_on:
            return [self.reads.governed_tree(sql, measure.view) for sql in measure.distinct_on]
        if measure.aggregate in IMMUNE or not needs_distinct(views, self.plan):
            return []
        return [node for view in sorted(views) for node in self.reads.key(view)]

    def _present(self, measure: Measure, sql: exp.Expr | None, views: frozenset[str]) -> list[exp.Expr]:
        """Return the keys that must be there for a joined row to count as a row of the views.

        Raises:
            FanOutError: such a row cannot be told from one that an outer join did not find.
        """
        if sql is not None and keeps_nothing(sql):
            return []
        found: list[exp.Expr] = []
        for view in sorted(views):
            if may_be_absent(view, self.plan):
                key = self.reads.key(view)
                if not key:
                    raise FanOutError(
                        f"“{measure.label}” cannot be counted here: its view has no primary key.", "fields"
                    )
                found += key
        return found

    def _conditions(self, filters: Narrowing) -> list[exp.Expr]:
        held = [(item, filters.offsets.get(item.use.dimension.id)) for item in self.held]
        found = [
            self.conditions.translate(
                item.condition,
                subject_of(item.use if offset is None else earlier(item.use, offset), self.reads, item.path),
            )
            for item, offset in held
            if item.use.dimension.id not in filters.cancelled
        ]
        return found + [self._condition(item) for item in filters.filters]

    def _condition(self, item: FieldFilter) -> exp.Expr:
        field_id, timeframe = split_field(item.field)
        dimension = self.plan.model.dimension(field_id)
        if dimension is None:
            raise UnprovenSqlError(f"A measure is filtered by {item.field}, which is no dimension.")
        use = DimensionUse(item.field, dimension, timeframe)
        return self.conditions.translate(item.condition, subject_of(use, self.reads, "fields"))

    def _expression(self, measure: Measure, filters: Narrowing) -> exp.Expr:
        """Fill in an expression: aggregates that it writes out, other measures, dimensions of the answer."""
        if measure.sql is None:
            raise UnprovenSqlError(f"{measure.id} has no expression.")
        holder = exp.Paren(this=measure.sql.copy())
        compare_exactly(holder, self.plan, self.reads.facts.comparing)
        finished: dict[str, exp.Expr] = {}
        for node in [item for item in holder.find_all(exp.AggFunc) if item.find_ancestor(exp.AggFunc) is None]:
            mark = f"{AGGREGATE_MARK}{len(finished)}"
            finished[mark] = self._written(node, measure, filters)
            node.replace(exp.Placeholder(this=mark))

        def reference(name: str) -> exp.Expr:
            if name in finished:
                return finished[name]
            field = self.reads.facts.field(name)
            return (
                self.sql(field, filters) if isinstance(field, Measure) else self.leaves.plain(self.reads.governed(name))
            )

        def own_column(node: exp.Column) -> exp.Expr:
            return self.leaves.plain(self.reads.governed_tree(node, measure.view))

        return self.reads.replaced(holder.this, own_column, reference)

    def _written(self, node: exp.Expr, measure: Measure, filters: Narrowing) -> exp.Expr:
        """Return an aggregate that the model writes out, over the rows of what it names."""
        distinct = node.this if isinstance(node.this, exp.Distinct) else None
        inner = distinct.expressions[0] if distinct is not None else node.this
        if distinct is not None and len(distinct.expressions) != 1:
            raise UnprovenSqlError(f"{measure.id} counts several values at once.")
        is_rows = isinstance(inner, exp.Star)
        sql = None if is_rows else inner
        views = counted_views(measure, sql, self.plan)
        key = []
        if not is_immune(node) and needs_distinct(views, self.plan):
            key = [part for view in sorted(views) for part in self.reads.key(view)]
        value = None if sql is None else self.reads.governed_tree(sql, measure.view)
        present = self._present(measure, sql, views)
        return self.leaves.leaf(_rebuilt(node), value, conditions=self._conditions(filters), present=present, key=key)


def subject_of(use: DimensionUse, reads: Reads, path: str, *, is_raw: bool = False) -> Subject:
    """Return what a condition on a dimension speaks of; bounds of a stored moment are turned into UTC."""
    is_stored = use.type == "timestamp" and use.timeframe in (None, "raw") and use.dimension.converts_timezone
    zone = reads.plan.query.zone if is_stored and reads.plan.query.zone != "UTC" else None
    if is_raw:
        return Subject(lambda: reads.raw(use.name), use.type, path, zone)
    if use.later:
        # Moved is what the clock shows, so that is what the bounds speak of.
        return Subject(lambda: reads.clock(use), use.type, path)
    return Subject(lambda: reads.governed(use.name, use.dimension), use.type, path, zone)


def _rebuilt(node: exp.Expr) -> Build:
    def build(value: exp.Expr) -> exp.Expr:
        copy = node.copy()
        if isinstance(copy.this, exp.Distinct):
            copy.this.set("expressions", [value])
        else:
            copy.set("this", value)
        return copy

    return build


def _given(node: exp.Expr | None, measure: Measure) -> exp.Expr:
    if node is None:
        raise QueryError(f"“{measure.label}” cannot be worked out on this kind of database.", "fields")
    return node
