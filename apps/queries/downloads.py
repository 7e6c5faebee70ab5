"""Downloads: large answers on the one path, made by a worker chunk by chunk and given out chunk by chunk.

A download shares everything with an answer but its size: the plan and its proof, rights read anew in the worker and again
while it flows, single-flight, the line (as background work), limits, cancelling, and the audit log.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import pyarrow as pa
from django.db import connection, transaction
from django.utils import timezone

from apps.access.types import Actor
from apps.audit.services import record
from apps.queries import chunks
from apps.queries.denials import denials_recorded
from apps.queries.download_plans import as_download, plan_download
from apps.queries.errors import QueryFailedError, TokenScopeError, UnknownRunError
from apps.queries.line import Priority
from apps.queries.models import Download, QueryRun
from apps.queries.planning import QueryPlan
from apps.queries.running import asker_of, sealed_question
from apps.queries.services import ended_run, own_run, progress, queue
from apps.queries.types import Pending, csv_cell
from apps.tenants.binding import bound, bound_tenant_id


@dataclass(frozen=True, slots=True)
class Flow:
    """A download that may begin to flow. It binds the tenant by itself for each chunk that it opens."""

    plan: QueryPlan
    download: Download
    tenant_id: UUID
    run: QueryRun
    question: dict[str, Any]

    def tables(self) -> Iterator[pa.Table]:
        """Open one chunk after the other; a key that is destroyed meanwhile, or a right that is taken, ends it in the middle.

        A reader takes as long as they like: what held when it began need not hold at its end.
        """
        for number in range(self.download.chunks):
            with bound(self.tenant_id):
                if number:
                    self._check_rights()
                table = chunks.open_chunk(self.plan, self.download, number)
            yield table

    def _check_rights(self) -> None:
        """Derive who fetches it again, as a worker does.

        Raises:
            QueryError, QueryFailedError: they may not have it any more.
        """
        now = timezone.now()
        with transaction.atomic():
            actor = asker_of(self.run, now)
            plan = plan_download(actor, self.question, now=now) if actor is not None else None
        if plan is None or plan.cache_key != self.plan.cache_key or plan.governed.hides_values:
            raise QueryFailedError("changed")

    def csv(self) -> Iterator[bytes]:
        """Yield RFC 4180 text; cells that a spreadsheet would take for formulas get an apostrophe."""
        yield _csv_rows([[column.label or column.name for column in self.plan.compiled.columns]])
        for table in self.tables():
            for batch in table.to_batches(8_192):
                yield _csv_rows(zip(*(column.to_pylist() for column in batch.columns), strict=True))

    def arrow(self) -> Iterator[bytes]:
        """Yield an Arrow IPC stream; column names are the requested fields."""
        names = [column.name for column in self.plan.compiled.columns]
        sink, writer = io.BytesIO(), None
        for table in self.tables():
            renamed = table.rename_columns(names)
            writer = writer or pa.ipc.new_stream(sink, renamed.schema)
            writer.write_table(renamed)
            yield _drained(sink)
        if writer is not None:
            writer.close()
        yield _drained(sink)


def _csv_rows(rows: Any) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([csv_cell(value) for value in row] for row in rows)
    return out.getvalue().encode()


def _drained(sink: io.BytesIO) -> bytes:
    found = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return found


def begin(actor: Actor, question: dict[str, Any], *, now: datetime) -> UUID:
    """Have a download made, or find the one that is at hand; return its run, which the actor looks at and fetches.

    Raises:
        QueryError: the question cannot be asked by this actor, or not for download.
        QueryFailedError: ``too_many_waiting``, ``no_queue``.
    """
    if connection.in_atomic_block:
        raise RuntimeError("begin() talks to Redis: it must not be called inside a transaction")
    query, _ = as_download(question)
    with denials_recorded(actor, query, now), transaction.atomic():
        if not actor.may_run:
            raise TokenScopeError
        plan = plan_download(actor, question, now=now)
        if plan.governed.hides_values:
            raise QueryFailedError("forbidden")
        record("queries.download_asked", plan.governed.dataset, by=actor, now=now, facts=_facts(plan))
        if chunks.is_at_hand(plan, now=now):
            return ended_run(actor, plan, question, now=now, is_download=True).pk
    return queue(actor, plan, question, now=now, priority=Priority.BACKGROUND, is_download=True).pk


def state(actor: Actor, run_id: UUID, *, now: datetime) -> QueryRun | Pending:
    """Say how far a download of the actor's is; when it has ended, return the run that worked for it.

    Raises:
        UnknownRunError: no such run of theirs.
    """
    pending = progress(actor, run_id, now=now)
    run = own_run(actor, run_id, now=now)
    if pending is not None:
        return pending
    return QueryRun.objects.filter(pk=run.leader_id or run.pk).first() or run


def kept(actor: Actor, run_id: UUID, *, now: datetime) -> Download | None:
    """Return what is known of a file of the actor's that lies ready: its rows, and until when; None once it is gone.

    Raises:
        UnknownRunError: no such run of theirs.
    """
    run = own_run(actor, run_id, now=now)
    return Download.objects.filter(cache_key=run.cache_key, expires_at__gt=now).first()


def flow(actor: Actor, run_id: UUID, *, now: datetime) -> Flow | Pending:
    """Let a download of the actor's flow, with their rights read again now; or say how far it is.

    Raises:
        UnknownRunError: no such download of theirs.
        QueryError, QueryFailedError: they may not have it any more, or it did not end well.
    """
    run = own_run(actor, run_id, now=now)
    if not run.is_download:
        raise UnknownRunError(run_id)
    pending = progress(actor, run_id, now=now)
    if pending is not None:
        return pending
    question = sealed_question(run)
    query, _ = as_download(question)
    with denials_recorded(actor, query, now), transaction.atomic():
        plan = plan_download(actor, question, now=now)
        if plan.cache_key != run.cache_key or plan.governed.hides_values:
            raise QueryFailedError("changed")
        found = chunks.find(plan, now=now)
        if found is None:
            raise QueryFailedError(_why(run))
        facts = _facts(plan) | {"rows": found.row_count, "truncated": found.is_truncated, "run": str(run.pk)}
        record("queries.download_begun", plan.governed.dataset, by=actor, now=now, facts=facts)
    return Flow(plan, found, bound_tenant_id(), run, question)


def _why(run: QueryRun) -> str:
    """Return why there is nothing to fetch: how the run ended that worked for it."""
    ended = QueryRun.objects.filter(pk=run.leader_id or run.pk).values_list("error_code", flat=True).first()
    return run.error_code or ended or "lost"


def _facts(plan: QueryPlan) -> dict[str, Any]:
    return {
        "data_set_id": str(plan.governed.dataset.pk), "fingerprint": plan.governed.scope.fingerprint,
        "row_limit": plan.compiled.row_limit, "decision": "allowed",
    }  # fmt: skip
