"""Large answers at rest: chunks sealed under the timed key, each to its place, the last one to its being the last.

What a chunk is sealed to names data set, question, rights, version, series and number; the last one names the number of
rows and whether they were cut as well. So chunks cannot be moved, mixed, dropped or added, and a shortened series has no end.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pyarrow as pa
from django.conf import settings
from django.utils import timezone

from apps.queries.keeping import Keeping, keeping_of, was_reset
from apps.queries.models import Download, DownloadChunk
from apps.queries.planning import QueryPlan
from apps.queries.types import arrow_bytes, arrow_table
from apps.vault.services import open_timed, seal_timed, timed_key_for
from apps.vault.types import TimedKeyRef
from apps.warehouses.types import BatchStream

logger = logging.getLogger(__name__)
CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Written:
    """A series that is whole, and not yet given out."""

    series: UUID
    key: TimedKeyRef
    chunks: int
    row_count: int
    is_truncated: bool
    keeping: Keeping
    expires_at: datetime


def _place(plan: QueryPlan, series: UUID, number: int, end: tuple[int, bool] | None) -> bytes:
    return plan.context() + json.dumps([str(series), number, end]).encode()


def life_of(plan: QueryPlan, *, now: datetime) -> tuple[Keeping, datetime]:
    """Return what holds for a download and its end: its policy's time, or what it takes to make and fetch it."""
    keeping = keeping_of(plan.governed)
    shortest = now + timedelta(seconds=settings.OMNI_DOWNLOAD_TIMEOUT_S + settings.OMNI_DOWNLOAD_FETCH_S)
    return keeping, max(keeping.expires_at(now), shortest) if keeping.is_kept else shortest


def write(plan: QueryPlan, answer: BatchStream, *, limit: int, now: datetime) -> Written:
    """Keep the batches as they come, about one chunk in memory; what an earlier attempt left behind dies with its time.

    Each chunk is a transaction of its own: nothing of ours stays open while the source works. Nobody finds the chunks
    before :func:`give_out`; when the source fails they go at once.
    """
    keeping, expires_at = life_of(plan, now=now)
    key, series = timed_key_for(expires_at, now=now), uuid4()

    def keep(number: int, table: pa.Table, end: tuple[int, bool] | None) -> None:
        sealed = seal_timed(arrow_bytes(table, compression="zstd"), key=key, context=_place(plan, series, number, end))
        DownloadChunk.objects.create(series=series, number=number, sealed=sealed, expires_at=expires_at)

    try:
        number = rows = 0
        held: pa.Table | None = None  # the last one is sealed otherwise, and is known when there is none after it
        for table in _tables(answer, limit):
            if held is not None:
                keep(number, held, None)
                number += 1
            held, rows = table, rows + table.num_rows
        is_truncated = answer.is_truncated
        keep(number, answer.schema.empty_table() if held is None else held, (rows, is_truncated))
    except BaseException:  # also a worker that is told to stop leaves nothing half-written
        drop(series)
        raise
    return Written(series, key, number + 1, rows, is_truncated, keeping, expires_at)


def _tables(answer: BatchStream, limit: int) -> Iterator[pa.Table]:
    """Put batches together to chunks, no more rows than the limit."""
    held: list[pa.RecordBatch] = []
    size = rows = 0
    for batch in answer:
        found = batch.slice(0, limit - rows)
        rows += found.num_rows
        if found.num_rows:
            held.append(found)
            size += found.nbytes
        if size >= CHUNK_BYTES:
            yield pa.Table.from_batches(held, answer.schema)
            held, size = [], 0
        if found.num_rows < batch.num_rows:
            answer.is_truncated = True
            break
    if held:
        yield pa.Table.from_batches(held, answer.schema)


def drop(series: UUID) -> None:
    """Remove the chunks of a series that will not be given out."""
    try:
        DownloadChunk.objects.filter(series=series).delete()
    except Exception:  # they are unreadable without their series' end, and die with their time
        logger.exception("the chunks of a failed download stay until their time is over")


def give_out(plan: QueryPlan, written: Written, *, asked_at: datetime, now: datetime) -> None:
    """Let a whole series be found, in place of the one before; in the transaction that ends its run.

    One whose policy was reset since its source was asked is for those who wait alone.
    """
    is_kept = written.keeping.is_kept and not was_reset(plan.governed, written.keeping.policy, since=asked_at)
    for before in Download.objects.filter(cache_key=plan.cache_key):
        drop(before.series)
        before.delete()
    found = plan.governed
    Download.objects.create(
        cache_key=plan.cache_key, series=written.series, dataset_id=found.dataset.pk,
        data_model_id=found.version.data_model_id, cache_policy=written.keeping.policy,
        is_handover=not is_kept, policy_fingerprint=found.scope.fingerprint,
        timed_key_id=written.key.id, chunks=written.chunks, row_count=written.row_count,
        is_truncated=written.is_truncated, created_at=now, expires_at=written.expires_at,
    )  # fmt: skip


def find(plan: QueryPlan, *, now: datetime) -> Download | None:
    """Return the download of this plan that is whole and in time; only those who have a run for it come here."""
    row = Download.objects.filter(cache_key=plan.cache_key, expires_at__gt=now).first()
    if row is None or row.policy_fingerprint != plan.governed.scope.fingerprint:
        return None
    return row


def is_at_hand(plan: QueryPlan, *, now: datetime) -> bool:
    """Say whether a run need not be made: one is kept, and its policy was not reset since."""
    row = find(plan, now=now)
    return row is not None and not row.is_handover


def open_chunk(plan: QueryPlan, download: Download, number: int) -> pa.Table:
    """Open one chunk in its place.

    Raises:
        ExpiredKeyError: its time is over, or its key was destroyed.
        SealError: it is not what was written there.
        DownloadChunk.DoesNotExist: it is gone.
    """
    is_last = number == download.chunks - 1
    end = (download.row_count, download.is_truncated) if is_last else None
    sealed = DownloadChunk.objects.values_list("sealed", flat=True).get(series=download.series, number=number)
    place = _place(plan, download.series, number, end)
    opened = open_timed(bytes(sealed), key_id=download.timed_key_id, context=place, now=timezone.now())
    return arrow_table(opened)
