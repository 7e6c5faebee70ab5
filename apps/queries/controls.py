"""Promises about answers and temporary data."""

from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone

from apps.queries.keeping import longest_kept_s
from apps.queries.models import CachedResult, Download, DownloadChunk
from apps.tenants.types import Control, ControlResult

KEPT = (CachedResult, Download, DownloadChunk)


def _unlogged() -> ControlResult:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, relpersistence FROM pg_class WHERE oid = ANY (%s::regclass[])",
            [[model._meta.db_table for model in KEPT]],
        )
        found = dict(cursor.fetchall())
    logged = sorted(name for name, kind in found.items() if kind != "u")
    is_kept = not logged and len(found) == len(KEPT)
    return ControlResult(is_kept, f"{len(found)} tables UNLOGGED" if is_kept else f"logged: {', '.join(logged)}")


def _expiry() -> ControlResult:
    longest_s = longest_kept_s()
    latest = timezone.now() + timedelta(seconds=longest_s or settings.OMNI_HANDOVER_S)
    late = CachedResult.objects.filter(expires_at__gt=latest).count()
    held = CachedResult.objects.filter(expires_at__gt=timezone.now()).count()
    return ControlResult(late == 0, f"{held} results held, {late} of them for longer than {longest_s / 3600:g} h")


def _fingerprints() -> ControlResult:
    without = CachedResult.objects.filter(policy_fingerprint="").count()
    return ControlResult(without == 0, f"{without} kept answers without a policy fingerprint")


CONTROLS = (
    Control(
        "queries.unlogged", "P11", "Kept results never reach the write-ahead log, a replica or a backup", _unlogged
    ),
    Control("queries.expiry", "P11", "Every kept result ends in time", _expiry),
    Control(
        "queries.fingerprint",
        "P3",
        "Every kept answer carries the fingerprint of the policies it was made under",
        _fingerprints,
    ),
)
