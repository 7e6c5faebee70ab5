"""The one path from a question to data."""

import json
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pyarrow as pa
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.access.types import Actor
from apps.audit.services import record
from apps.queries import flights, store
from apps.queries.denials import denials_recorded
from apps.queries.errors import QueryFailedError, TokenScopeError, UnknownRunError
from apps.queries.line import Priority
from apps.queries.lining import lead_or_follow, line_up, pending, withdraw
from apps.queries.models import QueryRun
from apps.queries.planning import QueryPlan, as_query, plan_query
from apps.queries.running import ENDED, asker_of, sealed_question
from apps.queries.statements import QUEUE, RUN_FIELDS, WRITE, row_of, values_of
from apps.queries.types import Answer, CacheInfo, Pending
from apps.semantic.query.types import SemanticQuery
from apps.tenants.binding import bound_tenant_id
from apps.vault.services import key_at_hand, seal

REFRESH_PAUSE = timedelta(seconds=5)
RIGHTS_HOLD_S = 1.0
"""for how long what was decided when a request came holds while it waits"""
RETRIED = ("forbidden", "cancelled", "changed", "lost")
"""A leader that ended so says nothing of those who followed it."""


def answer(
    actor: Actor,
    query: SemanticQuery | dict[str, Any],
    *,
    now: datetime,
    wait_s: float = 0.4,
    priority: Priority = Priority.INTERACTIVE,
) -> Answer | Pending:
    """Answer one question for one actor, from the cache or through the worker.

    Waits at most ``wait_s`` seconds, outside of any transaction. Background questions let interactive ones go first.

    Raises:
        QueryError: the question cannot be asked by this actor.
        QueryFailedError: the source could not answer.
    """
    if connection.in_atomic_block:
        raise RuntimeError("answer() waits: it must not be called inside a transaction")
    parsed = as_query(query)
    with denials_recorded(actor, parsed, now), key_at_hand():
        if not actor.may_run:
            raise TokenScopeError
        plan = plan_query(actor, parsed, now=now)
        if plan.governed.hides_values:
            return _without_values(actor, plan, now)
        found = store.read_noted(plan, by=actor, now=now)
        if found is not None:
            return found
        run = queue(actor, plan, query, now=now, priority=priority)
    return _waited_for(run, actor, plan, query, now, wait_s)


def refresh(actor: Actor, query: SemanticQuery | dict[str, Any], *, now: datetime) -> bool:
    """Forget the kept answer to the actor's question, so that the next asking goes to the source; say whether it was.

    One that is only seconds old stays: many readers of one page shall not ask the source many times. So does what the
    actor is not shown the values of.

    Raises:
        QueryError: the question cannot be asked by this actor.
    """
    parsed = as_query(query)
    with denials_recorded(actor, parsed, now), transaction.atomic():
        if not actor.may_run:
            raise TokenScopeError
        plan = plan_query(actor, parsed, now=now)
        return not plan.governed.hides_values and store.forget(plan, before=now - REFRESH_PAUSE)


def _through_worker(
    actor: Actor,
    plan: QueryPlan,
    query: SemanticQuery | dict[str, Any],
    now: datetime,
    wait_s: float,
    priority: Priority,
) -> Answer | Pending:
    run = queue(actor, plan, query, now=now, priority=priority)
    return _waited_for(run, actor, plan, query, now, wait_s)


def _waited_for(
    run: QueryRun, actor: Actor, plan: QueryPlan, query: SemanticQuery | dict[str, Any], now: datetime, wait_s: float
) -> Answer | Pending:
    deadline = timezone.now() + timedelta(seconds=wait_s)
    _wait(run, plan, as_query(query), now, wait_s)
    return _outcome(actor, plan, run, query, now, max(0.0, (deadline - timezone.now()).total_seconds()))


def _wait(run: QueryRun, plan: QueryPlan, query: SemanticQuery, now: datetime, wait_s: float) -> None:
    """Wait for a run to end. What was decided before holds for a moment: then rights are read again, as a worker does.

    Raises:
        QueryError, QueryFailedError: whoever waits may not have the answer any more.
    """
    began = time.monotonic()
    flights.wait(run.leader_id or run.pk, wait_s)
    if time.monotonic() - began > RIGHTS_HOLD_S:
        with transaction.atomic():
            actor = asker_of(run, timezone.now())
            again = plan_query(actor, query, now=now) if actor is not None else None
        if again is None:
            raise QueryFailedError("forbidden")
        if again.cache_key != plan.cache_key or again.governed.hides_values:
            raise QueryFailedError("changed")


def _outcome(
    actor: Actor,
    plan: QueryPlan,
    run: QueryRun,
    query: SemanticQuery | dict[str, Any],
    now: datetime,
    remaining_s: float,
) -> Answer | Pending:
    """Return the answer when the run has ended well, raise when it has not, else say that it is on its way."""
    with key_at_hand():
        followed, found = store.read_followed(plan, run.pk, by=actor, now=timezone.now())
    if followed is None or followed.own == QueryRun.State.CANCELLED:
        raise QueryFailedError("cancelled")
    leader_id, state = followed.leader_id, followed.state
    if found is not None:
        return _fresh(run, leader_id, found)
    if state is not None and state not in ENDED:
        leader = _with_source().get(pk=leader_id or run.pk)
        return pending(run, leader)
    code = followed.code if followed.code and state != QueryRun.State.DONE else "lost"
    if leader_id is not None and code in RETRIED:
        flights.free(plan.cache_key, leader_id)
        return _through_worker(actor, plan, query, now, remaining_s, Priority(run.priority))
    raise QueryFailedError(code)


def _fresh(run: QueryRun, leader_id: UUID | None, found: Answer) -> Answer:
    if leader_id is not None:  # of one that leads, its worker has said so
        QueryRun.objects.filter(pk=run.pk).update(state=QueryRun.State.DONE, row_count=found.row_count)
    return replace(found, query_id=run.pk, cache=replace(found.cache, is_hit=False))


def queue(
    actor: Actor,
    plan: QueryPlan,
    query: SemanticQuery | dict[str, Any],
    *,
    now: datetime,
    priority: Priority,
    is_download: bool = False,
) -> QueryRun:
    """Queue a run, or one that follows the run of the same governed query.

    Raises:
        QueryFailedError: ``too_many_waiting``, ``no_queue``.
    """
    if isinstance(query, SemanticQuery):
        raise TypeError("a question that may have to wait is given in its public form")
    run_id = uuid4()
    leader = lead_or_follow(plan.cache_key, run_id)
    run = new_run(
        actor, plan, query, now=now, waits_for_disk=False, id=run_id, priority=priority, is_download=is_download,
        leader_id=None if leader == run_id else leader,
    )  # fmt: skip
    line_up(run, plan.connection, now=now)
    return run


def new_run(
    actor: Actor, plan: QueryPlan, query: dict[str, Any], *, now: datetime, waits_for_disk: bool = True, **fields: Any
) -> QueryRun:
    """Write a run of the actor's down, its question sealed."""
    run_id = fields.setdefault("id", uuid4())
    question = json.dumps(query, default=str).encode()
    lifetime_s = settings.OMNI_RUN_LIFETIME_S
    if fields.get("is_download"):
        lifetime_s += settings.OMNI_DOWNLOAD_TIMEOUT_S
    run = QueryRun(
        tenant_id=bound_tenant_id(),
        dataset=plan.governed.dataset,
        model_version=plan.governed.version,
        user_id=actor.user_id,
        token_id=actor.token_id,
        support_session_id=actor.support_session_id,
        view_session_id=actor.view_session_id,
        actor_label=actor.label,
        cache_key=plan.cache_key,
        policy_fingerprint=plan.governed.scope.fingerprint,
        sealed_query=seal(question, table="queries_queryrun", row=run_id, column="sealed_query"),
        created_at=now,
        expires_at=now + timedelta(seconds=lifetime_s),
        **fields,
    )
    row_of(WRITE if waits_for_disk else QUEUE, values_of(run, RUN_FIELDS))
    return run


def ended_run(actor: Actor, plan: QueryPlan, query: dict[str, Any], *, now: datetime, **fields: Any) -> QueryRun:
    """Write down a run that has nothing to do: what it would fetch is at hand, and its asker comes back under its id."""
    return new_run(actor, plan, query, now=now, state=QueryRun.State.DONE, started_at=now, finished_at=now, **fields)


@transaction.atomic
def run_of_kept(actor: Actor, query: dict[str, Any], *, now: datetime) -> UUID:
    """Write down a run for a question whose answer is kept while parts of it are on their way.

    Raises:
        QueryError: the question cannot be asked by this actor any more.
    """
    plan = plan_query(actor, as_query(query), now=now)
    return ended_run(actor, plan, query, now=now, waits_for_disk=False).pk


def progress(actor: Actor, run_id: UUID, *, now: datetime) -> Pending | None:
    """Say how far the actor's run is, None when it has ended: one look at the runs, and nothing of its answer.

    Raises:
        UnknownRunError: no such run of theirs.
    """
    leader_id = QueryRun.objects.filter(pk=run_id).values("leader_id")
    found = {run.pk: run for run in _with_source().filter(Q(pk=run_id) | Q(pk__in=leader_id), expires_at__gt=now)}
    run = found.get(run_id)
    if run is None or not _is_own(actor, run):
        raise UnknownRunError(run_id)
    leader = found.get(run.leader_id or run.pk)
    if leader is None or {run.state, leader.state} & {*ENDED}:
        return None
    return pending(run, leader)


def _with_source() -> QuerySet[QueryRun]:
    return QueryRun.objects.select_related("dataset__data_model")


def _is_own(actor: Actor, run: QueryRun) -> bool:
    mine = (actor.user_id, actor.token_id, actor.support_session_id, actor.view_session_id)
    its = (run.user_id, run.token_id, run.support_session_id, run.view_session_id)
    return actor.is_authenticated and mine == its


def own_run(actor: Actor, run_id: UUID, *, now: datetime) -> QueryRun:
    """Return the actor's run.

    Raises:
        UnknownRunError: there is none, or it is somebody else's, or it has expired.
    """
    run = _with_source().filter(pk=run_id, expires_at__gt=now).first()
    if run is None or not _is_own(actor, run):
        raise UnknownRunError(run_id)
    return run


def run_state(actor: Actor, run_id: UUID, *, now: datetime, wait_s: float = 0.0) -> Answer | Pending:
    """Say how far the actor's run is; the scope is read again before any row is given.

    Where the actor's rights or the model are others by now, what was asked is asked anew, under them.

    Raises:
        UnknownRunError: no such run of theirs.
        QueryError, QueryFailedError: as :func:`answer`.
    """
    run = own_run(actor, run_id, now=now)
    if run.is_download:
        raise UnknownRunError(run_id)
    question = sealed_question(run)
    with transaction.atomic():
        plan = plan_query(actor, as_query(question), now=now)
    if plan.cache_key != run.cache_key:
        if run.state == QueryRun.State.CANCELLED:
            raise QueryFailedError("cancelled")
        return answer(actor, question, now=now, wait_s=wait_s, priority=Priority(run.priority))
    _wait(run, plan, as_query(question), now, wait_s)
    return _outcome(actor, plan, run, question, now, wait_s)


@transaction.atomic
def cancel_run(actor: Actor, run_id: UUID, *, now: datetime) -> None:
    """Cancel the actor's run, at the source when it has got that far.

    Raises:
        UnknownRunError: no such run of theirs.
    """
    _cancel(own_run(actor, run_id, now=now), by=actor, now=now)


@transaction.atomic
def cancel_somebodys(run_ids: Iterable[UUID], *, by: Actor, now: datetime) -> int:
    """Cancel runs of whomever, as an administrator; return how many had not ended. Who follows them asks anew.

    Raises:
        QueryFailedError: ``no_queue``: the workers cannot be told.
    """
    found = _with_source().filter(pk__in=list(run_ids), expires_at__gt=now).exclude(state__in=ENDED)
    return sum(_cancel(run, by=by, now=now, facts={"asked_by": run.actor_label}) for run in found)


def _cancel(run: QueryRun, *, by: Actor, now: datetime, facts: dict[str, str] | None = None) -> bool:
    if run.state in ENDED:
        return False
    if run.leader_id is None:
        withdraw(run)
    QueryRun.objects.filter(pk=run.pk).exclude(state__in=ENDED).update(
        state=QueryRun.State.CANCELLED, error_code="cancelled", finished_at=now
    )
    record("queries.query_cancelled", run, by=by, now=now, facts=facts)
    return True


@transaction.atomic
def _without_values(actor: Actor, plan: QueryPlan, now: datetime) -> Answer:
    """Return the shape of an answer without asking the source."""
    table = pa.table({str(number): pa.array([], pa.string()) for number, _ in enumerate(plan.compiled.columns)})
    found = Answer(
        columns=plan.compiled.columns, table=table, is_truncated=False,
        policy_fingerprint=plan.governed.scope.fingerprint, query_id=uuid4(),
        cache=CacheInfo(is_hit=False, age_s=0, expires_at=None), limits=plan.governed.limits, compiled=plan.compiled,
        asked=plan.asked,
    )  # fmt: skip
    _record_answer(actor, plan, found, now)
    return found


def _record_answer(actor: Actor, plan: QueryPlan, found: Answer, now: datetime) -> None:
    facts = {
        "data_set_id": str(plan.governed.dataset.pk), "fingerprint": found.policy_fingerprint,
        "is_hit": found.cache.is_hit, "rows": found.row_count, "decision": "allowed",
    }  # fmt: skip
    record("queries.query_answered", plan.governed.dataset, by=actor, now=now, facts=facts)
