"""The process in which DuckDB runs: one file, read-only, nothing else within reach. Started by ``duckdb.py``, which
imports nothing of it.

Requests come on standard input, answers go to standard output; both are frames of a kind (one byte), a length (four
bytes) and a body. A request is JSON ``{sql, parameters, max_rows, max_bytes, cuts_bytes}``. An answer is ``B`` frames, each a whole
Arrow IPC stream of one batch (the first one has no rows), then ``D`` with ``1`` when it was cut, or ``E`` with an error's
code. The first frame of all is ``R`` (ready) or ``E``.
"""

import contextlib
import json
import os
import re
import resource
import struct
import sys
import threading
import time
from collections.abc import Iterator
from datetime import time as clock
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa

from apps.warehouses.intervals import interval

HEADER = struct.Struct("!cI")
BATCH_ROWS = 8_192
ORPHAN_POLL_S = 1.0
MEMORY = "512MB"
ADDRESS_SPACE = 6 * 1024**3  # DuckDB and Arrow reserve much more than they use; the file is mapped too
# In 2.0.0, what is read once for two places may reach one of them with another column: groups came apart. And what is known
# of a column's least and greatest value, on rows that a policy hides too, decided whether a condition beside was looked at.
FAULTY_OPTIMIZERS = "common_subplan,statistics_propagation"
CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "access_mode": "READ_ONLY",
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",  # else a query could name a variable of this process as a table
    "memory_limit": MEMORY,
    "temp_directory": "",  # what does not fit into memory fails; nothing is written beside the file
    "max_temp_directory_size": "0KB",
    "threads": "2",
    "disabled_optimizers": FAULTY_OPTIMIZERS,
}
LIMITS = (
    (resource.RLIMIT_AS, ADDRESS_SPACE),
    (resource.RLIMIT_CORE, 0),  # no customer's data in a core dump
    (resource.RLIMIT_FSIZE, 0),  # not a byte can be written to any file
    (resource.RLIMIT_NOFILE, 64),
)


def main(path: str) -> None:
    """Serve until standard input ends, or until whoever started this is gone."""
    answers = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 1)
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    for kind, value in LIMITS:
        resource.setrlimit(kind, (value, value))
    try:
        connection = open_file(path)
    except duckdb.Error:
        send(answers, b"E", b"unreachable")
        return
    send(answers, b"R", b"")
    for request in _requests(sys.stdin.buffer):
        _serve(connection, request, answers)


def open_file(path: str) -> duckdb.DuckDBPyConnection:
    """Open a database with everything switched off that reads or writes elsewhere, and lock that."""
    connection = duckdb.connect(path, read_only=True, config=CONFIG)
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute("SET GLOBAL lock_configuration = true")
    return connection


def _follow(parent: int) -> None:
    """End with the process that started this one, also in the middle of a statement."""
    while os.getppid() == parent:
        time.sleep(ORPHAN_POLL_S)
    os._exit(0)


def _requests(source: BinaryIO) -> Iterator[dict[str, Any]]:
    while len(header := source.read(HEADER.size)) == HEADER.size:
        _, length = HEADER.unpack(header)
        yield json.loads(source.read(length))


def send(answers: BinaryIO, kind: bytes, body: bytes) -> None:
    answers.write(HEADER.pack(kind, len(body)))
    answers.write(body)
    answers.flush()


BROKEN = (duckdb.FatalException, duckdb.InternalException)
"""what leaves a database unusable: DuckDB refuses everything from then on"""


MISSING = re.compile(r"Referenced (table|column)|Table with name .* does not exist|does not have a column")
VALUES = re.compile(r"(Conversion|Out of Range) Error:")


class RefusedError(Exception):
    """A statement that is not run, or not to its end; the text is the code of an error."""


def _serve(connection: duckdb.DuckDBPyConnection, request: dict[str, Any], answers: BinaryIO) -> None:
    try:
        is_cut = _answer(connection, request, answers)
    except BrokenPipeError:
        raise  # nobody listens any more
    except BROKEN:
        os._exit(1)  # whoever asked is told that the database ended, and the next query gets a new process
    except RefusedError as error:
        send(answers, b"E", str(error).encode())
    except (
        duckdb.Error,
        pa.ArrowException,
        MemoryError,
        ValueError,
        OSError,
    ) as error:  # an Arrow stream's source fails as OSError
        send(answers, b"E", _code(error))
    else:
        send(answers, b"D", b"1" if is_cut else b"0")


def _code(error: Exception) -> bytes:
    """Tell what kind of failure it was; one amid an Arrow stream says so in words alone, which are not passed on."""
    if isinstance(error, duckdb.CatalogException | duckdb.BinderException):
        return b"not_there" if MISSING.search(str(error)) else b"query_failed"
    is_value = isinstance(error, duckdb.ConversionException | duckdb.OutOfRangeException) or VALUES.search(str(error))
    return b"bad_value" if is_value else b"query_failed"


def _answer(connection: duckdb.DuckDBPyConnection, request: dict[str, Any], answers: BinaryIO) -> bool:
    """Send the batches; return whether there were more rows than wanted."""
    relation = _relation(connection, request["sql"], request["parameters"])
    names = relation.columns
    rows = size = 0
    with contextlib.closing(_exact(connection, relation, request).to_arrow_reader(BATCH_ROWS)) as reader:
        _send_batch(answers, plain(pa.RecordBatch.from_pylist([], schema=reader.schema), names))
        for batch in reader:
            found = plain(batch.slice(0, request["max_rows"] - rows), names)
            room = request["max_bytes"] - size
            if found.nbytes > room:
                fitting = _fitting(found, room) if request["cuts_bytes"] else 0
                if rows + fitting == 0 or not request["cuts_bytes"]:
                    raise RefusedError("too_large")
                _send_batch(answers, found.slice(0, fitting))
                return True
            rows += batch.num_rows
            size += found.nbytes
            _send_batch(answers, found)
            if rows > request["max_rows"]:
                return True
    return False


def _fitting(batch: pa.RecordBatch, room: int) -> int:
    """Return how many of the batch's first rows take no more bytes than there is room."""
    rows = int(batch.num_rows)
    while rows and batch.slice(0, rows).nbytes > room:
        rows //= 2
    return rows


def _relation(connection: duckdb.DuckDBPyConnection, sql: str, parameters: list[Any]) -> duckdb.DuckDBPyRelation:
    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise RefusedError("query_failed")
    return connection.sql(sql, params=parameters)


def _exact(
    connection: duckdb.DuckDBPyConnection, relation: duckdb.DuckDBPyRelation, request: dict[str, Any]
) -> duckdb.DuckDBPyRelation:
    """Read unsigned integers of 128 bits as floats: Arrow has no type for them, and DuckDB would hand on other numbers."""
    kinds = [str(kind) for kind in relation.types]
    if "UHUGEINT" not in kinds:
        return relation
    wanted = [f"CAST(c{i} AS DOUBLE) AS c{i}" if kind == "UHUGEINT" else f"c{i}" for i, kind in enumerate(kinds)]
    inner = ", ".join(f"c{i}" for i in range(len(kinds)))
    text = f"SELECT {', '.join(wanted)} FROM ({request['sql']}\n) AS t({inner})"
    return connection.sql(text, params=request["parameters"])


def _send_batch(answers: BinaryIO, batch: pa.RecordBatch) -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    body = sink.getvalue()
    answers.write(HEADER.pack(b"B", body.size))
    answers.write(body)
    answers.flush()


def plain(batch: pa.RecordBatch, names: list[str]) -> pa.RecordBatch:
    """Bring columns to the types that every adapter uses; what is not among them becomes text."""
    return pa.RecordBatch.from_arrays([_plain(column) for column in batch.columns], names=names)


def _plain(column: "pa.Array[Any]") -> "pa.Array[Any]":
    kind = column.type
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us", "UTC" if kind.tz else None), safe=False)
    if pa.types.is_dictionary(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
        return column.cast(pa.string())
    is_kept = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal128(kind)
    if is_kept or pa.types.is_boolean(kind) or pa.types.is_date32(kind) or pa.types.is_string(kind):
        return column
    return pa.array([text(value) for value in column.to_pylist()], pa.string())


def text(value: Any) -> str | None:
    """Write a value of any other type: bytes in hexadecimal, times and intervals in ISO 8601, the rest as JSON."""
    match value:
        case None | str():
            return value
        case bytes():
            return value.hex()
        case clock():
            return value.isoformat()
        case pa.MonthDayNano():
            return interval(value.months, value.days, value.nanoseconds // 1000)
        case list() | dict():
            return json.dumps(value, default=text)
        case _:
            return str(value)
