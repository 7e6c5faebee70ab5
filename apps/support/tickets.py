"""One-time tickets that carry a staff member from our host to the customer's. Redis holds their hash for a minute."""

import hashlib
import secrets
from uuid import UUID

from django.core.cache import cache

from apps.support.types import Entry

TICKET_S = 60


def _name(ticket: str) -> str:
    return f"support-ticket:{hashlib.sha256(ticket.encode()).hexdigest()}"


def issue(entry: Entry) -> str:
    """Return a ticket, 32 random bytes in base64url; it is not kept itself."""
    ticket = secrets.token_urlsafe(32)
    cache.set(_name(ticket), f"{entry.tenant_id} {entry.request_id} {entry.staff_id}", TICKET_S)
    return ticket


def peek(ticket: str) -> Entry | None:
    """Return what the ticket stands for and leave it valid."""
    found: str | None = cache.get(_name(ticket))
    return Entry(*map(UUID, found.split())) if found else None


def redeem(ticket: str) -> Entry | None:
    """Return what the ticket stands for, once: of several who try at the same time one gets it."""
    entry = peek(ticket)
    return entry if entry is not None and cache.delete(_name(ticket)) else None
