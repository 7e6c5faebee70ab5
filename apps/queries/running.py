"""The worker's side: derive the actor again, compile again, ask the source, seal the answer."""

import json
import logging
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import psycopg
import redis
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from apps.access.selectors import actor_from_reference, ask_actor
from apps.access.types import Actor
from apps.connections.selectors import open_source
from apps.governance.reading import ask_permitted
from apps.queries import chunks, flights, line, store
from apps.queries.download_plans import plan_download
from apps.queries.errors import TEXTS, SupersededError
from apps.queries.line import Lease
from apps.queries.models import QueryRun
from apps.queries.planning import QueryPlan, as_query, plan_query
from apps.queries.statements import CLAIM, RUN_FIELDS, row_of
from apps.queries.watching import Watch, watched
from apps.semantic.errors import SemanticError
from apps.tenants.binding import bound_tenant_id
from apps.tenants.tombstones import is_buried
from apps.vault.errors import VaultError
from apps.vault.services import hold_key, key_at_hand, open_sealed
from apps.warehouses.errors import WarehouseError
from apps.warehouses.types import Limits

logger = logging.getLogger(__name__)
ENDED = (QueryRun.State.DONE, QueryRun.State.FAILED, QueryRun.State.CANCELLED)
MAX_ATTEMPTS = 2
NO_SPACE = (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory, psycopg.errors.ConfigurationLimitExceeded)


def execute(run_id: UUID, *, now: datetime, lease: Lease | None = None) -> None:
    """Execute a queued run; one that has begun or ended is left alone. Whatever happens, those who wait are told.

    A run that is dropped because our own database is gone is looked after later: it is begun once more, then fails.
    """
    if lease is None:  # it did not come through the line
        lease = line.hold(run_id)
        try:
            _execute_and_tell(run_id, lease, now)
        finally:
            line.leave(lease)
    else:
        _execute_and_tell(run_id, lease, now)


def _execute_and_tell(run_id: UUID, lease: Lease, now: datetime) -> None:
    run = None
    try:
        with key_at_hand():
            run = _begun(run_id, now)
            plan = _planned_or_ended(run, lease, now) if run is not None else None
        if run is not None and plan is not None:
            _answer(run, plan, lease)
    except SupersededError:
        logger.warning("run %s is no longer this worker's", run_id)
        return
    except (OperationalError, InterfaceError) as error:
        connection.close()
        if not isinstance(error.__cause__, NO_SPACE):
            logger.exception("run %s was dropped", run_id)
            _drop(lease)
            return
        logger.error("run %s: the database has no room for its answer", run_id)
        run = run or _waiting(run_id)
        if run is not None:
            _end(run, QueryRun.State.FAILED, "no_space")
    if run is not None:
        flights.land(run.cache_key, run.pk)


def _begun(run_id: UUID, now: datetime) -> QueryRun | None:
    """Begin a run and have its key at hand; None: there is no such run that waits, or it has failed now."""
    try:
        run, key = _claimed(run_id, now)
        hold_key(key)
        return run
    except (OperationalError, InterfaceError):
        raise
    except Exception:  # the person who waits is told, whatever it was; the log has the rest
        logger.exception("run %s could not begin", run_id)
    waiting = _waiting(run_id)
    if waiting is not None:
        _end(waiting, QueryRun.State.FAILED, "query_failed")
        flights.land(waiting.cache_key, waiting.pk)
    return None


def _planned_or_ended(run: QueryRun, lease: Lease, now: datetime) -> QueryPlan | None:
    """Return what is to be asked; None: the run has ended, as it may not be asked any more or cannot be planned."""
    try:
        return _plan(run, lease, now)
    except (OperationalError, InterfaceError):
        raise
    except (SemanticError, VaultError):
        logger.exception("run %s was refused", run.pk)
        code = "changed"
    except Exception:  # the person who waits is told, whatever it was; the log has the rest
        logger.exception("run %s failed", run.pk)
        code = "query_failed"
    _end(run, QueryRun.State.FAILED, code)
    return None


def _waiting(run_id: UUID) -> QueryRun | None:
    return QueryRun.objects.filter(pk=run_id, state=QueryRun.State.QUEUED).first()


def _answer(run: QueryRun, plan: QueryPlan, lease: Lease) -> None:
    """Ask the source and keep what it says; when it cannot answer, the run has failed."""
    try:
        (_stream if run.is_download else _ask)(run, plan, lease)
    except (SupersededError, OperationalError, InterfaceError):
        raise
    except WarehouseError as error:
        _end(run, QueryRun.State.CANCELLED if error.code == "cancelled" else QueryRun.State.FAILED, error.code)
    except (SemanticError, VaultError):
        logger.exception("run %s was refused", run.pk)
        _end(run, QueryRun.State.FAILED, "changed")
    except Exception:  # the person who waits is told, whatever it was; the log has the rest
        logger.exception("run %s failed", run.pk)
        _end(run, QueryRun.State.FAILED, "query_failed")


def _drop(lease: Lease) -> None:
    try:
        line.lose(lease)
    except redis.RedisError:
        logger.warning("Redis was not told that run %s was dropped", lease.run_id)


def _claimed(run_id: UUID, now: datetime) -> tuple[QueryRun | None, tuple[int, str] | None]:
    """Claim a run, once and for all other workers; return it with the key that its question is sealed with."""
    if is_buried(bound_tenant_id()):
        return None, None
    row = row_of(CLAIM, {"tenant": bound_tenant_id(), "run": run_id, "now": now})
    if row is None:
        return None, None
    return QueryRun.from_db(connection.alias, RUN_FIELDS, row[: len(RUN_FIELDS)]), row[len(RUN_FIELDS)]


def _plan(run: QueryRun, lease: Lease, now: datetime) -> QueryPlan | None:
    """Return what is to be asked, with the rights of now, or end the run."""
    is_usual = not (run.support_session_id or run.view_session_id or run.is_download)
    plan = _planned_at_once(run, now) if is_usual else _planned(run, now)
    if plan is not None and plan.cache_key == run.cache_key and not lease.is_unwanted:
        return plan
    code = "forbidden" if plan is None else "changed" if plan.cache_key != run.cache_key else "cancelled"
    _end(run, QueryRun.State.CANCELLED if code == "cancelled" else QueryRun.State.FAILED, code)
    return None


def asker_of(run: QueryRun, now: datetime) -> Actor | None:
    """Derive who asked, with the rights of now; None: they are nobody any more."""
    kind = "support" if run.support_session_id else "token" if run.token_id else "person"
    return actor_from_reference(
        kind, user_id=run.user_id, token_id=run.token_id, support_session_id=run.support_session_id,
        view_session_id=run.view_session_id, now=now,
    )  # fmt: skip


@transaction.atomic
def _planned(run: QueryRun, now: datetime) -> QueryPlan | None:
    actor = asker_of(run, now)
    if actor is None:
        return None
    question = sealed_question(run)
    return (
        plan_download(actor, question, now=now) if run.is_download else plan_query(actor, as_query(question), now=now)
    )


def _planned_at_once(run: QueryRun, now: datetime) -> QueryPlan | None:
    """As :func:`_planned` for a person's or token's question: all that decides is asked of the database in one message."""
    if run.user_id is None:
        return None
    question = sealed_question(run)
    with connection.one_message():  # type: ignore[attr-defined]  # our own backend's
        derived = ask_actor(user_id=run.user_id, token_id=run.token_id, now=now)
        asked = ask_permitted(run.user_id, str(question.get("dataset", "")), opens=True)
    actor = derived()
    return plan_query(actor, as_query(question), now=now, asked=asked) if actor is not None else None


def sealed_question(run: QueryRun) -> dict[str, object]:
    """Return the question of a run: it can hold values, and is sealed therefore."""
    opened = open_sealed(bytes(run.sealed_query), table="queries_queryrun", row=run.pk, column="sealed_query")
    question: dict[str, object] = json.loads(opened)
    return question


def _ask(run: QueryRun, plan: QueryPlan, lease: Lease) -> None:
    """Ask the source; no transaction of ours is open meanwhile."""
    asked_at = timezone.now()
    source = open_source(plan.connection)
    try:
        with watched(lease, source) as watch:
            limits = limits_of(plan, watch)
            result = source.execute(plan.compiled.sql, plan.compiled.parameters, limits)
    finally:
        source.close()
    now = timezone.now()
    with key_at_hand():
        if not store.write(plan, result, run=run, asked_at=asked_at, now=now):
            raise SupersededError


def _stream(run: QueryRun, plan: QueryPlan, lease: Lease) -> None:
    """Keep a large answer chunk by chunk as it comes; it is found when all of it is there."""
    asked_at = timezone.now()
    source = open_source(plan.connection)
    try:
        with watched(lease, source) as watch:
            limits = replace(
                limits_of(plan, watch), max_bytes=settings.OMNI_DOWNLOAD_MAX_BYTES, timeout_s=settings.OMNI_DOWNLOAD_TIMEOUT_S
            )  # fmt: skip
            with source.stream(plan.compiled.sql, plan.compiled.parameters, limits) as answer:
                written = chunks.write(plan, answer, limit=plan.compiled.row_limit, now=asked_at)
    finally:
        source.close()
    now = timezone.now()
    try:
        with transaction.atomic():
            chunks.give_out(plan, written, asked_at=asked_at, now=now)
            if not _update(run, state=QueryRun.State.DONE, row_count=written.row_count, finished_at=now):
                raise SupersededError
    except BaseException:  # also a worker that is told to stop leaves nothing half-written
        chunks.drop(written.series)
        raise


def limits_of(plan: QueryPlan, watch: Watch) -> Limits:
    """Return what the source may take and give: one row more than wanted, so that a cut can be seen."""
    link = plan.connection
    return Limits(plan.compiled.row_limit + 1, link.max_bytes, link.timeout_s, cuts_bytes=True, on_rows=watch.came)


def _update(run: QueryRun, **changes: object) -> bool:
    """Change the run if it is still as this worker knows it: nobody has ended it or begun it again."""
    mine = QueryRun.objects.filter(pk=run.pk, state=run.state, attempts=run.attempts)
    return bool(mine.update(**changes))


def _end(run: QueryRun, state: str, code: str) -> None:
    _update(run, **_ending(state, code))


def _ending(state: str, code: str) -> dict[str, object]:
    return {
        "state": state, "error_code": code, "error_text": TEXTS.get(code, TEXTS["query_failed"]),
        "finished_at": timezone.now(),
    }  # fmt: skip
