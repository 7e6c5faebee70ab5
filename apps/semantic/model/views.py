"""View files: dimensions and measures."""

import re
from collections.abc import Mapping

from apps.semantic.errors import Problem
from apps.semantic.model.expressions import ExpressionError, ParsedExpression, inferred_type, parse_expression
from apps.semantic.model.parameters import add, check_parameters, flag, text, texts
from apps.semantic.model.rules import read_filters, read_policies, read_rule
from apps.semantic.model.suggestions import did_you_mean
from apps.semantic.model.types import TIMEFRAMES, Aggregate, Dimension, FieldType, Measure, View
from apps.semantic.model.yaml_nodes import Node

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
REFERENCE_LINE = re.compile(r"#\s*Reference this view as\s+([A-Za-z_]\w*)", re.IGNORECASE)
AGGREGATES: tuple[Aggregate, ...] = ("count", "count_distinct", "sum", "average", "min", "max")
OTHER_AGGREGATES = ("median", "list", "percentile", "sum_distinct_on", "average_distinct_on", "median_distinct_on")


def view_name(path: str, content: str) -> str:
    """Return how the view is referred to: by its first line, else by its file's name."""
    if found := REFERENCE_LINE.match(content):
        return found.group(1)
    return path.rpartition("/")[2].removesuffix(".yaml").removesuffix(".yml").removesuffix(".view")


def readable(name: str) -> str:
    """Return a name as a label: ``dep_delay`` → ``Dep delay``."""
    return name.replace("_", " ").strip().capitalize()


def read_view(name: str, node: Node, *, dialect: str, problems: list[Problem]) -> View:
    """Return the view; faults are noted, and what can be read is read."""
    check_parameters(node, "view", problems)
    if not IDENTIFIER.fullmatch(name):
        add(problems, node, f"“{name}” cannot be the name of a view: letters, digits and underscores")
    dimensions = {
        field: _dimension(name, field, item, dialect, problems) for field, item in _fields(node, "dimensions", problems)
    }
    measures = {
        field: measure
        for field, item in _fields(node, "measures", problems)
        if (measure := _measure(name, field, item, dialect, problems)) is not None
    }
    for field in measures.keys() & dimensions.keys():
        add(problems, node.map()["measures"].map()[field], f"“{field}” is a dimension and a measure")
    return View(
        name=name,
        schema=text(node, "schema", problems) or None,
        catalog=text(node, "catalog", problems) or None,
        table_name=text(node, "table_name", problems) or name.rpartition("__")[2],
        source=node.source,
        label=text(node, "label", problems) or readable(name),
        description=text(node, "description", problems),
        dimensions=dimensions,
        measures=measures,
        required_access_grants=read_rule(node, "required_access_grants", problems),
        access_filters=read_policies(node, "access_filters", problems, view=name),
    )


def _fields(node: Node, name: str, problems: list[Problem]) -> list[tuple[str, Node]]:
    value = node.map().get(name)
    if value is None or value.value is None:
        return []
    if not isinstance(value.value, dict):
        add(problems, value, f"“{name}” must be a map of names")
        return []
    found = []
    for field, item in value.value.items():
        if not IDENTIFIER.fullmatch(field):
            add(problems, item, f"“{field}” cannot be a name: letters, digits and underscores")
        else:
            found.append((field, item if isinstance(item.value, dict) else Node({}, item.file, item.line, item.column)))
    return found


def _parsed(
    sql: str, view: str, item: Node, dialect: str, problems: list[Problem], *, may_aggregate: bool = False
) -> ParsedExpression | None:
    try:
        return parse_expression(sql, view=view, dialect=dialect, may_aggregate=may_aggregate)
    except ExpressionError as error:
        add(problems, item.map().get("sql", item), str(error))
        return None


def _dimension(view: str, name: str, item: Node, dialect: str, problems: list[Problem]) -> Dimension:
    check_parameters(item, "dimension", problems)
    quote = "`" if dialect in ("mysql", "bigquery", "databricks", "spark") else '"'
    parsed = _parsed(text(item, "sql", problems) or f"{quote}{name}{quote}", view, item, dialect, problems)
    if parsed is None:
        parsed = parse_expression(f"{quote}{name}{quote}", view=view, dialect=dialect)
    timeframes = _timeframes(item, problems)
    return Dimension(
        name=name,
        view=view,
        label=text(item, "label", problems) or readable(name),
        sql=parsed.tree,
        type=_type(name, parsed, timeframes),
        source=item.source,
        description=text(item, "description", problems),
        format=text(item, "format", problems) or None,
        group_label=text(item, "group_label", problems),
        is_hidden=flag(item, "hidden", problems),
        is_primary_key=flag(item, "primary_key", problems),
        timeframes=timeframes,
        required_access_grants=read_rule(item, "required_access_grants", problems),
        mask_unless_access_grants=read_rule(item, "mask_unless_access_grants", problems),
        references=parsed.references,
    )


def _type(name: str, parsed: ParsedExpression, timeframes: tuple[str, ...]) -> FieldType:
    told = inferred_type(parsed.tree)
    if told != "unknown" or not timeframes:
        return told
    return "date" if name.lower().endswith("date") else "timestamp"


def _timeframes(item: Node, problems: list[Problem]) -> tuple[str, ...]:
    found = []
    for name in texts(item, "timeframes", problems):
        if name in TIMEFRAMES:
            found.append(name)
        else:
            hint = did_you_mean(name, TIMEFRAMES)
            add(problems, item.map()["timeframes"], f"there is no timeframe “{name}”.{hint}")
    return tuple(found)


def _measure(view: str, name: str, item: Node, dialect: str, problems: list[Problem]) -> Measure | None:
    check_parameters(item, "measure", problems)
    aggregate = _aggregate(item, problems)
    sql = text(item, "sql", problems)
    if aggregate is None:
        return None
    if not sql and aggregate != "count":
        add(problems, item, f"the measure “{name}” needs sql")
        return None
    parsed = _parsed(sql, view, item, dialect, problems, may_aggregate=aggregate == "expression") if sql else None
    if sql and parsed is None:
        return None
    filters = read_filters(item, "filters", problems, view=view)
    return Measure(
        name=name,
        view=view,
        label=text(item, "label", problems) or readable(name),
        aggregate=aggregate,
        sql=parsed.tree if parsed else None,
        source=item.source,
        description=text(item, "description", problems),
        format=text(item, "format", problems) or None,
        group_label=text(item, "group_label", problems),
        is_hidden=flag(item, "hidden", problems),
        filters=filters,
        required_access_grants=read_rule(item, "required_access_grants", problems),
        references=parsed.references if parsed else frozenset(),
    )


def _aggregate(item: Node, problems: list[Problem]) -> Aggregate | None:
    name = text(item, "aggregate_type", problems)
    if not name:
        return "expression"
    if name in AGGREGATES:
        return name
    hint = " It is not supported in this version." if name in OTHER_AGGREGATES else did_you_mean(name, AGGREGATES)
    add(problems, item.map()["aggregate_type"], f"there is no aggregate_type “{name}”.{hint}")
    return None


def all_fields(views: Mapping[str, View]) -> set[str]:
    """Return the id of every field."""
    return {f"{view.name}.{name}" for view in views.values() for name in (*view.dimensions, *view.measures)}
