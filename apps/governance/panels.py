"""Who gains and who loses, on the page before a version is published."""

from apps.datamodels.models import ModelVersion
from apps.datamodels.panels import Panel, register_panel
from apps.governance.blast_radius.asking import needs_second_administrator
from apps.governance.blast_radius.pages import radius_page
from apps.governance.blast_radius.radius import version_radius
from apps.semantic.errors import ModelError


@register_panel("blast radius")
def blast_radius_panel(version: ModelVersion) -> Panel | None:
    """Return the blast radius; files that make no model have none."""
    try:
        radius = radius_page(version_radius(version))
    except ModelError:
        return None
    content = {"radius": radius, "needs_second": needs_second_administrator() and bool(radius.widening)}
    return Panel("admin/governance/_publish_panel.html", content)
