"""Numbers and dates as people read them."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from apps.dashboards.formats import d3_format, format_number, format_short, format_value


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [
        (336776, None, "336,776"),
        (336776, "number_0", "336,776"),
        (12.639, "number_1", "12.6"),
        (-4.5, "number_1", "−4.5"),
        (-0.01, "number_1", "0.0"),
        (0.7731, "percent_1", "77.3%"),
        (0.5, "PERCENT_0", "50%"),
        (1234.5, "usdcurrency_0", "$1,234"),
        (1234.5, "currency", "$1,234.50"),
        (1234.5, "eurcurrency_2", "€1,234.50"),
        (-1234.5, "usdaccounting_2", "($1,234.50)"),
        (2_137_456_789, "bigusdcurrency_2", "$2.14B"),
        (2_137_456_789, "millions_1", "2,137.5M"),
        (20130101, "id", "20130101"),
        (Decimal("10.005"), "number_2", "10.01"),
        (7, "no such format", "7"),
    ],
)
def test_a_number_is_written_in_its_format(value: float, name: str | None, text: str) -> None:
    assert format_number(value, name) == text


def test_a_headline_is_shortened_only_when_it_would_not_fit() -> None:
    assert format_short(9_999_999, "usdcurrency_0") == "$9,999,999"
    assert format_short(2_137_456_789, "usdcurrency_0") == "$2.14B"
    assert format_short(-20_000_000, "number_0") == "−20.00M"


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [
        (None, "a.b", "–"),
        (True, "a.b", "Yes"),
        ("text", "a.b", "text"),
        (date(2013, 2, 1), "a.b[month]", "Feb 2013"),
        (date(2013, 4, 1), "a.b[quarter]", "Q2 2013"),
        (date(2013, 1, 7), "a.b[week]", "Week of 7 Jan 2013"),
        (datetime(2013, 1, 7, 5, tzinfo=UTC), "a.b[hour]", "7 Jan 2013 05:00"),
        (datetime(2013, 1, 7, 5, tzinfo=UTC), "a.b[date]", "7 Jan 2013"),
        (datetime(2013, 1, 1, tzinfo=UTC), "a.b[year]", "2013"),
        (5, "a.b[hour_of_day]", "05:00"),
        (2013, "a.b[year]", "2013"),
    ],
)
def test_a_value_is_written_for_people(value: object, name: str, text: str) -> None:
    assert format_value(value, name=name) == text


def test_axes_are_short() -> None:
    assert [d3_format(name) for name in ("percent_1", "usdcurrency_0", "number_0", "id", None)] == [
        ".0%", "$~s", "~s", "d", "~s",
    ]  # fmt: skip
