"""What pages show."""

import time
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from django.db.models import Count, QuerySet
from django.http import QueryDict
from django.urls import reverse

from apps.access.types import Actor
from apps.dashboards import policies
from apps.dashboards.choices import chips, query_string, read_choices
from apps.dashboards.formats import format_value
from apps.dashboards.models import Dashboard, DashboardFilter, Tile
from apps.dashboards.tiles import ask, view_tile
from apps.dashboards.types import Choice, DashboardPage, Option, Options, Rows, TileView
from apps.datamodels.models import Dataset
from apps.governance.selectors import governed
from apps.queries.errors import QueryFailedError
from apps.queries.types import Pending
from apps.semantic.errors import MissingAttributeError, QueryError

STATIC_WAIT_S = 20.0
"""how long a page without scripts may wait for all its tiles together"""
MAX_OPTIONS = 200
CARDS = 50
"""dashboards of a page of the list"""
NO_OPTIONS = "There is nothing to choose from."


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


def filter_options(
    actor: Actor, choice: Choice, query: str, *, now: datetime, wait_s: float, run_id: UUID | None = None
) -> Options:
    """Return the values of a filter's field that the reader may see, through the same doorway as any question."""
    item = choice.filter
    address = reverse("dashboards:filter_options", args=(item.dashboard.slug, item.key))
    options = Options(choice, f"{address}?{query}" if query else address)
    question = {
        "dataset": item.dataset.name,
        "fields": [item.field],
        "sorts": [{"field": item.field}],
        "limit": MAX_OPTIONS,
    }
    try:
        answer = ask(actor, question, now=now, wait_s=wait_s, run_id=run_id)
    except (MissingAttributeError, QueryFailedError) as error:
        return Options(choice, options.url, message=error.message)
    except QueryError:
        return Options(choice, options.url, message=NO_OPTIONS)
    if isinstance(answer, Pending):
        return Options(choice, options.url, run_id=answer.run_id)
    items = _items(choice, answer.rows)
    message = "" if items else NO_OPTIONS
    return Options(choice, options.url, items, message=message, is_truncated=answer.is_truncated)


def _items(choice: Choice, rows: Rows) -> tuple[Option, ...]:
    """Offer what was found, and keep what is chosen although it was not."""
    values = {str(row[0]): format_value(row[0], name=choice.filter.field) for row in rows if row[0] is not None}
    kept = {value: value for value in choice.values if value not in values}
    return tuple(Option(value, label, is_chosen=value in choice.values) for value, label in (kept | values).items())


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
