"""Rows of MariaDB and MySQL → Arrow columns, typed by what the server says a column is, never by what is in it."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pyarrow as pa
from pymysql import converters
from pymysql.constants import FIELD_TYPE, FLAG

from apps.warehouses.batching import Field

BINARY = 63
"""the "character set" of columns that hold bytes"""
MAX_DIGITS = 38
INTEGERS = {
    FIELD_TYPE.TINY: (pa.int8(), pa.uint8()), FIELD_TYPE.SHORT: (pa.int16(), pa.uint16()),
    FIELD_TYPE.INT24: (pa.int32(), pa.uint32()), FIELD_TYPE.LONG: (pa.int32(), pa.uint32()),
    FIELD_TYPE.LONGLONG: (pa.int64(), pa.uint64()), FIELD_TYPE.YEAR: (pa.int16(), pa.int16()),
}  # fmt: skip
PLAIN = {
    FIELD_TYPE.FLOAT: pa.float32(), FIELD_TYPE.DOUBLE: pa.float64(), FIELD_TYPE.DATE: pa.date32(),
    FIELD_TYPE.NEWDATE: pa.date32(), FIELD_TYPE.DATETIME: pa.timestamp("us"), FIELD_TYPE.TIMESTAMP: pa.timestamp("us"),
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


def fields_of(descriptions: Sequence[Any]) -> list[Field]:
    """Return the columns as the server describes them."""
    return [Field(item.name, kind := arrow_type(item), partial(_array, kind, _is_bytes(item))) for item in descriptions]


def arrow_type(field: Any) -> pa.DataType:
    """Return the Arrow type of a column as the server describes it; what is not known here is text."""
    code, is_unsigned = field.type_code, bool(field.flags & FLAG.UNSIGNED)
    if code in INTEGERS:
        return INTEGERS[code][is_unsigned]
    if code in DECIMALS:
        digits = field.length - (field.scale > 0) - (not is_unsigned)
        return pa.decimal128(max(digits, 1), field.scale) if digits <= MAX_DIGITS else pa.float64()
    return PLAIN.get(code, pa.string())


def _is_bytes(field: Any) -> bool:
    return field.type_code == FIELD_TYPE.BIT or (field.type_code in BYTES and field.charsetnr == BINARY)


def _array(kind: pa.DataType, is_bytes: bool, values: Sequence[Any]) -> "pa.Array[Any]":
    if pa.types.is_floating(kind):
        return pa.array([float(value) if isinstance(value, Decimal) else value for value in values], kind)
    if is_bytes:
        return pa.array([value.hex() if isinstance(value, bytes) else value for value in values], kind)
    if pa.types.is_string(kind):
        return pa.array([_text(value) for value in values], kind)
    return pa.array(values, kind)


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return _clock(value) if isinstance(value, timedelta) else value


def _clock(value: timedelta) -> str:
    """Write MySQL's TIME, which may be negative or longer than a day: ``12:30:00``, ``-26:00:01.5``."""
    seconds, rest = divmod(abs(value) // timedelta(microseconds=1), 1_000_000)
    fraction = f".{rest:06}".rstrip("0") if rest else ""
    sign = "-" if value < timedelta(0) else ""
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"
