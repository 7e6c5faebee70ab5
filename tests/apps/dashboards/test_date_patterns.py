"""Dates by a pattern, against the library whose patterns they are: d3, as it draws charts."""

import html
import re
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
import vl_convert

from apps.dashboards.charts import VEGA_LITE
from apps.dashboards.formats import format_value

MOMENTS = (
    datetime(2024, 2, 29, 0, 5, 9, 7_000, tzinfo=UTC),
    datetime(2025, 12, 29, 12, 0, 0, 120_000, tzinfo=UTC),
    datetime(2023, 1, 1, 23, 59, 59, 999_000, tzinfo=UTC),
    datetime(1999, 7, 4, 13, 30, tzinfo=UTC),
)
PATTERNS = (
    "%b %-d, %Y", "%A, %d %B %Y", "%a %e.%m.%y", "%Y-%m-%dT%H:%M:%S.%L", "%I:%M %p", "%-I%p", "Q%q %Y", "%j", "%-j", "%_d|%_m|%0e",
    "%G-W%V-%u", "%w", "%U", "%W", "%-U", "%s", "%Q", "100%%", "%f", "%g", "%Z", "%x", "%X", "%c", "no directive", "%k stays",
)  # fmt: skip


def drawn(pattern: str) -> list[str]:
    """Return what d3 writes for the moments."""
    rows = [{"t": int(moment.timestamp() * 1000), "place": place} for place, moment in enumerate(MOMENTS)]
    spec = {
        "data": {"values": rows},
        "transform": [{"calculate": f"'<' + utcFormat(datum.t, {pattern!r}) + '>'", "as": "text"}],
        "mark": "text",
        "encoding": {
            "text": {"field": "text", "type": "nominal"},
            "y": {"field": "place", "type": "ordinal", "axis": None},
        },
    }
    svg = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)
    return [html.unescape(found) for found in re.findall(r"<text[^>]*>&lt;([^<]*)&gt;</text>", svg)]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_moment_is_written_as_d3_writes_it(pattern: str) -> None:
    written = [format_value(moment, format_name=f"{pattern}%%")[:-1] for moment in MOMENTS]
    assert written == drawn(pattern)


def test_a_day_and_a_moment_elsewhere() -> None:
    assert format_value(date(2024, 2, 29), format_name="%-d %B %H:%M") == "29 February 00:00"
    assert format_value(date(2024, 2, 29), name="orders.placed[month]", format_name="number_0") == "Feb 2024"
    there = datetime(2024, 2, 29, 23, 30, tzinfo=timezone(timedelta(hours=-5)))
    assert format_value(there, format_name="%d %H %Z %s") == f"29 23 -0500 {int(there.timestamp())}"
