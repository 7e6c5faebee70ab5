"""DuckDB files below the operator's data folder: read-only, no network, no other file, no extension."""

import re
import threading
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from apps.warehouses.errors import WarehouseError
from apps.warehouses.types import ArrowResult, ColumnInfo, Limits, TableInfo, Target, Value

FILE = re.compile(r"[A-Za-z0-9_\-]+(?:/[A-Za-z0-9_\-]+)*\.duckdb")
CONFIG = {
    "access_mode": "READ_ONLY",
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "memory_limit": "1GB",
    "threads": "2",
}
CATALOG = """
SELECT table_schema, table_name, column_name, data_type, ordinal_position, is_nullable = 'YES'
FROM information_schema.columns WHERE table_schema NOT IN ('information_schema', 'pg_catalog') ORDER BY 1, 2, 5
"""
BATCH_ROWS = 8_192


def file_of(target: Target) -> Path:
    """Return the file, which lies below the data folder whatever links there are.

    Raises:
        WarehouseError: the name leads elsewhere, or there is no such file.
    """
    if target.data_dir is None or not FILE.fullmatch(target.database):
        raise WarehouseError("refused_target", "The database must name a *.duckdb file in the data folder.")
    root = target.data_dir.resolve()
    path = (root / target.database).resolve()
    if not path.is_relative_to(root):
        raise WarehouseError("refused_target", "The database must name a *.duckdb file in the data folder.")
    if not path.is_file():
        raise WarehouseError("unreachable", "There is no such file in the data folder.")
    return path


class DuckDBWarehouse:
    """One session on one file."""

    def __init__(self, target: Target, secret: str | None) -> None:
        path = file_of(target)
        try:
            self._connection = duckdb.connect(str(path), read_only=True, config=CONFIG)
            self._connection.execute("SET lock_configuration = true")
        except duckdb.Error:
            raise WarehouseError("unreachable", "The file cannot be opened as a DuckDB database.") from None
        self._was_cancelled = False

    def execute(self, sql: str, parameters: Sequence[Value], limits: Limits) -> ArrowResult:
        self._require_one_select(sql)
        is_late = threading.Event()
        timer = threading.Timer(limits.timeout_s, lambda: (is_late.set(), self._connection.interrupt()))
        timer.start()
        try:
            reader = self._connection.execute(sql, list(parameters)).to_arrow_reader(BATCH_ROWS)
            return _read(reader, limits)
        except duckdb.InterruptException:
            raise WarehouseError("timed_out" if is_late.is_set() else "cancelled") from None
        except duckdb.Error:
            raise WarehouseError("query_failed") from None
        finally:
            timer.cancel()

    def _require_one_select(self, sql: str) -> None:
        try:
            statements = self._connection.extract_statements(sql)
        except duckdb.Error:
            raise WarehouseError("query_failed") from None
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise WarehouseError("query_failed")

    def catalog(self) -> list[TableInfo]:
        rows = self._connection.execute(CATALOG).fetchall()
        return tables_of(rows)

    def check(self) -> None:
        try:
            self._connection.execute("SELECT 1").fetchall()
        except duckdb.Error:
            raise WarehouseError("unreachable") from None

    def cancel(self) -> None:
        self._connection.interrupt()

    def close(self) -> None:
        self._connection.close()


def tables_of(rows: Sequence[tuple[object, ...]]) -> list[TableInfo]:
    """Group rows of (schema, table, column, type, position, is nullable), sorted, by table."""
    found: dict[tuple[str, str], list[ColumnInfo]] = {}
    for schema, table, column, kind, position, is_nullable in rows:
        info = ColumnInfo(str(column), str(kind), int(str(position)), bool(is_nullable))
        found.setdefault((str(schema), str(table)), []).append(info)
    return [TableInfo(schema, table, tuple(columns)) for (schema, table), columns in found.items()]


def _read(reader: pa.RecordBatchReader, limits: Limits) -> ArrowResult:
    """Read batches until a limit; never more than one batch beyond it in memory."""
    batches, rows, size = [], 0, 0
    for batch in reader:
        batches.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if size > limits.max_bytes:
            raise WarehouseError("too_large")
        if rows > limits.max_rows:
            break
    table = pa.Table.from_batches(batches, reader.schema)
    return ArrowResult(table.slice(0, limits.max_rows), rows > limits.max_rows)
