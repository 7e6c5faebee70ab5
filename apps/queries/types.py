"""What comes back from a question."""

import csv
import io
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal
from uuid import UUID

import msgspec
import pyarrow as pa

from apps.semantic.compile.types import CompiledQuery, ResultColumn
from apps.semantic.query.pivoting import CrossTable, pivot
from apps.semantic.query.types import SemanticQuery

_json = msgspec.json.Encoder(decimal_format="number")
ONE_THREAD = pa.ipc.IpcReadOptions(use_threads=False)
"""handing columns to other threads costs more than most answers do"""
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """Whether the answer was kept, how old it is in seconds, and until when it is kept."""

    is_hit: bool
    age_s: int
    expires_at: datetime | None


@dataclass(frozen=True)
class Answer:
    """Rows of one governed query. ``table`` has one column per entry of ``columns``, in order."""

    columns: tuple[ResultColumn, ...]
    table: pa.Table = field(repr=False)
    is_truncated: bool
    policy_fingerprint: str
    query_id: UUID
    cache: CacheInfo
    limits: tuple[str, ...]
    compiled: CompiledQuery = field(repr=False)
    asked: SemanticQuery = field(repr=False)
    """the question that this answers, as it was asked"""
    pivots: tuple[str, ...] = ()
    limit: int = 0
    totals: "Answer | None" = field(default=None, repr=False)
    subtotals: "Answer | None" = field(default=None, repr=False)

    @cached_property
    def cross_table(self) -> CrossTable | None:
        """Rows with the values of the pivots as columns, if any were asked for."""
        if not self.pivots:
            return None
        names = [column.name for column in self.columns]
        measures = [column.name for column in self.columns if column.is_measure]
        return pivot(names, self.rows, pivots=self.pivots, measures=measures, limit=self.limit)

    @property
    def row_count(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def rows(self) -> list[tuple[Any, ...]]:
        """Rows as Python values."""
        return list(zip(*(column.to_pylist() for column in self.table.columns), strict=True))

    def to_json(self) -> bytes:
        """Return the answer in the public interface's JSON."""
        content = {
            "columns": [
                {
                    "name": column.name, "label": column.label, "type": column.type, "format": column.format,
                    "is_measure": column.is_measure, "is_masked": column.is_masked,
                }
                for column in self.columns
            ],
            "rows": self.rows,
            "row_count": self.row_count,
            "truncated": self.is_truncated,
            "policy_fingerprint": self.policy_fingerprint,
            "query_id": self.query_id,
            "cache": {"hit": self.cache.is_hit, "age_s": self.cache.age_s, "expires_at": self.cache.expires_at},
            "limits": self.limits,
        }  # fmt: skip
        return _json.encode(content | self._parts())

    def _parts(self) -> dict[str, Any]:
        parts = {
            name: {"columns": [column.name for column in part.columns], "rows": part.rows}
            for name, part in (("totals", self.totals), ("subtotals", self.subtotals))
            if part is not None
        }
        table = self.cross_table
        if table is None:
            return parts
        columns = [{"name": column.name, "values": column.values} for column in table.columns]
        return parts | {"pivot": {"columns": columns, "rows": table.rows, "truncated": table.is_truncated}}

    def to_csv(self) -> bytes:
        """Return RFC 4180 text; a text cell that a spreadsheet would take for a formula gets an apostrophe."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow([csv_cell(column.label or column.name) for column in self.columns])
        writer.writerows([csv_cell(value) for value in row] for row in self.rows)
        return out.getvalue().encode()

    def to_arrow(self) -> bytes:
        """Return an Arrow IPC stream; column names are the requested fields."""
        return arrow_bytes(self.table.rename_columns([column.name for column in self.columns]))


@dataclass(frozen=True, slots=True)
class Pending:
    """The answer is on its way. ``position`` is its place in the tenant's line, ``rows`` are those that have come."""

    run_id: UUID
    state: str
    queued_at: datetime
    started_at: datetime | None = None
    position: int | None = None
    rows: int | None = None

    def told(self, *, now: datetime) -> str:
        """Return how far it is, in words."""
        if self.started_at is None:
            waits = f"waiting, place {self.position} in line" if self.position else "waiting for a worker"
            return f"{waits}, for {_seconds(self.queued_at, now)} s"
        came = f", {self.rows:,} rows so far" if self.rows else ""
        return f"running for {_seconds(self.started_at, now)} s{came}"


def _seconds(since: datetime, now: datetime) -> int:
    return max(0, int((now - since).total_seconds()))


def csv_cell(value: Any) -> Any:
    """Return what stands for a value in CSV; a text that a spreadsheet would take for a formula gets an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value.isoformat() if hasattr(value, "isoformat") else value


def arrow_bytes(table: pa.Table, *, compression: Literal["lz4", "zstd"] | None = None) -> bytes:
    """Return the table as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def arrow_table(data: bytes) -> pa.Table:
    """Read what :func:`arrow_bytes` wrote."""
    with pa.ipc.open_stream(data, options=ONE_THREAD) as reader:
        return reader.read_all()
