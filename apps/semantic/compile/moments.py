"""Dates as people write them: ``2026-11-23``, ``today``, ``90 days ago``, ``last month``."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
ISO_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
ISO_YEAR = re.compile(r"\d{4}", re.ASCII)
ISO_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?", re.ASCII)
NAMED = re.compile(r"(this|last|next) (day|week|month|quarter|year)")
RELATIVE = re.compile(r"(\d{1,5}) (complete )?(day|week|month|quarter|year)s? (ago|from now)", re.ASCII)
LENGTH = re.compile(r"(\d{1,5}) (minute|hour|day|week|month|quarter|year)s?", re.ASCII)
DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
TURNS = {"last": -1, "this": 0, "next": 1}
MONTHS = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True, slots=True)
class Period:
    """From ``start`` until just before ``end``; a single moment has no ``end``. Local time, no zone."""

    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class Calendar:
    """What relative dates count from; ``week_start`` 0 is Monday."""

    today: date
    week_start: int = 0

    def period(self, text: str) -> Period:
        """Return the time that a text names.

        Raises:
            ValueError: it names none.
            OverflowError: it lies outside the years 1 to 9999.
        """
        text = text.strip().lower()
        if ISO_DATE.fullmatch(text):
            return _whole(_midnight(date.fromisoformat(text)), "day")
        if ISO_MOMENT.fullmatch(text):
            return Period(datetime.fromisoformat(text), None)
        if ISO_YEAR.fullmatch(text):
            return _whole(datetime(int(text), 1, 1), "year")  # noqa: DTZ001 (local time of the query)
        if match := ISO_MONTH.fullmatch(text):
            return _whole(datetime(int(match[1]), int(match[2]), 1), "month")  # noqa: DTZ001 (local time, as above)
        return self._relative(text)

    def _relative(self, text: str) -> Period:
        now = _midnight(self.today)
        if text in DAYS:
            return _whole(shifted(now, DAYS[text], "day"), "day")
        if match := NAMED.fullmatch(text):
            return _whole(shifted(self._start(now, match[2]), TURNS[match[1]], match[2]), match[2])
        if match := RELATIVE.fullmatch(text):
            count = int(match[1]) * (-1 if match[4] == "ago" else 1)
            if match[2]:
                return _whole(shifted(self._start(now, match[3]), count, match[3]), match[3])
            return _whole(shifted(now, count, match[3]), "day")
        raise ValueError(text)

    def _start(self, moment: datetime, unit: str) -> datetime:
        if unit == "week":
            return moment - timedelta(days=(moment.weekday() - self.week_start) % 7)
        if unit == "day":
            return moment
        months = MONTHS[unit]
        return moment.replace(month=(moment.month - 1) // months * months + 1, day=1)


def length(text: str) -> tuple[int, str]:
    """Return count and unit of a length such as ``90 days``; ValueError when it is none."""
    match = LENGTH.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(text)
    return int(match[1]), match[2]


def shifted(moment: datetime, count: int, unit: str) -> datetime:
    """Move a moment by units; the 31st becomes the last day of a shorter month."""
    if unit in MONTHS:
        month = moment.year * 12 + moment.month - 1 + count * MONTHS[unit]
        first = moment.replace(year=month // 12, month=month % 12 + 1, day=1)
        last = (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        return first.replace(day=min(moment.day, last.day))
    return moment + timedelta(**{f"{unit}s": count})


def _whole(start: datetime, unit: str) -> Period:
    return Period(start, shifted(start, 1, unit))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time())
