"""What the fields of the worlds' views are in plain Python, each beside its name in :mod:`tests.reference.texts`."""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

Row = dict[str, Any]
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")  # fmt: skip
DIMENSIONS: Mapping[str, Callable[[Row], Any]] = {
    "id": lambda row: row["id"],
    "fk": lambda row: row["fk"],
    "s": lambda row: row["s"],
    "n": lambda row: row["n"],
    "d": lambda row: row["d"],
    "d[month]": lambda row: row["d"].replace(day=1) if row["d"] else None,
    "d[year]": lambda row: row["d"].replace(month=1, day=1) if row["d"] else None,
    "plus": lambda row: (row["n"] or 0) + 1,
    "band": lambda row: (
        None if row["n"] is None else "< 0" if row["n"] < 0 else ">= 0 and < 5" if row["n"] < 5 else ">= 5"
    ),
    "kind": lambda row: "known" if row["s"] in ("a", "b") else "other",
    "tail": lambda row: row["s"], "gone": lambda row: row["s"], "void": lambda row: row["s"],
    "knot": lambda row: "known" if row["s"] in ("a", "b") else "other",
    "rough": lambda row: row["n"], "period": lambda row: row["d"],
}  # fmt: skip
# Of a moment as the reader's clock shows it.
FRAMES: Mapping[str, Callable[[datetime], Any]] = {
    "date": lambda at: at.date(),
    "week": lambda at: at.date() - timedelta(days=(at.weekday() - 5) % 7),
    "month": lambda at: at.date().replace(day=1),
    "quarter": lambda at: date(at.year, (at.month - 1) // 3 * 3 + 1, 1),
    "year": lambda at: date(at.year, 1, 1),
    "hour": lambda at: at.replace(minute=0, second=0, fold=0),
    "hour_of_day": lambda at: at.hour,
    "day_of_week_num": lambda at: (at.weekday() - 5) % 7 + 1,
    "day_of_month": lambda at: at.day,
    "day_of_quarter": lambda at: (at.date() - date(at.year, (at.month - 1) // 3 * 3 + 1, 1)).days + 1,
    "day_of_year": lambda at: at.timetuple().tm_yday,
    "month_num": lambda at: at.month,
    "month_name": lambda at: MONTHS[at.month - 1],
    "quarter_of_year": lambda at: (at.month - 1) // 3 + 1,
    "fiscal_year": lambda at: at.year if at.month > 2 else at.year - 1,
    "fiscal_quarter": lambda at: (
        date(at.year - 1, 12, 1) if at.month < 3 else date(at.year, (at.month - 3) // 3 * 3 + 3, 1)
    ),
}
TIMES = ("m", *(f"m[{frame}]" for frame in FRAMES))
MASKS: Mapping[str, Callable[[Any], Any]] = {
    "tail": lambda text: "*" * (len(text) - 1) + text[-1:] if len(text) > 1 else "*" * len(text),
    "gone": lambda text: "•••",
    "void": lambda text: None,
    "rough": lambda number: number // 4 * 4,
    "period": lambda day: date(day.year, (day.month - 1) // 3 * 3 + 1, 1),
}
# On a row that an outer join did not find, every column is missing.
MISSING: Row = {"id": None, "fk": None, "s": None, "n": None, "d": None, "m": None}
MEASURES = ("count", "total", "mean", "least", "most", "states", "filled", "a_total", "not_a", "ratio", "written", "names",
            "middle", "upper", "per_s", "last", "anyway", "before", "shades", "endings", "given", "ends", "roughly", "tall",
            "few", "whole", "free", "later", "high_per_s")  # fmt: skip
ACROSS = ("far", "both", "far_few", "far_per_s")
"""measures of v0 that need v1"""
RESTS_ON_S = frozenset((
    "s", "kind", "states", "a_total", "not_a", "written", "names", "own", "per_s", "few", "free", "later", "high_per_s",
    "far_per_s",
))  # fmt: skip
DETAILS = ("own", "per_s", "high_per_s", "far_per_s")
# Which of the question's filters a measure does not heed, or heeds at another time.
UNHEEDED = {"anyway": "s", "free": "s", "before": "d", "later": "d"}
MADE_OF = {
    "few": ("not_a", "count"), "whole": ("anyway", "tall"), "free": ("total", "not_a"), "later": ("total", "not_a"),
}  # fmt: skip
# What tells whether a mask is where it should be, beside the field itself.
ABOUT: Mapping[str, tuple[str, ...]] = {
    "s": ("states", "states", "anyway", "not_a", "few", "names"), "rough": ("shades", "shades", "roughly"),
    "tail": ("endings", "endings", "ends"), "void": ("given",), "gone": ("last",), "period": (),
}  # fmt: skip
"""measures that are shown over a mask, and some that are refused there"""
OFFSET = "1 month"
# What a rollup may hold, and as what.
HELD = {
    "id": "number", "fk": "number", "s": "text", "n": "number", "plus": "number", "kind": "text", "tail": "text",
    "gone": "text", "knot": "text", "rough": "number", "d": "date", "d[month]": "date", "d[year]": "date", "m": "moment",
    "m[date]": "date", "m[month]": "date", "count": "number", "total": "number", "least": "number", "most": "number",
    "a_total": "number", "not_a": "number", "filled": "number", "last": "text", "anyway": "number", "before": "number",
    "states": "number",
}  # fmt: skip
CLAIMED, CLAIM_COLUMN, CLAIM_VALUE = ("own", "far", "both", "far_few"), "held_claim", 7_777_777
"""what a rollup may not hold, for its level of detail or for what it needs of v1; and what it has in its place"""
# Of the view whose rows are a query's.
TWICE: Mapping[str, Callable[[Row], Any]] = {"twice": lambda row: None if row["n"] is None else row["n"] * 2}
QUERY_DIMENSIONS = ("id", "fk", "s", "n", "twice", "plus", "band", "kind")
QUERY_DATES = ("d", "d[month]", "d[year]")
QUERY_MEASURES = MEASURES[: MEASURES.index("per_s")]


def is_dimension(name: str) -> bool:
    """Say whether a field, with its view, is a dimension; in a composite, with its topic too."""
    if name.startswith("@"):
        return name.startswith("@_") or is_dimension(name.partition(".")[2])
    field = name.partition(".")[2]
    return field in DIMENSIONS or field in TWICE or field in TIMES or field == "own"
