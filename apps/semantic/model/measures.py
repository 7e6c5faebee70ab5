"""Measures of view files."""

from sqlglot import exp

from apps.semantic.model.context import Context
from apps.semantic.model.dimensions import CLASSIFICATIONS, read_level_of_detail, readable
from apps.semantic.model.formats import read_format
from apps.semantic.model.parameters import check_parameters, choice, decoration, flag, text, texts
from apps.semantic.model.rules import read_filters, read_rule
from apps.semantic.model.suggestions import did_you_mean
from apps.semantic.model.types import Aggregate, Classification, Condition, FieldFilter, FieldType, Measure
from apps.semantic.model.types.words import OFFSET_TEXT
from apps.semantic.model.yaml_nodes import Node

AGGREGATES: tuple[Aggregate, ...] = (
    "count", "count_distinct", "sum", "average", "min", "max", "median", "percentile", "list",
)  # fmt: skip
DISTINCT = {
    f"{name}_distinct{suffix}": name for name in ("sum", "average", "median", "percentile") for suffix in ("", "_on")
}
OWN_OPERATORS = ("cancel_query_filter", "date_offset_from_query")


def read_measure(view: str, name: str, item: Node, context: Context) -> Measure | None:
    """Return the measure, or None where it cannot be one; faults are noted."""
    problems = context.problems
    check_parameters(item, "measure", problems)
    aggregate, is_distinct = _aggregate(item, context)
    sql = text(item, "sql", problems)
    if aggregate is None:
        return None
    if not sql and aggregate != "count":
        context.fault(item, f"the measure “{name}” needs sql")
        return None
    parsed = context.parsed(sql, view, item, may_aggregate=aggregate == "expression") if sql else None
    if sql and parsed is None:
        return None
    key = _key(view, name, item, context, is_distinct=is_distinct)
    if key is None:
        return None
    filters, cancelled = _filters(view, item, context)
    detail = read_level_of_detail(view, item, context)
    label: Classification = choice(item, "classification", CLASSIFICATIONS, problems)  # type: ignore[assignment]  # it is one of the words handed in
    references = (parsed.references if parsed else frozenset()) | key[1]
    references |= {part.partition("[")[0] for part in (detail.grain if detail else ())}
    return Measure(
        name=name,
        view=view,
        label=text(item, "label", problems) or readable(name),
        aggregate=aggregate,
        sql=parsed.tree if parsed else None,
        source=item.source,
        type=_type(aggregate),
        description=text(item, "description", problems),
        format=read_format(item, context),
        group_label=text(item, "group_label", problems),
        is_hidden=flag(item, "hidden", problems),
        filters=filters,
        required_access_grants=read_rule(item, "required_access_grants", problems),
        references=references,
        percentile=_percentile(aggregate, item, context),
        distinct_on=key[0],
        cancelled_filters=cancelled,
        level_of_detail=detail,
        classification=label,
        tags=tuple(texts(item, "tags", problems)),
        is_ignored=flag(item, "ignored", problems),
        reads_in_clear=flag(item, "reads_in_clear", problems),
        decoration=decoration(item, "measure"),
    )


def _type(aggregate: Aggregate) -> FieldType:
    return "string" if aggregate == "list" else "number"


def _aggregate(item: Node, context: Context) -> tuple[Aggregate | None, bool]:
    name = text(item, "aggregate_type", context.problems)
    if not name:
        return "expression", False
    if name in AGGREGATES:
        return name, False
    if name in DISTINCT:
        return DISTINCT[name], True  # type: ignore[return-value]  # values of the table
    hint = did_you_mean(name, (*AGGREGATES, *DISTINCT))
    context.fault(item.map()["aggregate_type"], f"there is no aggregate_type “{name}”.{hint}")
    return None, False


def _key(
    view: str, name: str, item: Node, context: Context, *, is_distinct: bool
) -> tuple[tuple[exp.Expression, ...], frozenset[str]] | None:
    """Return the key on which values count once, with its references; None where one is needed and missing."""
    sql = text(item, "custom_primary_key_sql", context.problems)
    if not sql:
        if is_distinct:
            context.fault(item, f"the measure “{name}” needs custom_primary_key_sql")
            return None
        return (), frozenset()
    parsed = context.parsed(sql, view, item, name="custom_primary_key_sql")
    return None if parsed is None else ((parsed.tree,), parsed.references)


def _percentile(aggregate: Aggregate, item: Node, context: Context) -> float | None:
    node = item.map().get("percentile")
    if aggregate != "percentile":
        return None
    value = node.value if node is not None else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        context.fault(node or item, "“percentile” must be a number from 0 to 100")
        return None
    return float(value)


def _filters(view: str, item: Node, context: Context) -> tuple[tuple[FieldFilter, ...], frozenset[str]]:
    """Return a measure's filters, and the dimensions whose filters of the query it does not heed."""
    node = item.map().get("filters")
    if node is None or not isinstance(node.value, dict):
        return read_filters(item, "filters", context.problems, view=view), frozenset()
    cancelled: set[str] = set()
    moved: list[FieldFilter] = []
    rest: dict[str, Node] = {}
    for name, value in node.value.items():
        own = value.map().keys() & set(OWN_OPERATORS)
        others = {operator: operand for operator, operand in value.map().items() if operator not in own}
        if others or not own:
            rest[name] = Node(others, value.file, value.line, value.column) if own else value
        field = name if "." in name else f"{view}.{name}"
        if "date_offset_from_query" in own:
            moved += _moved(field, value, context)
        elif own and flag(value, "cancel_query_filter", context.problems):
            cancelled.add(field)
    holder = Node({"filters": Node(rest, node.file, node.line, node.column)}, item.file, item.line, item.column)
    return (*read_filters(holder, "filters", context.problems, view=view), *moved), frozenset(cancelled)


def _moved(field: str, value: Node, context: Context) -> list[FieldFilter]:
    """Return the query's own filter on a field, moved by a length of time."""
    if flag(value, "cancel_query_filter", context.problems):
        context.fault(value, "a filter of the query is moved or not heeded, not both")
        return []
    offset = value.map()["date_offset_from_query"]
    moved_by = offset.value if isinstance(offset.value, str) else ""
    if not OFFSET_TEXT.fullmatch(moved_by):
        context.fault(offset, f"“{moved_by}” is no length of time such as “1 year”")
        return []
    return [FieldFilter(field, Condition("date_offset_from_query", (moved_by,)))]
