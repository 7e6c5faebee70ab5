"""Omni's format names → text for people and d3 patterns for axes. One reading for HTML, charts and SVG."""

import math
import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from apps.dashboards.date_patterns import MONTHS, format_by_pattern, is_date_pattern
from apps.dashboards.number_patterns import format_by_number_pattern, is_number_pattern, read_pattern

Unit = Literal["number", "percent", "currency", "id"]

CURRENCIES = {"usd": "$", "eur": "€", "gbp": "£", "aud": "A$", "jpy": "¥", "brl": "R$"}
SCALES = {"thousands": (1_000, "K"), "millions": (1_000_000, "M"), "billions": (1_000_000_000, "B")}
STEPS = ((1_000_000_000_000, "T"), (1_000_000_000, "B"), (1_000_000, "M"), (1_000, "K"))
NAME = re.compile(
    r"(?P<big>big)?(?P<currency>usd|eur|gbp|aud|jpy|brl)?"
    r"(?P<base>number|percent|id|currency|accounting|financial|billions|millions|thousands|)(?:_(?P<decimals>\d))?"
)
NO_VALUE = "–"
HEADLINE_ROOM = 10_000_000
"""numbers from here on are shortened in a headline"""


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """A number format, read. ``decimals`` None means as many as the value needs, up to two."""

    unit: Unit = "number"
    decimals: int | None = None
    symbol: str = ""
    is_big: bool = False
    scale: int = 1
    suffix: str = ""
    has_brackets: bool = False


def read_format(name: str | None) -> NumberFormat:
    """Read a format name; one that is unknown means a plain number, never an error on a page."""
    found = NAME.fullmatch((name or "").lower())
    if not found:
        return NumberFormat()
    base = found["base"] or ("number" if not found["currency"] else "currency")
    scale, suffix = SCALES.get(base, (1, ""))
    is_money = base in ("currency", "accounting", "financial") or bool(found["currency"])
    symbol = CURRENCIES[found["currency"] or "usd"] if is_money and base != "financial" else ""
    unit: Unit = base if base in ("percent", "id") else "currency" if symbol else "number"  # type: ignore[assignment]  # each branch is such a word
    decimals = int(found["decimals"]) if found["decimals"] else None
    if decimals is None and is_money:
        decimals = 2
    has_brackets = base in ("accounting", "financial")
    return NumberFormat(unit, decimals, symbol, bool(found["big"]), scale, suffix, has_brackets)


def format_number(value: float | Decimal, name: str | None = None) -> str:
    """Write a number for people, e.g. ``usdcurrency_0`` or ``$#,##0`` → ``$1,234``."""
    if not _is_finite(value):
        return str(value)
    if name and is_number_pattern(name):
        return format_by_number_pattern(value, name)
    how = read_format(name)
    if how.unit == "id":
        return str(value)
    magnitude, suffix = abs(float(value)) / how.scale, how.suffix
    if how.is_big:
        magnitude, suffix = shorten(magnitude)
    if how.unit == "percent":
        magnitude, suffix = magnitude * 100, "%"
    text = f"{how.symbol}{_digits(magnitude, _decimals(how, magnitude, value))}{suffix}"
    if value >= 0 or not any(letter in "123456789" for letter in text):
        return text
    return f"({text})" if how.has_brackets else f"−{text}"


def format_short(value: float | Decimal, name: str | None = None) -> str:
    """Write a number in the room of a headline: from ten million on as ``$2.14B``. A pattern says itself what is short."""
    how = read_format(name)
    if (
        not _is_finite(value)
        or is_number_pattern(name)
        or how.unit in ("id", "percent")
        or how.is_big
        or how.suffix
        or abs(float(value)) < HEADLINE_ROOM
    ):
        return format_number(value, name)
    magnitude, suffix = shorten(abs(float(value)))
    return f"{'−' if value < 0 else ''}{how.symbol}{magnitude:,.2f}{suffix}"


def _is_finite(value: float | Decimal) -> bool:
    return value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)


def shorten(magnitude: float) -> tuple[float, str]:
    """Scale a positive number to at most four digits before the point."""
    for step, suffix in STEPS:
        if magnitude >= step:
            return magnitude / step, suffix
    return magnitude, ""


def _decimals(how: NumberFormat, magnitude: float, value: float | Decimal) -> int:
    if how.decimals is not None:
        return how.decimals
    if isinstance(value, int) and not how.is_big and not how.suffix:
        return 1 if how.unit == "percent" else 0
    return 1 if how.unit == "percent" or magnitude >= 1000 else 2


def _digits(magnitude: float, decimals: int) -> str:
    return f"{magnitude:,.{decimals}f}"


def d3_format(name: str | None) -> str:
    """Return the d3 pattern for an axis; axes are short, so large numbers are scaled."""
    if name and is_number_pattern(name):
        return ".0%" if any(text == "%" for text, _ in read_pattern(name)[0].parts) else "~s"
    how = read_format(name)
    if how.unit == "id":
        return "d"
    if how.unit == "percent":
        return ".0%"
    return "$~s" if how.symbol == "$" else "~s"


def format_value(value: object, *, name: str = "", format_name: str | None = None) -> str:
    """Write any value of a result for people; ``name`` is the column, whose timeframe says how to write a date."""
    if value is None:
        return NO_VALUE
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, datetime | date):
        if format_name is not None and is_date_pattern(format_name):
            return format_by_pattern(value, format_name)
        return format_moment(value, timeframe_of(name))
    if isinstance(value, int | float | Decimal):
        return format_part(value, name) or format_number(value, format_name)
    return str(value)


def format_part(value: float | Decimal, name: str) -> str:
    """Write a number that is a part of a date (an hour, a month), or nothing."""
    timeframe = timeframe_of(name)
    if timeframe == "hour_of_day":
        return f"{int(value):02d}:00"
    if timeframe in ("month_num", "day_of_week_num", "quarter_of_year", "year"):
        return str(int(value))
    return ""


def timeframe_of(name: str) -> str:
    """Return ``month`` of ``orders.created_at[month]``."""
    return name.partition("[")[2].rstrip("]")


def format_moment(value: date, timeframe: str) -> str:
    """Write a date or a time as its timeframe wants it."""
    if timeframe == "year":
        return f"{value.year}"
    if timeframe == "quarter":
        return f"Q{(value.month + 2) // 3} {value.year}"
    if timeframe == "month":
        return f"{MONTHS[value.month - 1][:3]} {value.year}"
    day = f"{value.day} {MONTHS[value.month - 1][:3]} {value.year}"
    if timeframe == "week":
        return f"Week of {day}"
    if not isinstance(value, datetime) or timeframe == "date":
        return day
    return f"{day} {value:%H:%M}"
