"""Write down that a session or token was refused for where it came from: its owner wants to know of a stolen one.

Nothing else of it changes: neither when it was last used nor from where. Once a day for each of them, so that whoever
keeps trying fills no log.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from apps.accounts.models import ApiToken, ScimToken, UserSession
from apps.audit.services import record
from apps.audit.types import AuditActor

ONCE_IN = timedelta(days=1)
Credential = type[ApiToken] | type[ScimToken] | type[UserSession]


@transaction.atomic
def record_refusal(kind: Credential, key: UUID, *, address: str, by: AuditActor, now: datetime) -> None:
    """Record that a valid session or token came from outside of the tenant's networks, unless that was said lately."""
    due = Q(refused_at=None) | Q(refused_at__lte=now - ONCE_IN)
    if kind.objects.filter(due, pk=key).update(refused_at=now):
        facts = {"address": address or "unknown"}
        record("accounts.use_from_outside_refused", kind.objects.get(pk=key), by=by, now=now, facts=facts)
