"""Random conditions on one field."""

from datetime import date, datetime
from typing import Any

from hypothesis import strategies as st

from tests.reference.fields import FRAMES

STATES = ("a", "b", "cab")
# Close to the ends of days, months and years, and around the nights in which clocks are changed.
MOMENTS = tuple(
    datetime.fromisoformat(text)
    for text in ("2023-12-31 23:30:00", "2024-01-01 00:00:00", "2024-01-01 04:59:59", "2024-01-01 05:00:00", "2024-03-31 00:59:00", "2024-03-31 22:00:00", "2024-06-15 12:00:00",
                 "2024-11-03 06:30:00", "2024-03-15 22:30:00", "2024-04-15 12:00:00")
)  # fmt: skip
TEXTS = {
    "s": (*STATES, *STATES, "**b"), "kind": ("known", "other"), "knot": ("known", "other"), "band": ("< 0", ">= 0 and < 5", ">= 5"),
}  # fmt: skip
"""what a condition may speak of, where a field has values of its own"""
DAYS = tuple(date.fromisoformat(text) for text in ("2023-12-31", "2024-01-01", "2024-02-29", "2024-03-15"))


@st.composite
def conditions(draw: st.DrawFn, name: str) -> dict[str, Any]:
    if name in ("s", "kind", "band", "tail", "gone", "void", "knot"):
        text = st.sampled_from(TEXTS.get(name, (*STATES, *STATES, "**b", "•••")))
        choices = [
            {"is": draw(text)}, {"not": [draw(text), None]}, {"contains": "a"}, {"not_contains": ["a", "k"]},
            {"or": [{"is": None}, {"is": draw(text)}]}, {"starts_with": "c"}, {"not_ends_with": "b"}, {"sql_like": "_a%"},
            {"is": draw(text).upper(), "case_insensitive": True}, {"not": {"contains": "b", "starts_with": "c"}},
            {"not_contains": ["%", "_"]}, {"starts_with": draw(st.sampled_from(("%", "_", "!")))},
            {"not_contains": "AB", "case_insensitive": True}, {"not": [draw(text).upper()], "case_insensitive": True},
        ]  # fmt: skip
    elif name == "m" or name.startswith("d") or name == "period":
        choices = draw(dated(is_moment=name == "m"))
    elif name.startswith("m"):
        return draw(framed(name))
    else:
        number = draw(st.integers(-2, 6))
        choices = [{"is": [number, None]}, {"greater_than": number}, {"not_less_than": number}, {"between": [0, number]},
                   {"and": [{"greater_than": 0}, {"not": number}]}, {"greater_than_or_equal_to": number},
                   {"less_than_or_equal_to": number, "not": 0}, {"not_between": [0, number]}]  # fmt: skip
    return draw(st.sampled_from(choices))


@st.composite
def dated(draw: st.DrawFn, *, is_moment: bool) -> list[dict[str, Any]]:
    """Draw conditions on a day or a moment."""
    days = st.sampled_from((*DAYS, *DAYS[:2], *DAYS[:2], date(2024, 4, 1)))
    day, other = draw(days).isoformat(), draw(days).isoformat()
    found = [{"before": day}, {"on_or_after": day}, {"not_before": day}, {"is": None}, {"is": [day, other]}, {"not": day},
             {"before": other}, {"on_or_after": other}, {"not_on_or_after": day}, {"is": day},
             {"between_dates": [day, other]}, {"time_for_duration": [day, draw(st.sampled_from(("40 days", "1 month", "2 years")))]},
             {"day_of_week": [1, "Sunday"]}, {"month_of_year": ["February", 12]}, {"not_day_of_month": [1, 31]},
             {"quarter_of_year": [1, 4]}, {"day_of_year": [1, 60, 365]}, {"not_day_of_quarter": [1, 2, 60]}]  # fmt: skip
    return [*found, {"hour_of_day": [0, 5, 23]}] if is_moment else found


@st.composite
def framed(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """Draw a condition on a moment cut to a timeframe."""
    value = FRAMES[name[2:-1]](draw(st.sampled_from(MOMENTS)))
    if isinstance(value, datetime):
        return {draw(st.sampled_from(("before", "on_or_after"))): value.isoformat(sep=" ")}
    if isinstance(value, date):
        return draw(st.sampled_from(({"before": value.isoformat()}, {"not": value.isoformat()})))
    if isinstance(value, str):
        folded = {"is": [value.upper(), "june"], "case_insensitive": True}
        return draw(st.sampled_from(({"is": [value, "June"]}, folded, {"ends_with": "Y", "case_insensitive": True})))
    return draw(st.sampled_from(({"greater_than": value}, {"not": [value, None]})))
