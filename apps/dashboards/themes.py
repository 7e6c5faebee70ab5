"""Colours of a chart that the server draws, read from the same style sheet that the pages use."""

import re
from functools import cache
from importlib import import_module
from typing import Any

from django.conf import settings

from apps.dashboards.charts import VEGA_LITE, Spec

TOKEN = re.compile(r"--(?P<name>[a-z0-9-]+): light-dark\((?P<light>#[0-9a-f]{6}), (?P<dark>#[0-9a-f]{6})\)")
FONT = "Liberation Sans, DejaVu Sans, Arial, sans-serif"
SIZE = {"width": 640, "height": 280}


@cache
def tokens(*, is_dark: bool) -> dict[str, str]:
    """Return the colours of one theme by name."""
    sheet = (settings.BASE_DIR / "static" / "css" / "tokens.css").read_text()
    return {found["name"]: found["dark" if is_dark else "light"] for found in TOKEN.finditer(sheet)}


def theme_config(*, is_dark: bool) -> dict[str, Any]:
    """Return Vega's configuration; ``static/js/charts.js`` builds the same one from the page's own style."""
    colour = tokens(is_dark=is_dark)
    series = [colour[f"series-{number}"] for number in range(1, 7)]
    heat = [colour[f"heat-{step}"] for step in ("low", "mid", "high")]
    return {
        "background": colour["surface"],
        "font": FONT,
        "view": {"stroke": None},
        "range": {"category": series, "heatmap": heat, "ramp": heat},
        "bar": {"color": series[0]},
        "line": {"color": series[0]},
        "area": {"color": series[0]},
        "point": {"color": series[0]},
        "axis": {
            "gridColor": colour["chart-grid"], "domainColor": colour["line-strong"], "labelColor": colour["chart-label"],
            "ticks": False, "labelPadding": 8, "labelFontSize": 11,
        },
        "axisX": {"grid": False},
        "axisY": {"domain": False},
        "legend": {"labelColor": colour["chart-label"], "titleColor": colour["chart-label"], "titleFontWeight": 500},
    }  # fmt: skip


def draw_svg(spec: Spec, *, is_dark: bool) -> str:
    """Draw a specification on the server. It holds its data; no address is ever fetched.

    What draws is loaded with the first drawing: most processes never draw.
    """
    fixed = dict(spec)
    fixed["width"] = SIZE["width"]
    if fixed["height"] == "container":
        fixed["height"] = SIZE["height"]
    config = theme_config(is_dark=is_dark)
    svg: str = import_module("vl_convert").vegalite_to_svg(
        fixed, vl_version=VEGA_LITE, config=config, allowed_base_urls=[]
    )
    return svg
