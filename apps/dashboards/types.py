"""Frozen values between the parts of a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from apps.dashboards.models import Dashboard, DashboardFilter, Tile
from apps.datamodels.models import Dataset
from apps.queries.models import Download

Condition = Mapping[str, object]
"""of a filter, in the public form of the query language, e.g. ``{"is": ["paid"]}``"""
TileStatus = Literal["ready", "empty", "working", "unavailable", "missing", "failed", "cancelled"]


class Column(Protocol):
    """What a chart needs to know of a column of an answer."""

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def format(self) -> str | None: ...
    @property
    def is_masked(self) -> bool: ...


Rows = Sequence[Sequence[object]]


@dataclass(frozen=True, slots=True)
class Choice:
    """A filter of the page and what the address says about it; ``condition`` None means everything."""

    filter: DashboardFilter
    values: tuple[str, ...] = ()
    start: str = ""
    until: str = ""
    condition: Condition | None = None
    problem: str = ""

    @property
    def is_set(self) -> bool:
        return self.condition is not None or bool(self.problem)


@dataclass(frozen=True, slots=True)
class Chip:
    """One chosen value and the address of the page without it."""

    label: str
    text: str
    without: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """A link out of a cell; the model names the place, the row fills it in."""

    label: str
    address: str


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    is_number: bool = False
    is_masked: bool = False
    anchors: tuple[Anchor, ...] = ()


@dataclass(frozen=True, slots=True)
class Headline:
    """The one number of a KPI tile; ``raw`` is for programs that read the page."""

    text: str
    full: str
    raw: str
    label: str


@dataclass(frozen=True, slots=True)
class Table:
    columns: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    totals: tuple[Cell, ...] = ()


@dataclass(frozen=True, slots=True)
class TileView:
    """A tile as it is at this moment for this reader."""

    tile: Tile
    status: TileStatus
    url: str
    message: str = ""
    run_id: UUID | None = None
    progress: str = ""
    headline: Headline | None = None
    table: Table | None = None
    spec: Mapping[str, object] | None = None
    summary: str = ""
    svg_url: str = ""
    is_truncated: bool = False
    row_count: int = 0
    age_s: int = 0
    expires_at: datetime | None = None
    limits: tuple[str, ...] = ()
    why_url: str = ""
    download_url: str = ""
    """where all rows are asked for as a file; empty where the data set is not offered for download"""

    @property
    def element_id(self) -> str:
        return f"tile-{self.tile.pk}"

    @property
    def spec_id(self) -> str:
        return f"spec-{self.tile.pk}"

    @property
    def has_retry(self) -> bool:
        return self.status in ("failed", "cancelled")


@dataclass(frozen=True, slots=True)
class DownloadView:
    """How far a download is. ``run_id`` and ``dataset`` are None where none was begun, ``made`` until there is a file."""

    run_id: UUID | None
    dataset: Dataset | None
    status: TileStatus
    message: str = ""
    made: Download | None = None

    @property
    def rows(self) -> str:
        """Return how many rows the file has, in words; and that it has not all, where that is so."""
        if self.made is None:
            return ""
        count = f"{self.made.row_count:,} row{'' if self.made.row_count == 1 else 's'}"
        return f"The first {count}; there are more." if self.made.is_truncated else f"{count}."


@dataclass(frozen=True, slots=True)
class DashboardPage:
    """Everything the page of a dashboard shows."""

    dashboard: Dashboard
    choices: tuple[Choice, ...]
    chips: tuple[Chip, ...]
    tiles: tuple[TileView, ...]
    notice: str
    query_string: str
    is_static: bool


@dataclass(frozen=True, slots=True)
class Option:
    value: str
    label: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Options:
    """The values a reader may choose from; ``run_id`` while they are still being read."""

    choice: Choice
    url: str
    items: tuple[Option, ...] = ()
    run_id: UUID | None = None
    message: str = ""
    is_truncated: bool = False
