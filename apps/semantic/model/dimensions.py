"""Dimensions of view files."""

from dataclasses import replace
from typing import get_args

from apps.semantic.model.context import Context
from apps.semantic.model.expressions import ParsedExpression, inferred_type
from apps.semantic.model.formats import read_format
from apps.semantic.model.lowering import lower_bins, lower_groups
from apps.semantic.model.masks import read_mask
from apps.semantic.model.parameters import check_parameters, choice, decoration, flag, text, texts
from apps.semantic.model.rules import read_rule
from apps.semantic.model.suggestions import did_you_mean
from apps.semantic.model.types import (
    INTERVALS,
    TIMEFRAMES,
    Aggregate,
    Classification,
    Dimension,
    Duration,
    FieldType,
    LevelOfDetail,
    TopN,
)
from apps.semantic.model.yaml_nodes import Node

CLASSIFICATIONS: tuple[str, ...] = tuple(name for name in get_args(Classification) if name)
FISCAL = ("fiscal_quarter", "fiscal_year")
USUAL = ("raw", "date", "week", "month", "quarter", "year")
STRATEGIES = ("fixed", "include", "exclude")
LOD_AGGREGATES = ("count", "count_distinct", "sum", "average", "min", "max", "median")


def readable(name: str) -> str:
    """Return a name as a label: ``dep_delay`` → ``Dep delay``."""
    return name.replace("_", " ").strip().capitalize()


def read_dimension(view: str, name: str, item: Node, context: Context) -> Dimension:
    """Return the dimension; faults are noted, and what can be read is read."""
    problems = context.problems
    check_parameters(item, "dimension", problems)
    duration, ends = _duration(view, item, context)
    sql = text(item, "sql", problems)
    parsed = (context.parsed(sql, view, item) if sql else None) or context.column(name)
    if duration is not None:
        parsed = ParsedExpression(duration.end, ends)
    elif "groups" in item.map():
        parsed = lower_groups(item, parsed, context)
    elif "bin_boundaries" in item.map():
        parsed = lower_bins(item, parsed, context)
    timeframes = _timeframes(item, parsed, duration, context)
    found = Dimension(
        name=name,
        view=view,
        label=text(item, "label", problems) or readable(name),
        sql=parsed.tree,
        type="number" if duration is not None else _type(name, parsed, timeframes),
        source=item.source,
        description=text(item, "description", problems),
        format=read_format(item, context),
        group_label=text(item, "group_label", problems),
        is_hidden=flag(item, "hidden", problems),
        is_primary_key=flag(item, "primary_key", problems),
        timeframes=timeframes,
        required_access_grants=read_rule(item, "required_access_grants", problems),
        mask_unless_access_grants=read_rule(item, "mask_unless_access_grants", problems),
        references=parsed.references,
        converts_timezone=flag(item, "convert_tz", problems, default=True),
        tags=tuple(texts(item, "tags", problems)),
        is_ignored=flag(item, "ignored", problems),
        reads_in_clear=flag(item, "reads_in_clear", problems),
        decoration=decoration(item, "dimension"),
    )
    return _with_rules(found, view, item, duration, context)


def _with_rules(found: Dimension, view: str, item: Node, duration: Duration | None, context: Context) -> Dimension:
    problems = context.problems
    order_by = text(item, "order_by_field", problems)
    label: Classification = choice(item, "classification", CLASSIFICATIONS, problems)  # type: ignore[assignment]  # it is one of the words handed in
    found = replace(
        found,
        mask=read_mask(item, context),
        classification=label,
        order_by_field=qualified(order_by, view) if order_by else None,
        duration=duration,
        top_n=_top_n(view, item, context),
        level_of_detail=read_level_of_detail(view, item, context),
    )
    named = {found.order_by_field} if found.order_by_field else set()
    named |= {found.top_n.by} if found.top_n else set()
    named |= set(found.level_of_detail.grain) if found.level_of_detail else set()
    return replace(found, references=found.references | {name.partition("[")[0] for name in named})


def qualified(name: str, view: str) -> str:
    """Return a field's id; a name without a view is one of this view."""
    plain = name.removeprefix("${").removesuffix("}").strip()
    return plain if "." in plain else f"{view}.{plain}"


def _type(name: str, parsed: ParsedExpression, timeframes: tuple[str, ...]) -> FieldType:
    told = inferred_type(parsed.tree)
    if told != "unknown" or not timeframes:
        return told
    return "date" if name.lower().endswith("date") else "timestamp"


def _timeframes(item: Node, parsed: ParsedExpression, duration: Duration | None, context: Context) -> tuple[str, ...]:
    """Return what was chosen; a date or a moment for which nothing was has the model's, or the usual ones."""
    if duration is not None:
        intervals = item.map()["duration"].map().get("intervals")
        asked = [str(item.value) for item in intervals.value] if intervals and isinstance(intervals.value, list) else []
        return tuple(name for name in (_interval(name, item, context) for name in asked or INTERVALS) if name)
    if "timeframes" not in item.map() and inferred_type(parsed.tree) in ("date", "timestamp"):
        return context.default_timeframes or USUAL
    return read_timeframes(item, "timeframes", context)


def read_timeframes(item: Node, parameter: str, context: Context) -> tuple[str, ...]:
    """Return a parameter that lists timeframes."""
    node, found = item.map().get(parameter), []
    for name in texts(item, parameter, context.problems):
        if name not in TIMEFRAMES:
            context.fault(node or item, f"there is no timeframe “{name}”.{did_you_mean(name, TIMEFRAMES)}")
        elif name in FISCAL and context.fiscal_month_offset is None:
            context.fault(node or item, f"“{name}” needs fiscal_month_offset in the model file")
        else:
            found.append(name)
    return tuple(found)


def _interval(name: str, item: Node, context: Context) -> str:
    plural = name if name.endswith("s") else f"{name}s"
    if plural in INTERVALS:
        return plural
    context.fault(item.map()["duration"], f"there is no interval “{name}”.{did_you_mean(name, INTERVALS)}")
    return ""


def _duration(view: str, item: Node, context: Context) -> tuple[Duration | None, frozenset[str]]:
    node = item.map().get("duration")
    if node is None:
        return None, frozenset()
    ends = [
        context.parsed(text(node, name, context.problems), view, node, name=name) if name in node.map() else None
        for name in ("sql_start", "sql_end")
    ]
    if ends[0] is None or ends[1] is None:
        if not all(name in node.map() for name in ("sql_start", "sql_end")):
            context.fault(node, "a duration needs sql_start and sql_end")
        return None, frozenset()
    return Duration(ends[0].tree, ends[1].tree), ends[0].references | ends[1].references


def _top_n(view: str, item: Node, context: Context) -> TopN | None:
    node = item.map().get("dynamic_top_n")
    if node is None:
        return None
    count, by = node.map().get("n"), text(node, "by", context.problems)
    if count is None or isinstance(count.value, bool) or not isinstance(count.value, int) or count.value < 1 or not by:
        context.fault(node, "dynamic_top_n needs n, a number above zero, and by, a measure")
        return None
    other = text(node, "else", context.problems) or "Other"
    return TopN(count.value, qualified(by, view), flag(node, "desc", context.problems, default=True), other)


def read_level_of_detail(view: str, item: Node, context: Context) -> LevelOfDetail | None:
    """Return ``level_of_detail``: an aggregate and the dimensions of its grain."""
    node = item.map().get("level_of_detail")
    if node is None:
        return None
    chosen = [name for name in STRATEGIES if name in node.map()]
    if len(chosen) != 1:
        context.fault(node, "level_of_detail needs exactly one of fixed, include and exclude")
        return None
    aggregate: Aggregate = choice(node, "aggregate_type", LOD_AGGREGATES, context.problems)  # type: ignore[assignment]  # it is one of the words handed in
    if not aggregate:
        if "aggregate_type" not in node.map():
            context.fault(node, "level_of_detail needs an aggregate_type")
        return None
    if "custom_primary_key_sql" in node.map():
        context.fault(
            node, "custom_primary_key_sql is not supported here: rows are told apart by the view's primary key"
        )
    grain = tuple(qualified(name, view) for name in texts(node, chosen[0], context.problems))
    strategy = "fixed" if chosen[0] == "fixed" else "include" if chosen[0] == "include" else "exclude"
    return LevelOfDetail(aggregate, strategy, grain, flag(node, "cancel_query_filters", context.problems))  # type: ignore[arg-type]  # looked up by a word that was checked
