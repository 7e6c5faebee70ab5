"""What the trust page shows."""

from datetime import datetime

from django.db.models import Count, Min, Sum
from django.db.models.functions import Length

from apps.queries.keeping import longest_kept_s
from apps.queries.models import CachedResult
from apps.trust.promises import PROMISES
from apps.trust.types import Checks, PromiseState, TemporaryData


def promise_states(found: Checks) -> list[PromiseState]:
    """Return every promise with its checks; one without any says so itself."""
    return [
        PromiseState(promise, tuple(check for check in found.checks if check.control.promise == promise.number))
        for promise in PROMISES
    ]


def temporary_data(*, now: datetime) -> TemporaryData:
    """Return how much of the bound tenant's data is kept, and how old the oldest byte is."""
    found = CachedResult.objects.aggregate(rows=Count("pk"), size=Sum(Length("sealed")), oldest=Min("created_at"))
    age_s = int((now - found["oldest"]).total_seconds()) if found["oldest"] else 0
    return TemporaryData(found["rows"], found["size"] or 0, max(age_s, 0), longest_kept_s())
