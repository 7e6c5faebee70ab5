"""Figures of the bound tenant's temporary data."""

from datetime import datetime

from django.db.models import Count, Min, Sum
from django.db.models.functions import Length

from apps.queries.models import CachedResult
from apps.retention.models import PurgeRun
from apps.retention.types import HeldData
from apps.vault.models import TimedKey


def held_data() -> HeldData:
    """Return how much is kept, how old the oldest is, and when was last purged."""
    found = CachedResult.objects.aggregate(rows=Count("pk"), size=Sum(Length("sealed")), oldest=Min("created_at"))
    last = last_purge()
    return HeldData(
        results=found["rows"], size_bytes=found["size"] or 0, oldest_at=found["oldest"], keys=TimedKey.objects.count(),
        last_purge_at=last.finished_at if last else None,
    )  # fmt: skip


def oldest_cached_at() -> datetime | None:
    """Return when the oldest kept result was made."""
    return held_data().oldest_at


def bytes_held() -> int:
    """Return the size of all kept results, sealed."""
    return held_data().size_bytes


def last_purge() -> PurgeRun | None:
    """Return the last purge that reached its end."""
    return PurgeRun.objects.order_by("-finished_at").first()
