"""The worker's side: derive the actor again, compile again, ask the source, seal the answer."""

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.access.selectors import actor_from_reference
from apps.connections.selectors import open_source
from apps.queries import flights, store
from apps.queries.errors import TEXTS
from apps.queries.models import QueryRun
from apps.queries.planning import QueryPlan, as_query, plan_query
from apps.semantic.errors import SemanticError
from apps.vault.errors import VaultError
from apps.vault.services import open_sealed
from apps.warehouses.errors import WarehouseError
from apps.warehouses.types import Limits, Warehouse

logger = logging.getLogger(__name__)
CANCEL_POLL_S = 0.2
ENDED = (QueryRun.State.DONE, QueryRun.State.FAILED, QueryRun.State.CANCELLED)


def execute(run_id: UUID, *, now: datetime) -> None:
    """Execute a queued run; one that has ended is left alone. Whatever happens, those who wait are told."""
    run = QueryRun.objects.filter(pk=run_id).first()
    if run is None or run.state in ENDED:
        return
    try:
        plan = _begin(run, now)
        if plan is not None:
            _ask(run, plan)
    except WarehouseError as error:
        _end(run, QueryRun.State.CANCELLED if error.code == "cancelled" else QueryRun.State.FAILED, error.code)
    except (SemanticError, VaultError):
        logger.exception("run %s was refused", run.pk)
        _end(run, QueryRun.State.FAILED, "changed")
    except Exception:  # the person who waits is told, whatever it was; the log has the rest
        logger.exception("run %s failed", run.pk)
        _end(run, QueryRun.State.FAILED, "query_failed")
    finally:
        flights.land(run.cache_key, run.pk)


@transaction.atomic
def _begin(run: QueryRun, now: datetime) -> QueryPlan | None:
    if flights.is_asked_to_cancel(run.pk):
        _end(run, QueryRun.State.CANCELLED, "cancelled")
        return None
    kind = "support" if run.support_session_id else "token" if run.token_id else "person"
    actor = actor_from_reference(
        kind, user_id=run.user_id, token_id=run.token_id, support_session_id=run.support_session_id,
        view_session_id=run.view_session_id, now=now,
    )  # fmt: skip
    if actor is None:
        _end(run, QueryRun.State.FAILED, "forbidden")
        return None
    plan = plan_query(actor, as_query(sealed_question(run)), now=now)
    if plan.cache_key != run.cache_key:
        _end(run, QueryRun.State.FAILED, "changed")
        return None
    QueryRun.objects.filter(pk=run.pk).update(state=QueryRun.State.RUNNING, started_at=now)
    return plan


def sealed_question(run: QueryRun) -> dict[str, object]:
    """Return the question of a run: it can hold values, and is sealed therefore."""
    opened = open_sealed(bytes(run.sealed_query), table="queries_queryrun", row=run.pk, column="sealed_query")
    question: dict[str, object] = json.loads(opened)
    return question


def _ask(run: QueryRun, plan: QueryPlan) -> None:
    """Ask the source; no transaction of ours is open meanwhile."""
    connection = plan.connection
    limits = Limits(plan.compiled.row_limit + 1, connection.max_bytes, connection.timeout_s)
    asked_at = timezone.now()
    source = open_source(connection)
    try:
        with _cancellable(run.pk, source):
            result = source.execute(plan.compiled.sql, plan.compiled.parameters, limits)
    finally:
        source.close()
    now = timezone.now()
    with transaction.atomic():
        rows = store.write(plan, result, asked_at=asked_at, now=now)
        QueryRun.objects.filter(pk=run.pk).update(state=QueryRun.State.DONE, row_count=rows, finished_at=now)


@contextmanager
def _cancellable(run_id: UUID, source: Warehouse) -> Iterator[None]:
    """Watch for a wish to cancel while the source works, and cancel there."""
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(CANCEL_POLL_S):
            if flights.is_asked_to_cancel(run_id):
                source.cancel()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def _end(run: QueryRun, state: str, code: str) -> None:
    QueryRun.objects.filter(pk=run.pk).update(
        state=state, error_code=code, error_text=TEXTS.get(code, TEXTS["query_failed"]), finished_at=timezone.now()
    )
