"""Frozen values of support access."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Entry:
    """What a one-time ticket stands for."""

    tenant_id: UUID
    request_id: UUID
    staff_id: UUID


@dataclass(frozen=True, slots=True)
class Author:
    """Whoever ends a visit, with the visit's id: the event belongs to its transcript."""

    kind: str
    user_id: UUID | None
    label: str
    on_behalf_of: str
    support_session_id: UUID


@dataclass(frozen=True, slots=True)
class StaffRow:
    """A staff member's own request, as far as the customer lets them know."""

    request_id: UUID
    customer_slug: str
    customer_host: str
    reason: str
    ticket: str
    asked_at: datetime
    state: str
    state_text: str
    ends_at: datetime | None
    can_enter: bool
    can_withdraw: bool


@dataclass(frozen=True, slots=True)
class LogLine:
    """One event of a visit, in words."""

    at: datetime
    text: str
    detail: str
    is_refusal: bool
