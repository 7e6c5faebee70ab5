"""Timed purging. Keys go first: from then on nothing that they sealed can be read, swept or not."""

import logging
import time
from datetime import datetime, timedelta

from django.db import transaction

from apps.accounts.models import UserSession
from apps.queries.models import CachedResult, Download, DownloadChunk, QueryRun
from apps.retention.models import PurgeRun
from apps.retention.sweeping import Expiring, delete_batch, give_space_back, glance
from apps.retention.types import PurgeReport, TenantPurge
from apps.tenants.binding import bound
from apps.tenants.models import Tenant
from apps.tenants.tombstones import erased_ids
from apps.vault.services import destroy_expired_keys

logger = logging.getLogger(__name__)
BATCH_ROWS = 5_000
MAX_BATCHES = 40
MOST_REST_S = 0.5
KEPT_RUNS = 50
TEMPORARY = (
    Expiring(CachedResult, "expires_at"),
    Expiring(QueryRun, "expires_at"),
    Expiring(Download, "expires_at"),
    Expiring(DownloadChunk, "expires_at"),
    Expiring(UserSession, "expire_date"),
)


def purge_expired(*, now: datetime) -> PurgeReport:
    """Purge what has expired, tenant by tenant, stopped tenants too: their data must not outlive its time either.

    A tenant whose purge fails is named in the report and does not keep the others waiting.
    """
    erased = erased_ids()  # a task of their own sees to those
    tenants = [found for found in Tenant.objects.order_by("slug").values_list("pk", "slug") if found[0] not in erased]
    found = []
    for tenant_id, slug in tenants:
        with bound(tenant_id):
            try:
                found.append(purge_tenant(slug, now=now))
            except Exception as error:  # one tenant's trouble, whatever it is, must not keep others' data alive
                logger.exception("purging %s failed", slug)
                found.append(TenantPurge(slug, error=type(error).__name__))
    removed, held = sum(tenant.rows_removed for tenant in found), sum(tenant.bytes_held for tenant in found)
    give_space_back(removed=removed, live_bytes=held)
    return PurgeReport(tuple(found))


def purge_tenant(slug: str, *, now: datetime) -> TenantPurge:
    """Purge the bound tenant: destroy keys of past slots, then remove expired rows in batches, then write it down.

    Where nothing has expired, which is most tenants at most minutes, one look and one line are all it costs.
    """
    began = time.monotonic()
    seen = glance(TEMPORARY, now=now)
    keys = _destroy_keys(now) if seen.has_expired_keys else 0
    rows = sum(
        _remove(found, now) for found, has_expired in zip(TEMPORARY, seen.has_expired_rows, strict=True) if has_expired
    )
    if keys or rows:
        seen = glance(TEMPORARY, now=now)
    _write_down(began, now, keys, rows, seen.oldest_at)
    return TenantPurge(slug, keys, rows, bytes_held=seen.bytes_held)


@transaction.atomic
def _write_down(began: float, now: datetime, keys: int, rows: int, oldest_at: datetime | None) -> None:
    """Add a line about a purge; one that found nothing moves the end of the last such line."""
    finished_at = now + timedelta(seconds=time.monotonic() - began)
    last = PurgeRun.objects.order_by("-finished_at").values_list("pk", "keys_destroyed", "rows_removed").first()
    if last is not None and not (keys or rows or last[1] or last[2]):
        PurgeRun.objects.filter(pk=last[0]).update(finished_at=finished_at, oldest_remaining_at=oldest_at)
        return
    PurgeRun.objects.create(
        started_at=now, finished_at=finished_at, keys_destroyed=keys, rows_removed=rows, oldest_remaining_at=oldest_at
    )
    kept = PurgeRun.objects.order_by("-finished_at").values_list("pk", flat=True)[:KEPT_RUNS]
    PurgeRun.objects.exclude(pk__in=list(kept)).delete()


@transaction.atomic
def _destroy_keys(now: datetime) -> int:
    return destroy_expired_keys(now=now)


def _remove(found: Expiring, now: datetime) -> int:
    """Remove expired rows, each batch in its own short transaction; what is left is the next run's."""
    removed = 0
    for _ in range(MAX_BATCHES):
        began = time.monotonic()
        batch = delete_batch(found, now=now, most=BATCH_ROWS)
        removed += batch
        if batch:  # half of the time is for those who read meanwhile; the next may be another tenant's batch
            time.sleep(min(time.monotonic() - began, MOST_REST_S))
        if batch < BATCH_ROWS:
            break
    return removed
