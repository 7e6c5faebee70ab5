"""Dates by a d3 pattern, as models write them. Reference: d3-time-format; its names and numbers are the English ones."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
DIRECTIVE = re.compile(r"%(?P<fill>[-_0]?)(?P<letter>[A-Za-z%])")
WORDS: dict[str, Callable[[datetime], str]] = {
    "a": lambda moment: WEEKDAYS[moment.weekday()][:3],
    "A": lambda moment: WEEKDAYS[moment.weekday()],
    "b": lambda moment: MONTHS[moment.month - 1][:3],
    "B": lambda moment: MONTHS[moment.month - 1],
    "c": lambda moment: f"{moment.month}/{moment.day}/{moment.year}, {moment.hour % 12 or 12}:{moment:%M:%S %p}",
    "p": lambda moment: "AM" if moment.hour < 12 else "PM",
    "x": lambda moment: f"{moment.month}/{moment.day}/{moment.year}",
    "X": lambda moment: f"{moment.hour % 12 or 12}:{moment:%M:%S %p}",
    "Z": lambda moment: f"{moment:%z}" or "+0000",
    "%": lambda moment: "%",
}
NUMBERS: dict[str, Callable[[datetime], tuple[int, int, str]]] = {
    "d": lambda moment: (moment.day, 2, "0"),
    "e": lambda moment: (moment.day, 2, " "),
    "f": lambda moment: (moment.microsecond, 6, "0"),
    "g": lambda moment: (moment.isocalendar().year % 100, 2, "0"),
    "G": lambda moment: (moment.isocalendar().year, 4, "0"),
    "H": lambda moment: (moment.hour, 2, "0"),
    "I": lambda moment: (moment.hour % 12 or 12, 2, "0"),
    "j": lambda moment: (moment.timetuple().tm_yday, 3, "0"),
    "L": lambda moment: (moment.microsecond // 1000, 3, "0"),
    "m": lambda moment: (moment.month, 2, "0"),
    "M": lambda moment: (moment.minute, 2, "0"),
    "q": lambda moment: ((moment.month + 2) // 3, 1, ""),
    "Q": lambda moment: (round(_aware(moment).timestamp() * 1000), 1, ""),
    "s": lambda moment: (int(_aware(moment).timestamp()), 1, ""),
    "S": lambda moment: (moment.second, 2, "0"),
    "u": lambda moment: (moment.isoweekday(), 1, ""),
    "U": lambda moment: (int(f"{moment:%U}"), 2, "0"),
    "V": lambda moment: (moment.isocalendar().week, 2, "0"),
    "w": lambda moment: (moment.isoweekday() % 7, 1, ""),
    "W": lambda moment: (int(f"{moment:%W}"), 2, "0"),
    "y": lambda moment: (moment.year % 100, 2, "0"),
    "Y": lambda moment: (moment.year, 4, "0"),
}
"""d3's directives of numbers: the number, how wide it is, and what fills it up"""


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def is_date_pattern(format_name: str | None) -> bool:
    """Say whether a format of the model is a pattern of dates; in those of numbers no letter follows a percent sign."""
    return DIRECTIVE.search(format_name or "") is not None


def format_by_pattern(value: date, pattern: str) -> str:
    """Write a date or a time by a d3 pattern (``%b %-d, %Y``); of what it does not know the letter stands.

    A dash, an underscore or a zero after the percent sign says what fills a number up: nothing, spaces or zeros.
    Reference: d3-time-format, whose English names these are.
    """
    moment = value if isinstance(value, datetime) else datetime.combine(value, time.min, UTC)
    return DIRECTIVE.sub(lambda found: _directive(moment, found["fill"], found["letter"]), pattern)


def _directive(moment: datetime, fill: str, letter: str) -> str:
    if letter in WORDS:
        return WORDS[letter](moment)
    if letter not in NUMBERS:
        return letter
    number, width, filler = NUMBERS[letter](moment)
    filler = {"-": "", "_": " ", "0": "0"}.get(fill, filler)
    return str(number).rjust(width, filler) if filler else str(number)
