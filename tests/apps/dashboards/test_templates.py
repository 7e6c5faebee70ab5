"""Every template of the house: nothing inline, and pages that render when nothing is known."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.template.loader import render_to_string

from apps.dashboards.controls import has_inline, reaches_a_source

TEMPLATES = sorted((settings.BASE_DIR / "templates").rglob("*.html"))
STYLES = sorted((settings.BASE_DIR / "static" / "css").glob("*.css"))
PAIR = re.compile(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_no_script_and_no_style_inside(path: Path) -> None:
    assert not has_inline(path.read_text())


@pytest.mark.parametrize(
    "markup",
    ["<p style='x'>", "<script>1</script>", "<b onclick=x>", "<style>", '<a href="javascript:x">', "<body onload='x'>"],
)
def test_what_is_inline_is_found(markup: str) -> None:
    assert has_inline(markup)
    assert not has_inline('<script src="/static/js/theme.js" defer></script><p class="style" data-on="x">on=1</p>')


def test_a_module_that_reaches_a_source_is_found() -> None:
    assert reaches_a_source("from apps.warehouses.types import Warehouse")
    assert reaches_a_source("import duckdb")
    assert reaches_a_source("from django.db import connection")
    assert not reaches_a_source("from apps.queries.services import answer")


@pytest.mark.parametrize("name", ["400.html", "404.html", "403_csrf.html", "500.html"])
def test_a_page_for_trouble_needs_no_request_and_no_tenant(name: str) -> None:
    html = render_to_string(name)
    assert "<h1>" in html
    assert "Sign out" not in html
    assert "X-CSRFToken" not in html


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [1, 2], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "ground", "least"),
    [
        ("ink", "canvas", 7), ("ink-quiet", "canvas", 4.5), ("ink-faint", "canvas", 4.5), ("ink-faint", "surface", 4.5),
        ("ink-quiet", "surface-hover", 4.5), ("ink-quiet", "surface-sunken", 4.5), ("accent", "surface", 4.5),
        ("on-accent", "accent", 4.5), ("on-accent", "accent-strong", 4.5), ("ink-quiet", "accent-wash", 4.5),
        ("warn-ink", "warn-wash", 4.5), ("bad-ink", "bad-wash", 4.5), ("bad-ink", "surface", 4.5), ("good", "surface", 4.5),
        ("chart-label", "surface", 4.5), ("control-line", "surface", 3), ("series-1", "surface", 3), ("series-2", "surface", 3),
        ("series-3", "surface", 3), ("series-4", "surface", 3), ("series-5", "surface", 3), ("series-6", "surface", 3),
        ("focus", "canvas", 3),
    ],
)  # fmt: skip
def test_colours_can_be_told_apart(theme: int, ink: str, ground: str, least: float) -> None:
    sheet = (settings.BASE_DIR / "static" / "css" / "tokens.css").read_text()
    colours = {found[1]: found[1 + theme] for found in PAIR.finditer(sheet)}
    assert contrast(colours[ink], colours[ground]) >= least


def test_no_style_sheet_fetches_from_elsewhere() -> None:
    assert STYLES
    assert not [path.name for path in STYLES if re.search(r"https?://|@import|url\(", path.read_text())]
