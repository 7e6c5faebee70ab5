"""Filters in the address: read, refused, written back."""

import pytest
from django.http import QueryDict

from apps.dashboards.choices import canonical_query, chips, query_string, read_choices
from apps.dashboards.models import DashboardFilter
from apps.dashboards.types import Condition

ORIGIN = DashboardFilter(key="origin", label="Origin", field="flights.origin", kind="choice")
DATES = DashboardFilter(key="dates", label="Dates", field="flights.time_hour", kind="date_range")
FILTERS = (ORIGIN, DATES)


def test_several_values_of_a_choice() -> None:
    origin, dates = read_choices(FILTERS, QueryDict("f--origin=JFK&f--origin=EWR&f--origin=JFK&f--other=1"))
    assert origin.condition == {"is": ["JFK", "EWR"]}
    assert dates.condition is None
    assert not dates.is_set


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("2013-01-01..2013-06-30", {"between_dates": ["2013-01-01", "2013-07-01"]}),
        ("2013-01-01..2013-01-01", {"between_dates": ["2013-01-01", "2013-01-02"]}),
        ("2013-01-01..", {"on_or_after": "2013-01-01"}),
        ("..2013-06-30", {"before": "2013-07-01"}),
    ],
)
def test_both_days_of_a_range_count(text: str, condition: Condition) -> None:
    assert read_choices([DATES], QueryDict(f"f--dates={text}"))[0].condition == condition


@pytest.mark.parametrize(
    "text", ["yesterday", "2013-01-01", "..", "2013-13-01..", "2013-02-01..2013-01-01", "..9999-12-31", "2013-01-01..x"]
)
def test_a_range_that_is_not_understood_is_reported_and_filters_nothing_silently(text: str) -> None:
    (choice,) = read_choices([DATES], QueryDict(f"f--dates={text}"))
    assert choice.condition is None
    assert choice.problem
    assert choice.is_set


@pytest.mark.parametrize("value", ["x" * 500, "a%00b"])
def test_values_that_no_column_can_hold_are_reported(value: str) -> None:
    (choice,) = read_choices([ORIGIN], QueryDict(f"f--origin={value}"))
    assert choice.condition is None
    assert choice.problem


def test_an_empty_value_means_everything() -> None:
    assert not read_choices([ORIGIN], QueryDict("f--origin="))[0].is_set


def test_a_form_without_scripts_leads_to_the_canonical_address() -> None:
    sent = QueryDict("f--origin=JFK&f--dates--from=2013-01-01&f--dates--until=&static=1")
    assert canonical_query(FILTERS, sent) == "f--origin=JFK&f--dates=2013-01-01..&static=1"
    assert canonical_query(FILTERS, QueryDict("f--origin=JFK&f--dates=2013-01-01..")) is None


def test_a_chip_gives_up_one_value_and_keeps_the_rest() -> None:
    choices = read_choices(FILTERS, QueryDict("f--origin=JFK&f--origin=A%26B&f--dates=2013-01-01.."))
    assert query_string(choices) == "f--origin=JFK&f--origin=A%26B&f--dates=2013-01-01.."
    first, second, third = chips(choices)
    assert (first.text, first.without) == ("JFK", "?f--origin=A%26B&f--dates=2013-01-01..")
    assert second.without == "?f--origin=JFK&f--dates=2013-01-01.."
    assert (third.text, third.without) == ("2013-01-01 – …", "?f--origin=JFK&f--origin=A%26B")
