"""Conditions of filters in plain Python; a negation is the exact complement."""

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
          "december")  # fmt: skip
CALENDAR = (
    "day_of_week",
    "day_of_month",
    "day_of_quarter",
    "day_of_year",
    "hour_of_day",
    "month_of_year",
    "quarter_of_year",
)
FIRST_WEEKDAY = 5
"""of the worlds' models, from Monday as 0"""


@dataclass(frozen=True, eq=True)
class Moment:
    """A moment that is stored in UTC, and the zone of the clock that its conditions are meant by."""

    at: datetime
    zone: str

    @property
    def local(self) -> datetime:
        return self.at.replace(tzinfo=UTC).astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)


def holds(rule: Mapping[str, Any], found: Any) -> bool:
    """Say whether a value meets a condition."""
    folds = rule.get("case_insensitive", False)
    return all(
        _holds(operator, _folded(given) if folds else given, _folded(found) if folds else found)
        for operator, given in rule.items()
        if operator != "case_insensitive"
    )


def named(filters: Mapping[str, Any]) -> list[str]:
    """Return the fields that filters name, groups looked into."""
    found: list[str] = []
    for name, rule in filters.items():
        if "." in name:
            found.append(name)
        else:
            found += [inner for part in (rule if isinstance(rule, list) else [rule]) for inner in named(part)]
    return found


def _folded(value: Any) -> Any:
    if isinstance(value, list):
        return [_folded(item) for item in value]
    return value.lower() if isinstance(value, str) else value


def _holds(operator: str, given: Any, found: Any) -> bool:
    if operator in ("and", "or"):
        return (all if operator == "and" else any)(holds(item, found) for item in given)
    if operator == "not" and isinstance(given, dict):
        return not holds(given, found)
    if operator == "not" or operator.startswith("not_"):
        return not _holds(operator[4:] or "is", given, found)
    values = given if isinstance(given, list) else [given]
    if operator == "is" and found is None:
        return None in values
    if found is None:
        return False
    if isinstance(found, date | Moment):
        return _dated(operator, values, found)
    if operator == "is":
        return found in values
    if operator in ("contains", "starts_with", "ends_with"):
        test = {"contains": str.__contains__, "starts_with": str.startswith, "ends_with": str.endswith}[operator]
        return any(test(found, text) for text in values)
    if operator == "sql_like":
        return len(found) >= 2 and found[1] == "a"  # “_a%”, the one pattern asked for
    if operator == "between":
        return bool(values[0] <= found <= values[1])
    return bool(
        {"greater_than": found > given, "less_than": found < given, "greater_than_or_equal_to": found >= given,
         "less_than_or_equal_to": found <= given}[operator]
    )  # fmt: skip


def _dated(operator: str, values: list[Any], found: date | Moment) -> bool:
    at = found.local if isinstance(found, Moment) else found
    at = at if isinstance(at, datetime) else datetime.combine(at, time())
    if operator in CALENDAR:
        return _on_the_calendar(operator, at) in [_number(value) for value in values]
    start = [
        datetime.fromisoformat(value) for value in values if value is not None and value[:1].isdigit() and "-" in value
    ]
    if operator == "is":
        return any(day <= at < day + timedelta(days=1) for day in start)
    if operator == "before":
        return at < start[0]
    if operator == "on_or_after":
        return at >= start[0]
    end = start[1] if operator == "between_dates" else shifted(start[0], values[1])
    return start[0] <= at < end


def _on_the_calendar(operator: str, at: datetime) -> int:
    quarter = datetime.combine(at.replace(month=(at.month - 1) // 3 * 3 + 1, day=1), time())
    return {
        "day_of_week": (at.weekday() - FIRST_WEEKDAY) % 7 + 1, "day_of_month": at.day, "day_of_quarter": (at - quarter).days + 1,
        "day_of_year": at.timetuple().tm_yday, "hour_of_day": at.hour, "month_of_year": at.month,
        "quarter_of_year": (at.month - 1) // 3 + 1,
    }[operator]  # fmt: skip


def _number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.lower()
    return MONTHS.index(text) + 1 if text in MONTHS else (WEEKDAYS.index(text) - FIRST_WEEKDAY) % 7 + 1


def shifted(day: Any, offset: str) -> Any:
    """Return a day or moment some time later; a month's end stays within its month."""
    count, unit = offset.split(" ")
    if unit.startswith("day"):
        return day + timedelta(days=int(count))
    months = int(count) * {"month": 1, "quarter": 3, "year": 12}[unit.removesuffix("s")]
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return day.replace(year=year, month=month + 1, day=min(day.day, monthrange(year, month + 1)[1]))
