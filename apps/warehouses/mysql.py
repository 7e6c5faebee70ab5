"""MariaDB (and whatever speaks MySQL's protocol) through PyMySQL: one pinned address, a read-only transaction, rows in chunks."""

import contextlib
import logging
import re
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pymysql
from pymysql import err
from pymysql.constants import CLIENT, CR, ER
from pymysql.constants.SERVER_STATUS import SERVER_STATUS_IN_TRANS
from pymysql.cursors import SSCursor

from apps.warehouses.batching import CHUNK_ROWS, stream_rows
from apps.warehouses.errors import WarehouseError
from apps.warehouses.mysql_arrow import CONVERTERS, fields_of
from apps.warehouses.mysql_line import Line, deadline
from apps.warehouses.options import check_options
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
    collected,
    tables_of,
)

logger = logging.getLogger(__name__)
PORT = 3306
SESSION = (
    "SET SESSION time_zone = '+00:00', sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,STRICT_ALL_TABLES', "
    "SESSION lock_wait_timeout = 5, SESSION group_concat_max_len = 16777216"
)
"""without the last, MySQL cuts lists after 1,024 bytes, MariaDB after 1 MB, and says nothing"""
CATALOG = """
SELECT c.table_schema, c.table_name, c.column_name, c.column_type, c.ordinal_position, c.is_nullable = 'YES' AS is_nullable,
       t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND t.engine IN ('InnoDB', 'Aria', 'MyISAM', 'ROCKSDB', 'Columnstore')
           AND c.extra NOT LIKE '%%VIRTUAL%%' AS is_stored
FROM information_schema.columns c
JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
WHERE c.table_schema NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys')
ORDER BY 1, 2, 5
"""
RIGHTS = """
WITH everywhere AS (SELECT privilege_type AS p FROM information_schema.user_privileges),
here AS (
    SELECT privilege_type AS p, 'this database' AS place FROM information_schema.schema_privileges WHERE table_schema = DATABASE()
    UNION ALL SELECT privilege_type, table_name FROM information_schema.table_privileges WHERE table_schema = DATABASE()
    UNION ALL SELECT p, 'every database' FROM everywhere
),
others AS (
    SELECT table_schema AS s FROM information_schema.schema_privileges WHERE table_schema <> DATABASE()
    UNION SELECT table_schema FROM information_schema.table_privileges WHERE table_schema <> DATABASE()
    UNION SELECT 'every one' FROM everywhere WHERE p = 'SELECT'
)
SELECT 'superuser' AS code, NULL AS detail FROM everywhere WHERE p = 'SUPER'
UNION ALL SELECT 'administers', NULL FROM everywhere WHERE p IN ('CREATE USER', 'REPLICATION SLAVE', 'SHUTDOWN', 'RELOAD')
UNION ALL SELECT 'files', NULL FROM everywhere WHERE p = 'FILE'
UNION ALL SELECT 'writes', GROUP_CONCAT(DISTINCT place SEPARATOR ', ') FROM here
    WHERE p IN ('INSERT', 'UPDATE', 'DELETE', 'DROP', 'ALTER', 'EXECUTE') HAVING COUNT(*) > 0
UNION ALL SELECT 'creates', GROUP_CONCAT(DISTINCT place SEPARATOR ', ') FROM here
    WHERE LEFT(p, 6) = 'CREATE' HAVING COUNT(*) > 0
UNION ALL SELECT 'elsewhere', GROUP_CONCAT(DISTINCT s SEPARATOR ', ') FROM others HAVING COUNT(*) > 0
"""
TOKENS = re.compile(
    r"(?P<quoted>'(?:[^'\\]|\\.|'')*'|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`)|(?P<refused>--|#|/\*|\b(?:INTO|LOAD_FILE)\b)",
    re.DOTALL | re.IGNORECASE,
)
"""what is quoted, and what is not read: comments, which can hide a quote or run code, and ways to files"""
READS = re.compile(r"[\s(]*(SELECT|WITH)\b", re.IGNORECASE)
"""how a statement begins that the server's read-only transaction holds: others may end that transaction first"""
ZONES = re.compile(r"\bCONVERT_TZ\b", re.IGNORECASE)
NO_ZONES = "The database has no time zones; its administrator can load them with mysql_tzinfo_to_sql."
GRACE_S = 2.0  # for a source that does not keep its own time limit
CONNECT_TIMEOUT_S = 5
CANCEL_S = 1
REST_S = 2  # for what is on its way when a statement is stopped
REFUSED = (ER.ACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR, 1698)
STOPPED = (ER.QUERY_INTERRUPTED, 1969, 3024)
"""killed; MariaDB's and MySQL's own time limits"""
BAD_VALUE = (ER.DIVISION_BY_ZERO, ER.TRUNCATED_WRONG_VALUE, 1690)
NOT_THERE = (
    ER.NO_SUCH_TABLE, ER.BAD_FIELD_ERROR, ER.BAD_DB_ERROR, ER.TABLEACCESS_DENIED_ERROR, ER.COLUMNACCESS_DENIED_ERROR,
)  # fmt: skip
UNSAFE = (CR.CR_AUTH_PLUGIN_ERR, CR.CR_NET_PACKET_TOO_LARGE)


class MySQLWarehouse:
    """One session on one server."""

    def __init__(self, target: Target, secret: str | None, *, allowed: Allowed) -> None:
        parameters, place = connect_parameters(target, secret, allowed)
        self._connect = _dialer(parameters, place)
        self._connection = self._connect()
        self._stopper = Stopper(self._ask_to_cancel, self._cut_off)
        try:
            with deadline(self._connection._sock, parameters["connect_timeout"]):
                self._set_up()
        except Exception as error:  # noqa: BLE001  a hostile server makes the driver raise anything
            self.close()
            raise WarehouseError(_connect_code(error)) from None

    def _set_up(self) -> None:
        self._tell(SESSION)
        self._is_mariadb = "mariadb" in str(self._connection.get_server_info()).lower()
        self._has_zones = self._ask("SELECT CONVERT_TZ('2000-01-01 00:00:00', '+00:00', 'UTC') IS NOT NULL") == 1

    def _tell(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)

    def _ask(self, statement: str) -> Any:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()[0][0]

    def execute(self, sql: str, parameters: Sequence[Value], limits: Limits) -> ArrowResult:
        with self.stream(sql, parameters, limits) as answer:
            return collected(answer)

    @contextmanager
    def stream(self, sql: str, parameters: Sequence[Value], limits: Limits) -> Iterator[BatchStream]:
        if not is_reading(sql):
            raise WarehouseError("query_failed")  # no session setting keeps SELECT … INTO OUTFILE from writing a file
        if ZONES.search(sql) and not self._has_zones:
            raise WarehouseError("query_failed", NO_ZONES)
        ends_at = time.monotonic() + limits.timeout_s
        with self._stopper.watched(limits.timeout_s + GRACE_S):
            with self._in_words():
                cursor = self._begin(sql, parameters, limits)
            try:
                yield stream_rows(fields_of(cursor._result.fields), self._rows(cursor, ends_at), limits)
            finally:
                with self._in_words():
                    self._finish(cursor)

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Turn whatever the driver raises into one of our errors."""
        try:
            yield
        except WarehouseError:
            raise
        except Exception as error:  # noqa: BLE001  a hostile server makes the driver raise anything
            code = self._stopper.reason or _query_code(error)
            logger.info("mysql refused a query: %s (%s)", code, type(error).__name__)
            raise WarehouseError(code) from None

    def _begin(self, query: str, parameters: Sequence[Value], limits: Limits) -> SSCursor:
        """Start reading within a transaction that can write nothing; the server takes one statement only."""
        seconds = max(limits.timeout_s, 1)
        limit = f"max_statement_time = {seconds}" if self._is_mariadb else f"max_execution_time = {seconds * 1000}"
        self._tell(f"SET SESSION {limit}")
        self._tell("START TRANSACTION READ ONLY")
        cursor = self._connection.cursor(SSCursor)
        try:
            cursor.execute(query, tuple(parameters))
            if cursor.description is None:
                raise err.ProgrammingError(ER.NOT_SUPPORTED_YET, "no rows")
        except pymysql.MySQLError:
            self._finish(cursor)
            raise
        except (
            Exception
        ):  # a hostile server makes the driver raise anything; what comes next on this line, nobody knows
            self._drop(cursor)
            raise
        return cursor

    def _rows(self, cursor: SSCursor, ends_at: float) -> Iterator[Sequence[Any]]:
        """Hand rows on. A statement that was stopped may end like any other (``SLEEP``, ``BENCHMARK``): it is no answer."""
        while True:
            with self._in_words():
                rows = cursor.fetchmany(CHUNK_ROWS)
            if self._stopper.reason or time.monotonic() >= ends_at:
                raise WarehouseError(self._stopper.reason or "timed_out")
            if not rows:
                return
            yield from rows

    def _finish(self, cursor: SSCursor) -> None:
        """Leave the session as it was found; what is left of an answer is stopped at the source, and not kept."""
        result = cursor._result
        if result is not None and result.unbuffered_active:
            self._ask_to_cancel()
        if not self._connection.open:
            self._drop(cursor)
            return
        try:
            with deadline(self._connection._sock, REST_S):
                with contextlib.suppress(pymysql.OperationalError):  # the statement was killed, as we wished
                    cursor.close()
                self._tell("ROLLBACK")
        except Exception as error:  # noqa: BLE001  the answer is here, whatever the server does now
            logger.info("mysql did not end a query: %s", type(error).__name__)
            self._drop(cursor)

    def _drop(self, cursor: SSCursor) -> None:
        """Close the line without a word, and keep the driver from reading on when the result is collected."""
        self._connection._force_close()
        if cursor._result is not None:
            cursor._result.unbuffered_active = False

    def catalog(self) -> Iterator[TableInfo]:
        return tables_of(self.execute(CATALOG, (), CATALOG_LIMITS))

    def check(self) -> None:
        self.execute("SELECT 1", (), CHECK_LIMITS)

    def rights(self) -> list[Right]:
        return rights_of(self.execute(RIGHTS, (), CHECK_LIMITS).table.to_pylist())

    @property
    def is_usable(self) -> bool:
        """Say whether the session can be lent again: idle, never stopped, and the server has not hung up."""
        if not self._connection.open or self._stopper.reason:
            return False
        if self._connection.server_status & SERVER_STATUS_IN_TRANS:
            return False
        poll = select.poll()
        poll.register(self._connection._sock.fileno(), select.POLLIN)
        return not poll.poll(0)

    def cancel(self) -> None:
        self._stopper.stop()

    def close(self) -> None:
        with contextlib.suppress(pymysql.MySQLError, OSError):
            self._connection.close()

    def _ask_to_cancel(self) -> None:
        """Kill the running statement through a second session, which the server lets the same user do."""
        try:
            other = self._connect(CANCEL_S)
        except WarehouseError:
            return  # a source that does not listen is cut off later
        with (
            contextlib.suppress(pymysql.MySQLError, OSError),
            contextlib.closing(other),
            deadline(other._sock, CANCEL_S),
            other.cursor() as cursor,
        ):
            cursor.execute(f"KILL QUERY {int(self._connection.thread_id())}")

    def _cut_off(self) -> None:
        """Shut the connection down under the driver, which then finds its server gone."""
        line = self._connection._sock
        if line is not None:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)


def is_reading(statement: str) -> bool:
    """Say whether a statement reads only, and from tables only, as far as its text tells."""
    found = list(TOKENS.finditer(statement))
    is_harmful = any(
        token["refused"] or token[0][1:-1].upper() == "LOAD_FILE" for token in found
    )  # also by a quoted name
    return READS.match(statement) is not None and not is_harmful


def connect_parameters(target: Target, secret: str | None, allowed: Allowed) -> tuple[dict[str, Any], Place]:
    """Return what the driver gets, and where to; nothing of it is taken from this process's environment or files.

    Raises:
        WarehouseError: an option or the place that the target leads to is refused.
    """
    options = dict(target.options)
    check_options(target.dialect, options)
    if not target.database or not target.username:
        raise WarehouseError("refused_target", "A database and a user name are needed.")
    place = locate(target, allowed, default_port=PORT)
    tls = _tls(options.get("sslmode"), place)
    parameters = {
        "host": target.host if tls is not None else place.address or "localhost", "port": place.port,
        "user": target.username, "password": (secret or "").encode(), "database": target.database, "charset": "utf8mb4",
        "autocommit": True, "connect_timeout": int(options.get("connect_timeout", CONNECT_TIMEOUT_S)),
        "local_infile": False, "read_default_file": None, "conv": CONVERTERS, "program_name": "omni",
        "client_flag": 0, "max_allowed_packet": 64 * 1024 * 1024,
        **({"ssl": tls} if tls is not None else {"ssl_disabled": True}),
    }  # fmt: skip
    assert not parameters["client_flag"] & CLIENT.MULTI_STATEMENTS  # noqa: S101  one statement at a time
    return parameters, place


def _dialer(parameters: dict[str, Any], place: Place) -> Callable[..., Line]:
    """Return what signs in; nothing of it that is printed holds the password."""

    def dial(timeout_s: int | None = None) -> Line:
        return _connect(parameters, place, timeout_s or parameters["connect_timeout"])

    return dial


def _connect(parameters: dict[str, Any], place: Place, timeout_s: int) -> Line:
    """Sign in at the one place.

    Raises:
        WarehouseError: it is not reachable, or refuses the credential.
    """
    try:
        line = _open_line(place, timeout_s)
        connection = Line(**parameters, defer_connect=True)
        connection.sign_in(line, timeout_s)
    except Exception as error:  # noqa: BLE001  a hostile server makes the driver raise anything
        code = _connect_code(error)
        logger.info("mysql did not connect: %s (%s)", code, type(error).__name__)
        raise WarehouseError(code, hint=_hint(error)) from None
    return connection


def _tls(mode: str | None, place: Place) -> ssl.SSLContext | None:
    """Verify the server's certificate and name, unless the operator's own allowed network says otherwise."""
    if place.is_public and mode not in (None, "verify-full"):
        raise WarehouseError("refused_target", "A public address is reached with sslmode=verify-full only.")
    mode = mode or ("disable" if place.is_this_machine else "verify-full")
    if mode == "disable" or place.socket_dir:
        return None
    context = ssl.create_default_context()
    context.check_hostname = mode == "verify-full"
    context.verify_mode = ssl.CERT_REQUIRED if mode in ("verify-full", "verify-ca") else ssl.CERT_NONE
    return context


def _open_line(place: Place, timeout_s: int) -> socket.socket:
    """Connect to the one address that was checked; the driver resolves nothing."""
    line = socket.create_connection((place.address, place.port), timeout_s)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return line


def _connect_code(error: Exception) -> str:
    """Tell a refused credential, an unreachable server, and one that speaks something else."""
    if not isinstance(error, pymysql.MySQLError | OSError):
        return "nonsense"
    number = error.args[0] if error.args else None
    if number in UNSAFE:
        return "nonsense" if number == CR.CR_NET_PACKET_TOO_LARGE else "unsafe_sign_in"
    return "refused_credentials" if number in REFUSED else "unreachable"


def _hint(error: Exception) -> str:
    """Tell what kind of failure it was; the server's and the driver's words are not shown."""
    cause = getattr(error, "original_exception", error)
    if isinstance(cause, ssl.SSLError):
        return "certificate"
    number = error.args[0] if isinstance(error, pymysql.MySQLError) and error.args else None
    by_number = {
        CR.CR_SSL_CONNECTION_ERROR: "no_tls",
        ER.BAD_DB_ERROR: "no_database",
        1130: "no_entry",
        CR.CR_SERVER_LOST: "silent",
    }
    if isinstance(cause, ConnectionRefusedError):
        return "refused"
    return "silent" if isinstance(cause, TimeoutError) else by_number.get(number, "")


def _query_code(error: Exception) -> str:
    if not isinstance(error, pymysql.MySQLError | OSError):
        return "nonsense"
    number = error.args[0] if error.args else None
    if number in STOPPED:
        return "timed_out"
    if number == CR.CR_NET_PACKET_TOO_LARGE or isinstance(error, err.InternalError):
        return "nonsense"
    if isinstance(error, err.DataError) or number in BAD_VALUE:
        return "bad_value"
    if number in NOT_THERE:
        return "not_there"
    is_gone = isinstance(error, OSError | err.InterfaceError) or number in (CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST)
    return "unreachable" if is_gone else "query_failed"
