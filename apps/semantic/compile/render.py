"""Last step: the plan becomes one SELECT.

Every physical table is read through its own subquery, which holds the row policies and the masks of
its view, so they are in force before any join and a left join stays one.
"""

import hashlib

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect

from apps.semantic.compile.conditions import Conditions, Subject
from apps.semantic.compile.measures import measure_sql, subject_of
from apps.semantic.compile.moments import Calendar
from apps.semantic.compile.nodes import all_hold, call, cast, column, literal_number, name, operand
from apps.semantic.compile.plan import MeasureFilter, Plan, PolicyUse
from apps.semantic.compile.reads import MASK_PREFIX, Reads
from apps.semantic.compile.types import CompiledQuery, ResultColumn
from apps.semantic.compile.values import Values
from apps.semantic.model.types import Dimension, TopicJoin

MASK_LENGTH = 16
DIALECTS = {"postgres": Dialect.get_or_raise("postgres"), "duckdb": Dialect.get_or_raise("duckdb")}


def render(plan: Plan) -> CompiledQuery:
    """Return the finished text with its values and the description of its columns."""
    values = Values()
    tree = _select(plan, values)
    sql, parameters = values.place(DIALECTS[plan.dialect].generate(tree, copy=False), plan.dialect)
    shape = hashlib.sha256(sql.encode()).hexdigest()
    return CompiledQuery(sql, parameters, _columns(plan), plan.dialect, plan.row_limit, shape)


def _columns(plan: Plan) -> tuple[ResultColumn, ...]:
    dimensions = (
        ResultColumn(use.name, use.label, use.type, use.dimension.format, is_measure=False, is_masked=use.is_masked)
        for use in plan.dimensions
    )
    measures = (
        ResultColumn(use.name, use.measure.label, use.measure.type, use.measure.format, is_measure=True)
        for use in plan.measures
    )
    return (*dimensions, *measures)


def _select(plan: Plan, values: Values) -> exp.Select:
    reads = Reads(plan, values)
    conditions = Conditions(values, Calendar(plan.today, plan.model.week_start))
    projections = _projections(plan, reads, conditions)
    where, having = _where(plan, reads, conditions), _having(plan, reads, conditions)
    on = [reads.on(join.relationship.on_sql) for join in plan.joins]
    # The tables come last: only now is it known which of their columns are read.
    joins = [_join(join, condition, reads) for join, condition in zip(plan.joins, on, strict=True)]
    return exp.Select(
        expressions=projections,
        from_=exp.From(this=_table(plan.topic.base_view, reads)),
        joins=joins,
        where=exp.Where(this=where) if where is not None else None,
        group=_group(plan),
        having=exp.Having(this=having) if having is not None else None,
        order=_order(plan),
        limit=exp.Limit(expression=literal_number(plan.row_limit + 1)),
    )


def _projections(plan: Plan, reads: Reads, conditions: Conditions) -> list[exp.Expr]:
    found = [(use.name, reads.governed(use.name, use.dimension)) for use in plan.dimensions]
    found += [(use.name, measure_sql(use.measure, reads, conditions)) for use in plan.measures]
    return [exp.Alias(this=node, alias=name(text)) for text, node in found]


def _where(plan: Plan, reads: Reads, conditions: Conditions) -> exp.Expr | None:
    policies = [_policy(use, reads.raw(use.dimension.id), reads.values) for use in plan.topic_policies]
    always = [
        conditions.translate(item.condition, subject_of(item.use, reads, item.path, is_raw=True))
        for item in plan.always
    ]
    asked = [conditions.translate(item.condition, subject_of(item.use, reads, item.path)) for item in plan.where]
    return all_hold((*policies, *always, *asked))


def _having(plan: Plan, reads: Reads, conditions: Conditions) -> exp.Expr | None:
    return all_hold(
        [conditions.translate(item.condition, _group_subject(item, reads, conditions)) for item in plan.having]
    )


def _group_subject(item: MeasureFilter, reads: Reads, conditions: Conditions) -> Subject:
    measure = item.use.measure
    return Subject(lambda: measure_sql(measure, reads, conditions), measure.type, item.path)


def _group(plan: Plan) -> exp.Group | None:
    positions = range(1, len(plan.dimensions) + 1)
    return exp.Group(expressions=[literal_number(position) for position in positions]) if plan.dimensions else None


def _order(plan: Plan) -> exp.Order:
    return exp.Order(
        expressions=[
            exp.Ordered(this=literal_number(position), desc=is_descending, nulls_first=False)
            for position, is_descending in plan.order
        ]
    )


def _join(join: TopicJoin, condition: exp.Expr, reads: Reads) -> exp.Join:
    kind = {"kind": "INNER"} if join.relationship.join_type == "inner" else {"side": "LEFT"}
    return exp.Join(this=_table(join.view, reads), on=condition, **kind)


def _table(view_name: str, reads: Reads) -> exp.Subquery:
    """Return ``(SELECT needed columns FROM table WHERE row policies) AS view``."""
    view, read = reads.plan.model.views[view_name], reads.tables[view_name]
    columns: list[exp.Expr] = [column(None, text) for text in read.columns]
    masks = [exp.Alias(this=_mask(item, reads), alias=name(MASK_PREFIX + key)) for key, item in read.masks.items()]
    nothing = exp.Alias(this=literal_number(1), alias=name("row"))
    uses = reads.plan.row_policies.get(view_name, ())
    policies = all_hold([_policy(use, reads.inside(use.dimension), reads.values) for use in uses])
    table = exp.Table(
        this=name(view.table_name),
        db=name(view.schema) if view.schema else None,
        catalog=name(view.catalog) if view.catalog else None,
    )
    select = exp.Select(
        expressions=columns + masks or [nothing],
        from_=exp.From(this=table),
        where=exp.Where(this=policies) if policies is not None else None,
    )
    return exp.Subquery(this=select, alias=exp.TableAlias(this=name(view_name)))


def _policy(use: PolicyUse, node: exp.Expr, values: Values) -> exp.Expr:
    if not use.policy.values:
        return exp.Boolean(this=False)
    return exp.In(this=operand(node), expressions=[values.bind(value) for value in use.policy.values])


def _mask(dimension: Dimension, reads: Reads) -> exp.Expr:
    """Return the keyed hash of a dimension: NULL stays NULL, equal values stay equal."""
    text = cast(reads.inside(dimension), exp.DType.TEXT)
    key = cast(reads.values.bind(reads.plan.scope.mask_key), exp.DType.TEXT)
    keyed = exp.DPipe(this=key, expression=text, safe=True)
    if reads.plan.dialect == "postgres":
        hashed = call("SHA256", call("CONVERT_TO", keyed, exp.Literal.string("UTF8")))
        hashed = call("ENCODE", hashed, exp.Literal.string("hex"))
    else:
        hashed = call("SHA256", keyed)
    return exp.Left(this=hashed, expression=literal_number(MASK_LENGTH))
