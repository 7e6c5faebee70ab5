"""The model file: constants, cache policies, calendar, schemas."""

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from zoneinfo import available_timezones

from sqlglot import exp

from apps.semantic.model.context import Context
from apps.semantic.model.expressions import ExpressionError, parse_expression
from apps.semantic.model.parameters import submap, text, texts
from apps.semantic.model.suggestions import did_you_mean
from apps.semantic.model.types import CachePolicy
from apps.semantic.model.yaml_nodes import Node

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
AGE = re.compile(r"(\d{1,6})\s*(second|minute|hour|day|week)s?", re.ASCII)
SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
MAX_AGE_S = 30 * 86_400
MOST_MONTHS = 11
MAX_CONSTANT = 500
"""nodes of a constant's tree"""


def read_constants(header: Node, context: Context) -> None:
    """Read ``constants`` into the context, each an expression; one may use those before it.

    One that is no expression (``#,##0 "kg"``) is there for formats alone.
    """
    for name, item in submap(header, "constants", context.problems).items():
        value = item.map().get("value", item) if isinstance(item.value, dict) else item
        if not isinstance(value.value, str | int | float | bool):
            context.fault(item, f"the constant “{name}” must be a text or a number")
            continue
        context.texts[name] = value.text or str(value.value)
        if not isinstance(value.value, str):
            literal = exp.convert(value.value)
            context.constants[name] = literal  # type: ignore[assignment]  # a literal is an expression
            continue
        try:
            parsed = parse_expression(value.value, view="", dialect=context.dialect, constants=context.constants)
        except ExpressionError as error:
            context.warn(item, f"the constant “{name}” can stand in formats alone, and in no SQL: {error}")
        else:
            if sum(1 for _ in parsed.tree.walk()) > MAX_CONSTANT:
                context.fault(
                    item, f"the constant “{name}” is larger than {MAX_CONSTANT} parts, with those that it uses"
                )
            else:
                context.constants[name] = parsed.tree


def read_calendar(header: Node, context: Context) -> tuple[int, str | None]:
    """Return the first weekday (0 = Monday) and the time zone; the fiscal year goes into the context."""
    offset = header.map().get("fiscal_month_offset")
    if offset is not None:
        value = offset.value
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MOST_MONTHS:
            context.fault(offset, "fiscal_month_offset must be a whole number from -11 to 11")
        else:
            context.fiscal_month_offset = value
    name = text(header, "week_start_day", context.problems).lower() or WEEKDAYS[0]
    zone = text(header, "query_timezone", context.problems) or None
    if zone is not None and zone not in available_timezones():
        context.fault(header.map()["query_timezone"], f"there is no time zone “{zone}”, such as “Europe/Oslo”")
    if name in WEEKDAYS:
        return WEEKDAYS.index(name), zone
    context.fault(header.map()["week_start_day"], f"“{name}” is no weekday.{did_you_mean(name, WEEKDAYS)}")
    return 0, zone


def read_cache_policies(header: Node, context: Context) -> dict[str, CachePolicy]:
    """Return ``cache_policies``; an age is written as ``6 hours``, at most 30 days, 0 keeps nothing."""
    found: dict[str, CachePolicy] = {}
    for name, item in submap(header, "cache_policies", context.problems).items():
        age = text(item, "max_cache_age", context.problems)
        match = AGE.fullmatch(age.strip().lower())
        seconds = int(match[1]) * SECONDS[match[2]] if match else None
        if seconds is None or seconds > MAX_AGE_S:
            context.fault(item, "max_cache_age is a length of time up to 30 days, such as “6 hours”")
            continue
        found[name] = CachePolicy(name, seconds, item.source)
    default = text(header, "default_cache_policy", context.problems)
    if default and default not in found:
        context.fault(
            header.map()["default_cache_policy"], f"there is no cache policy “{default}”.{did_you_mean(default, found)}"
        )
    return found


def read_schemas(header: Node, context: Context) -> dict[str, tuple[str, str]]:
    """Return ``dynamic_schemas``: name → (schema that the model was made from, user attribute that names the real one)."""
    found: dict[str, tuple[str, str]] = {}
    for name, item in submap(header, "dynamic_schemas", context.problems).items():
        origin, attribute = text(item, "from_schema", context.problems), text(item, "user_attribute", context.problems)
        if not origin or not attribute.isidentifier():
            context.fault(item, f"the dynamic schema “{name}” needs from_schema and user_attribute")
        else:
            found[name] = origin, attribute
    return found


def hidden_by_lists(header: Node, context: Context) -> tuple[list[str], list[str]]:
    """Return the patterns of views that the model leaves out, and of those that it keeps alone."""
    for left, right in (("ignored_views", "included_views"), ("ignored_schemas", "included_schemas")):
        if left in header.map() and right in header.map():
            context.fault(header.map()[left], f"{left} and {right} exclude each other")
    return texts(header, "ignored_views", context.problems), texts(header, "included_views", context.problems)


def schema_filter(header: Node, context: Context) -> Callable[[str | None], bool]:
    """Return what says whether views of a schema are listed: as ``ignored_schemas`` and ``included_schemas`` have it.

    Views of others are hidden, not gone: topics may still name them.
    """
    ignored, included = (texts(header, name, context.problems) for name in ("ignored_schemas", "included_schemas"))

    def is_listed(schema: str | None) -> bool:
        if schema is None:
            return True
        is_included = not included or any(fnmatchcase(schema, item) for item in included)
        return is_included and not any(fnmatchcase(schema, item) for item in ignored)

    return is_listed
