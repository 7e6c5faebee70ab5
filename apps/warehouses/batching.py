"""Rows of a driver → batches of Arrow: small chunks are converted and counted, and put together to batches."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa

from apps.warehouses.errors import WarehouseError
from apps.warehouses.types import BATCH_ROWS, BatchStream, Limits

CHUNK_ROWS = 200
"""rows that a driver holds before their bytes are counted"""
BATCH_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Field:
    """A column of an answer and how its values become Arrow."""

    name: str
    kind: pa.DataType
    convert: Callable[[Sequence[Any]], "pa.Array[Any]"]


def stream_rows(fields: Sequence[Field], rows: Iterable[Sequence[Any]], limits: Limits) -> BatchStream:
    """Hand rows on as batches, reading no more of them than the limits allow.

    Raises:
        WarehouseError: while it is read: ``too_large``; at most ``CHUNK_ROWS`` rows beyond the limit were in memory.
    """
    schema = pa.schema([pa.field(field.name, field.kind) for field in fields])
    answer = BatchStream(schema, iter(()))
    answer.batches = _joined(_counted(answer, _chunks(schema, fields, rows), limits), schema)
    return answer


def stream_batches(schema: pa.Schema, batches: Iterable[pa.RecordBatch], limits: Limits) -> BatchStream:
    """Hand on the batches of a driver that has them, cut and counted as rows are.

    Raises:
        WarehouseError: while it is read: ``too_large``; one batch beyond the limit was in memory.
    """
    answer = BatchStream(schema, iter(()))
    parts = (batch.slice(begin, CHUNK_ROWS) for batch in batches for begin in range(0, batch.num_rows, CHUNK_ROWS))
    answer.batches = _joined(_counted(answer, parts, limits), schema)
    return answer


def _chunks(schema: pa.Schema, fields: Sequence[Field], rows: Iterable[Sequence[Any]]) -> Iterator[pa.RecordBatch]:
    source = iter(rows)
    while chunk := list(islice(source, CHUNK_ROWS)):
        arrays = [field.convert(values) for field, values in zip(fields, zip(*chunk, strict=True), strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _counted(answer: BatchStream, chunks: Iterable[pa.RecordBatch], limits: Limits) -> Iterator[pa.RecordBatch]:
    count = size = 0
    for chunk in chunks:
        room = limits.max_rows - count
        count += chunk.num_rows
        limits.came(count)
        answer.is_truncated = count > limits.max_rows
        size += chunk.nbytes
        if size > limits.max_bytes:
            if not limits.cuts_bytes or count == chunk.num_rows:
                raise WarehouseError("too_large")
            answer.is_truncated = True
            return
        yield chunk.slice(0, room)
        if answer.is_truncated:
            return


def _joined(chunks: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Put chunks together until they are worth handing on."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for chunk in chunks:
        held.append(chunk)
        rows += chunk.num_rows
        size += chunk.nbytes
        if rows >= BATCH_ROWS or size >= BATCH_BYTES:
            yield from _one(held, schema)
            held, rows, size = [], 0, 0
    yield from _one(held, schema)


def _one(chunks: list[pa.RecordBatch], schema: pa.Schema) -> list[pa.RecordBatch]:
    batches: list[pa.RecordBatch] = pa.Table.from_batches(chunks, schema).combine_chunks().to_batches()
    return batches
