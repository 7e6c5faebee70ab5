"""DuckDB files below the operator's data folder, each session in a process of its own that can be killed at any time."""

import contextlib
import json
import logging
import re
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from apps.warehouses.errors import MESSAGES, WarehouseError
from apps.warehouses.options import check_options
from apps.warehouses.rights import Right
from apps.warehouses.stopping import Stopper
from apps.warehouses.targets import Allowed
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
FILE = re.compile(r"[A-Za-z0-9_\-]+(?:/[A-Za-z0-9_\-]+)*\.duckdb")
CATALOG = """
SELECT table_schema, table_name, column_name, data_type, ordinal_position, is_nullable = 'YES' AS is_nullable,
       is_generated = 'NEVER' AND (table_schema, table_name) IN (
           SELECT (schema_name, table_name) FROM duckdb_tables() WHERE database_name = current_database()) AS is_stored
FROM information_schema.columns
WHERE table_catalog = current_database() AND table_schema NOT IN ('information_schema', 'pg_catalog')
ORDER BY 1, 2, 5
"""
ROOT = Path(__file__).parents[2]
PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from apps.warehouses.duckdb_child import main; main(sys.argv[2])"
)
HEADER = struct.Struct("!cI")
START_S = 20
MAX_FRAME_BYTES = 256 * 1024 * 1024
SLACK_BYTES = 1024 * 1024
"""what Arrow's format adds to an answer at most"""


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
    """One process on one file. It has no environment, no other file and no network; whatever it does, it is killed alone."""

    def __init__(self, target: Target, secret: str | None, *, allowed: Allowed | None = None) -> None:
        check_options(target.dialect, dict(target.options))
        self._path = file_of(target)
        self._version = _version(self._path)
        self._child = _start(self._path)
        self._stopper = Stopper(self._child.kill, self._child.kill)
        self._is_idle = False
        try:
            with self._stopper.watched(START_S):
                self._expect_ready()
        except WarehouseError:
            self.close()
            raise
        self._is_idle = True

    def _expect_ready(self) -> None:
        try:
            kind, _ = self._receive()
        except WarehouseError as error:
            kind = b"E"
            logger.info("duckdb did not start: %s", error.code)
        if kind != b"R":
            raise WarehouseError("unreachable", "The file cannot be opened as a DuckDB database.")

    def execute(self, sql: str, parameters: Sequence[Value], limits: Limits) -> ArrowResult:
        with self.stream(sql, parameters, limits) as answer:
            return collected(answer)

    @contextmanager
    def stream(self, sql: str, parameters: Sequence[Value], limits: Limits) -> Iterator[BatchStream]:
        with self._stopper.watched(limits.timeout_s):
            self._is_idle = False
            self._ask(sql, parameters, limits)
            first = self._batch(limits)
            if first is None:
                raise self._broken("an answer without columns")
            answer = BatchStream(first.schema, iter(()))
            answer.batches = self._batches(answer, limits)
            try:
                yield answer
            finally:
                if not self._is_idle:
                    self.close()  # the rest of the answer is nobody's

    def _ask(self, sql: str, parameters: Sequence[Value], limits: Limits) -> None:
        request = {
            "sql": sql,
            "parameters": list(parameters),
            "max_rows": limits.max_rows,
            "max_bytes": limits.max_bytes,
            "cuts_bytes": limits.cuts_bytes,
        }
        body = json.dumps(request).encode()
        try:
            self._line_in.write(HEADER.pack(b"Q", len(body)) + body)
            self._line_in.flush()
        except (OSError, ValueError):
            raise self._ended() from None

    def _batches(self, answer: BatchStream, limits: Limits) -> Iterator[pa.RecordBatch]:
        size = rows = 0
        while (batch := self._batch(limits)) is not None:
            size += batch.nbytes
            rows += batch.num_rows
            limits.came(rows)
            if batch.schema != answer.schema or rows > limits.max_rows or size > limits.max_bytes:
                raise self._broken("more, or other things, than were asked for")
            yield batch
        answer.is_truncated = self._was_cut

    def _batch(self, limits: Limits) -> pa.RecordBatch | None:
        """Return the next batch, or None at the end of the answer."""
        kind, body = self._receive(limits.max_bytes + SLACK_BYTES)
        if kind == b"B":
            return self._opened(body)
        self._is_idle = True
        if kind == b"D":
            self._was_cut = body == b"1"
            return None
        code = body.decode("ascii", "replace")
        logger.info("duckdb refused a query: %s", code if code in MESSAGES else "?")
        raise WarehouseError(code if code in MESSAGES else "query_failed")

    def _opened(self, body: bytes) -> pa.RecordBatch:
        """Read a batch, believing nothing: a file can be made to make DuckDB do anything."""
        try:
            with pa.ipc.open_stream(body) as reader:
                batch: pa.RecordBatch = reader.read_next_batch()
            batch.validate(full=True)
        except (pa.ArrowException, StopIteration, OSError):
            raise self._broken("a batch that is none") from None
        return batch

    def _receive(self, most: int = MAX_FRAME_BYTES) -> tuple[bytes, bytes]:
        header = self._read(HEADER.size)
        kind, length = HEADER.unpack(header)
        if length > min(most, MAX_FRAME_BYTES):
            raise self._broken("too much at once")
        return kind, self._read(length)

    def _read(self, length: int) -> bytes:
        try:
            found: bytes = self._line_out.read(length)
        except (OSError, ValueError):
            found = b""
        if len(found) < length:
            raise self._ended()
        return found

    def _ended(self) -> WarehouseError:
        """Say why the process is gone: it was stopped, or it fell."""
        if not self._stopper.reason:
            self.close()
            logger.warning("duckdb's process ended with status %s", self._child.returncode)
        return WarehouseError(self._stopper.reason or "crashed")

    def _broken(self, what: str) -> WarehouseError:
        logger.warning("duckdb's process sent %s", what)
        self.close()
        return WarehouseError("crashed")

    @property
    def _line_in(self) -> Any:
        return self._child.stdin

    @property
    def _line_out(self) -> Any:
        return self._child.stdout

    def catalog(self) -> Iterator[TableInfo]:
        return tables_of(self.execute(CATALOG, (), CATALOG_LIMITS))

    def check(self) -> None:
        self.execute("SELECT 1", (), CHECK_LIMITS)

    def rights(self) -> list[Right]:
        """A file has no users, and its process can write nothing."""
        return []

    @property
    def is_usable(self) -> bool:
        """Say whether the process can be lent again: idle, alive, never stopped, and its file is the one that is there."""
        is_alive = self._child.poll() is None and self._is_idle and not self._stopper.reason
        return is_alive and _version(self._path) == self._version

    def cancel(self) -> None:
        self._stopper.stop()

    def close(self) -> None:
        """End the process now, whatever it is doing."""
        self._is_idle = False
        self._child.kill()
        self._child.wait()
        for line in (self._line_in, self._line_out):
            with contextlib.suppress(OSError):
                line.close()


def _start(path: Path) -> "subprocess.Popen[bytes]":
    """Start the process with nothing of ours in it: no environment, no open file, no working directory."""
    return subprocess.Popen(
        [sys.executable, "-I", "-c", PROGRAM, str(ROOT), str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}, cwd="/", close_fds=True,
        start_new_session=True,
    )  # fmt: skip


def _version(path: Path) -> tuple[int, int, int]:
    """Tell one file from the next one of the same name; a file that is gone is none."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)
