"""Rows of PostgreSQL → Arrow columns, typed by what the server says a column is, never by what is in it."""

import json
import struct
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import partial
from itertools import islice
from typing import Any

import pyarrow as pa
from psycopg import Column
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

from apps.warehouses.batching import CHUNK_ROWS, Field
from apps.warehouses.errors import WarehouseError
from apps.warehouses.intervals import interval
from apps.warehouses.types import ArrowResult, Limits

NUMERIC = 1700
ARROW: dict[int, pa.DataType] = {
    16: pa.bool_(), 20: pa.int64(), 21: pa.int16(), 23: pa.int32(), 26: pa.int64(), 700: pa.float32(),
    701: pa.float64(), 25: pa.string(), 1043: pa.string(), 1042: pa.string(), 19: pa.string(), 18: pa.string(),
    1082: pa.date32(), 1114: pa.timestamp("us"), 1184: pa.timestamp("us", "UTC"),
}  # fmt: skip
MAX_DIGITS = 38
STREAM_SCALE = 16
"""decimals of an undeclared ``numeric`` in a stream, whose type must stand before its last row is known"""
TOO_FINE = "A number in the answer does not fit its column; cast it to numeric(precision, scale)."


class IntervalLoader(Loader):
    """Months, days and microseconds, which a duration in seconds cannot hold."""

    format = Format.BINARY

    def load(self, data: Buffer) -> str:
        microseconds, days, months = struct.unpack("!qii", data)
        return interval(months, days, microseconds)


class JsonLoader(Loader):
    """The text as it was written, with every digit."""

    format = Format.BINARY

    def load(self, data: Buffer) -> str:
        return bytes(data).decode()


class JsonbLoader(JsonLoader):
    def load(self, data: Buffer) -> str:
        return bytes(data)[1:].decode()  # a version comes first


LOADERS: dict[str, type[Loader]] = {"interval": IntervalLoader, "json": JsonLoader, "jsonb": JsonbLoader}


def arrow_result(columns: Sequence[Column], rows: Iterable[Sequence[Any]], limits: Limits) -> ArrowResult:
    """Turn rows into a table with the columns' names, reading no more of them than the limits allow.

    Integers, floats, booleans, dates and timestamps keep their types, ``numeric`` becomes a decimal (a float when it
    has more than 38 digits, or is not a number), everything else becomes text.

    Raises:
        WarehouseError: ``too_large``; at most ``CHUNK_ROWS`` rows beyond the limit were in memory.
    """
    parts: list[list[pa.Array[Any]]] = [[] for _ in columns]
    count = size = 0
    is_cut = False
    source = iter(rows)
    while count <= limits.max_rows and (chunk := list(islice(source, CHUNK_ROWS))):
        count += len(chunk)
        limits.came(count)
        for part, column, values in zip(parts, columns, zip(*chunk, strict=True), strict=True):
            array = _array(column, values)
            size += array.nbytes
            part.append(array)
        if size > limits.max_bytes:
            if not limits.cuts_bytes or count == len(chunk):
                raise WarehouseError("too_large")
            parts, is_cut = [part[:-1] for part in parts], True
            break
    arrays = [_joined(column, part) for column, part in zip(columns, parts, strict=True)]
    table = pa.Table.from_arrays(arrays, names=[column.name for column in columns])
    return ArrowResult(table.slice(0, limits.max_rows), is_cut or count > limits.max_rows)


def fields_of(columns: Sequence[Column], first: Sequence[Sequence[Any]]) -> list[Field]:
    """Return the columns of a stream.

    A ``numeric`` without a declared scale has as many decimals as the first rows show, and at least ``STREAM_SCALE``;
    what a later row has beyond them is rounded. It is a float when the first rows hold what no decimal holds.
    """
    values = list(zip(*first, strict=True)) if first else [()] * len(columns)
    return [_field(column, found) for column, found in zip(columns, values, strict=True)]


def _field(column: Column, first: Sequence[Any]) -> Field:
    if column.type_code != NUMERIC:
        kind = ARROW.get(column.type_code, pa.string())
        return Field(column.name, kind, partial(_array, column))
    seen = _numbers(first).type
    kind = _number_type(column, [] if all(value is None for value in first) else [seen])
    if pa.types.is_decimal(kind) and column.scale is None:
        whole = seen.precision - seen.scale if first and pa.types.is_decimal(seen) else 0
        kind = pa.decimal128(MAX_DIGITS, min(max(kind.scale, STREAM_SCALE), MAX_DIGITS - whole))
    return Field(column.name, kind, partial(_stream_numbers, kind))


def _stream_numbers(kind: pa.DataType, values: Sequence[Decimal | None]) -> "pa.Array[Any]":
    if not pa.types.is_decimal(kind):
        return pa.array([None if value is None else float(value) for value in values], kind)
    try:
        return pa.array(values, kind)
    except (pa.ArrowException, ValueError):  # a number with more decimals than the column, or with too many digits
        step, context = Decimal(1).scaleb(-kind.scale), Context(prec=MAX_DIGITS, rounding=ROUND_HALF_EVEN)
    try:
        return pa.array([None if v is None else v.quantize(step, context=context) for v in values], kind)
    except (ArithmeticError, pa.ArrowException, ValueError):
        raise WarehouseError("query_failed", TOO_FINE) from None


def _array(column: Column, values: Sequence[Any]) -> "pa.Array[Any]":
    if column.type_code == NUMERIC:
        return _numbers(values)
    kind = ARROW.get(column.type_code)
    return pa.array([_text(value) for value in values], pa.string()) if kind is None else pa.array(values, kind)


def _numbers(values: Sequence[Decimal | None]) -> "pa.Array[Any]":
    try:
        found = pa.array(values)
    except (pa.ArrowException, TypeError, ValueError):  # more than 76 digits, NaN or Infinity
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    return pa.array(values, pa.decimal128(MAX_DIGITS, 0)) if pa.types.is_null(found.type) else found


def _joined(column: Column, parts: "list[pa.Array[Any]]") -> "pa.Array[Any]":
    """Put a column's parts together; decimals get the one type that holds them all."""
    if column.type_code == NUMERIC:
        kind = _number_type(column, [part.type for part in parts if part.null_count < len(part)])
        parts = [part.cast(kind) for part in parts]
    else:
        kind = ARROW.get(column.type_code, pa.string())
    return pa.concat_arrays(parts) if parts else pa.array([], kind)


def _number_type(column: Column, found: list[Any]) -> pa.DataType:
    declared = column.precision, column.scale
    if not found:
        return pa.decimal128(MAX_DIGITS, 0)
    if not all(pa.types.is_decimal(kind) for kind in found):
        return pa.float64()
    scale = max(0, *(kind.scale for kind in found))
    whole = max(kind.precision - kind.scale for kind in found)
    if declared[0] is not None and declared[1] is not None and scale <= declared[1]:
        scale, whole = max(declared[1], 0), max(whole, declared[0] - declared[1])
    return pa.decimal128(MAX_DIGITS, scale) if whole + scale <= MAX_DIGITS else pa.float64()


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):  # a type that the driver does not know, an enumeration for instance, or bytea
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    return json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)
