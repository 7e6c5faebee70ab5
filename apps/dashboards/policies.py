"""Who may open what. Views come through here and nowhere else."""

from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404

from apps.access.deciding import has_permission, permitted
from apps.access.types import Actor
from apps.dashboards.models import Dashboard, DashboardFilter, Tile
from apps.dashboards.rules import VIEW


def visible(actor: Actor) -> QuerySet[Dashboard]:
    """Return the dashboards the actor may open, for lists; what their tiles show is decided again for each of them.

    A permission on a dashboard, or on a folder at or above it, opens it. A support session opens those that have
    a tile on an approved data set.
    """
    return permitted(actor, Dashboard, VIEW).filter(archived_at=None)


def visible_or_404(actor: Actor, slug: str) -> Dashboard:
    """Return the dashboard, or answer as if there were none."""
    dashboard = Dashboard.objects.filter(slug=slug, archived_at=None).first()
    if dashboard is None or not has_permission(actor, VIEW, dashboard):
        raise Http404
    return dashboard


def visible_tile_or_404(actor: Actor, slug: str, tile_id: UUID) -> Tile:
    """Return a tile of a dashboard the actor may open."""
    tile = (
        Tile.objects.filter(pk=tile_id, dashboard=visible_or_404(actor, slug))
        .select_related("dashboard", "dataset")
        .first()
    )
    if tile is None:
        raise Http404
    return tile


def visible_filter_or_404(actor: Actor, slug: str, key: str) -> DashboardFilter:
    """Return a filter of a dashboard the actor may open."""
    dashboard = visible_or_404(actor, slug)
    found = DashboardFilter.objects.filter(dashboard=dashboard, key=key).select_related("dashboard", "dataset").first()
    if found is None:
        raise Http404
    return found
