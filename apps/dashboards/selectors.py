"""What pages show."""

import time
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from django.db.models import Count, QuerySet
from django.http import QueryDict

from apps.access.types import Actor
from apps.dashboards import policies
from apps.dashboards.choices import chips, query_string, read_choices
from apps.dashboards.models import Dashboard, DashboardFilter, Tile
from apps.dashboards.tiles import view_tile
from apps.dashboards.types import Choice, DashboardPage, TileView
from apps.datamodels.models import Dataset
from apps.governance.selectors import governed
from apps.semantic.errors import QueryError

STATIC_WAIT_S = 20.0
"""how long a page without scripts may wait for all its tiles together"""
CARDS = 50
"""dashboards of a page of the list"""


def dashboard_page(
    actor: Actor, dashboard: Dashboard, address: QueryDict, *, now: datetime, is_static: bool = False
) -> DashboardPage:
    """Return the page: tiles whose data is in the cache are finished, the others are on their way."""
    filters = list(dashboard.filters.select_related("dataset__data_model"))
    choices = read_choices(filters, address)
    tiles = tuple(_tiles(actor, dashboard, choices, now=now, wait_s=STATIC_WAIT_S if is_static else 0))
    offered = _offered(actor, filters)
    return DashboardPage(
        dashboard=dashboard,
        choices=tuple(choice for choice in choices if choice.filter.key in offered),
        chips=chips(choices),
        tiles=tiles,
        notice=_notice(tiles),
        query_string=query_string(choices),
        is_static=is_static,
    )


def _tiles(
    actor: Actor, dashboard: Dashboard, choices: tuple[Choice, ...], *, now: datetime, wait_s: float
) -> Iterator[TileView]:
    """Ask for all tiles first, so that they run side by side; then wait for each with what is left of the time."""
    tiles = list(policies.tiles_of(dashboard))
    views = [view_tile(actor, tile, choices, now=now, wait_s=0) for tile in tiles]
    deadline = time.monotonic() + wait_s
    for view in views:
        left_s = deadline - time.monotonic()
        if view.status == "working" and wait_s and left_s > 0:
            yield view_tile(actor, view.tile, choices, now=now, wait_s=left_s, run_id=view.run_id)
        else:
            yield view


def _offered(actor: Actor, filters: list[DashboardFilter]) -> set[str]:
    """Return the keys of the filters whose field the reader may use: a filter on another is not even mentioned."""
    usable: dict[UUID, frozenset[str]] = {}
    for item in filters:
        if item.dataset_id not in usable:
            usable[item.dataset_id] = _usable_fields(actor, item.dataset)
    return {item.key for item in filters if item.field.partition("[")[0] in usable[item.dataset_id]}


def _usable_fields(actor: Actor, dataset: Dataset) -> frozenset[str]:
    try:
        return governed(actor, dataset).scope.fields
    except QueryError:
        return frozenset()


def _notice(tiles: tuple[TileView, ...]) -> str:
    """Say once for the page what would otherwise stand in every tile."""
    messages = {tile.message for tile in tiles if tile.status == "missing"}
    is_everywhere = bool(tiles) and all(tile.status in ("missing", "unavailable") for tile in tiles)
    return messages.pop() if is_everywhere and len(messages) == 1 else ""


def dashboard_cards(visible: QuerySet[Dashboard], page: int) -> tuple[list[Dashboard], bool]:
    """Return a page of dashboards by title, and whether there are more: in one statement, without counting all."""
    start = (page - 1) * CARDS
    found = list(visible.select_related("folder").order_by("title", "pk")[start : start + CARDS + 1])
    return found[:CARDS], len(found) > CARDS


def tile_counts(dashboards: list[Dashboard]) -> dict[UUID, int]:
    """Count tiles per dashboard."""
    counts: dict[UUID, int] = dict.fromkeys((dashboard.pk for dashboard in dashboards), 0)
    tiles = Tile.objects.filter(dashboard__in=dashboards).order_by().values_list("dashboard_id")
    return counts | dict(tiles.annotate(number=Count("pk")))
