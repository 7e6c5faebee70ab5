"""Why a tile shows its reader what it shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.access.types import Actor
from apps.dashboards.models import Tile
from apps.dashboards.tiles import OUTDATED, UNAVAILABLE, tile_query
from apps.dashboards.types import Choice
from apps.governance.explain import Explanation, FieldExplained
from apps.queries.explaining import explained
from apps.queries.planning import as_query
from apps.semantic.errors import QueryError, UnknownDatasetError


@dataclass(frozen=True, slots=True)
class TileWhy:
    """What the panel says; ``found`` is None where the tile is not for the reader, or does not fit the model."""

    tile: Tile
    found: Explanation | None = None
    sql: str | None = None
    message: str = ""

    @property
    def max_rows(self) -> str:
        return f"{self.found.max_rows:,}" if self.found and self.found.max_rows else ""

    @property
    def shown_fields(self) -> tuple[FieldExplained, ...]:
        """Fields that an administrator is told of one by one; everybody else only of masked ones."""
        if self.found is None:
            return ()
        return self.found.fields if self.found.is_complete else self.masked_fields

    @property
    def masked_fields(self) -> tuple[FieldExplained, ...]:
        return tuple(field for field in self.found.fields if field.state == "masked") if self.found else ()


def why_tile(actor: Actor, tile: Tile, choices: Sequence[Choice], *, now: datetime) -> TileWhy:
    """Explain a tile under the page's filters.

    A tile that rests on anything closed to its reader names nothing, whatever it is that is closed.
    """
    try:
        found, sql = explained(actor, as_query(tile_query(actor, tile, choices)), now=now)
    except UnknownDatasetError:
        return TileWhy(tile, message=UNAVAILABLE)
    except QueryError:
        return TileWhy(tile, message=OUTDATED)
    if not found.is_complete and any(field.state == "unavailable" for field in found.fields):
        return TileWhy(tile, message=UNAVAILABLE)
    return TileWhy(tile, found, sql)
