"""Cached results: sealed under the timed key of their slot, checked again when they are opened."""

import logging
from datetime import datetime, timedelta

from django.conf import settings

from apps.queries.models import CachedResult
from apps.queries.planning import QueryPlan
from apps.queries.types import Answer, CacheInfo, arrow_bytes, arrow_table
from apps.vault.errors import ExpiredKeyError, SealError
from apps.vault.services import open_timed, seal_timed, timed_key_for
from apps.warehouses.types import ArrowResult

logger = logging.getLogger(__name__)


def read(plan: QueryPlan, *, now: datetime) -> Answer | None:
    """Return the kept answer to this plan, or None. Expiry is decided here, whether or not anything was purged."""
    row = CachedResult.objects.filter(cache_key=plan.cache_key, expires_at__gt=now).first()
    found = plan.governed
    if row is None or row.policy_fingerprint != found.scope.fingerprint or row.dataset_id != found.dataset.pk:
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
        cache=CacheInfo(is_hit=True, age_s=age_s, expires_at=row.expires_at),
        limits=found.limits,
        compiled=plan.compiled,
    )


def write(plan: QueryPlan, result: ArrowResult, *, now: datetime) -> int:
    """Keep a result until it expires; return its rows. It is one row longer than allowed when there are more."""
    limit = plan.compiled.row_limit
    table = result.table.slice(0, limit)
    is_truncated = result.is_truncated or result.table.num_rows > limit
    expires_at = now + timedelta(seconds=settings.OMNI_CACHE_MAX_AGE_S)
    key = timed_key_for(expires_at, now=now)
    sealed = seal_timed(arrow_bytes(table, compression="zstd"), key=key, context=plan.context())
    CachedResult.objects.update_or_create(
        cache_key=plan.cache_key,
        defaults={
            "dataset_id": plan.governed.dataset.pk,
            "model_version_id": plan.governed.version.pk,
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
