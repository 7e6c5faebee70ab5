"""Specifications: what is on which axis, in which order, and that a text from the data stays a text."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.template import Context, Template
from hypothesis import given
from hypothesis import strategies as st

from apps.dashboards.charts import STANDING_BARS, Spec, chart_spec, describe, plain
from apps.dashboards.themes import draw_svg, theme_config, tokens
from apps.dashboards.types import Rows


@dataclass(frozen=True)
class FakeColumn:
    name: str
    label: str
    type: str = "string"
    format: str | None = None
    is_masked: bool = False


MONTH = FakeColumn("flights.time_hour[month]", "Month", "date")
COUNT = FakeColumn("flights.count", "Flights", "number", "number_0")
AIRLINE = FakeColumn("airlines.name", "Airline")
HOUR = FakeColumn("flights.time_hour[hour_of_day]", "Hour", "number")
WEEKDAY = FakeColumn("flights.time_hour[day_of_week_name]", "Weekday")


def spec_of(chart: str, columns: list[FakeColumn], rows: Rows, encoding: Mapping[str, object] | None = None) -> Spec:
    spec = chart_spec(chart, columns, rows, encoding or {})
    json.dumps(spec)  # everything in it can be sent
    return spec


def test_a_line_over_months_has_time_in_utc_across_and_numbers_up() -> None:
    spec = spec_of("line", [MONTH, COUNT], [(date(2013, 1, 1), 27004), (date(2013, 2, 1), 24951)])
    assert spec["encoding"]["x"] | {"axis": None} == {
        "field": "c0", "type": "temporal", "axis": None, "scale": {"type": "utc"},
    }  # fmt: skip
    assert spec["encoding"]["y"]["field"] == "c1"
    assert spec["data"]["values"][0] == {
        "c0": "2013-01-01T00:00:00Z", "t0": "Jan 2013", "c1": 27004, "t1": "27,004",
    }  # fmt: skip


def test_a_colour_makes_several_lines_and_no_area() -> None:
    rows = [(date(2013, 1, 1), "UA", 1), (date(2013, 1, 1), "AA", 2)]
    encoding = {"x": MONTH.name, "y": COUNT.name, "colour": AIRLINE.name}
    spec = spec_of("line", [MONTH, AIRLINE, COUNT], rows, encoding)
    assert spec["encoding"]["color"]["field"] == "c1"
    assert [layer["mark"]["type"] for layer in spec["layer"]] == ["line", "point"]


def test_few_bars_stand_largest_first() -> None:
    spec = spec_of("bar", [AIRLINE, COUNT], [("Delta", 1), ("United", 3), ("JetBlue", 2)])
    assert spec["encoding"]["x"]["sort"] == ["United", "JetBlue", "Delta"]
    assert spec["encoding"]["y"]["scale"]["zero"] is True


def test_many_bars_lie_down_and_make_the_tile_grow() -> None:
    rows = [(f"Airline {number}", number) for number in range(STANDING_BARS + 5)]
    spec = spec_of("bar", [AIRLINE, COUNT], rows)
    assert spec["encoding"]["y"]["field"] == "c0"
    assert spec["encoding"]["y"]["sort"][0] == f"Airline {STANDING_BARS + 4}"
    assert spec["height"] > 200


def test_a_heat_map_keeps_the_calendar_and_the_clock_in_order() -> None:
    rows = [(9, "Wednesday", 2.0), (17, "Monday", 3.0), (10, "Sunday", 1.0), (9, "Monday", 4.0)]
    delay = FakeColumn("flights.average_delay", "Delay", "number", "number_1")
    spec = spec_of("heat_map", [HOUR, WEEKDAY, delay], rows)
    assert spec["encoding"]["x"]["sort"] == ["09:00", "10:00", "17:00"]
    assert spec["encoding"]["y"]["sort"] == ["Monday", "Wednesday", "Sunday"]
    assert spec["encoding"]["color"]["field"] == "c2"


def test_values_of_sources_become_json() -> None:
    assert plain(Decimal("1.5")) == 1.5
    assert plain(datetime(2013, 1, 1, 5)) == "2013-01-01T05:00:00Z"  # noqa: DTZ001 - sources without zones exist
    assert plain(datetime(2013, 1, 1, 5, tzinfo=UTC)) == "2013-01-01T05:00:00+00:00"
    assert plain(None) is None


@pytest.mark.parametrize("chart", ["line", "bar", "heat_map"])
def test_absent_values_break_no_chart(chart: str) -> None:
    spec_of(chart, [WEEKDAY, AIRLINE, COUNT], [(None, None, None), ("Monday", "Delta", 4)])


@given(text=st.text(max_size=40))
def test_a_text_of_the_data_cannot_leave_its_script_element(text: str) -> None:
    spec = spec_of("bar", [AIRLINE, COUNT], [(text + "</script><script>alert(1)</script>", 1)])
    html = Template("{{ spec|json_script:'spec' }}").render(Context({"spec": spec}))
    assert html.count("<script") == html.count("</script>") == 1
    assert json.loads(html.partition(">")[2].rpartition("</script>")[0]) == spec


def test_no_value_of_the_data_is_ever_an_expression() -> None:
    """Vega evaluates expressions: only ours may stand where one is read."""
    spec = spec_of("bar", [FakeColumn("a.b", "datum.x + 1"), COUNT], [("datum.c1 > 0", 1)])
    found: list[str] = []

    def look(node: Any) -> None:
        if isinstance(node, dict):
            found.extend(
                value for key, value in node.items() if key in ("expr", "labelExpr", "test", "signal", "calculate")
            )
            for value in node.values():
                look(value)
        elif isinstance(node, list):
            for value in node:
                look(value)

    look({**spec, "data": None})
    assert found
    assert all("datum.value" in text and "c1" not in text for text in found)


def test_the_server_draws_the_same_specification_in_both_themes() -> None:
    spec = spec_of("bar", [AIRLINE, COUNT], [("Delta <b>&amp;", 1), ("United", 3)])
    light, dark = draw_svg(spec, is_dark=False), draw_svg(spec, is_dark=True)
    assert light.startswith("<svg")
    assert "<b>" not in light
    assert tokens(is_dark=False)["series-1"] in light
    assert tokens(is_dark=True)["series-1"] in dark
    assert spec["width"] == "container"


def test_both_themes_give_every_colour() -> None:
    light, dark = theme_config(is_dark=False), theme_config(is_dark=True)
    assert len(light["range"]["category"]) == len(dark["range"]["category"]) == 6
    assert light["background"] != dark["background"]


def test_a_chart_says_what_it_shows() -> None:
    words = describe("bar", "Flights by airline", [AIRLINE, COUNT], [("Delta", 1)])
    assert words == "Bar chart: Flights by airline. 1 values of Airline, Flights. The data is below the chart."
