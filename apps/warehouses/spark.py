"""Spark through Spark Connect: one pinned address, one SELECT as a relation, Arrow batches as they come."""

import logging
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import chain
from typing import Any

import grpc
import pyarrow as pa

from apps.warehouses.batching import stream_batches
from apps.warehouses.errors import WarehouseError
from apps.warehouses.rights import Right
from apps.warehouses.spark_arrow import batches_of, plain
from apps.warehouses.spark_line import LIST_DATABASES, MAX_MESSAGE_BYTES, Line, Run, dial, of_catalog, statement, way_to
from apps.warehouses.spark_text import framed, is_reading
from apps.warehouses.stopping import Stopper
from apps.warehouses.targets import Allowed
from apps.warehouses.types import (
    BATCH_ROWS,
    CATALOG_LIMITS,
    CHECK_LIMITS,
    MAX_NAME,
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
SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.ansi.doubleQuotedIdentifiers": "false",
    "spark.sql.parser.escapedStringLiterals": "false",
    "spark.sql.caseSensitive": "false",
    "spark.sql.runSQLOnFiles": "false",
    "spark.sql.variable.substitute": "false",
    "spark.sql.groupByOrdinal": "true",
    "spark.sql.orderByOrdinal": "true",
    "spark.sql.lateralColumnAlias.enableImplicitResolution": "false",
    "spark.sql.session.collation.default": "UTF8_BINARY",
    "spark.sql.preserveCharVarcharTypeInfo": "false",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH_ROWS),
}
"""of each session: how texts are read, what may be read, and how answers come"""
SETUP_S = 15
"""for the first thing that the server looks up, which a server that has just started takes its time for"""
GRACE_S = 2.0
REFUSED = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
STOPPED = "[OPERATION_CANCELED]"
GONE = "[INVALID_HANDLE."
"""how Spark says that it does not know the session, or not any more"""
WORDS = {
    "connection refused": "refused", "wrong_version_number": "no_tls", "hostname verification": "certificate",
    "certificate": "certificate",
}  # fmt: skip
"""what gRPC says of a line that does not come about → our hint; the first that fits"""
STORED = ("MANAGED", "EXTERNAL")
COLUMNS = (pa.string(), pa.string(), pa.string(), pa.string(), pa.int32(), pa.bool_(), pa.bool_())
EVERYTHING = "every table that the server can reach"
RIGHTS = [Right("writes", EVERYTHING), Right("creates", "every schema"), Right("files")]
"""Spark Connect knows no rights: whoever reaches it may do all that its server may"""


class SparkWarehouse:
    """One session on one server."""

    def __init__(self, target: Target, secret: str | None, *, allowed: Allowed) -> None:
        way = way_to(target, allowed)
        self._line = Line(dial(way, secret), target.username)
        self._operation = ""
        self._is_running = self._is_broken = False
        self._stopper = Stopper(lambda: self._line.interrupt(self._operation), self._line.cut)
        try:
            self._line.configure(SETTINGS, way.timeout_s)
            self._open(target.database)
        except WarehouseError:
            self.close()
            raise
        except Exception as error:  # noqa: BLE001  a hostile server makes the driver raise anything
            self.close()
            code = _connect_code(error)
            logger.info("spark did not connect: %s (%s)", code, type(error).__name__)
            raise WarehouseError(code, hint=_hint(error)) from None

    def _open(self, database: str) -> None:
        """Make names mean what they mean in ``catalog`` or ``catalog.schema``."""
        name, _, schema = database.partition(".")
        try:
            if name:
                self._ask(SETUP_S, set_current_catalog={"catalog_name": name})
            if schema:
                self._ask(SETUP_S, set_current_database={"db_name": schema})
        except grpc.RpcError as error:
            if _is_failure(error):
                raise WarehouseError("unreachable", hint="no_database") from None
            raise

    def _ask(self, timeout_s: float, **asked: Any) -> list[dict[str, Any]]:
        """Ask the catalogue, and return its rows."""
        self._operation = str(uuid.uuid4())
        found: list[dict[str, Any]] = []
        size = 0
        with closing(self._line.run(of_catalog(**asked), self._operation, timeout_s)) as run:
            for data in run.batches():
                size += len(
                    data
                )  # a batch's own nbytes reads where an empty list of Spark's has nothing, and ends the process
                for batch in batches_of(data):
                    if size > MAX_MESSAGE_BYTES or len(found) + batch.num_rows > CATALOG_LIMITS.max_rows:
                        raise WarehouseError("too_large")
                    found += batch.to_pylist()
        return found

    def execute(self, sql: str, parameters: Sequence[Value], limits: Limits) -> ArrowResult:
        with self.stream(sql, parameters, limits) as answer:
            return collected(answer)

    @contextmanager
    def stream(self, sql: str, parameters: Sequence[Value], limits: Limits) -> Iterator[BatchStream]:
        if not is_reading(sql):
            raise WarehouseError("query_failed")  # no setting of a session keeps Spark from writing or running code
        ends_at = time.monotonic() + limits.timeout_s
        self._operation = str(uuid.uuid4())
        with self._stopper.watched(limits.timeout_s):
            self._is_running = True
            with self._in_words():
                relation = statement(framed(sql), parameters, limits.max_rows + 1)
                run = self._line.run(relation, self._operation, limits.timeout_s + GRACE_S)
            try:
                batches = self._batches(run, ends_at)
                first = next(batches, None)
                if first is None:
                    raise WarehouseError("nonsense")
                yield stream_batches(first.schema, chain((first,), batches), limits)
            finally:
                self._finish(run)

    def _batches(self, run: Run, ends_at: float) -> Iterator[pa.RecordBatch]:
        """Hand batches on. A statement that was stopped may end like any other: it is no answer."""
        with self._in_words():
            schema = None
            for data in run.batches():
                for batch in map(plain, batches_of(data)):
                    if batch.schema != (schema := schema or batch.schema):
                        raise WarehouseError("nonsense")
                    if self._stopper.reason or time.monotonic() >= ends_at:
                        raise WarehouseError(self._stopper.reason or "timed_out")
                    yield batch
            if self._stopper.reason or time.monotonic() >= ends_at:
                raise WarehouseError(self._stopper.reason or "timed_out")
            self._is_running = False

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Turn whatever the driver raises into one of our errors."""
        try:
            yield
        except WarehouseError:
            raise
        except Exception as error:  # noqa: BLE001  a hostile server makes the driver raise anything
            code = self._stopper.reason or _query_code(error)
            self._is_running = False
            self._is_broken = code != "query_failed"
            logger.info("spark refused a query: %s (%s)", code, type(error).__name__)
            raise WarehouseError(code) from None

    def _finish(self, run: Run) -> None:
        """Stop what is left of an answer at the source; a server goes on when only the line ends."""
        if self._is_running or self._is_broken:
            self._line.interrupt(self._operation)
        run.close()
        self._is_running = False

    def catalog(self) -> Iterator[TableInfo]:
        ends_at = time.monotonic() + CATALOG_LIMITS.timeout_s
        with self._stopper.watched(CATALOG_LIMITS.timeout_s), self._in_words():
            rows = list(self._columns(ends_at))
            fields = [pa.field(str(place), kind) for place, kind in enumerate(COLUMNS)]
            columns = zip(*rows, strict=True) if rows else [()] * len(COLUMNS)
            arrays = [pa.array(list(column), kind) for column, kind in zip(columns, COLUMNS, strict=True)]
            table = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
        return tables_of(ArrowResult(table, is_truncated=False))

    def _columns(self, ends_at: float) -> Iterator[tuple[Any, ...]]:
        """Yield schema, table, column, type, position, emptiness and whether it is stored; what cannot be looked at is left out."""
        count = 0
        for schema in sorted(str(row["name"]) for row in self._ask(_left(ends_at), list_databases=LIST_DATABASES)):
            tables = self._ask(_left(ends_at), list_tables={"db_name": schema})
            kept = sorted((str(row["name"]), row["tableType"] in STORED) for row in tables if not row["isTemporary"])
            for table, is_stored in kept:
                try:
                    columns = self._ask(
                        _left(ends_at), list_columns={"table_name": f"{_quoted(schema)}.{_quoted(table)}"}
                    )
                except grpc.RpcError as error:
                    if not _is_failure(error) or self._stopper.reason:
                        raise
                    continue
                count += len(columns)
                if count > CATALOG_LIMITS.max_rows:
                    raise WarehouseError("too_large")
                for position, column in enumerate(columns, start=1):
                    name, kind = str(column["name"]), str(column["dataType"])[:MAX_NAME]
                    if max(len(schema), len(table), len(name)) <= MAX_NAME:
                        yield schema, table, name, kind, position, bool(column["nullable"]), is_stored

    def check(self) -> None:
        self.execute("SELECT 1", (), CHECK_LIMITS)

    def rights(self) -> list[Right]:
        return RIGHTS

    @property
    def is_usable(self) -> bool:
        """Say whether the session can be lent again: idle, never stopped, and at the server it is still as it was set."""
        if self._is_running or self._is_broken or self._stopper.reason:
            return False
        try:
            return self._line.settings(SETTINGS) == SETTINGS
        except Exception as error:  # noqa: BLE001  a hostile server makes the driver raise anything
            logger.info("spark's session is gone: %s", type(error).__name__)
            return False

    def cancel(self) -> None:
        self._stopper.stop()

    def close(self) -> None:
        self._is_broken = True
        self._line.close()


def _left(ends_at: float) -> float:
    return max(ends_at - time.monotonic(), 0.01)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _is_failure(error: Any) -> bool:
    """Say whether the server itself failed at what was asked: it sends its reasons along, which nobody reads here."""
    keys = {item[0] for item in error.trailing_metadata() or ()}
    return "grpc-status-details-bin" in keys and not str(error.details() or "").startswith(GONE)


def _connect_code(error: Exception) -> str:
    """Tell a refused credential, an unreachable server, and one that speaks something else."""
    if not isinstance(error, grpc.RpcError):
        return "nonsense"
    status = error.code()
    if status in REFUSED:
        return "refused_credentials"
    is_silent = status in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    return "unreachable" if is_silent else "nonsense"


def _hint(error: Exception) -> str:
    """Tell what kind of failure it was; the server's and the driver's words are not shown."""
    if not isinstance(error, grpc.RpcError):
        return ""
    details = str(error.details() or "").lower()
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return "silent"
    return next((hint for words, hint in WORDS.items() if words in details), "")


def _query_code(error: Exception) -> str:
    if not isinstance(error, grpc.RpcError):
        return "nonsense"
    status = error.code()
    if status is grpc.StatusCode.DEADLINE_EXCEEDED:
        return "timed_out"
    if status is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return "too_large"
    if status in REFUSED:
        return "refused_credentials"
    if _is_failure(error):
        return "cancelled" if str(error.details()).startswith(STOPPED) else "query_failed"
    is_gone = status in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED) or str(error.details()).startswith(
        GONE
    )
    return "unreachable" if is_gone else "nonsense"
