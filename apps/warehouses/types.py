"""The port that every adapter implements. One adapter object is one session on one source, used by one thread;
``cancel`` may be called from another.

Columns come out as Arrow integers, floats, ``decimal128``, booleans, ``date32``, ``timestamp[us]`` (with UTC where the
source knows the zone) and text. Text is also what everything else becomes: a time ``12:30:00``, an interval in ISO 8601
(``P1Y2M3DT4H5M6S``), a UUID, JSON (also of arrays, maps and structures), bytes in hexadecimal. NaN and infinities are
floats.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from apps.warehouses.errors import WarehouseError
from apps.warehouses.rights import Right

Value = str | int | float | bool | None
BATCH_ROWS = 8_192


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
    """Rows and bytes of an answer, seconds at the source.

    An answer of more bytes is refused, or, with ``cuts_bytes``, cut after the last rows that fit and said to be so;
    it is refused all the same when not one row fits. ``on_rows`` is told how many rows have come so far.
    """

    max_rows: int
    max_bytes: int
    timeout_s: int
    cuts_bytes: bool = False
    on_rows: Callable[[int], None] | None = field(default=None, compare=False, repr=False)

    def came(self, rows: int) -> None:
        """Say how many rows have come so far."""
        if self.on_rows is not None:
            self.on_rows(min(rows, self.max_rows))


@dataclass(frozen=True, slots=True)
class ArrowResult:
    """Columns in the order of the SELECT; ``is_truncated`` when the source had more than ``max_rows``."""

    table: pa.Table = field(repr=False)
    is_truncated: bool


@dataclass(slots=True)
class BatchStream:
    """An answer on its way: batches of one schema, to be read once.

    ``is_truncated`` is known when the batches have come to their end. A reader that stops earlier, or that takes longer
    than the time limit, ends the statement at the source.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch] = field(repr=False)
    is_truncated: bool = False

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self.batches


def collected(answer: BatchStream) -> ArrowResult:
    """Read a whole answer into memory."""
    table = pa.Table.from_batches(list(answer), answer.schema)
    return ArrowResult(table.combine_chunks(), answer.is_truncated)


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
    is_stored: bool = False
    """whether all its columns hold what was written into them; those of a view may be worked out, and fail, when they are read"""


CATALOG_LIMITS = Limits(max_rows=2_000_000, max_bytes=512 * 1024 * 1024, timeout_s=120)
CHECK_LIMITS = Limits(max_rows=1_000, max_bytes=1024 * 1024, timeout_s=30)
MAX_NAME = 200


def tables_of(result: ArrowResult) -> Iterator[TableInfo]:
    """Group rows of (schema, table, column, type, position, is nullable, is stored), sorted, by table, one at a time.

    A table or column whose name is longer than any model can write is left out.

    Raises:
        WarehouseError: there are more columns than ``CATALOG_LIMITS`` lets through: half a catalogue is none.
    """
    if result.is_truncated:
        raise WarehouseError("too_large", f"The database has more than {CATALOG_LIMITS.max_rows:,} columns.")
    rows = (
        row for batch in result.table.to_batches(BATCH_ROWS) for row in zip(*batch.to_pydict().values(), strict=True)
    )
    for (schema, table), group in groupby(rows, key=itemgetter(0, 1)):
        found = [*group]
        columns = tuple(
            ColumnInfo(column, kind[:MAX_NAME], int(position), bool(is_nullable))
            for _, _, column, kind, position, is_nullable, _ in found
            if len(column) <= MAX_NAME
        )
        if columns and max(len(schema), len(table)) <= MAX_NAME:
            yield TableInfo(schema, table, columns, all(row[-1] for row in found))


class Warehouse(Protocol):
    """A read-only session on a source. One that was cancelled, or ran out of time, answers no more."""

    def execute(self, sql: str, parameters: Sequence[Value], limits: Limits) -> ArrowResult:
        """Run one SELECT.

        Raises:
            WarehouseError: it failed, took too long, was cancelled, or is too large.
        """
        ...

    def stream(self, sql: str, parameters: Sequence[Value], limits: Limits) -> AbstractContextManager[BatchStream]:
        """Run one SELECT and hand its rows on as they come: about one batch is in memory, however long the answer is.

        Rows are cut after ``max_rows``; the bytes are counted over the whole answer, and the time until its end.

        Raises:
            WarehouseError: as :meth:`execute`; when the block is entered, or while it reads.
        """
        ...

    def catalog(self) -> Iterator[TableInfo]:
        """Read which tables and views the session can read, then hand them on one by one."""
        ...

    def rights(self) -> list[Right]:
        """Return what the user may do that a reader need not; an empty list is as it should be."""
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
