"""Rows of MariaDB and MySQL → Arrow columns, typed by what the server says a column is, never by what is in it."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

import pyarrow as pa
from pymysql import converters
from pymysql.constants import FIELD_TYPE, FLAG

from apps.warehouses.errors import WarehouseError
from apps.warehouses.types import ArrowResult, Limits

BINARY = 63
"""the "character set" of columns that hold bytes"""
MAX_DIGITS = 38
CHUNK_ROWS = 200  # what the driver holds before bytes are counted
INTEGERS = {
    FIELD_TYPE.TINY: (pa.int8(), pa.uint8()), FIELD_TYPE.SHORT: (pa.int16(), pa.uint16()),
    FIELD_TYPE.INT24: (pa.int32(), pa.uint32()), FIELD_TYPE.LONG: (pa.int32(), pa.uint32()),
    FIELD_TYPE.LONGLONG: (pa.int64(), pa.uint64()), FIELD_TYPE.YEAR: (pa.int16(), pa.int16()),
}  # fmt: skip
PLAIN = {
    FIELD_TYPE.FLOAT: pa.float32(), FIELD_TYPE.DOUBLE: pa.float64(), FIELD_TYPE.DATE: pa.date32(),
    FIELD_TYPE.NEWDATE: pa.date32(), FIELD_TYPE.DATETIME: pa.timestamp("us"), FIELD_TYPE.TIMESTAMP: pa.timestamp("us"),
    FIELD_TYPE.TIME: pa.duration("us"), FIELD_TYPE.NULL: pa.null(), FIELD_TYPE.BIT: pa.binary(),
}  # fmt: skip
DECIMALS = (FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL)
BYTES = (
    FIELD_TYPE.TINY_BLOB, FIELD_TYPE.MEDIUM_BLOB, FIELD_TYPE.LONG_BLOB, FIELD_TYPE.BLOB, FIELD_TYPE.VAR_STRING,
    FIELD_TYPE.STRING, FIELD_TYPE.VARCHAR, FIELD_TYPE.GEOMETRY,
)  # fmt: skip
IMPOSSIBLE = {
    FIELD_TYPE.DATE: date,
    FIELD_TYPE.NEWDATE: date,
    FIELD_TYPE.DATETIME: datetime,
    FIELD_TYPE.TIMESTAMP: datetime,
}


def _strict(convert: Callable[[Any], Any], kind: type) -> Callable[[Any], Any]:
    """Read a moment; one that no calendar has (MySQL's 0000-00-00) is none."""

    def read(value: Any) -> Any:
        found = convert(value)
        return found if isinstance(found, kind) else None

    return read


CONVERTERS = converters.conversions | {
    number: _strict(converters.decoders[number], kind)
    for number, kind in {**IMPOSSIBLE, FIELD_TYPE.TIME: timedelta}.items()
    if number in converters.decoders
}


def arrow_result(fields: Sequence[Any], rows: Iterable[Sequence[Any]], limits: Limits) -> ArrowResult:
    """Turn rows into a table with the columns' names, reading no more of them than the limits allow.

    Raises:
        WarehouseError: ``too_large``; at most ``CHUNK_ROWS`` rows beyond the limit were in memory.
    """
    kinds = [arrow_type(field) for field in fields]
    parts: list[list[pa.Array[Any]]] = [[] for _ in fields]
    count = size = 0
    source = iter(rows)
    while count <= limits.max_rows and (chunk := list(islice(source, CHUNK_ROWS))):
        count += len(chunk)
        for part, kind, values in zip(parts, kinds, zip(*chunk, strict=True), strict=True):
            array = _array(kind, values)
            size += array.nbytes
            part.append(array)
        if size > limits.max_bytes:
            raise WarehouseError("too_large")
    arrays = [pa.concat_arrays(part) if part else pa.array([], kind) for part, kind in zip(parts, kinds, strict=True)]
    table = pa.Table.from_arrays(arrays, names=[field.name for field in fields])
    return ArrowResult(table.slice(0, limits.max_rows), count > limits.max_rows)


def arrow_type(field: Any) -> pa.DataType:
    """Return the Arrow type of a column as the server describes it; what is not known here is text."""
    code, is_unsigned = field.type_code, bool(field.flags & FLAG.UNSIGNED)
    if code in INTEGERS:
        return INTEGERS[code][is_unsigned]
    if code in DECIMALS:
        digits = field.length - (field.scale > 0) - (not is_unsigned)
        return pa.decimal128(max(digits, 1), field.scale) if digits <= MAX_DIGITS else pa.float64()
    if code in BYTES and field.charsetnr == BINARY:
        return pa.binary()
    return PLAIN.get(code, pa.string())


def _array(kind: pa.DataType, values: Sequence[Any]) -> "pa.Array[Any]":
    if pa.types.is_floating(kind):
        return pa.array([float(value) if isinstance(value, Decimal) else value for value in values], kind)
    if pa.types.is_string(kind):
        return pa.array(
            [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values], kind
        )
    return pa.array(values, kind)
