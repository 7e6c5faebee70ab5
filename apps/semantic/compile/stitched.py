"""Answers side by side: each part grouped alone, then stitched on the dimensions that they share.

Parts are put under one another and grouped again, which is a full outer join that treats missing values as equal
and that every database does by hashing.
"""

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from apps.semantic.compile.blocks import Block, block, group_by
from apps.semantic.compile.facts import Facts, facts_of, references
from apps.semantic.compile.nodes import column, literal_number, name
from apps.semantic.compile.plan import Combined, DimensionFilter, DimensionUse, Plan, single_filters
from apps.semantic.compile.types import ResultColumn
from apps.semantic.compile.values import Values
from apps.semantic.errors import QueryError
from apps.semantic.model.types import Dimension
from apps.semantic.query.types import Compare

PARTS = "stitched parts"
CURRENT = "is_current"
PREVIOUS = "[previous]"


def compared(plan: Plan, compare: Compare, values: Values) -> Block:
    """Return the answer with each measure's earlier value beside it, for the groups that there are now.

    The earlier part is the same question with the time dimension moved later by the offset, of the top values of now.
    """
    count = len(plan.dimensions)
    now = [f"m{index}" for index in range(1, len(plan.measures) + 1)]
    earlier = [f"p{index}" for index in range(1, len(plan.measures) + 1)]
    shared = [f"d{index}" for index in range(1, count + 1)]
    current = block(plan, values, [*shared, *now])
    sorts = add_sort_keys([current], count)
    columns = [*now, *earlier, *sorts, CURRENT]
    parts = [
        part(current.select, count, columns, {CURRENT}),
        part(block(_moved(plan, compare), values, [*shared, *earlier]).select, count, columns, set()),
    ]
    names = [use.name for use in plan.dimensions] + [use.name for use in plan.measures]
    names += [use.name + PREVIOUS for use in plan.measures]
    select = together(parts, shared, [*now, *earlier], names, plan.dialect)
    is_current = exp.EQ(this=exp.Max(this=column(PARTS, CURRENT)), expression=literal_number(1))
    select.set("having", exp.Having(this=is_current))
    return Block(select, stitched_keys(sorts, count))


def part(select: exp.Select, count: int, columns: Sequence[str], marks: set[str]) -> exp.Select:
    """Return a block with all columns of the stitched parts behind its dimensions: NULL where it has none, 1 for marks."""
    own = {node.alias: node for node in select.expressions[count:]}
    rest = [own.get(text) or exp.Alias(this=literal_number(1) if text in marks else exp.Null(), alias=name(text))
            for text in columns]  # fmt: skip
    select.set("expressions", [*select.expressions[:count], *rest])
    return select


def together(
    parts: Sequence[exp.Select], shared: Sequence[str], columns: Sequence[str], names: Sequence[str], dialect: str
) -> exp.Select:
    """Return the parts grouped on the shared columns; each of the other columns has one value in each group."""
    union: exp.Query = parts[0]
    for following in parts[1:]:
        union = exp.Union(this=union, expression=following, distinct=False)
    keys = [column(PARTS, text) for text in shared]
    outputs = [*keys, *(exp.Max(this=column(PARTS, text)) for text in columns)]
    return exp.Select(
        expressions=[exp.Alias(this=node, alias=name(text)) for node, text in zip(outputs, names, strict=True)],
        from_=exp.From(this=exp.Subquery(this=union, alias=exp.TableAlias(this=name(PARTS)))),
        group=group_by(keys, dialect),
    )


def add_sort_keys(blocks: Sequence[Block], count: int) -> list[str]:
    """Have each block give what its shared columns are sorted by in their stead; return the names, s1 for the first."""
    found: set[int] = set()
    for item in blocks:
        for place, key in enumerate(item.sort_keys[:count], start=1):
            if key is not None:
                item.select.append("expressions", exp.Alias(this=key, alias=name(f"s{place}")))
                found.add(place)
    return [f"s{place}" for place in sorted(found)]


def stitched_keys(sorts: Sequence[str], count: int) -> tuple[exp.Expr | None, ...]:
    """Return what shared columns are sorted by in their stead, outside of the parts."""
    names = (f"s{place}" for place in range(1, count + 1))
    return tuple(exp.Min(this=column(PARTS, text)) if text in sorts else None for text in names)


def earlier_columns(plan: Plan, compare: Compare) -> tuple[ResultColumn, ...]:
    """Describe the columns with earlier values."""
    text = f"{compare.count} {compare.unit}{'s' if compare.count > 1 else ''} earlier"
    return tuple(
        ResultColumn(
            use.name + PREVIOUS, f"{use.measure.label}, {text}", use.measure.type, use.measure.format, is_measure=True
        )
        for use in plan.measures
    )


def _moved(plan: Plan, compare: Compare) -> Plan:
    for use in (*plan.dimensions, *(item.use for item in single_filters(plan.where))):
        _check_following(use.dimension, compare, facts_of(plan.model))
    if plan.ranked is not None:
        _check_following(plan.ranked.dimension, compare, facts_of(plan.model))
    return replace(
        plan,
        dimensions=tuple(_moved_use(use, compare) for use in plan.dimensions),
        ranked=None if plan.ranked is None else _moved_use(plan.ranked, compare),
        where=tuple(_moved_filter(item, compare) for item in plan.where),
        now=plan,
    )


def _moved_filter(item: DimensionFilter | Combined, compare: Compare) -> DimensionFilter | Combined:
    if isinstance(item, Combined):
        return replace(item, children=tuple(_moved_filter(child, compare) for child in item.children))  # type: ignore[arg-type]  # rows only
    return replace(item, use=_moved_use(item.use, compare))


def _moved_use(use: DimensionUse, compare: Compare) -> DimensionUse:
    if use.dimension.id != compare.field:
        return use
    return replace(use, later=(*use.later, (compare.count, compare.unit)))


def _check_following(dimension: Dimension, compare: Compare, facts: Facts) -> None:
    """Refuse what is worked out from the compared time: nobody can say what of it would have to be earlier.

    A length of time between two moments is the same at any time; a level of detail is of all rows.

    Raises:
        QueryError: the dimension names the compared time, however far beneath.
    """
    if dimension.id == compare.field or compare.field not in facts.closure(dimension):
        return
    waiting, seen = [dimension], {dimension.id}
    while waiting:
        found = waiting.pop()
        if found.level_of_detail is not None or found.duration is not None:
            continue
        inner = [facts.field(name) for name in references(found.sql)]
        if any(item.id == compare.field for item in inner):
            raise QueryError(
                f"“{dimension.label}” is worked out from the time that is compared, and has no earlier value: take a "
                "timeframe of that time.",
                "compare.field",
            )
        waiting += [item for item in inner if isinstance(item, Dimension) and item.id not in seen]
        seen.update(item.id for item in inner)
