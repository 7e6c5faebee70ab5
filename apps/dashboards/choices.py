"""Filters of a page as they stand in its address: ``f--origin=JFK&f--origin=EWR&f--dates=2013-01-01..2013-06-30``."""

from collections.abc import Iterable
from datetime import date, timedelta
from urllib.parse import urlencode

from django.http import QueryDict

from apps.dashboards.models import DashboardFilter
from apps.dashboards.types import Chip, Choice, Condition

PREFIX = "f--"
START, UNTIL = "--from", "--until"
MAX_VALUES = 200
MAX_LENGTH = 400


def read_choices(filters: Iterable[DashboardFilter], address: QueryDict) -> tuple[Choice, ...]:
    """Read what the address chooses for each filter; what is not understood is reported, never guessed."""
    return tuple(_read_choice(item, address) for item in filters)


def _read_choice(item: DashboardFilter, address: QueryDict) -> Choice:
    given = [value for value in address.getlist(f"{PREFIX}{item.key}") if value.strip()]
    if item.kind == DashboardFilter.Kind.DATE_RANGE:
        return _read_range(item, given[-1]) if given else Choice(item)
    values = tuple(dict.fromkeys(given))
    if len(values) > MAX_VALUES or any(len(value) > MAX_LENGTH or "\x00" in value for value in values):
        return Choice(item, problem="These values cannot be used.")
    return Choice(item, values, condition={"is": list(values)}) if values else Choice(item)


def _read_range(item: DashboardFilter, text: str) -> Choice:
    start, dots, until = text.partition("..")
    try:
        first = date.fromisoformat(start) if start else None
        last = date.fromisoformat(until) if until else None
        after = last + timedelta(days=1) if last else None
    except (ValueError, OverflowError):
        return Choice(item, problem="Write dates as 2013-01-31..2013-06-30.")
    if not dots or (first is None and last is None):
        return Choice(item, problem="Write dates as 2013-01-31..2013-06-30.")
    if first and last and last < first:
        return Choice(item, start=start, until=until, problem="The range ends before it starts.")
    return Choice(item, start=start, until=until, condition=_range_condition(first, after))


def _range_condition(first: date | None, after: date | None) -> Condition:
    """Both days count: the end of a range excludes, so it is the day after the last."""
    if first and after:
        return {"between_dates": [first.isoformat(), after.isoformat()]}
    if first:
        return {"on_or_after": first.isoformat()}
    return {"before": after.isoformat() if after else ""}


def canonical_query(filters: Iterable[DashboardFilter], address: QueryDict) -> str | None:
    """Return the address a submitted form should lead to, or None when it is already written that way.

    A form without scripts sends the two ends of a range as two fields, and empty fields too.
    """
    parts: list[tuple[str, str]] = []
    has_loose_ends = False
    for item in filters:
        name = f"{PREFIX}{item.key}"
        if name + START in address or name + UNTIL in address:
            has_loose_ends = True
            start, until = address.get(name + START, "").strip(), address.get(name + UNTIL, "").strip()
            parts += [(name, f"{start}..{until}")] if start or until else []
        else:
            parts += [(name, value) for value in address.getlist(name) if value.strip()]
    if not has_loose_ends:
        return None
    if address.get("static") == "1":
        parts.append(("static", "1"))
    return urlencode(parts)


def query_string(choices: Iterable[Choice], *, without: tuple[str, str] | None = None) -> str:
    """Write choices back as an address, leaving out one ``(key, value)``."""
    return urlencode([pair for choice in choices for pair in _pairs(choice) if pair != without])


def _pairs(choice: Choice) -> list[tuple[str, str]]:
    name = f"{PREFIX}{choice.filter.key}"
    if choice.filter.kind == DashboardFilter.Kind.DATE_RANGE:
        return [(name, f"{choice.start}..{choice.until}")] if choice.start or choice.until else []
    return [(name, value) for value in choice.values]


def chips(choices: tuple[Choice, ...]) -> tuple[Chip, ...]:
    """List what is chosen, each with the address that gives it up."""
    return tuple(
        Chip(choice.filter.label, _pair_text(value), "?" + query_string(choices, without=(name, value)))
        for choice in choices
        for name, value in _pairs(choice)
    )


def _pair_text(value: str) -> str:
    start, dots, until = value.partition("..")
    if not dots:
        return value
    return f"{start or '…'} – {until or '…'}"
