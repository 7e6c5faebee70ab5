"""Answers → Vega-Lite specifications. Pure. Colours come from the theme of the page or of the SVG, unless the model names some.

Columns are called ``c0``, ``c1`` … in the data, because dots and brackets mean something to Vega; next to each value
stands its text (``t0``), so that a tooltip reads like the rest of the page.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from apps.dashboards.date_patterns import MONTHS, WEEKDAYS, is_date_pattern
from apps.dashboards.formats import d3_format, format_value, timeframe_of
from apps.dashboards.models import Tile
from apps.dashboards.painting import paint
from apps.dashboards.types import Column, Rows
from apps.semantic.model.decorations import Colours

Spec = dict[str, Any]
AxisType = Literal["temporal", "quantitative", "nominal", "ordinal"]

VEGA_LITE = "6.4"
"""of the versions that the wheel carries; the browser and the server draw with the same one"""
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
SHORT_LABELS = "datum.value === 0 ? '0' : replace(replace(datum.label, 'G', 'B'), 'k', 'K')"
MOMENTS = frozenset(("raw", "date", "week", "month", "quarter", "year", "hour"))
STANDING_BARS = 7
STANDING_LETTERS = 8
"""more categories than this, or longer names, lie down, so that they can be read"""
FITTING_BARS = 10
BAR_STEP = 26
"""pixels of height for each bar that lies, when there are too many for the usual height"""
MAX_MARKS = 2000


def chart_spec(
    chart: str,
    columns: Sequence[Column],
    rows: Rows,
    encoding: Mapping[str, object],
    colours: Mapping[str, Colours] | None = None,
) -> Spec:
    """Return the specification of a line, bar or heat map tile.

    Args:
        chart: a :class:`Tile.Chart` that is drawn.
        columns: of the answer; rows have one value for each.
        encoding: which field is ``x``, ``y``, ``colour``; those not named are taken in the order of the columns.
        colours: what the model says of columns; everything else is the theme's.
    """
    fields = _fields(columns, encoding)
    if chart == Tile.Chart.LINE:
        body = _line(columns, fields)
    elif chart == Tile.Chart.BAR:
        body = _bar(columns, rows, fields)
    else:
        body = _heat_map(columns, rows, fields)
    if chart != Tile.Chart.HEAT_MAP:
        paint(body, columns, rows, fields, colours or {})
    return {
        "$schema": SCHEMA,
        "width": "container",
        "height": "container",
        **body,
        "data": {"values": _data(columns, rows)},
    }


def _fields(columns: Sequence[Column], encoding: Mapping[str, object]) -> dict[str, int]:
    """Give each channel the place of its column: named ones first, then whatever is left in order."""
    places = {column.name: place for place, column in enumerate(columns)}
    named = {channel: places[name] for channel, name in encoding.items() if isinstance(name, str) and name in places}
    left = [place for place in range(len(columns)) if place not in named.values()]
    for channel in ("x", "y"):
        if channel not in named and left:
            named[channel] = left.pop(0)
    return named


def _data(columns: Sequence[Column], rows: Rows) -> list[Spec]:
    return [_datum(columns, row) for row in rows[:MAX_MARKS]]


def _datum(columns: Sequence[Column], row: Sequence[object]) -> Spec:
    datum: Spec = {}
    for place, (column, value) in enumerate(zip(columns, row, strict=True)):
        text = format_value(value, name=column.name, format_name=column.format)
        datum[f"t{place}"] = text
        datum[f"c{place}"] = text if axis_type(column) in ("nominal", "ordinal") else plain(value)
    return datum


def plain(value: object) -> object:
    """Return what JSON can hold; a moment without a zone is meant as UTC, so that no reader's clock shifts it."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.isoformat() if value.tzinfo else f"{value.isoformat()}Z"
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00Z"
    return value


def axis_type(column: Column) -> AxisType:
    """Say how a column is drawn on an axis."""
    timeframe = timeframe_of(column.name)
    if column.is_masked:
        return "nominal"
    if column.type in ("date", "timestamp") and (not timeframe or timeframe in MOMENTS):
        return "temporal"
    if timeframe:
        return "ordinal"
    return "quantitative" if column.type == "number" else "nominal"


def _axis(column: Column) -> Spec:
    kind = axis_type(column)
    if kind == "quantitative":
        return {"title": None, "format": d3_format(column.format), "labelExpr": SHORT_LABELS, "tickCount": 5}
    if kind == "temporal":
        found: Spec = {"title": None, "labelOverlap": "greedy", "labelSeparation": 12, "tickCount": 8}
        return found | ({"format": column.format} if is_date_pattern(column.format) else {})
    return {"title": None, "labelOverlap": True, "labelLimit": 170}


def _position(columns: Sequence[Column], place: int) -> Spec:
    column = columns[place]
    channel: Spec = {"field": f"c{place}", "type": axis_type(column), "axis": _axis(column)}
    if channel["type"] == "temporal":
        channel["scale"] = {"type": "utc"}
    return channel


def _tooltip(columns: Sequence[Column]) -> list[Spec]:
    """One line for each column, in their order; equal labels are told apart by their view."""
    labels = [column.label for column in columns]
    return [
        {
            "field": f"t{place}",
            "type": "nominal",
            "title": label if labels.count(label) == 1 else f"{label} ({columns[place].name.partition('.')[0]})",
        }
        for place, label in enumerate(labels)
    ]


def _line(columns: Sequence[Column], fields: Mapping[str, int]) -> Spec:
    x, y = _position(columns, fields["x"]), _position(columns, fields["y"])
    y["scale"] = {"zero": True, "nice": True}
    shared: Spec = {"x": x, "y": y}
    if "colour" in fields:
        shared["color"] = _colour(columns, fields["colour"])
    hover = {"name": "hover", "select": {"type": "point", "on": "pointerover", "nearest": True, "clear": "pointerout"}}
    near = {"condition": {"param": "hover", "empty": False, "value": 1}, "value": 0}
    area = {"mark": {"type": "area", "opacity": 0.09, "interpolate": "monotone", "tooltip": None}}
    line = {"mark": {"type": "line", "strokeWidth": 2, "interpolate": "monotone"}}
    point = {
        "mark": {"type": "point", "filled": True, "size": 60},
        "params": [hover],
        "encoding": {"opacity": near, "tooltip": _tooltip(columns)},
    }
    return {"encoding": shared, "layer": [*([] if "colour" in fields else [area]), line, point]}


def _colour(columns: Sequence[Column], place: int) -> Spec:
    legend = {"title": None, "orient": "top", "symbolType": "circle"}
    return {"field": f"c{place}", "type": "nominal", "legend": legend}


def _bar(columns: Sequence[Column], rows: Rows, fields: Mapping[str, int]) -> Spec:
    category, value = fields["x"], fields["y"]
    order = ordered(columns[category], [row[category] for row in sorted(rows, key=lambda row: -_size(row[value]))])
    name: Spec = {**_position(columns, category), "sort": order}
    size: Spec = {**_position(columns, value), "scale": {"zero": True, "nice": True}}
    if name["type"] == "temporal":
        name = {"field": f"t{category}", "type": "ordinal", "sort": None, "axis": {"title": None, "labelOverlap": True}}
    encoding: Spec = {"tooltip": _tooltip(columns)}
    if "colour" in fields:
        encoding["color"] = _colour(columns, fields["colour"])
    if _may_stand(columns[category], order):
        name["axis"] = {**name["axis"], "labelAngle": 0}
        standing = {"type": "bar", "cornerRadiusEnd": 3, "width": {"band": 0.62}}
        return {"mark": standing, "encoding": {**encoding, "x": name, "y": size}}
    lying = {"type": "bar", "cornerRadiusEnd": 3, "height": {"band": 0.72}}
    height = {"height": BAR_STEP * len(order)} if len(order) > FITTING_BARS else {}
    return {"mark": lying, **height, "encoding": {**encoding, "y": name, "x": size}}


def _may_stand(column: Column, names: Sequence[str]) -> bool:
    if axis_type(column) != "nominal":
        return True
    return len(names) <= STANDING_BARS and all(len(name) <= STANDING_LETTERS for name in names)


def _size(value: object) -> float:
    return float(value) if isinstance(value, int | float | Decimal) else 0.0


def _heat_map(columns: Sequence[Column], rows: Rows, fields: Mapping[str, int]) -> Spec:
    left = [place for place in range(len(columns)) if place not in (fields["x"], fields["y"])]
    place = fields.get("colour", left[0] if left else fields["y"])
    measure = columns[place]
    legend = {
        "title": measure.label,
        "format": d3_format(measure.format),
        "orient": "top",
        "gradientLength": 140,
        "gradientThickness": 8,
    }
    return {
        "mark": {"type": "rect", "cornerRadius": 2},
        "encoding": {
            "x": _band(columns, rows, fields["x"]),
            "y": _band(columns, rows, fields["y"]),
            "color": {"field": f"c{place}", "type": "quantitative", "legend": legend},
            "tooltip": _tooltip(columns),
        },
    }


def _band(columns: Sequence[Column], rows: Rows, place: int) -> Spec:
    column = columns[place]
    order = ordered(column, sorted({row[place] for row in rows}, key=_rank))
    axis = {"title": None, "labelAngle": 0, "labelOverlap": True, "labelLimit": 130, "grid": False}
    return {"field": f"t{place}", "type": "ordinal", "sort": order, "axis": axis, "scale": {"paddingInner": 0.06}}


def _rank(value: object) -> tuple[bool, float, str]:
    """Order values of any one type, absent ones last."""
    number = _size(value)
    return value is None, number, "" if isinstance(value, int | float | Decimal) else str(value)


def ordered(column: Column, values: Sequence[object]) -> list[str]:
    """Return the values' texts, once each: weekdays and months in the calendar's order, others as they come."""
    texts = list(dict.fromkeys(format_value(value, name=column.name, format_name=column.format) for value in values))
    for calendar in (WEEKDAYS, MONTHS):
        if texts and set(texts) <= set(calendar):
            return [name for name in calendar if name in texts]
    if axis_type(column) == "ordinal":
        pairs = sorted({(_rank(value), format_value(value, name=column.name)) for value in values})
        return [text for _, text in pairs]
    return texts


def describe(chart: str, title: str, columns: Sequence[Column], rows: Rows) -> str:
    """Say in one sentence what a chart shows, for those who do not see it."""
    kind = {Tile.Chart.LINE: "Line chart", Tile.Chart.BAR: "Bar chart", Tile.Chart.HEAT_MAP: "Heat map"}[
        Tile.Chart(chart)
    ]
    names = ", ".join(column.label for column in columns)
    return f"{kind}: {title}. {len(rows)} values of {names}. The data is below the chart."
