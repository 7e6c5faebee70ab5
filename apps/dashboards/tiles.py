"""One tile for one reader: ask, then say what came back in the tile's own shape."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils import timezone

from apps.access.types import Actor
from apps.dashboards.asked_values import typed_condition
from apps.dashboards.charts import chart_spec, describe
from apps.dashboards.choices import query_string
from apps.dashboards.formats import format_number, format_short, format_value
from apps.dashboards.models import Tile
from apps.dashboards.tables import answer_table, readable_table
from apps.dashboards.types import Choice, Column, Condition, Headline, Rows, TileView
from apps.datamodels.selectors import current_version, semantic_model
from apps.queries.errors import QueryFailedError, UnknownRunError
from apps.queries.types import Answer, Pending
from apps.queries.whole import refresh_whole, whole_answer, whole_run
from apps.semantic.errors import (
    MissingAttributeError,
    QueryError,
    UnknownDatasetError,
    UnknownFieldError,
    UnreadableModelError,
)
from apps.semantic.model.decorations import Colours, colours_of, field_of, links_of
from apps.semantic.model.types import Dimension, Measure, SemanticModel

UNAVAILABLE = "This tile uses data that is not available to you."
HIDDEN = "Values are hidden from this support session."
OUTDATED = "This tile no longer fits the data model. Its editor can repair it."
DATA_ROWS = 200
"""rows in the readable table under a chart"""


def tile_query(actor: Actor, tile: Tile, choices: Sequence[Choice]) -> dict[str, Any]:
    """Return the tile's query in its public form, with the page's filters on those fields that its data set has.

    Raises:
        QueryError: the reader may not use the data set.
    """
    query = {**tile.query, "dataset": tile.dataset.name}
    wanted = [choice for choice in choices if choice.condition is not None]
    model = _model(tile) if wanted else None
    if model is not None:
        fields = _fields(tile, model)
        applied = [
            (choice.filter.field, condition)
            for choice in wanted
            if choice.filter.field.partition("[")[0] in fields
            and (condition := typed_condition(actor, tile.dataset, model, choice)) is not None
        ]
        query["filters"] = merge_filters(query.get("filters", {}), applied)
    return query


def merge_filters(own: Mapping[str, Condition], added: Iterable[tuple[str, Condition]]) -> dict[str, Condition]:
    """Return conditions that must all hold, also where several are on one field."""
    merged = dict(own)
    for name, condition in added:
        merged[name] = {"and": [merged[name], condition]} if name in merged else condition
    return merged


def is_downloadable(tile: Tile) -> bool:
    """Say whether the tile's data set is offered for download, as :func:`apps.dashboards.policies.tiles_of` has read."""
    return not getattr(tile, "is_kept_from_download", True)


def _fields(tile: Tile, model: SemanticModel) -> frozenset[str]:
    """Return the ids of all fields of the tile's data set; whether the reader may use one is decided elsewhere."""
    found = model.datasets.get(tile.dataset.name)
    return found.fields if found else frozenset()


def _model(tile: Tile) -> SemanticModel | None:
    version = current_version(tile.dataset.data_model)
    return semantic_model(version) if version is not None else None


def view_tile(
    actor: Actor, tile: Tile, choices: Sequence[Choice], *, now: datetime, wait_s: float, run_id: UUID | None = None
) -> TileView:
    """Ask for the tile's data and return it in whatever state it is; a run that ended badly is not started again."""
    shell = TileView(
        tile, "working", tile_url(tile, choices), why_url=tile_url(tile, choices, "dashboards:tile_why"),
        download_url=tile_url(tile, choices, "dashboards:tile_download") if is_downloadable(tile) else "",
    )  # fmt: skip
    problem = next((choice.problem for choice in choices if choice.problem), "")
    if problem:
        return replace(shell, status="failed", message=f"A filter of this page is not usable. {problem}")
    try:
        answer = ask(actor, tile_query(actor, tile, choices), now=now, wait_s=wait_s, run_id=run_id)
    except MissingAttributeError as error:
        return replace(shell, status="missing", message=error.message)
    except (UnknownDatasetError, UnknownFieldError):
        return replace(shell, status="unavailable", message=UNAVAILABLE)
    except QueryFailedError as error:
        return replace(shell, status="cancelled" if error.code == "cancelled" else "failed", message=error.message)
    except UnreadableModelError as error:
        return replace(shell, status="unavailable", message=error.message)
    except QueryError:
        return replace(shell, status="unavailable", message=OUTDATED)
    if isinstance(answer, Pending):
        return replace(shell, run_id=answer.run_id, progress=answer.told(now=now).capitalize())
    if not answer.rows and actor.support is not None and not actor.support.sees_values:
        return replace(shell, status="unavailable", message=HIDDEN)
    return _finished(shell, answer, choices)


def ask(actor: Actor, query: dict[str, Any], *, now: datetime, wait_s: float, run_id: UUID | None) -> Answer | Pending:
    """Look at the run that the page waits for; one that is over its time, or not of this question, is asked anew."""
    if run_id is not None:
        try:
            found = whole_run(actor, run_id, now=now, wait_s=wait_s)
        except UnknownRunError:
            found = None
        if isinstance(found, Pending) or (found and {column.name for column in found.columns} == set(query["fields"])):
            return found
    return whole_answer(actor, query, now=now, wait_s=wait_s)


def refresh_tiles(actor: Actor, tiles: Iterable[Tile], choices: Sequence[Choice]) -> None:
    """Forget the kept answers of tiles; one that the reader cannot have, or that fails, keeps nobody from the others."""
    if any(choice.problem for choice in choices):
        return
    for tile in tiles:
        with suppress(QueryError):
            refresh_whole(actor, tile_query(actor, tile, choices), now=timezone.now())


def tile_url(tile: Tile, choices: Sequence[Choice], route: str = "dashboards:tile") -> str:
    """Return the address of the tile under the page's filters."""
    address = reverse(route, args=(tile.dashboard.slug, tile.pk))
    query = query_string(choices)
    return f"{address}?{query}" if query else address


def _finished(shell: TileView, answer: Answer, choices: Sequence[Choice]) -> TileView:
    tile, columns, rows = shell.tile, answer.columns, answer.rows
    view = replace(
        shell,
        status="ready" if rows else "empty",
        row_count=answer.row_count,
        is_truncated=answer.is_truncated and "limit" not in tile.query,
        age_s=int(answer.cache.age_s),
        expires_at=answer.cache.expires_at,
        limits=answer.limits,
    )
    if not rows:
        return view
    if tile.chart == Tile.Chart.KPI:
        return replace(view, headline=headline(columns, rows, tile.encoding))
    fields = _asked(tile, columns)
    if tile.chart == Tile.Chart.TABLE:
        return replace(view, table=answer_table(answer, {name: links_of(field) for name, field in fields.items()}))
    return replace(
        view,
        table=readable_table(columns, rows[:DATA_ROWS]),
        spec=chart_spec(tile.chart, columns, rows, tile.encoding, _colours(fields)),
        summary=describe(tile.chart, tile.title, columns, rows),
        svg_url=tile_url(tile, choices, "dashboards:tile_svg"),
    )


def _asked(tile: Tile, columns: Sequence[Column]) -> dict[str, Dimension | Measure]:
    """Return the fields of the answer's columns, by column, for what the model decorates them with."""
    model = _model(tile)
    seen = model.of_topic(tile.dataset.name) if model is not None else None
    found = ((column.name, field_of(seen, column.name) if seen is not None else None) for column in columns)
    return {name: field for name, field in found if field is not None}


def _colours(fields: Mapping[str, Dimension | Measure]) -> dict[str, Colours]:
    return {name: colours for name, field in fields.items() if (colours := colours_of(field)) is not None}


def headline(columns: Sequence[Column], rows: Rows, encoding: Mapping[str, object]) -> Headline:
    """Return a KPI's number: the field named as ``y``, else the first number of the first row."""
    places = [place for place, column in enumerate(columns) if column.name == encoding.get("y")]
    places += [place for place, value in enumerate(rows[0]) if isinstance(value, int | float | Decimal)]
    place = places[0] if places else 0
    column, value = columns[place], rows[0][place]
    if not isinstance(value, int | float | Decimal) or isinstance(value, bool):
        text = format_value(value, name=column.name, format_name=column.format)
        return Headline(text, text, "", column.label)
    return Headline(format_short(value, column.format), format_number(value, column.format), str(value), column.label)
