"""Who may open what. Views come through here and nowhere else."""

from collections import defaultdict
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import Http404

from apps.access.selectors import permitted
from apps.access.types import Actor
from apps.dashboards.models import Dashboard, DashboardFilter, Folder, Tile


def visible(actor: Actor) -> QuerySet[Dashboard]:
    """Return the dashboards the actor may open.

    A permission on a dashboard, or on a folder at or above it, opens it. A support session opens those that have
    a tile on an approved data set. What the tiles show is decided again for each of them.
    """
    dashboards = Dashboard.objects.filter(archived_at=None)
    if actor.support is not None:
        return dashboards.filter(tiles__dataset_id__in=actor.support.dataset_ids).distinct()
    direct = permitted(actor, Dashboard, "view_dashboard").values("pk")
    return dashboards.filter(Q(pk__in=direct) | Q(folder_id__in=visible_folder_ids(actor)))


def visible_folder_ids(actor: Actor) -> set[UUID]:
    """Return the folders the actor may look into: those permitted and everything below them."""
    below: dict[UUID | None, list[UUID]] = defaultdict(list)
    for folder_id, parent_id in Folder.objects.values_list("pk", "parent_id"):
        below[parent_id].append(folder_id)
    waiting = list(permitted(actor, Folder, "view_folder").values_list("pk", flat=True))
    found: set[UUID] = set()
    while waiting:
        folder_id = waiting.pop()
        if folder_id not in found:
            found.add(folder_id)
            waiting += below[folder_id]
    return found


def visible_or_404(actor: Actor, slug: str) -> Dashboard:
    """Return the dashboard, or answer as if there were none."""
    dashboard = visible(actor).filter(slug=slug).first()
    if dashboard is None:
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
