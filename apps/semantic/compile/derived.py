"""SELECTs inside the SELECT: levels of detail, rankings, and the queries that stand in for tables."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from apps.semantic.compile.dialects.traits import traits_of
from apps.semantic.compile.facts import facts_of
from apps.semantic.compile.gathering import gathered
from apps.semantic.compile.names import split_field
from apps.semantic.compile.nodes import cast, column, literal_number, name, operand
from apps.semantic.compile.plan import (
    Combined,
    DimensionFilter,
    DimensionUse,
    MeasureFilter,
    MeasureUse,
    Plan,
    check_alone,
    single_filters,
)
from apps.semantic.compile.prepare import prepare, refielded
from apps.semantic.compile.reads import DETAIL_COLUMN, Detail, Reads
from apps.semantic.compile.sqlviews import sql_query
from apps.semantic.compile.taken_over import note_taken_over
from apps.semantic.compile.values import Values
from apps.semantic.errors import QueryError, UnprovenSqlError
from apps.semantic.model.types import (
    Dimension,
    FieldFilter,
    FieldType,
    Measure,
    QuerySource,
    SemanticModel,
    Topic,
    View,
)
from apps.semantic.query.types import SemanticQuery, Sort, Top

# What builds a block; handed in, since blocks hold derived SELECTs that hold blocks.
BuildBlock = Callable[[Plan, Values, Sequence[str]], Any]
HASHING = ("postgres", "redshift")
NOTHING: dict[FieldType, tuple[str, exp.DType]] = {
    "string": ("", exp.DType.TEXT),
    "number": ("0", exp.DType.DECIMAL),
    "date": ("1970-01-01", exp.DType.DATE),
    "timestamp": ("1970-01-01", exp.DType.TIMESTAMP),
}
CALCULATED = "calculated columns"


@dataclass(frozen=True, slots=True)
class TopJoin:
    """The join of a ranking, and the dimension with the rest gathered."""

    join: exp.Join
    value: exp.Expr


def detail_joins(reads: Reads, values: Values, build: BuildBlock) -> list[exp.Join]:
    """Return a join for each level of detail that the expressions have asked for."""
    return [_detail_join(alias, detail, reads, values, build) for alias, detail in reads.details.items()]


def _detail_join(alias: str, detail: Detail, reads: Reads, values: Values, build: BuildBlock) -> exp.Join:
    plan, field = reads.plan, detail.field
    rule = field.level_of_detail
    if rule is None:
        raise UnprovenSqlError(f"{field.id} has no level of detail.")
    measure = Measure(f"{field.name} detail", field.view, field.label, rule.aggregate, field.sql, field.source)
    uses = tuple(_use(item, plan) for item in detail.grain)
    inner = refielded(
        replace(
            plan, dimensions=uses, measures=(MeasureUse(measure.id, measure),), having=(), always_having=(), top=None,
            ranked=None, where=() if rule.ignores_query_filters else _without(plan.where, field, plan),
        )
    )  # fmt: skip
    names = [f"g{index}" for index in range(1, len(uses) + 1)]
    select = build(inner, values, [*names, DETAIL_COLUMN]).select
    same = [
        same_value(node, column(alias, text), use.type, plan.dialect)
        for node, text, use in zip(detail.on, names, uses, strict=True)
    ]
    return _left_join(select, alias, same)


def _use(text: str, plan: Plan) -> DimensionUse:
    field_id, bracket, frame = text.partition("[")
    dimension = plan.model.dimension(field_id)
    if dimension is None:
        raise UnprovenSqlError(f"A level of detail names {field_id}, which is no dimension.")
    return DimensionUse(text, dimension, frame[:-1] if bracket else None, is_masked=field_id in plan.scope.masked)


def _without(
    where: Iterable[DimensionFilter | MeasureFilter | Combined], field: Dimension | Measure, plan: Plan
) -> tuple[Any, ...]:
    """Return the filters that do not themselves rest on the level of detail."""
    facts = facts_of(plan.model)
    return tuple(
        item
        for item in where
        if not any(field.id in facts.closure(part.use.dimension) for part in single_filters((item,)))
    )


def top_join(use: DimensionUse, node: exp.Expr, plan: Plan, values: Values, build: BuildBlock) -> TopJoin | None:
    """Return the join that keeps the top values of a dimension, when the query or the model asks for that."""
    rule = _top_rule(use, plan)
    if rule is None:
        return None
    measure = plan.model.measure(rule.by)
    if measure is None:
        raise UnprovenSqlError(f"{use.dimension.id} is ranked by {rule.by}, which is no measure.")
    ranking, ranked = _ranking(use, plan)
    plain = replace(ranked, dimension=replace(ranked.dimension, top_n=None))
    inner = refielded(
        replace(
            ranking,
            dimensions=(plain,),
            measures=(MeasureUse(rule.by, measure),),
            having=(),
            always_having=(),
            top=None,
            ranked=None,
        )
    )
    select = build(inner, values, ["value", "by"]).select
    select.append("expressions", exp.Alias(this=literal_number(1), alias=name("kept")))
    order = [(2, rule.is_descending), (1, False)]
    select.set("order", ordered_by(select, order, plan.dialect))
    select.set("limit", exp.Limit(expression=literal_number(rule.n)))
    alias = f"top {use.name}"
    same = same_value(node, column(alias, "value"), plain.type, plan.dialect)
    if rule.other is None:
        return TopJoin(replace_kind(_left_join(select, alias, [same])), node)
    kept = exp.EQ(this=column(alias, "kept"), expression=literal_number(1))
    return TopJoin(_left_join(select, alias, [same]), gathered(node, kept, rule.other, values, dialect=plan.dialect))


def _ranking(use: DimensionUse, plan: Plan) -> tuple[Plan, DimensionUse]:
    """Return the plan whose rows rank the values of a dimension, and the dimension as it stands there."""
    if plan.now is None:
        return plan, use
    found = [item for item in (*plan.now.dimensions, plan.now.ranked) if item is not None and item.name == use.name]
    return plan.now, found[0] if found else use


def _top_rule(use: DimensionUse, plan: Plan) -> Top | None:
    if plan.top is not None and use.name == plan.top.field:
        return plan.top
    rule = use.dimension.top_n
    if rule is None or use.timeframe is not None or use.is_masked:
        return None
    return Top(use.name, rule.n, rule.by, rule.is_descending, rule.other)


def ordered_by(select: exp.Select, order: Iterable[tuple[int, bool]], dialect: str) -> exp.Order | None:
    """Return an order over a SELECT's columns, counted from 1; missing values last."""
    return order_of((result_column(select, position, dialect), is_descending) for position, is_descending in order)


def order_of(keys: Iterable[tuple[exp.Expr | None, bool]]) -> exp.Order | None:
    """Return an order by keys, each with whether it descends; missing values last, and no order without a key."""
    found = [
        exp.Ordered(this=key, desc=is_descending, nulls_first=False) for key, is_descending in keys if key is not None
    ]
    return exp.Order(expressions=found) if found else None


def result_column(select: exp.Select, position: int, dialect: str) -> exp.Expr | None:
    """Return what names a result column in ORDER BY: its position, or its name where that must go into an expression.

    A column that is nothing but a value is the same in each row, and such a database would take a number in its place for
    a position: nothing names it.
    """
    if traits_of(dialect).orders_nulls:
        return literal_number(position)
    found = select.expressions[position - 1]
    return (
        None
        if isinstance(found.unalias().unnest(), exp.Var | exp.Literal | exp.Null | exp.Boolean)
        else exp.Column(this=name(found.alias))
    )


def _left_join(select: exp.Query, alias: str, same: list[exp.Expr]) -> exp.Join:
    source = exp.Subquery(this=select, alias=exp.TableAlias(this=name(alias)))
    on = exp.and_(*same, copy=False) if same else exp.EQ(this=literal_number(1), expression=literal_number(1))
    return exp.Join(this=source, on=on, side="LEFT")


def replace_kind(join: exp.Join) -> exp.Join:
    """Return the join as an inner one."""
    return exp.Join(this=join.this, on=join.args["on"], kind="INNER")


def same_value(left: exp.Expr, right: exp.Expr, type_: FieldType, dialect: str) -> exp.Expr:
    """Return that two values are equal, or both missing; so that PostgreSQL can hash the join.

    It never hashes IS NOT DISTINCT FROM, and so would compare each row with each. Lists of one value are equal where both
    values are missing, whatever their type, which no model tells of a plain column.
    """
    if dialect not in HASHING or (type_ not in NOTHING and dialect != "postgres"):
        return exp.NullSafeEQ(this=operand(left), expression=operand(right))
    filled: list[exp.Expr] = [exp.Array(expressions=[side.copy()]) for side in (left, right)]
    if type_ in NOTHING:
        text, dtype = NOTHING[type_]
        filled = [
            exp.Coalesce(this=side.copy(), expressions=[cast(exp.Literal.string(text), dtype)])
            for side in (left, right)
        ]
    missing = [exp.Paren(this=exp.Is(this=operand(side), expression=exp.Null())) for side in (left, right)]
    return exp.And(
        this=exp.EQ(this=missing[0], expression=missing[1]), expression=exp.EQ(this=filled[0], expression=filled[1])
    )


def source_query(plan: Plan, view: View, values: Values, build: BuildBlock) -> exp.Query:
    """Return the query that stands in for a view's table."""
    if view.sql_source is not None:
        return sql_query(plan, view, values)
    if view.query_source is None:
        raise UnprovenSqlError(f"{view.name} has neither table nor query.")
    return _view_query(plan, view.query_source, values, build)


def _view_query(plan: Plan, source: QuerySource, values: Values, build: BuildBlock) -> exp.Query:
    scope = plan.scope.nested.get(source.topic)
    if scope is None:
        raise UnprovenSqlError("A query view rests on a topic that the scope does not open.")
    taken_over = _bound(plan, source)
    asked = SemanticQuery(
        dataset=source.topic,
        fields=tuple(field for field, _ in source.columns),
        filters=(*source.filters, *taken_over),
        sorts=tuple(Sort(field, is_descending) for field, is_descending in source.sorts),
        limit=source.limit or 1,
        timezone=plan.query.zone,
    )
    inner = prepare(asked, plan.model.of_topic(source.topic), scope, dialect=plan.dialect, today=plan.today)
    aliases = dict(source.columns)
    names = [aliases[use.name] for use in inner.dimensions] + [aliases[use.name] for use in inner.measures]
    select: exp.Select = build(inner, values, names).select
    if taken_over:
        note_taken_over(select, values, plan.dialect)
    if source.limit is not None:
        select.set("order", ordered_by(select, inner.order, plan.dialect))
        select.set("limit", exp.Limit(expression=literal_number(source.limit)))
    return _calculated(select, names, source) if source.calculations else select


def _bound(plan: Plan, source: QuerySource) -> list[FieldFilter]:
    """Return the outer query's filters that the view's query takes over: of rows, as a total drops those of groups.

    Raises:
        QueryError: one of them is on the time that is compared, and could not follow it to an earlier one; or on
            values that are masked out here; or holds only together with others.
    """
    original = facts_of(plan.model).original
    own = plan.model.of_topic(source.topic)
    for field_id in plan.grouped if source.binds_all_filters else ():
        if plan.model.measure(field_id) is None and _is_answered(field_id, own, own.topics[source.topic]):
            check_alone(field_id, plan)
    for outer in source.binds.values():
        check_alone(split_field(original(outer))[0], plan)
    of_rows = [item for item in plan.query.filters if plan.model.measure(item.field) is None]
    taken_over = [
        item
        for item in of_rows
        if source.binds_all_filters or original(item.field) in set(map(original, source.binds.values()))
    ]
    for item in taken_over:
        # Within, the same values may be compared as they are: that would tell them.
        dimension = plan.model.dimension(split_field(original(item.field))[0])
        if dimension is not None and plan.scope.masked & facts_of(plan.model).closure(dimension):
            raise QueryError(
                "A view takes over this filter, and its values are masked for you.", f"filters.{item.field}"
            )
    found = [
        (item, FieldFilter(inner, item.condition))
        for inner, outer in source.binds.items()
        for item in of_rows
        if original(item.field) == original(outer)
    ]
    if source.binds_all_filters:
        found += [(item, item) for item in of_rows if _is_answered(item.field, own, own.topics[source.topic])]
    compare = plan.query.compare
    if compare is not None and any(split_field(original(item.field))[0] == compare.field for item, _ in found):
        raise QueryError(
            "A view takes over the filter on this time, and would keep it for the earlier one.", "compare.field"
        )
    return [taken for _, taken in found]


def _is_answered(name: str, model: SemanticModel, topic: Topic) -> bool:
    """Say whether a topic offers a field and joins everything that it rests on."""
    field_id = split_field(name)[0]
    facts = facts_of(model)
    return field_id in topic.fields and facts.views(facts.field(field_id)) <= frozenset(topic.views)


def _calculated(select: exp.Select, names: Sequence[str], source: QuerySource) -> exp.Select:
    """Put calculations over the columns of a query beside them."""
    outputs: list[exp.Expr] = [column(CALCULATED, text) for text in names]
    for text, sql in source.calculations:
        tree = exp.Paren(this=sql.copy())
        for node in list(tree.find_all(exp.Column)):
            node.replace(column(CALCULATED, node.name))
        outputs.append(exp.Alias(this=tree.this, alias=name(text)))
    inner = exp.Subquery(this=select, alias=exp.TableAlias(this=name(CALCULATED)))
    return exp.Select(expressions=outputs, from_=exp.From(this=inner))
