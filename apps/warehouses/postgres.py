"""PostgreSQL through psycopg: one pinned address, a read-only transaction, a time limit at the source, rows in chunks."""

import logging
import os
import select
import socket
import ssl
from collections.abc import Generator, Sequence
from contextlib import closing
from itertools import chain
from typing import Any

import psycopg
from psycopg import Column, errors, sql
from psycopg.pq import TransactionStatus

from apps.warehouses.errors import WarehouseError
from apps.warehouses.options import check_options
from apps.warehouses.postgres_arrow import CHUNK_ROWS, arrow_result
from apps.warehouses.stopping import Stopper
from apps.warehouses.targets import Allowed, Place, locate
from apps.warehouses.types import CATALOG_LIMITS, ArrowResult, Limits, TableInfo, Target, Value, tables_of

logger = logging.getLogger(__name__)
SESSION = (
    "-c default_transaction_read_only=on -c idle_in_transaction_session_timeout=60s -c timezone=UTC -c lock_timeout=5s"
)
CATALOG = """
SELECT table_schema::text, table_name::text, column_name::text, data_type::text, ordinal_position::int,
       is_nullable = 'YES'
FROM information_schema.columns
WHERE table_schema <> 'information_schema' AND table_schema NOT LIKE 'pg\\_%%'
ORDER BY 1, 2, 5
"""
GRACE_S = 2.0  # for a source that does not keep its own time limit
CONNECT_TIMEOUT_S = 5
Row = tuple[Any, ...]
Cursor = psycopg.Cursor[Row]


class PostgresWarehouse:
    """One session on one database."""

    def __init__(self, target: Target, secret: str | None, *, allowed: Allowed) -> None:
        parameters = connect_parameters(target, secret, allowed)
        try:
            self._connection = psycopg.connect(**parameters, autocommit=True)
        except psycopg.Error as error:
            code = _connect_code(error)
            logger.info("postgres did not connect: %s (%s)", code, type(error).__name__)
            raise WarehouseError(code) from None
        self._connection.prepare_threshold = None
        self._stopper = Stopper(self._ask_to_cancel, self._cut_off)

    def execute(self, sql: str, parameters: Sequence[Value], limits: Limits) -> ArrowResult:
        try:
            with self._stopper.watched(limits.timeout_s + GRACE_S):
                return self._read(sql, parameters, limits)
        except psycopg.Error as error:
            code = self._stopper.reason or _query_code(error)
            logger.info("postgres refused a query: %s (%s)", code, error.sqlstate or type(error).__name__)
            raise WarehouseError(code) from None

    def _read(self, query: str, parameters: Sequence[Value], limits: Limits) -> ArrowResult:
        """Read within a transaction that can write nothing and ends in a rollback, whatever a function did to settings.

        The extended protocol takes one statement only.
        """
        begin = sql.SQL("BEGIN READ ONLY; SET LOCAL statement_timeout = {}").format(
            sql.Literal(max(limits.timeout_s * 1000, 1))
        )
        self._connection.execute(begin)
        try:
            with (
                self._connection.cursor() as cursor,
                closing(self._stream(cursor, query, parameters)) as rows,
            ):
                first = next(rows, None)
                if first is None:
                    return arrow_result(self._columns(query, parameters), (), limits)
                return arrow_result(cursor.description or (), chain((first,), rows), limits)
        finally:
            if not self._connection.closed:
                self._connection.execute("ROLLBACK")

    def _stream(self, cursor: Cursor, query: str, parameters: Sequence[Value]) -> Generator[Row]:
        yield from cursor.stream(query.encode(), tuple(parameters), binary=True, size=CHUNK_ROWS)

    def _columns(self, query: str, parameters: Sequence[Value]) -> Sequence[Column]:
        """Ask what an empty answer's columns are: a stream without rows does not tell. Nothing is executed."""
        text = f"SELECT * FROM ({query}\n) AS nothing LIMIT 0"
        return self._connection.execute(text.encode(), tuple(parameters), binary=True).description or ()

    def catalog(self) -> list[TableInfo]:
        return tables_of(self.execute(CATALOG, (), CATALOG_LIMITS))

    def check(self) -> None:
        self.execute("SELECT 1", (), CATALOG_LIMITS)

    @property
    def is_usable(self) -> bool:
        """Say whether the session can be lent again: idle, never stopped, and the server has not hung up."""
        if self._connection.closed or self._stopper.reason:
            return False
        if self._connection.info.transaction_status != TransactionStatus.IDLE:
            return False
        poll = select.poll()
        poll.register(self._connection.fileno(), select.POLLIN)
        return not poll.poll(0)

    def cancel(self) -> None:
        self._stopper.stop()

    def close(self) -> None:
        self._connection.close()

    def _ask_to_cancel(self) -> None:
        try:
            self._connection.cancel_safe(timeout=1)
        except psycopg.Error:
            return  # a source that does not listen is cut off later

    def _cut_off(self) -> None:
        """Shut the connection down under the driver, which then finds its server gone."""
        try:
            with socket.socket(fileno=os.dup(self._connection.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)
        except (OSError, psycopg.Error):
            return  # it is closed already


def connect_parameters(target: Target, secret: str | None, allowed: Allowed) -> dict[str, Any]:
    """Return what the driver gets; nothing of it is taken from this process's environment.

    Raises:
        WarehouseError: an option or the place that the target leads to is refused.
    """
    options = dict(target.options)
    check_options(target.dialect, options)
    if not target.database or not target.username:
        raise WarehouseError("refused_target", "A database and a user name are needed.")
    place = locate(target, allowed)
    where = {"host": place.socket_dir} if place.socket_dir else {"host": target.host, "hostaddr": place.address}
    return where | _tls(options.get("sslmode"), place) | {
        "port": place.port, "dbname": target.database, "user": target.username, "password": secret or "",
        "connect_timeout": int(options.get("connect_timeout", CONNECT_TIMEOUT_S)),
        "application_name": options.get("application_name", "omni"),
        "options": SESSION, "passfile": "/nonexistent", "keepalives_idle": 10, "keepalives_interval": 5,
        "keepalives_count": 3, "tcp_user_timeout": 30_000,
    }  # fmt: skip


def _tls(mode: str | None, place: Place) -> dict[str, str]:
    """Verify the server's certificate and name, unless the operator's own allowed network says otherwise."""
    if place.is_public and mode not in (None, "verify-full"):
        raise WarehouseError("refused_target", "A public address is reached with sslmode=verify-full only.")
    mode = mode or ("prefer" if place.is_this_machine else "verify-full")
    found = {"sslmode": mode, "sslcertmode": "disable", "gssencmode": "disable"}
    if mode.startswith("verify"):
        found["sslrootcert"] = ssl.get_default_verify_paths().cafile or "system"
    return found


def _connect_code(error: psycopg.Error) -> str:
    """Tell a refused credential from an unreachable server; the driver gives connection errors no code."""
    text = str(error)
    is_refused = any(word in text for word in ("password", "authentication", "no pg_hba.conf entry"))
    return "refused_credentials" if is_refused or ('role "' in text and "does not exist" in text) else "unreachable"


def _query_code(error: psycopg.Error) -> str:
    if isinstance(error, errors.QueryCanceled):
        return "timed_out"
    return "unreachable" if isinstance(error, psycopg.OperationalError) else "query_failed"
