"""Timed purging. Keys go first: from then on nothing that they sealed can be read, swept or not."""

import logging
import time
from datetime import datetime, timedelta

from django.db import models, transaction

from apps.accounts.models import UserSession
from apps.queries.models import CachedResult, QueryRun
from apps.retention.models import PurgeRun
from apps.retention.selectors import oldest_cached_at
from apps.retention.types import PurgeReport, TenantPurge
from apps.tenants.binding import bound
from apps.tenants.models import Tenant
from apps.vault.services import destroy_expired_keys

logger = logging.getLogger(__name__)
BATCH_ROWS = 500
MAX_BATCHES = 400
KEPT_RUNS = 50
TEMPORARY: tuple[tuple[type[models.Model], str], ...] = (
    (CachedResult, "expires_at"),
    (QueryRun, "expires_at"),
    (UserSession, "expire_date"),
)


def purge_expired(*, now: datetime) -> PurgeReport:
    """Purge what has expired, tenant by tenant, stopped tenants too: their data must not outlive its time either.

    A tenant whose purge fails is named in the report and does not keep the others waiting.
    """
    tenants = list(Tenant.objects.order_by("slug").values_list("pk", "slug"))
    found = []
    for tenant_id, slug in tenants:
        with bound(tenant_id):
            try:
                found.append(purge_tenant(slug, now=now))
            except Exception as error:  # one tenant's trouble, whatever it is, must not keep others' data alive
                logger.exception("purging %s failed", slug)
                found.append(TenantPurge(slug, error=type(error).__name__))
    return PurgeReport(tuple(found))


def purge_tenant(slug: str, *, now: datetime) -> TenantPurge:
    """Purge the bound tenant: destroy keys of past slots, then remove expired rows in batches, then write it down."""
    began = time.monotonic()
    keys = _destroy_keys(now)
    rows = sum(_remove(model, column, now) for model, column in TEMPORARY)
    with transaction.atomic():
        PurgeRun.objects.create(
            started_at=now, finished_at=now + timedelta(seconds=time.monotonic() - began), keys_destroyed=keys,
            rows_removed=rows, oldest_remaining_at=oldest_cached_at(),
        )  # fmt: skip
        kept = PurgeRun.objects.order_by("-finished_at").values_list("pk", flat=True)[:KEPT_RUNS]
        PurgeRun.objects.exclude(pk__in=list(kept)).delete()
    return TenantPurge(slug, keys, rows)


@transaction.atomic
def _destroy_keys(now: datetime) -> int:
    return destroy_expired_keys(now=now)


def _remove(model: type[models.Model], column: str, now: datetime) -> int:
    """Remove expired rows, each batch in its own short transaction; what is left is the next run's."""
    removed = 0
    for _ in range(MAX_BATCHES):
        manager = model._default_manager
        keys = list(manager.filter(**{f"{column}__lte": now}).values_list("pk", flat=True)[:BATCH_ROWS])
        if not keys:
            break
        manager.filter(pk__in=keys).delete()
        removed += len(keys)
    return removed
