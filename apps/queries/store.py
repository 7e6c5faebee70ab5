"""Cached results: sealed under the timed key of their slot, checked again when they are opened."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.audit.notes import INSERT, REST, UNHURRIED, note
from apps.audit.types import AuditActor
from apps.queries.keeping import keeping_since
from apps.queries.models import CachedResult, QueryRun
from apps.queries.planning import QueryPlan
from apps.queries.statements import FOLLOWED, KEEP, KEPT_FIELDS, row_of, values_of
from apps.queries.types import Answer, CacheInfo, arrow_bytes, arrow_table
from apps.tenants.binding import bound_tenant_id
from apps.vault.errors import ExpiredKeyError, SealError
from apps.vault.services import KEY, hold_key, open_timed_under, seal_until
from apps.warehouses.types import ArrowResult

logger = logging.getLogger(__name__)


def read(plan: QueryPlan, *, now: datetime, waited: bool = False) -> Answer | None:
    """Return the kept answer to this plan, or None. Expiry is decided here, whether or not anything was purged.

    An answer that is not kept opens only for those who ``waited`` for its run.
    """
    row = row_of(KEPT, _params(plan, now=now, waited=waited))
    return _opened(plan, row, now=now) if row is not None else None


def read_noted(plan: QueryPlan, *, by: AuditActor, now: datetime) -> Answer | None:
    """As :func:`read`, with the event that the actor got the answer written in the same statement."""
    event = _event(plan, by=by, now=now, is_hit=True)
    row = row_of(KEPT_AND_NOTED, _params(plan, now=now, waited=False) | event)
    return _opened(plan, row, now=now) if row is not None else None


@dataclass(frozen=True, slots=True)
class Followed:
    """How far a run is, and the one that leads it: its state is None when it is gone."""

    own: str
    leader_id: UUID | None
    state: str | None
    code: str | None


def read_followed(
    plan: QueryPlan, run_id: UUID, *, by: AuditActor, now: datetime
) -> tuple[Followed | None, Answer | None]:
    """Say how far a run is, and return its answer when it has ended well and may still be given, with the event of that.

    One statement; the key is read in it. None, None: there is no such run.
    """
    params = _params(plan, now=now, waited=True) | _event(plan, by=by, now=now, is_hit=False) | {"run": run_id}
    row = row_of(FOLLOWED_AND_NOTED, params)
    if row is None:
        return None, None
    own, leader_id, state, code, key, _, *kept = row
    hold_key(key)
    is_there = kept[0] is not None
    return Followed(own, leader_id, state, code), _opened(plan, (*kept,), now=now) if is_there else None


def _event(plan: QueryPlan, *, by: AuditActor, now: datetime, is_hit: bool) -> dict[str, Any]:
    found = plan.governed
    facts = {
        "data_set_id": str(found.dataset.pk), "fingerprint": found.scope.fingerprint, "is_hit": is_hit,
        "decision": "allowed",
    }  # fmt: skip
    return note("queries.query_answered", found.dataset, by=by, now=now, facts=facts)


COLUMNS = """r.id, r.timed_key_id, r.sealed, r.is_truncated, r.created_at, r.is_handover, r.expires_at, r.row_count"""
KEPT = f"""
SELECT {COLUMNS}, k.wrapped, k.slot_end
  FROM queries_cachedresult r LEFT JOIN vault_timedkey k ON k.id = r.timed_key_id
 WHERE r.tenant_id = %(tenant)s AND r.cache_key = %(key)s AND r.expires_at > %(now)s
   AND r.policy_fingerprint = %(fingerprint)s AND r.dataset_id = %(dataset)s AND (%(waited)s OR NOT r.is_handover)
"""
KEPT_AND_NOTED = f"""
WITH found AS ({KEPT}), noted AS (
  {INSERT} || jsonb_build_object('rows', found.row_count){REST} FROM found)
SELECT found.*, {UNHURRIED} FROM found
"""
FOLLOWED_AND_NOTED = f"""
WITH run AS ({FOLLOWED}), found AS (
  {KEPT} AND EXISTS (SELECT FROM run WHERE run.own_state <> '{QueryRun.State.CANCELLED.value}'
                      AND run.led_state = '{QueryRun.State.DONE.value}')), noted AS (
  {INSERT} || jsonb_build_object('rows', found.row_count){REST} FROM found)
SELECT run.*, {KEY}, {UNHURRIED}, found.* FROM run LEFT JOIN found ON true
"""
"""by hand, as they are what every answer costs; see ADR 17"""


def _params(plan: QueryPlan, *, now: datetime, waited: bool) -> dict[str, Any]:
    found = plan.governed
    return {
        "tenant": bound_tenant_id(), "key": plan.cache_key, "now": now, "fingerprint": found.scope.fingerprint,
        "dataset": found.dataset.pk, "waited": waited,
    }  # fmt: skip


def _opened(plan: QueryPlan, row: tuple[Any, ...], *, now: datetime) -> Answer | None:
    key, timed_key_id, sealed, is_truncated, created_at, is_handover, expires_at, _, wrapped, slot_end, *_ = row
    context = plan.context()
    try:
        opened = open_timed_under(wrapped, slot_end, sealed, key_id=timed_key_id, context=context, now=now)
    except ExpiredKeyError:
        return None
    except SealError:
        logger.warning("a cached result does not open in its place: %s", key)
        return None
    age_s = max(0, int((now - created_at).total_seconds()))
    return Answer(
        columns=plan.compiled.columns,
        table=arrow_table(opened),
        is_truncated=is_truncated,
        policy_fingerprint=plan.governed.scope.fingerprint,
        query_id=key,
        cache=CacheInfo(is_hit=True, age_s=age_s, expires_at=None if is_handover else expires_at),
        limits=plan.governed.limits,
        compiled=plan.compiled,
        asked=plan.asked,
    )


def forget(plan: QueryPlan, *, before: datetime) -> bool:
    """Remove the kept answer to this plan when it was made before then; say whether there was one."""
    removed, _ = CachedResult.objects.filter(cache_key=plan.cache_key, created_at__lte=before).delete()
    return removed > 0


def write(plan: QueryPlan, result: ArrowResult, *, run: QueryRun, asked_at: datetime, now: datetime) -> bool:
    """End a run and keep its result as long as policy allows; say whether the run was still this worker's.

    The result is one row longer than allowed when there are more. ``asked_at`` is when the source began: a policy that
    was reset since then gets nothing older than its reset.
    """
    limit = plan.compiled.row_limit
    table = result.table.slice(0, limit)
    keeping, held = keeping_since(plan.governed, asked_at, now=now)
    expires_at = keeping.expires_at(now)
    key, sealed = seal_until(
        arrow_bytes(table, compression="zstd"), expires_at, context=plan.context(), now=now, held=held
    )
    kept = CachedResult(
        tenant_id=bound_tenant_id(),
        cache_key=plan.cache_key,
        dataset_id=plan.governed.dataset.pk,
        model_version_id=plan.governed.version.pk,
        data_model_id=plan.governed.version.data_model_id,
        cache_policy=keeping.policy,
        is_handover=not keeping.is_kept,
        policy_fingerprint=plan.governed.scope.fingerprint,
        timed_key_id=key.id,
        sealed=sealed,
        row_count=table.num_rows,
        is_truncated=result.is_truncated or result.table.num_rows > limit,
        created_at=now,
        expires_at=expires_at,
    )
    known = {"run": run.pk, "state": str(run.state), "attempts": run.attempts}
    return row_of(KEEP, values_of(kept, KEPT_FIELDS) | known) is not None
