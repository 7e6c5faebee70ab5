"""Read the bound tenant's events."""

from collections.abc import Iterator
from datetime import UTC
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet

from apps.audit.chain import FIELDS, check_chain
from apps.audit.models import AuditEvent
from apps.audit.types import ChainReport


def events(*, verb: str = "", support_session_id: UUID | None = None) -> QuerySet[AuditEvent]:
    """Return events, newest first."""
    found: QuerySet[AuditEvent] = AuditEvent.objects.order_by(F("sequence").desc(nulls_first=True), "-happened_at")
    if verb:
        found = found.filter(verb__startswith=verb)
    if support_session_id:
        found = found.filter(support_session_id=support_session_id)
    return found


def chain_rows() -> Iterator[dict[str, Any]]:
    """Yield what the chain covers (notes have no place in it yet), first event first, in the form that it was hashed in."""
    for event in (
        AuditEvent.objects.exclude(sequence=None)
        .order_by("sequence")
        .values(*FIELDS, "previous_hash", "hash")
        .iterator(2000)
    ):
        event["happened_at"] = event["happened_at"].astimezone(UTC)
        yield event


def verify_chain() -> ChainReport:
    """Check the whole chain of the bound tenant."""
    return check_chain(chain_rows())
