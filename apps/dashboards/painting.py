"""Colours that the model gives to values and measures, put into a chart. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from apps.dashboards.formats import format_value
from apps.dashboards.types import Column, Rows
from apps.semantic.model.decorations import Colours


def paint(
    body: dict[str, Any],
    columns: Sequence[Column],
    rows: Rows,
    fields: Mapping[str, int],
    colours: Mapping[str, Colours],
) -> None:
    """Colour marks by the values of the ``colour`` column, else of the categories, else as the measure's series."""
    encoding = body["encoding"]
    for channel in ("colour", "x") if "colour" not in fields else ("colour",):
        place = fields.get(channel)
        known = colours.get(columns[place].name) if place is not None else None
        if place is not None and known is not None and known.values and not columns[place].is_masked:
            legend = {"legend": None} if channel == "x" else {}
            own = encoding.get("color", {"field": f"c{place}", "type": "nominal"})
            encoding["color"] = {**own, **legend, "scale": _scale(columns[place], rows, place, known)}
            return
    series = colours.get(columns[fields["y"]].name) if "y" in fields else None
    if series is not None and series.series and "colour" not in fields:
        encoding["color"] = {"value": series.series}


def _scale(column: Column, rows: Rows, place: int, known: Colours) -> dict[str, Any]:
    """Give each value of the answer its colour; those of which the model says nothing share one."""
    texts: dict[str, str | None] = {}
    for row in rows:
        text = format_value(row[place], name=column.name, format_name=column.format)
        texts.setdefault(text, known.values.get(str(row[place]), known.otherwise))
    named = {text: colour for text, colour in texts.items() if colour is not None}
    rest = [text for text, colour in texts.items() if colour is None]
    return {"domain": [*named, *rest], "range": [*named.values(), *("#8a93a3" for _ in rest)]}
