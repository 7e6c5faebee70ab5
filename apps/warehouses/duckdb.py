"""DuckDB files below the operator's data folder: read-only, no network, no other file, no extension."""

import logging
import re
import threading
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from apps.warehouses.errors import WarehouseError
from apps.warehouses.options import check_options
from apps.warehouses.stopping import Stopper
from apps.warehouses.types import CATALOG_LIMITS, ArrowResult, Limits, TableInfo, Target, Value, tables_of

logger = logging.getLogger(__name__)
FILE = re.compile(r"[A-Za-z0-9_\-]+(?:/[A-Za-z0-9_\-]+)*\.duckdb")
CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "access_mode": "READ_ONLY",
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",  # else a query could name a variable of this process as a table
    "memory_limit": "512MB",
    "temp_directory": "",  # what does not fit into memory fails; nothing is written beside the file
    "threads": "2",
}
CATALOG = """
SELECT table_schema, table_name, column_name, data_type, ordinal_position, is_nullable = 'YES'
FROM information_schema.columns
WHERE table_catalog = current_database() AND table_schema NOT IN ('information_schema', 'pg_catalog')
ORDER BY 1, 2, 5
"""
BATCH_ROWS = 8_192
# One process shares one instance per file, and its settings: the first session locks them, the others find them locked.
_opening = threading.Lock()


def file_of(target: Target) -> Path:
    """Return the file, which lies below the data folder whatever links there are.

    Raises:
        WarehouseError: the name leads elsewhere, or there is no such file.
    """
    if target.data_dir is None or not FILE.fullmatch(target.database):
        raise WarehouseError("refused_target", "The database must name a *.duckdb file in the data folder.")
    root = target.data_dir.resolve()
    path = (root / target.database).resolve()
    if not path.is_relative_to(root) or path.suffix != ".duckdb":
        raise WarehouseError("refused_target", "The database must name a *.duckdb file in the data folder.")
    if not path.is_file():
        raise WarehouseError("unreachable", "There is no such file in the data folder.")
    return path


class DuckDBWarehouse:
    """One session on one file."""

    def __init__(self, target: Target, secret: str | None) -> None:
        check_options(target.dialect, dict(target.options))
        path = file_of(target)
        try:
            self._connection = _open(path)
        except duckdb.Error as error:
            logger.info("duckdb did not open a file: %s", type(error).__name__)
            raise WarehouseError("unreachable", "The file cannot be opened as a DuckDB database.") from None
        self._stopper = Stopper(self._connection.interrupt, self._connection.interrupt)

    def execute(self, sql: str, parameters: Sequence[Value], limits: Limits) -> ArrowResult:
        try:
            with self._stopper.watched(limits.timeout_s):
                self._require_one_select(sql)
                reader = self._connection.sql(sql, params=list(parameters)).to_arrow_reader(BATCH_ROWS)
                try:
                    return _read(reader, limits)
                finally:
                    reader.close()
        except (duckdb.Error, pa.ArrowException, OSError) as error:  # an Arrow stream reports its source as OSError
            logger.info("duckdb refused a query: %s", type(error).__name__)
            raise WarehouseError(self._stopper.reason or "query_failed") from None

    def _require_one_select(self, sql: str) -> None:
        statements = self._connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise WarehouseError("query_failed")

    def catalog(self) -> list[TableInfo]:
        return tables_of(self.execute(CATALOG, (), CATALOG_LIMITS))

    def check(self) -> None:
        self.execute("SELECT 1", (), CATALOG_LIMITS)

    def cancel(self) -> None:
        self._stopper.stop()

    def close(self) -> None:
        self._connection.close()


def _open(path: Path) -> duckdb.DuckDBPyConnection:
    with _opening:
        connection = duckdb.connect(str(path), read_only=True, config=CONFIG)
        try:
            row = connection.execute("SELECT current_setting('lock_configuration')").fetchone()
            if row is None or not row[0]:
                connection.execute("SET GLOBAL TimeZone = 'UTC'")
                connection.execute("SET GLOBAL lock_configuration = true")
        except duckdb.Error:
            connection.close()
            raise
        return connection


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
