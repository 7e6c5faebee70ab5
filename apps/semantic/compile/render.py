"""Last step: the plan becomes one SELECT, with its order and its limit.

Every physical table is read through its own subquery, which holds the row policies and the masks of
its view, so they are in force before any join and a left join stays one.
"""

import hashlib
from dataclasses import replace
from threading import local

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.generator import Generator

from apps.semantic.compile.blocks import block
from apps.semantic.compile.derived import order_of, result_column
from apps.semantic.compile.dialects.traits import traits_of
from apps.semantic.compile.inner_masks import masked_within
from apps.semantic.compile.nodes import column, literal_number, name
from apps.semantic.compile.plan import DimensionUse, Plan
from apps.semantic.compile.stitched import compared, earlier_columns
from apps.semantic.compile.types import CompiledQuery, ResultColumn
from apps.semantic.compile.values import Values

CHOSEN = "chosen groups"

_own = local()


def render(plan: Plan) -> CompiledQuery:
    """Return the finished text with its values and the description of its columns."""
    values = Values()
    compare = plan.query.compare
    found = block(plan, values) if compare is None else compared(plan, compare, values)
    tree, keys = found.select, found.sort_keys
    order = [(keys[position - 1] if position <= len(keys) else None, position, desc) for position, desc in plan.order]
    order = [item for key in order for item in (key, (None, *key[1:]))[: 1 + _has_ties(key, plan)]]
    columns = columns_of(plan) + (earlier_columns(plan, compare) if compare is not None else ())
    return replace(finished(tree, order, columns, plan.row_limit, values, plan.dialect), top=plan.query.top)


def _has_ties(key: tuple[exp.Expr | None, int, bool], plan: Plan) -> bool:
    """Say whether another field may put two values of a column at one place, so that the value itself decides."""
    return key[0] is not None and plan.dimensions[key[1] - 1].timeframe is None


def finished(
    tree: exp.Select,
    order: list[tuple[exp.Expr | None, int, bool]],
    columns: tuple[ResultColumn, ...],
    row_limit: int,
    values: Values,
    dialect: str,
) -> CompiledQuery:
    """Return a SELECT as text, ordered by (tree, else result column from 1; descending) and cut after the limit."""
    if tree.args.get("having") is not None and not traits_of(dialect).sorts_chosen_groups:
        tree, order = _around(tree, order)
    tree.set("order", order_of((key or result_column(tree, position, dialect), desc) for key, position, desc in order))
    tree.set("limit", exp.Limit(expression=literal_number(row_limit + 1)))
    sql, parameters = values.place(_generator(dialect).generate(tree, copy=False), dialect)
    shape = hashlib.sha256(sql.encode()).hexdigest()
    return CompiledQuery(sql, parameters, columns, dialect, row_limit, shape)


def _around(
    tree: exp.Select, order: list[tuple[exp.Expr | None, int, bool]]
) -> tuple[exp.Select, list[tuple[exp.Expr | None, int, bool]]]:
    """Return a SELECT around one whose groups are sorted by an aggregate that is none of its columns, and its order."""
    if all(key is None for key, _, _ in order):
        return tree, order
    names = [node.alias for node in tree.expressions]
    outer: list[tuple[exp.Expr | None, int, bool]] = []
    for key, position, is_descending in order:
        if key is not None:
            tree.append("expressions", exp.Alias(this=key, alias=name(f"s{position}")))
        outer.append((None if key is None else column(CHOSEN, f"s{position}"), position, is_descending))
    around = exp.Select(
        expressions=[exp.Alias(this=column(CHOSEN, text), alias=name(text)) for text in names],
        from_=exp.From(this=exp.Subquery(this=tree, alias=exp.TableAlias(this=name(CHOSEN)))),
    )
    return around, outer


def _generator(dialect: str) -> Generator:
    """Return this thread's generator: making one costs as much as writing a small SELECT."""
    kept: dict[str, Generator] = _own.__dict__
    found = kept.get(dialect)
    if found is None:
        found = kept[dialect] = Dialect.get_or_raise(dialect).generator()
    return found


def columns_of(plan: Plan) -> tuple[ResultColumn, ...]:
    """Describe the plan's columns: dimensions, then measures."""
    dimensions = (
        ResultColumn(
            use.name, use.label, use.type, use.dimension.format, is_measure=False, is_masked=_is_masked(use, plan)
        )
        for use in plan.dimensions
    )
    measures = (
        ResultColumn(use.name, use.measure.label, use.measure.type, use.measure.format, is_measure=True)
        for use in plan.measures
    )
    top = plan.top
    if top is not None and top.other is not None:
        dimensions = (replace(item, type="string") if item.name == top.field else item for item in dimensions)
    return (*dimensions, *measures)


def _is_masked(use: DimensionUse, plan: Plan) -> bool:
    """Say whether a column's values are masked, here or in the question of a query view that it reads."""
    return use.is_masked or bool(masked_within(use.dimension.id, plan.model, plan.scope))
