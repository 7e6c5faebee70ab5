"""PostgreSQL through psycopg: a read-only session, a time limit at the source, rows in batches."""

from collections.abc import Sequence
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import errors

from apps.warehouses.duckdb import tables_of
from apps.warehouses.errors import WarehouseError
from apps.warehouses.targets import Allowed, pinned_address
from apps.warehouses.types import ArrowResult, Limits, TableInfo, Target, Value

OPTIONS = frozenset(("sslmode", "connect_timeout"))
SSL_MODES = frozenset(("disable", "prefer", "require", "verify-ca", "verify-full"))
SESSION = (
    "-c default_transaction_read_only=on -c idle_in_transaction_session_timeout=60s -c timezone=UTC -c lock_timeout=5s"
)
CATALOG = """
SELECT table_schema, table_name, column_name, data_type, ordinal_position, is_nullable = 'YES'
FROM information_schema.columns
WHERE table_schema NOT IN ('information_schema', 'pg_catalog') AND table_schema NOT LIKE 'pg_%'
ORDER BY 1, 2, 5
"""
ARROW: dict[int, pa.DataType] = {
    16: pa.bool_(), 20: pa.int64(), 21: pa.int16(), 23: pa.int32(), 700: pa.float32(), 701: pa.float64(),
    25: pa.string(), 1043: pa.string(), 1042: pa.string(), 19: pa.string(), 1082: pa.date32(),
    1114: pa.timestamp("us"), 1184: pa.timestamp("us", "UTC"), 1700: pa.decimal128(38, 10),
}  # fmt: skip
BATCH_ROWS = 5_000


class PostgresWarehouse:
    """One session on one database."""

    def __init__(self, target: Target, secret: str | None, *, allowed: Allowed) -> None:
        parameters = _parameters(target, secret, allowed)
        try:
            self._connection = psycopg.connect(**parameters, autocommit=True)
        except psycopg.OperationalError as error:
            refused = "password" in str(error) or "authentication" in str(error) or "role" in str(error)
            raise WarehouseError("refused_credentials" if refused else "unreachable") from None
        except psycopg.Error:
            raise WarehouseError("unreachable") from None
        self._connection.prepare_threshold = None

    def execute(self, sql: str, parameters: Sequence[Value], limits: Limits) -> ArrowResult:
        try:
            with self._connection.transaction(), self._connection.cursor(binary=True) as setup:
                setup.execute("SELECT set_config('statement_timeout', %s, true)", (f"{limits.timeout_s}s",))
                with self._connection.cursor("omni", binary=True) as cursor:
                    cursor.execute(sql, tuple(parameters))
                    return _read(cursor, limits)
        except errors.QueryCanceled as error:
            is_late = "statement timeout" in str(error)
            raise WarehouseError("timed_out" if is_late else "cancelled") from None
        except psycopg.OperationalError:
            raise WarehouseError("unreachable") from None
        except psycopg.Error:
            raise WarehouseError("query_failed") from None

    def catalog(self) -> list[TableInfo]:
        with self._connection.cursor() as cursor:
            return tables_of(cursor.execute(CATALOG).fetchall())

    def check(self) -> None:
        try:
            self._connection.execute("SELECT 1")
        except psycopg.Error:
            raise WarehouseError("unreachable") from None

    @property
    def is_usable(self) -> bool:
        """Say whether the session can be lent again."""
        return (
            not self._connection.closed
            and self._connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        )

    def cancel(self) -> None:
        self._connection.cancel_safe(timeout=5)

    def close(self) -> None:
        self._connection.close()


def _parameters(target: Target, secret: str | None, allowed: Allowed) -> dict[str, Any]:
    options = dict(target.options)
    for name in options.keys() - OPTIONS:
        raise WarehouseError("refused_target", f"The option {name[:40]!r} is not allowed.")
    mode = options.get(
        "sslmode", "disable" if target.host.startswith("/") or allowed.is_local_allowed else "verify-full"
    )
    if mode not in SSL_MODES:
        raise WarehouseError("refused_target", "There is no such sslmode.")
    found: dict[str, Any] = {
        "dbname": target.database, "user": target.username, "password": secret, "sslmode": mode,
        "connect_timeout": 5, "application_name": "omni", "options": SESSION, "host": target.host,
        "passfile": "/nonexistent", "service": None, "sslrootcert": "system" if mode == "verify-full" else None,
    }  # fmt: skip
    if target.host.startswith("/"):
        if not allowed.is_local_allowed or "," in target.host:
            raise WarehouseError("refused_target", "Sockets of this machine are not allowed by the operator.")
    else:
        found["port"] = target.port or 5432
        found["hostaddr"] = pinned_address(target.host, target.port or 5432, allowed)
    return {name: value for name, value in found.items() if value is not None}


def _read(cursor: "psycopg.ServerCursor[Any]", limits: Limits) -> ArrowResult:
    """Fetch in batches; memory is bounded by the limits, not by what the source holds."""
    kinds: list[pa.DataType | None] = [ARROW.get(column.type_code) for column in cursor.description or ()]
    batches: list[pa.RecordBatch] = []
    rows = size = 0
    while chunk := cursor.fetchmany(min(BATCH_ROWS, limits.max_rows + 1 - rows)):
        arrays = [_array(values, kind) for values, kind in zip(zip(*chunk, strict=True), kinds, strict=True)]
        batch = pa.record_batch(arrays, names=[str(index) for index in range(len(kinds))])
        batches.append(batch)
        rows += len(chunk)
        size += batch.nbytes
        if size > limits.max_bytes:
            raise WarehouseError("too_large")
        if rows > limits.max_rows:
            break
    if batches:
        table = pa.Table.from_batches(_same_schema(batches))
    else:
        table = pa.table({str(index): pa.array([], kind or pa.string()) for index, kind in enumerate(kinds)})
    return ArrowResult(table.slice(0, limits.max_rows), rows > limits.max_rows)


def _array(values: Sequence[Any], kind: pa.DataType | None) -> "pa.Array[Any]":
    if kind is not None and pa.types.is_decimal(kind):
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    if kind is None:
        return pa.array([None if value is None else str(value) for value in values], pa.string())
    return pa.array(values, kind)


def _same_schema(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    return [batch.cast(batches[0].schema) for batch in batches]
