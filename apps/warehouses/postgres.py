"""PostgreSQL through psycopg: one pinned address, a read-only transaction, a time limit at the source, rows in chunks."""

import logging
import os
import re
import select
import socket
import ssl
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import chain, islice
from typing import Any

import psycopg
from psycopg import Column, errors
from psycopg.adapt import Dumper
from psycopg.pq import TransactionStatus

from apps.warehouses.batching import CHUNK_ROWS, stream_rows
from apps.warehouses.errors import WarehouseError
from apps.warehouses.options import check_options
from apps.warehouses.postgres_arrow import LOADERS, arrow_result, fields_of
from apps.warehouses.rights import Right, rights_of
from apps.warehouses.stopping import Stopper
from apps.warehouses.targets import Allowed, Place, locate
from apps.warehouses.types import (
    CATALOG_LIMITS,
    CHECK_LIMITS,
    ArrowResult,
    BatchStream,
    Limits,
    TableInfo,
    Target,
    Value,
    tables_of,
)

logger = logging.getLogger(__name__)
SESSION = (
    "-c default_transaction_read_only=on -c idle_in_transaction_session_timeout=60s -c timezone=UTC -c lock_timeout=5s"
)
CATALOG = """
WITH RECURSIVE kin(root, part) AS (
    SELECT inhparent, inhrelid FROM pg_inherits
    UNION SELECT k.root, i.inhrelid FROM kin k JOIN pg_inherits i ON i.inhparent = k.part
),
far AS (SELECT k.root FROM kin k JOIN pg_class p ON p.oid = k.part WHERE p.relkind NOT IN ('r', 'p', 'i', 'I'))
SELECT n.nspname::text, c.relname::text, a.attname::text,
       CASE WHEN e.typelem <> 0 AND e.typlen = -1 THEN 'ARRAY'
            WHEN e.typnamespace = 'pg_catalog'::regnamespace THEN format_type(e.oid, NULL) ELSE 'USER-DEFINED' END AS kind,
       a.attnum::int, NOT a.attnotnull AS is_nullable,
       c.relkind IN ('r', 'p', 'm') AND a.attgenerated IN ('', 's') AND c.oid NOT IN (SELECT root FROM far) AS is_stored
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_type e ON e.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%%'
  AND has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT')
ORDER BY 1, 2, 5
"""
RIGHTS = """
WITH me AS (SELECT * FROM pg_roles WHERE rolname = current_user),
tables AS (
    SELECT c.oid::regclass::text AS name, count(*) OVER () AS number
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema'
      AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
),
others AS (
    SELECT datname, count(*) OVER () AS number FROM pg_database
    WHERE datallowconn AND NOT datistemplate AND datname <> current_database() AND has_database_privilege(oid, 'CONNECT')
),
places AS (
    SELECT 'schema ' || nspname AS name FROM pg_namespace
    WHERE nspname NOT LIKE 'pg\\_%%' AND nspname <> 'information_schema' AND has_schema_privilege(oid, 'CREATE')
    UNION ALL SELECT 'this database' WHERE has_database_privilege(current_database(), 'CREATE')
)
SELECT 'superuser' AS code, NULL AS detail FROM me WHERE rolsuper
UNION ALL SELECT 'administers', NULL FROM me WHERE rolcreaterole OR rolcreatedb OR rolreplication
UNION ALL SELECT 'bypasses', NULL FROM me WHERE rolbypassrls
UNION ALL SELECT 'files', NULL FROM me WHERE EXISTS (
    SELECT 1 FROM pg_roles r WHERE r.rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')
    AND pg_has_role(current_user, r.oid, 'MEMBER'))
UNION ALL (SELECT 'writes', CASE WHEN number > 1 THEN number || ' tables, ' || name || ' among them' ELSE name END FROM tables LIMIT 1)
UNION ALL (SELECT 'creates', string_agg(name, ', ') FROM places HAVING count(*) > 0)
UNION ALL (SELECT 'elsewhere', string_agg(datname, ', ') FROM (SELECT datname FROM others LIMIT 5) o HAVING count(*) > 0)
"""
FOLLOWS, FOLLOWS_SINCE = "; SET LOCAL client_connection_check_interval = '5s'", 14_00_00
"""a statement ends soon after the worker that asked it, however that ended"""
GRACE_S = 2.0  # for a source that does not keep its own time limit
CONNECT_TIMEOUT_S = 5
ODD_VALUE = "The answer has a date or time outside of the years 1 to 9999."
NOT_THERE = (errors.UndefinedTable, errors.UndefinedColumn, errors.InsufficientPrivilege, errors.InvalidSchemaName)
REFUSED = re.compile('authentication failed|no password supplied|no pg_hba.conf entry|role ".*" does not exist')
HINT_WORDS = {
    "no_entry": re.compile("no pg_hba.conf entry"),
    "certificate": re.compile("certificate verify failed|does not match host name|certificate"),
    "no_tls": re.compile("does not support SSL"),
    "no_database": re.compile('database ".*" does not exist'),
    "refused": re.compile("Connection refused|No such file or directory"),
    "silent": re.compile("timeout expired|timed out"),
}
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
            raise WarehouseError(code, hint=_hint(error)) from None
        self._connection.prepare_threshold = None
        for name, loader in LOADERS.items():
            self._connection.adapters.register_loader(name, loader)
        self._connection.adapters.register_dumper(float, _Fraction)
        self._follows = FOLLOWS if self._connection.info.server_version >= FOLLOWS_SINCE else ""
        self._stopper = Stopper(self._ask_to_cancel, self._cut_off)

    def execute(self, sql: str, parameters: Sequence[Value], limits: Limits) -> ArrowResult:
        with self._reading(sql, parameters, limits) as (columns, rows), self._in_words():
            return arrow_result(columns, rows, limits)

    @contextmanager
    def stream(self, sql: str, parameters: Sequence[Value], limits: Limits) -> Iterator[BatchStream]:
        with self._reading(sql, parameters, limits) as (columns, rows):
            first = list(islice(rows, CHUNK_ROWS))
            yield stream_rows(fields_of(columns, first), chain(first, rows), limits)

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Turn what the driver raises into one of our errors."""
        try:
            yield
        except psycopg.Error as error:
            code = self._stopper.reason or _query_code(error)
            logger.info("postgres refused a query: %s (%s)", code, error.sqlstate or type(error).__name__)
            raise WarehouseError(
                code, ODD_VALUE if isinstance(error, errors.DataError) and not error.sqlstate else ""
            ) from None

    @contextmanager
    def _reading(
        self, query: str, parameters: Sequence[Value], limits: Limits
    ) -> Iterator[tuple[Sequence[Column], Iterator[Row]]]:
        """Read within a transaction that can write nothing and ends in a rollback, whatever a function did to settings.

        The extended protocol takes one statement only.
        """
        limit_ms = max(int(limits.timeout_s * 1000), 1)
        begin = f"BEGIN READ ONLY; SET LOCAL statement_timeout = {limit_ms:d}{self._follows}".encode()
        with self._stopper.watched(limits.timeout_s + GRACE_S):
            with self._in_words():
                self._connection.execute(begin)
            try:
                with self._connection.cursor() as cursor, closing(self._stream(cursor, query, parameters)) as rows:
                    with self._in_words():
                        first = next(rows, None)
                        is_empty = first is None
                        columns = self._columns(query, parameters) if is_empty else cursor.description or ()
                    yield columns, self._rows(rows if first is None else chain((first,), rows))
            finally:
                if not self._connection.closed:
                    with self._in_words():
                        self._connection.execute("ROLLBACK")

    def _rows(self, rows: Iterator[Row]) -> Iterator[Row]:
        with self._in_words():
            yield from rows

    def _stream(self, cursor: Cursor, query: str, parameters: Sequence[Value]) -> Generator[Row]:
        yield from cursor.stream(query.encode(), tuple(parameters), binary=True, size=CHUNK_ROWS)

    def _columns(self, query: str, parameters: Sequence[Value]) -> Sequence[Column]:
        """Ask what an empty answer's columns are: a stream without rows does not tell. Nothing is executed."""
        text = f"SELECT * FROM ({query}\n) AS nothing LIMIT 0"
        return self._connection.execute(text.encode(), tuple(parameters), binary=True).description or ()

    def catalog(self) -> Iterator[TableInfo]:
        return tables_of(self.execute(CATALOG, (), CATALOG_LIMITS))

    def check(self) -> None:
        self.execute("SELECT 1", (), CHECK_LIMITS)

    def rights(self) -> list[Right]:
        return rights_of(self.execute(RIGHTS, (), CHECK_LIMITS).table.to_pylist())

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
    tls = _tls(options.get("sslmode"), place)
    return where | tls | _sign_in(tls, place, secret) | {
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


def _sign_in(tls: dict[str, str], place: Place, secret: str | None) -> dict[str, str]:
    """Name the ways to prove the password that the server may ask for.

    SCRAM gives nothing away and proves the server too. A server whose certificate and name were verified, or one of
    this machine, may ask for an MD5 hash or, over TLS, for the password itself: some managed ones do.
    """
    if not secret:
        return {}
    ways = ["scram-sha-256"]
    if place.is_this_machine or tls["sslmode"] == "verify-full":
        ways.append("md5")
    if tls["sslmode"] == "verify-full":
        ways.append("password")
    return {"require_auth": ",".join(ways)}


class _Fraction(Dumper):
    """Binds a fraction as SQL's literals are, as a numeric.

    Beside a double, PostgreSQL takes a numeric column for doubles, row by row, and fails on a number that is too large
    for one, also on a row that a policy hides.
    """

    oid = psycopg.adapters.types["numeric"].oid

    def dump(self, obj: float) -> bytes:
        return repr(obj).encode()


def _connect_code(error: psycopg.Error) -> str:
    """Tell a refused credential from an unreachable server; the driver gives connection errors no code."""
    text = str(error)
    if "authentication method requirement" in text:
        return "unsafe_sign_in"
    if "expected authentication request" in text:
        return "nonsense"
    return "refused_credentials" if REFUSED.search(text) else "unreachable"


def _hint(error: psycopg.Error) -> str:
    """Tell what kind of failure it was by the driver's words, which are not shown."""
    if isinstance(error, errors.ConnectionTimeout):
        return "silent"
    return next((hint for hint, words in HINT_WORDS.items() if words.search(str(error))), "")


def _query_code(error: psycopg.Error) -> str:
    if isinstance(error, errors.QueryCanceled):
        return "timed_out"
    if isinstance(error, psycopg.DataError):
        return "bad_value"
    if isinstance(error, NOT_THERE):
        return "not_there"
    return "unreachable" if isinstance(error, psycopg.OperationalError) else "query_failed"
