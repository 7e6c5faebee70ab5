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


CATALOG_LIMITS = Limits(max_rows=50_000, max_bytes=64 * 1024 * 1024, timeout_s=30)
MAX_NAME = 200


def tables_of(result: ArrowResult) -> list[TableInfo]:
    """Group rows of (schema, table, column, type, position, is nullable), sorted, by table.

    A table or column whose name is longer than any model can write is left out.
    """
    found: dict[tuple[str, str], list[ColumnInfo]] = {}
    for schema, table, column, kind, position, is_nullable in zip(
        *(values.to_pylist() for values in result.table.columns), strict=True
    ):
        if max(len(schema), len(table), len(column)) <= MAX_NAME:
            info = ColumnInfo(column, kind[:MAX_NAME], int(position), bool(is_nullable))
            found.setdefault((schema, table), []).append(info)
    return [TableInfo(schema, table, tuple(columns)) for (schema, table), columns in found.items()]


class Warehouse(Protocol):
    """A read-only session on a source. One that was cancelled, or ran out of time, answers no more."""

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


class PooledWarehouse(Warehouse, Protocol):
    """A session that can be lent again."""

    @property
    def is_usable(self) -> bool:
        """Say whether it is idle, was never stopped, and its server has not hung up."""
        ...
