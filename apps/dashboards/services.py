"""Writes: a dashboard from its definition."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from django.db import transaction

from apps.audit.services import record
from apps.audit.types import AuditActor
from apps.dashboards.errors import DashboardDefinitionError
from apps.dashboards.models import Dashboard, DashboardFilter, Folder, Tile
from apps.datamodels.models import Dataset
from apps.datamodels.selectors import current_version, semantic_model
from apps.semantic.errors import QueryError
from apps.semantic.query.reading import parse_query

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=160)]
Slug = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]
Width = Annotated[int, msgspec.Meta(ge=2, le=12)]


class FilterDefinition(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    key: Slug
    label: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    field: Text
    dataset: Text
    kind: Literal["choice", "date_range"] = "choice"


class TileDefinition(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    title: Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
    dataset: Text
    chart: Literal["kpi", "line", "bar", "table", "heat_map"]
    query: dict[str, Any]
    subtitle: Annotated[str, msgspec.Meta(max_length=200)] = ""
    encoding: dict[Literal["x", "y", "colour"], str] = {}
    width: Width = 4


class DashboardDefinition(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    slug: Slug
    title: Text
    tiles: Annotated[list[TileDefinition], msgspec.Meta(min_length=1, max_length=60)]
    description: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    folder: Annotated[str, msgspec.Meta(max_length=120)] = ""
    filters: Annotated[list[FilterDefinition], msgspec.Meta(max_length=20)] = []


@transaction.atomic
def import_dashboard(definition: object, *, by: AuditActor, now: datetime) -> Dashboard:
    """Create the dashboard, or bring the one with this slug to what the definition says.

    Tiles keep their ids by position and filters by key, so that open pages and links live on.

    Raises:
        DashboardDefinitionError: anything is wrong; nothing is stored.
    """
    wanted = read_definition(definition)
    datasets = {
        dataset.name: dataset for dataset in Dataset.objects.filter(is_published=True).select_related("data_model")
    }
    problems = tuple(_problems(wanted, datasets))
    if problems:
        raise DashboardDefinitionError(problems)
    folder = _folder(wanted.folder)
    dashboard, is_new = Dashboard.objects.update_or_create(
        slug=wanted.slug, defaults={"title": wanted.title, "description": wanted.description, "folder": folder}
    )
    _store_filters(dashboard, wanted.filters, datasets)
    _store_tiles(dashboard, wanted.tiles, datasets)
    facts = {"slug": wanted.slug, "tiles": len(wanted.tiles), "filters": len(wanted.filters), "is_new": is_new}
    record("dashboards.dashboard_imported", dashboard, by=by, now=now, facts=facts)
    return dashboard


def read_definition(definition: object) -> DashboardDefinition:
    """Read a definition strictly: unknown keys and wrong types are faults."""
    try:
        return msgspec.convert(definition, DashboardDefinition)
    except msgspec.ValidationError as error:
        raise DashboardDefinitionError((str(error),)) from error


def _problems(wanted: DashboardDefinition, datasets: dict[str, Dataset]) -> Iterator[str]:
    keys = [item.key for item in wanted.filters]
    yield from (
        f"filters: the key “{key}” is used twice" for key in sorted({key for key in keys if keys.count(key) > 1})
    )
    for place, item in enumerate(wanted.filters):
        yield from _field_problems(f"filters.{place}", item.dataset, (item.field,), datasets)
    for place, tile in enumerate(wanted.tiles):
        yield from _tile_problems(f"tiles.{place} “{tile.title}”", tile, datasets)


def _tile_problems(where: str, tile: TileDefinition, datasets: dict[str, Dataset]) -> Iterator[str]:
    if "dataset" in tile.query:
        yield f"{where}: the data set stands beside the query, not in it"
        return
    try:
        query = parse_query({**tile.query, "dataset": tile.dataset})
    except QueryError as error:
        yield f"{where}: query.{error.path}: {error.message}"
        return
    asked = (*query.fields, *(item.field for item in query.filters), *(sort.field for sort in query.sorts))
    yield from _field_problems(where, tile.dataset, asked, datasets)
    for channel, name in tile.encoding.items():
        if name not in query.fields:
            yield f"{where}: encoding.{channel}: “{name}” is not among the fields of the query"


def _field_problems(where: str, dataset: str, fields: Iterable[str], datasets: dict[str, Dataset]) -> Iterator[str]:
    version = current_version(datasets[dataset].data_model) if dataset in datasets else None
    if version is None:
        yield f"{where}: there is no data set “{dataset}”"
        return
    known = semantic_model(version).topics[dataset].fields
    for name in dict.fromkeys(fields):
        if name.partition("[")[0] not in known:
            yield f"{where}: the data set “{dataset}” has no field “{name}”"


def _folder(name: str) -> Folder | None:
    return Folder.objects.get_or_create(name=name, parent=None)[0] if name else None


def _store_filters(dashboard: Dashboard, wanted: list[FilterDefinition], datasets: dict[str, Dataset]) -> None:
    DashboardFilter.objects.filter(dashboard=dashboard).exclude(key__in=[item.key for item in wanted]).delete()
    for position, item in enumerate(wanted):
        values = {"label": item.label, "field": item.field, "kind": item.kind, "dataset": datasets[item.dataset]}
        DashboardFilter.objects.update_or_create(
            dashboard=dashboard, key=item.key, defaults={**values, "position": position}
        )


def _store_tiles(dashboard: Dashboard, wanted: list[TileDefinition], datasets: dict[str, Dataset]) -> None:
    Tile.objects.filter(dashboard=dashboard, position__gte=len(wanted)).delete()
    for position, tile in enumerate(wanted):
        values = msgspec.structs.asdict(tile) | {"dataset": datasets[tile.dataset]}
        Tile.objects.update_or_create(dashboard=dashboard, position=position, defaults=values)
