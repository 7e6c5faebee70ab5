"""One SELECT over the topic's joined rows: grouped straight, or through an inner SELECT that tells repeated rows apart."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from apps.semantic.compile.chosen import choose_rows, without_aggregates
from apps.semantic.compile.conditions import Conditions, Subject
from apps.semantic.compile.derived import detail_joins, source_query, top_join
from apps.semantic.compile.dialects.traits import traits_of
from apps.semantic.compile.fanout import measures_of, needs_rows_apart
from apps.semantic.compile.fences import secure_groups
from apps.semantic.compile.leaves import ROWS, DistinctRows, JoinedRows, Leaves
from apps.semantic.compile.measures import Measures, held_filters, subject_of
from apps.semantic.compile.moments import Calendar
from apps.semantic.compile.nodes import all_hold, any_holds, literal_number, name
from apps.semantic.compile.plan import Combined, DimensionFilter, DimensionUse, MeasureFilter, Plan
from apps.semantic.compile.reads import Reads
from apps.semantic.compile.sources import policy, table
from apps.semantic.compile.values import Values
from apps.semantic.errors import QueryError
from apps.semantic.model.types import TopicJoin

# Names are sorted as the calendar has them.
NUMBERED = {"month_name": "month_num", "day_of_week_name": "day_of_week_num"}
JOINS = {
    "always_left": {"side": "LEFT"},
    "inner": {"kind": "INNER"},
    "full": {"side": "FULL"},
    "right": {"side": "RIGHT"},
    "cross": {"kind": "CROSS"},
}


@dataclass(frozen=True, slots=True)
class Block:
    """A SELECT without order and limit, and what its order may use: the tree to sort by, for each result column."""

    select: exp.Select
    sort_keys: tuple[exp.Expr | None, ...]


def block(plan: Plan, values: Values, names: Sequence[str] | None = None) -> Block:
    """Return the plan's groups: a column for each dimension, then for each measure, named as asked or as given."""
    writer = _Writer(plan, values, names)
    return writer.apart() if needs_rows_apart(measures_of(plan), plan) else writer.straight()


class _Writer:
    def __init__(self, plan: Plan, values: Values, names: Sequence[str] | None) -> None:
        self.plan = plan
        self.values = values
        self.conditions = Conditions(values, Calendar(plan.today, plan.model.week_start), plan.dialect)
        self.reads = Reads(plan, values, self.conditions)
        self.held = held_filters(plan)
        asked = [use.name for use in plan.dimensions] + [use.name for use in plan.measures]
        self.names = list(names) if names is not None else asked
        self.extra_joins: list[exp.Join] = []

    def straight(self) -> Block:
        """Group the joined rows themselves."""
        measures = self._measures(JoinedRows(has_filter_clause=self.reads.traits.has_filter_clause))
        dimensions = self._dimensions()
        outputs = dimensions + [measures.sql(use.measure) for use in self.plan.measures]
        having = self._having(measures)
        sort_keys = self._sort_keys(measures)
        select = self._from(
            exp.Select(
                expressions=self._named(outputs), group=group_by(dimensions, self.plan.dialect), having=_having(having)
            ),
            beside=sort_keys,
        )
        return Block(select, sort_keys)

    def apart(self) -> Block:
        """Number the repetitions of rows in an inner SELECT, and group that."""
        leaves = DistinctRows(self._dimensions(), has_filter_clause=self.reads.traits.has_filter_clause)
        measures = self._measures(leaves)
        count = len(self.plan.dimensions)
        outputs = [leaves.dimension(position) for position in range(1, count + 1)]
        outputs += [measures.sql(use.measure) for use in self.plan.measures]
        having = self._having(measures)
        sort_keys = self._sort_keys(measures)
        around = without_aggregates(_having(having))
        inner = self._from(exp.Select(expressions=leaves.projections), around=around)
        source = exp.Subquery(this=inner, alias=exp.TableAlias(this=name(ROWS)))
        select = exp.Select(
            expressions=self._named(outputs),
            from_=exp.From(this=source),
            group=group_by(outputs[:count], self.plan.dialect),
            having=_having(having),
        )
        return Block(select, sort_keys)

    def _measures(self, leaves: Leaves) -> Measures:
        return Measures(self.reads, self.conditions, leaves, self.held)

    def _dimensions(self) -> list[exp.Expr]:
        found = []
        for use in self.plan.dimensions:
            node = self.reads.shown(use)
            top = top_join(use, node, self.plan, self.values, block)
            if top is not None:
                self.extra_joins.append(top.join)
                node = top.value
            found.append(node)
        if self.plan.ranked is not None:
            self._keep_ranked(self.plan.ranked)
        return found

    def _keep_ranked(self, use: DimensionUse) -> None:
        """Drop the rows beyond the top values of a dimension that is not in the answer."""
        top = top_join(use, self.reads.shown(use), self.plan, self.values, block)
        if top is not None:
            self.extra_joins.append(top.join)

    def _named(self, outputs: list[exp.Expr]) -> list[exp.Expr]:
        return [exp.Alias(this=node, alias=name(text)) for text, node in zip(self.names, outputs, strict=True)]

    def _sort_keys(self, measures: Measures) -> tuple[exp.Expr | None, ...]:
        """Return what a dimension is sorted by in its stead, where the model says so."""
        found: list[exp.Expr | None] = []
        for use in self.plan.dimensions:
            value = self._sort_value(use)
            found.append(None if value is None else measures.leaves.leaf(lambda node: exp.Min(this=node), value))
        return (*found, *(None for _ in self.plan.measures))

    def _sort_value(self, use: DimensionUse) -> exp.Expr | None:
        if use.is_masked:
            return None
        if use.timeframe in NUMBERED:
            frame = NUMBERED[use.timeframe]
            return self.reads.shown(replace(use, name=f"{use.dimension.id}[{frame}]", timeframe=frame))
        other = use.dimension.order_by_field
        if use.timeframe is not None or other is None or other.partition("[")[0] not in self.plan.scope.fields:
            return None
        return self.reads.governed(other)

    def _from(
        self, select: exp.Select, *, around: Sequence[exp.Expr] = (), beside: Sequence[exp.Expr | None] = ()
    ) -> exp.Select:
        rules, others = self._rules(), self._others()
        on = [self.reads.on(join.relationship.on_sql) for join in self.plan.joins]
        details = detail_joins(self.reads, self.values, block)
        # The tables come last: only now is it known which of their columns are read.
        joins = [self._join(join, condition) for join, condition in zip(self.plan.joins, on, strict=True)]
        select.set("from_", exp.From(this=table(self.plan.topic.base_view, self.reads, self._source)))
        select.set("joins", [*joins, *details, *self.extra_joins])
        choose_rows(select, rules, others, around=around, beside=beside, values=self.values, dialect=self.plan.dialect)
        return select

    def _source(self, plan: Plan, view: object, values: Values) -> exp.Query:
        return source_query(plan, view, values, block)  # type: ignore[arg-type]  # a View, by the caller

    def _rules(self) -> list[exp.Expr]:
        """Return the conditions of the topic, which hold whoever asks."""
        plan, reads = self.plan, self.reads
        found = [policy(use, reads.raw(use.dimension.id), reads) for use in plan.topic_policies]
        found += [reads.on(sql) for sql in plan.always_sql]
        return found + [
            self.conditions.translate(item.condition, subject_of(item.use, reads, item.path, is_raw=True))
            for item in plan.always
        ]

    def _others(self) -> list[exp.Expr]:
        return [self._row_condition(item) for item in self.plan.where if item not in self.held]

    def _row_condition(self, item: DimensionFilter | Combined | MeasureFilter) -> exp.Expr:
        if isinstance(item, Combined):
            return combined(item, self._row_condition)
        if isinstance(item, MeasureFilter):
            raise TypeError(item.use.name)
        return self.conditions.translate(item.condition, subject_of(item.use, self.reads, item.path))

    def _having(self, measures: Measures) -> list[exp.Expr]:
        def condition(item: DimensionFilter | Combined | MeasureFilter) -> exp.Expr:
            if isinstance(item, Combined):
                return combined(item, condition)
            if isinstance(item, DimensionFilter):
                raise TypeError(item.use.name)
            measure = item.use.measure
            subject = Subject(lambda: measures.sql(measure), measure.type, item.path)
            return self.conditions.translate(item.condition, subject)

        always = [condition(item) for item in self.plan.always_having]
        asked = [condition(item) for item in self.plan.having]
        written = [measures.over(sql) for sql in self.plan.topic.always_having]
        return [*always, *secure_groups([*always, *written], asked, self.values, self.plan.dialect), *written]

    def _join(self, join: TopicJoin, condition: exp.Expr) -> exp.Join:
        kind = join.relationship.join_type
        if kind == "full" and not self.reads.traits.has_full_join:
            raise QueryError("This kind of database cannot keep the rows of both sides of a join.", "dataset")
        on = None if kind == "cross" else condition
        return exp.Join(this=table(join.view, self.reads, self._source), on=on, **JOINS[kind])


def combined(item: Combined, condition: Callable[[DimensionFilter | MeasureFilter | Combined], exp.Expr]) -> exp.Expr:
    """Return the conditions of a group as one; ``not`` is the exact complement, also where values are missing."""
    children = [condition(child) for child in item.children]
    if item.operator == "or":
        return any_holds(children)
    together = all_hold(children)
    if together is None:
        return exp.Boolean(this=True)
    if item.operator == "not":
        return exp.Not(this=exp.Coalesce(this=together, expressions=[exp.Boolean(this=False)]))
    return exp.Paren(this=together)


def group_by(dimensions: Sequence[exp.Expr], dialect: str) -> exp.Group | None:
    """Return the GROUP BY of a SELECT's first columns."""
    if not dimensions:
        return None
    if not traits_of(dialect).groups_by_position:
        return exp.Group(expressions=[node.copy() for node in dimensions])
    return exp.Group(expressions=[literal_number(position) for position in range(1, len(dimensions) + 1)])


def _having(conditions: list[exp.Expr]) -> exp.Having | None:
    together = all_hold(conditions)
    return exp.Having(this=together) if together is not None else None
