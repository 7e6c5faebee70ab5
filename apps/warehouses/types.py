"""The port that every adapter implements. One adapter object is one session on one source, used by one thread;
``cancel`` may be called from another."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pyarrow as pa

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Target:
    """Where a source is. ``database`` of DuckDB is a file's name below ``data_dir``."""

    dialect: str
    host: str = ""
    port: int | None = None
    database: str = ""
    username: str = ""
    options: tuple[tuple[str, str], ...] = ()
    data_dir: Path | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Rows and bytes of an answer, seconds at the source."""

    max_rows: int
    max_bytes: int
    timeout_s: int


@dataclass(frozen=True, slots=True)
class ArrowResult:
    """Columns in the order of the SELECT; ``is_truncated`` when the source had more than ``max_rows``."""

    table: pa.Table = field(repr=False)
    is_truncated: bool


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    name: str
    type: str
    position: int
    is_nullable: bool


@dataclass(frozen=True, slots=True)
class TableInfo:
    schema: str
    name: str
    columns: tuple[ColumnInfo, ...]


class Warehouse(Protocol):
    """A read-only session on a source."""

    def execute(self, sql: str, parameters: Sequence[Value], limits: Limits) -> ArrowResult:
        """Run one SELECT.

        Raises:
            WarehouseError: it failed, took too long, was cancelled, or is too large.
        """
        ...

    def catalog(self) -> list[TableInfo]:
        """Return the tables and views that the session can read."""
        ...

    def check(self) -> None:
        """Ask the source the smallest question; raise WarehouseError when it does not answer."""
        ...

    def cancel(self) -> None:
        """Stop the running statement at the source; from any thread."""
        ...

    def close(self) -> None: ...
