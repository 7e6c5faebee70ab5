"""Numbers and dates as people read them."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

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


@pytest.mark.parametrize(
    ("value", "pattern", "text"),
    [
        (1234.567, "#,##0.00", "1,234.57"),
        (-1234.567, "$#,##0;($#,##0)", "($1,235)"),
        (0.256, "0.0%", "25.6%"),
        (1234567, '#,##0.0,,"M"', "1.2M"),
        (-1, '#,##0.0,,"M"', "0.0M"),
        (5, "00#", "005"),
        (0, '0;-0;"zero"', "zero"),
        (1234567, '[>=1000000]0.0,,"M";[>=1000]0.0,"K";0', "1.2M"),
        (1234, '[>=1000000]0.0,,"M";[>=1000]0.0,"K";0', "1.2K"),
        (-5, '[>=1000000]0.0,,"M";[>=1000]0.0,"K";0', "−5"),
        (-12.5, '[<0]"down "0.0;0.0', "down 12.5"),
        (123456789, "000-00-0000", "123-45-6789"),
        (1234.5, "0.00E+00", "1.23E+03"),
        (0.001, "0.0E+0", "1.0E-3"),
        (9.996, "0.00E+00", "1.00E+01"),
        (123, ".00E+0", ".12E+3"),
        (0.5, ".0E+0", ".5E+0"),
        (0.996, ".00E+0", ".10E+1"),
        (999999, "##0.0E+0", "1.0E+6"),
        (12345, "##0.0E+0", "12.3E+3"),
        (0, "0.0E+0", "0.0E+0"),
        (7, "0E+.0", "7"),
        (7, "0E+0 E+0.0", "7"),
        (1234.5, "[$€-407] #,##0.00", "€ 1,234.50"),
        (5, r"[Red]0\x_)", "5x "),
        (0.5, "#.##", ".5"),
        (0, "#,###", ""),
        (1_000_000, "0,000.0", "1,000,000.0"),
        (2.5, "0", "3"),
        (Decimal("12.30"), "?0.0?", "12.3 "),
        (7, "yyyy-mm-dd", "7"),
        (1.5, "# ?/?", "1.50"),
        (float("inf"), "0.0", "inf"),
    ],
)
def test_a_number_is_written_by_the_pattern_of_a_spreadsheet(value: float, pattern: str, text: str) -> None:
    assert format_number(value, pattern) == text
    assert format_value(value, format_name=pattern) == text


@given(st.text('0#?.,%E+-"x\\_*[]<>=10;$€ @', max_size=14), st.floats() | st.integers() | st.decimals())
@example("0.00", 1e308)
@example("0.0,,,", Decimal("1E+6000"))
@example("0.0E+0", 5e-324)
def test_no_pattern_and_no_number_is_an_error_on_a_page(pattern: str, value: float | Decimal) -> None:
    assert isinstance(format_value(value, format_name=pattern), str)
    assert isinstance(format_short(value, pattern), str)
    assert d3_format(pattern)


def test_a_pattern_of_percents_makes_an_axis_of_percents_and_headlines_keep_it() -> None:
    assert (d3_format("0.0%"), d3_format("#,##0")) == (".0%", "~s")
    assert format_short(2_137_456_789, '0.0,,,"bn"') == "2.1bn"


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
