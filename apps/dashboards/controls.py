"""What this app promises: no way to data but the governed one, no page without a grant, nothing inline in a page."""

import ast
import re
from pathlib import Path

from django.conf import settings

from apps.access.selectors import anonymous
from apps.dashboards import policies
from apps.dashboards.models import Dashboard
from apps.tenants.binding import bound_tenant_id
from apps.tenants.types import Control, ControlResult

HERE = Path(__file__).resolve().parent
SOURCES = ("apps.warehouses", "apps.connections", "psycopg", "duckdb", "sqlalchemy", "django.db.connection")
INLINE = re.compile(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=|javascript:", re.IGNORECASE)
OUR_TEMPLATES = (
    "base.html",
    "400.html",
    "403_csrf.html",
    "404.html",
    "500.html",
    "accounts",
    "components",
    "dashboards",
    "support",
    "trust",
)


def imported_names(source: str) -> set[str]:
    """Return every module and name that a Python source imports, dotted."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def reaches_a_source(source: str) -> bool:
    """Say whether a module imports anything that could read data around the doorway."""
    return any(name == door or name.startswith(f"{door}.") for name in imported_names(source) for door in SOURCES)


def has_inline(template: str) -> bool:
    """Say whether a template carries script or style that the page's policy would have to allow."""
    return INLINE.search(template) is not None


def _check_one_path() -> ControlResult:
    modules = sorted(path for path in HERE.rglob("*.py") if "migrations" not in path.parts)
    bad = [path.name for path in modules if reaches_a_source(path.read_text())]
    return ControlResult(
        bool(modules) and not bad, f"{len(modules)} modules read, {len(bad)} reach a database of a customer"
    )


def _check_no_page_without_a_grant() -> ControlResult:
    total = Dashboard.objects.count()
    open_to_all = policies.visible(anonymous(bound_tenant_id())).count()
    return ControlResult(open_to_all == 0, f"{total} dashboards, {open_to_all} open without a grant")


def _check_nothing_inline() -> ControlResult:
    roots = [settings.BASE_DIR / "templates" / name for name in OUR_TEMPLATES]
    templates = [path for root in roots for path in ([root] if root.is_file() else root.rglob("*.html"))]
    bad = [path.name for path in templates if has_inline(path.read_text())]
    return ControlResult(
        bool(templates) and not bad, f"{len(templates)} templates read, {len(bad)} with script or style inside"
    )


CONTROLS = (
    Control(
        "dashboards.one_path", "P1",
        "Every tile, filter value and chart asks through the governed doorway; nothing here can reach a source.",
        _check_one_path,
    ),
    Control(
        "dashboards.deny_by_default", "P1",
        "A dashboard opens only by a permission on it or on a folder above it.",
        _check_no_page_without_a_grant,
    ),
    Control(
        "dashboards.nothing_inline", "P7",
        "Pages carry no script and no style of their own, so that text which somebody wrote can never run.",
        _check_nothing_inline,
    ),
)  # fmt: skip
