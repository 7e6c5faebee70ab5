"""What a Spark Connect server sends → Arrow columns of the kinds that every adapter uses. Nothing of it is believed."""

import json
import struct
from collections.abc import Iterator
from datetime import time as clock
from datetime import timedelta
from typing import Any

import pyarrow as pa

from apps.warehouses.errors import WarehouseError
from apps.warehouses.intervals import interval

MAX_ROWS = 1_000_000
"""rows in one batch; a session of ours asks for some thousand"""
NO_VARIANTS = (
    "A column is a VARIANT, which is not read here; take a value out of it, or make a text of it with to_json."
)
MONTHS = 21
"""the number of Arrow's type for intervals of months, for which pyarrow has no Python class"""
MICROSECOND = timedelta(microseconds=1)
DAY_US = 86_400_000_000
HEADER, COMPRESSION = 2, 3
"""places of fields in Arrow's tables Message and RecordBatch (https://github.com/apache/arrow/blob/main/format/Message.fbs)"""


class NonsenseError(ValueError):
    """A server sent what its protocol does not know."""


def batches_of(data: bytes) -> Iterator[pa.RecordBatch]:
    """Read the batches of one message.

    Raises:
        NonsenseError, pa.ArrowException, ValueError: it is none, is compressed (a small message could fill the memory),
            or does not hold what it says.
    """
    reader = pa.ipc.MessageReader.open_stream(data)
    schema = pa.ipc.read_schema(reader.read_next_message())
    for message in reader:
        if message.type != "record batch" or is_compressed(message.metadata.to_pybytes()):
            raise NonsenseError(message.type)
        batch = pa.ipc.read_record_batch(message, schema)
        batch.validate(full=True)
        if batch.num_rows > MAX_ROWS:
            raise NonsenseError("rows")
        yield batch


def is_compressed(message: bytes) -> bool:
    """Say whether a message's batch has compressed buffers.

    Raises:
        struct.error: the message is cut off.
    """
    root: int = struct.unpack_from("<I", message)[0]
    batch = _field(message, root, HEADER)
    if batch is None:
        raise NonsenseError("header")
    table = batch + struct.unpack_from("<I", message, batch)[0]
    return _field(message, table, COMPRESSION) is not None


def _field(message: bytes, table: int, place: int) -> int | None:
    """Return where a field of a flatbuffer's table is; None where it has none."""
    index = table - struct.unpack_from("<i", message, table)[0]
    size: int = struct.unpack_from("<H", message, index)[0]
    slot = 4 + 2 * place
    offset: int = struct.unpack_from("<H", message, index + slot)[0] if slot + 2 <= size else 0
    return table + offset if offset else None


def plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Bring columns to the types that every adapter uses; what is not among them becomes text."""
    months = [field.type.id == MONTHS for field in batch.schema]
    columns = _readable(batch, months).columns if any(months) else batch.columns
    arrays = [
        _months(column) if is_months else _plain(column) for column, is_months in zip(columns, months, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _readable(batch: pa.RecordBatch, months: list[bool]) -> pa.RecordBatch:
    """Return the same memory with intervals of months as the whole numbers that they are."""
    kinds = [pa.int32() if is_months else kind for kind, is_months in zip(batch.schema.types, months, strict=True)]
    fields = [pa.field(name, kind) for name, kind in zip(batch.schema.names, kinds, strict=True)]
    _, array = batch.__arrow_c_array__()
    return pa.RecordBatch._import_from_c_capsule(pa.schema(fields).__arrow_c_schema__(), array)


def _months(column: "pa.Array[Any]") -> "pa.Array[Any]":
    return pa.array([None if value is None else interval(value, 0, 0) for value in column.to_pylist()], pa.string())


def _plain(column: "pa.Array[Any]") -> "pa.Array[Any]":
    kind = column.type
    refuse_variants(kind)
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us", "UTC" if kind.tz else None), safe=False)
    if pa.types.is_null(kind) or pa.types.is_large_string(kind):
        return column.cast(pa.string())
    is_kept = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal128(kind)
    if is_kept or pa.types.is_boolean(kind) or pa.types.is_date32(kind) or pa.types.is_string(kind):
        return column
    if pa.types.is_duration(kind):
        counts = column.cast(pa.duration("us"), safe=False).cast(pa.int64()).to_pylist()
        return pa.array([None if count is None else _days(count) for count in counts], pa.string())
    return pa.array([text(value, kind) for value in column.to_pylist()], pa.string())


def _days(count: int) -> str:
    days, rest = divmod(abs(count), DAY_US)
    return interval(0, days, rest) if count >= 0 else interval(0, -days, -rest)


def refuse_variants(kind: pa.DataType) -> None:
    """Raise where a value is a VARIANT: its bytes point at each other, and a few of them can stand for more than the memory.

    Raises:
        WarehouseError: with what to write instead.
    """
    parts = [kind.field(number) for number in range(kind.num_fields)]
    if any((part.metadata or {}).get(b"variant") == b"true" for part in parts):
        raise WarehouseError("query_failed", NO_VARIANTS)
    for part in parts:
        refuse_variants(part.type)


def text(value: Any, kind: pa.DataType | None = None) -> str | None:
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
        case timedelta():
            return _days(value // MICROSECOND)
        case list() | dict():
            return json.dumps(_in_json(value, kind), default=text)
        case _:
            return str(value)


def _in_json(value: Any, kind: pa.DataType | None) -> Any:
    """Return a nested value as JSON has it: maps with their keys as names, variants as what they hold."""
    if value is None or kind is None:
        return value
    if pa.types.is_map(kind):
        return {text(key) or "": _in_json(item, kind.item_type) for key, item in value}
    if pa.types.is_list(kind):
        return [_in_json(item, kind.value_type) for item in value]
    if pa.types.is_struct(kind):
        return {field.name: _in_json(value[field.name], field.type) for field in kind}
    return value
