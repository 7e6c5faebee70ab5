"""Cached results: sealed under the timed key of their slot, checked again when they are opened."""

import logging
from dataclasses import replace
from datetime import datetime

from apps.queries.keeping import keeping_of, was_reset
from apps.queries.models import CachedResult
from apps.queries.planning import QueryPlan
from apps.queries.types import Answer, CacheInfo, arrow_bytes, arrow_table
from apps.vault.errors import ExpiredKeyError, SealError
from apps.vault.services import open_timed, seal_timed, timed_key_for
from apps.warehouses.types import ArrowResult

logger = logging.getLogger(__name__)


def read(plan: QueryPlan, *, now: datetime, waited: bool = False) -> Answer | None:
    """Return the kept answer to this plan, or None. Expiry is decided here, whether or not anything was purged.

    An answer that is not kept opens only for those who ``waited`` for its run.
    """
    row = CachedResult.objects.filter(cache_key=plan.cache_key, expires_at__gt=now).first()
    found = plan.governed
    if row is None or row.policy_fingerprint != found.scope.fingerprint or row.dataset_id != found.dataset.pk:
        return None
    if row.is_handover and not waited:
        return None
    try:
        opened = open_timed(bytes(row.sealed), key_id=row.timed_key_id, context=plan.context(), now=now)
    except ExpiredKeyError:
        return None
    except SealError:
        logger.warning("a cached result does not open in its place: %s", row.pk)
        return None
    age_s = max(0, int((now - row.created_at).total_seconds()))
    return Answer(
        columns=plan.compiled.columns,
        table=arrow_table(opened),
        is_truncated=row.is_truncated,
        policy_fingerprint=found.scope.fingerprint,
        query_id=row.pk,
        cache=CacheInfo(is_hit=True, age_s=age_s, expires_at=None if row.is_handover else row.expires_at),
        limits=found.limits,
        compiled=plan.compiled,
    )


def forget(plan: QueryPlan, *, before: datetime) -> bool:
    """Remove the kept answer to this plan when it was made before then; say whether there was one."""
    removed, _ = CachedResult.objects.filter(cache_key=plan.cache_key, created_at__lte=before).delete()
    return removed > 0


def write(plan: QueryPlan, result: ArrowResult, *, asked_at: datetime, now: datetime) -> int:
    """Keep a result as long as policy allows; return its rows. It is one row longer than allowed when there are more.

    ``asked_at`` is when the source began: a policy that was reset since then gets nothing older than its reset.
    """
    limit = plan.compiled.row_limit
    table = result.table.slice(0, limit)
    is_truncated = result.is_truncated or result.table.num_rows > limit
    keeping = keeping_of(plan.governed)
    if was_reset(plan.governed, keeping.policy, since=asked_at):
        keeping = replace(keeping, max_age_s=0)
    expires_at = keeping.expires_at(now)
    key = timed_key_for(expires_at, now=now)
    sealed = seal_timed(arrow_bytes(table, compression="zstd"), key=key, context=plan.context())
    CachedResult.objects.update_or_create(
        cache_key=plan.cache_key,
        defaults={
            "dataset_id": plan.governed.dataset.pk,
            "model_version_id": plan.governed.version.pk,
            "data_model_id": plan.governed.version.data_model_id,
            "cache_policy": keeping.policy,
            "is_handover": not keeping.is_kept,
            "policy_fingerprint": plan.governed.scope.fingerprint,
            "timed_key_id": key.id,
            "sealed": sealed,
            "row_count": table.num_rows,
            "is_truncated": is_truncated,
            "created_at": now,
            "expires_at": expires_at,
        },
    )
    return int(table.num_rows)
