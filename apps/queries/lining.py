"""The asker's side of the line: lead or follow, line up, look whether one's run is still cared for."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import redis
from django.conf import settings
from kombu.exceptions import KombuError

from apps.connections.models import Connection
from apps.queries import flights, line
from apps.queries.errors import TEXTS, QueryFailedError
from apps.queries.line import Priority
from apps.queries.models import QueryRun
from apps.queries.tasks import look_after_runs, run_next
from apps.queries.types import Pending

logger = logging.getLogger(__name__)


@contextmanager
def _reached() -> Iterator[None]:
    """Say so when Redis or the broker cannot be reached.

    Raises:
        QueryFailedError: ``no_queue``.
    """
    try:
        yield
    except (redis.RedisError, KombuError) as error:
        logger.error("the line of queries cannot be reached: %s", type(error).__name__)
        raise QueryFailedError("no_queue") from None


def lead_or_follow(cache_key: str, run_id: UUID) -> UUID:
    """Return the run that leads: this one, or the one that is on its way with the same governed query.

    Raises:
        QueryFailedError: ``too_many_waiting`` for one that would lead, ``no_queue``.
    """
    with _reached():
        leader = flights.lead_or_follow(cache_key, run_id, waiting=line.own(), most=settings.OMNI_WAITING_MAX)
    if leader is None:
        raise QueryFailedError("too_many_waiting")
    return leader


def line_up(run: QueryRun, connection: Connection, *, now: datetime) -> None:
    """Have a committed run wait for its turn. Whoever follows and is looked at moves the run that leads forward.

    Raises:
        QueryFailedError: ``no_queue``; the run has failed then.
    """
    try:
        with _reached():
            if run.leader_id is None:
                _join(run, connection)
            elif run.priority == Priority.INTERACTIVE:
                _move_forward(run.leader_id, connection)
    except QueryFailedError as error:
        failed = {"state": QueryRun.State.FAILED, "error_code": error.code, "error_text": TEXTS[error.code]}
        QueryRun.objects.filter(pk=run.pk).update(**failed, finished_at=now)
        raise


def _move_forward(run_id: UUID, connection: Connection) -> None:
    waiting = QueryRun.objects.filter(pk=run_id, state=QueryRun.State.QUEUED, priority=Priority.BACKGROUND).first()
    if waiting is not None:
        QueryRun.objects.filter(pk=run_id).update(priority=Priority.INTERACTIVE)
        line.join(run_id, connection, Priority.INTERACTIVE, asked_at=waiting.created_at)


def pending(run: QueryRun, leader: QueryRun) -> Pending:
    """Say how far a run is that has not ended; ``leader`` is the run that works for it, with its data set at hand.

    One that the line has lost is put back, and a worker is sent for when nobody holds one that has begun.
    """
    found = Pending(run.pk, leader.state, run.created_at, leader.started_at)
    connection_id = leader.dataset.data_model.connection_id
    try:
        if leader.state == QueryRun.State.RUNNING:
            found = replace(found, rows=flights.rows_so_far(leader.pk))
        else:
            found = replace(found, position=line.position(leader.pk, connection_id))
        if found.position is None and leader.pk not in line.leased() and line.may_ask_to_look():
            _see_to(leader)
    except (redis.RedisError, KombuError):
        logger.warning("the line of queries cannot be reached; run %s waits", leader.pk)
    return found


def _see_to(run: QueryRun) -> None:
    if run.state == QueryRun.State.RUNNING:
        look_after_runs.delay(everything=True)
        return
    _join(run, run.dataset.data_model.connection)


def _join(run: QueryRun, connection: Connection) -> None:
    """Let a run wait for its turn; where no hand listens, a message says so."""
    if not line.join(run.pk, connection, run.priority, asked_at=run.created_at):
        run_next.delay()


def withdraw(run: QueryRun) -> None:
    """Take a run out of the line, and wish that it be cancelled at its source.

    Raises:
        QueryFailedError: ``no_queue``: nobody who runs it can be told.
    """
    with _reached():
        flights.ask_to_cancel(run.pk)
        line.withdraw(run.pk, run.dataset.data_model.connection_id)
        if run.state == QueryRun.State.QUEUED:  # no worker will say that it has ended
            flights.land(run.cache_key, run.pk)
