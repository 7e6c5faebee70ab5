"""Who may open what. Views come through here and nowhere else."""

from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404

from apps.access.deciding import has_permission, permitted
from apps.access.types import Actor
from apps.dashboards.models import Dashboard, DashboardFilter, Tile
from apps.dashboards.rules import VIEW
from apps.queries.models import DownloadLimit


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
    tile = tiles_of(visible_or_404(actor, slug)).filter(pk=tile_id).first()
    if tile is None:
        raise Http404
    return tile


def tiles_of(dashboard: Dashboard) -> QuerySet[Tile]:
    """Return the tiles of a dashboard in their order, each with whether its data set is kept from downloads."""
    kept = DownloadLimit.objects.filter(dataset=OuterRef("dataset"), max_rows=0)
    found: QuerySet[Tile] = dashboard.tiles.select_related("dashboard", "dataset__data_model")
    return found.annotate(is_kept_from_download=Exists(kept))


def visible_filter_or_404(actor: Actor, slug: str, key: str) -> DashboardFilter:
    """Return a filter of a dashboard the actor may open."""
    dashboard = visible_or_404(actor, slug)
    found = DashboardFilter.objects.filter(dashboard=dashboard, key=key).select_related("dashboard", "dataset").first()
    if found is None:
        raise Http404
    return found
