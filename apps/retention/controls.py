"""Promises of retention: what is stored is stored for a while only."""

import resource
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection

from apps.queries.keeping import longest_kept_s
from apps.queries.models import CachedResult, QueryRun
from apps.retention.selectors import held_data
from apps.tenants.types import Control, ControlResult
from apps.vault.errors import ExpiredKeyError, SealError
from apps.vault.models import TimedKey
from apps.vault.services import open_timed

PURGE_GRACE = timedelta(minutes=5)
MAX_TRIED = 50


def _purge_alive() -> ControlResult:
    held, now = held_data(), datetime.now(UTC)
    if held.last_purge_at is None:
        return ControlResult(held.results + held.keys == 0, f"never purged, {held.results} results held")
    age = now - held.last_purge_at
    is_idle = held.results + held.keys == 0
    return ControlResult(is_idle or age <= PURGE_GRACE, f"last purge {int(age.total_seconds())} s ago")


def _nothing_late() -> ControlResult:
    limit = datetime.now(UTC) - PURGE_GRACE
    late = (
        CachedResult.objects.filter(expires_at__lte=limit).count()
        + QueryRun.objects.filter(expires_at__lte=limit).count()
    )
    return ControlResult(late == 0, f"{late} rows kept past their time")


def _opens(row: CachedResult, now: datetime) -> bool:
    """Say whether the key of a result can still be used. The context is nobody's: the data itself stays shut."""
    try:
        open_timed(bytes(row.sealed), key_id=row.timed_key_id, context=b"control", now=now)
    except ExpiredKeyError:
        return False
    except SealError:
        return True
    return True


def _unreadable() -> ControlResult:
    now = datetime.now(UTC)
    living = TimedKey.objects.filter(slot_end__gt=now).values_list("pk", flat=True)
    over = CachedResult.objects.exclude(timed_key_id__in=list(living))[:MAX_TRIED]
    opened = sum(_opens(row, now) for row in over)
    return ControlResult(opened == 0, f"{len(over)} results of past slots tried, {opened} keys could be used")


def _age() -> ControlResult:
    oldest, limit = held_data().oldest_at, timedelta(seconds=longest_kept_s() or settings.OMNI_HANDOVER_S)
    if oldest is None:
        return ControlResult(holds=True, figure="nothing held")
    age = datetime.now(UTC) - oldest
    minutes, most = int(age.total_seconds() // 60), int(limit.total_seconds() // 60)
    return ControlResult(age <= limit + PURGE_GRACE, f"oldest result {minutes} min old, {most} min at most")


def _unlogged() -> ControlResult:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relpersistence FROM pg_class WHERE oid = to_regclass('public.queries_cachedresult')")
        row = cursor.fetchone()
    is_unlogged = row is not None and str(row[0]) == "u"
    return ControlResult(is_unlogged, "unlogged: in no write-ahead log, replica or backup" if is_unlogged else "logged")


def _no_core_dumps() -> ControlResult:
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    return ControlResult(limits == (0, 0), "off" if limits == (0, 0) else f"up to {limits[0]} bytes")


CONTROLS = (
    Control("retention.purge_alive", "P11", "Expired data is purged every few minutes", _purge_alive),
    Control("retention.nothing_late", "P11", "Nothing is kept past its time", _nothing_late),
    Control("retention.unreadable", "P11", "What is past its time cannot be read, purged or not", _unreadable),
    Control("retention.age", "P11", "No result is kept longer than the longest time allowed", _age),
    Control("retention.core_dumps", "P11", "A process that dies leaves nothing of its memory on disk", _no_core_dumps),
    Control("retention.unlogged", "P11", "Temporary results never reach a log, a replica or a backup", _unlogged),
)
