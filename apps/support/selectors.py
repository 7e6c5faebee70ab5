"""Reads: what a visit may reach right now, and what the pages show."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from apps.access.types import Actor, SupportScope
from apps.accounts.models import User
from apps.audit.models import AuditEvent
from apps.audit.selectors import events
from apps.datamodels.models import Dataset
from apps.support.models import RequestedDataset, StaffRequestReference, SupportRequest, SupportSession
from apps.support.types import LogLine, StaffRow
from apps.tenants.binding import bound, bound_tenant_id
from apps.tenants.errors import UnknownTenantError
from apps.tenants.selectors import platform_tenant, tenant_by_slug

State = SupportRequest.State
MAX_SHOWN = 30
MAX_LOG_LINES = 200
TEXTS = {
    "support.session_opened": "came in",
    "support.session_ended": "visit ended",
    "support.page_viewed": "opened",
    "queries.query_answered": "got an answer from",
    "queries.query_denied": "was refused a question",
    "queries.query_cancelled": "cancelled a question",
}


def staff_version(staff_id: UUID) -> int | None:
    """Return the number of this staff member's sessions, which rises when all of them end; None: it is none of our staff."""
    try:
        platform = platform_tenant()
    except UnknownTenantError:
        return None
    with bound(platform.id):
        found = User.objects.filter(pk=staff_id, is_active=True, is_tenant_admin=True)
        return found.values_list("session_version", flat=True).first()


def usable_session(session_id: UUID, *, now: datetime) -> SupportSession | None:
    """Return the session when it may be used now: not ended, not past its time, approval and staff still valid.

    What ends the staff member's sessions at home, their sign-out among it, ends the visit.
    """
    session = (
        SupportSession.objects.select_related("request")
        .filter(
            pk=session_id, ended_at=None, expires_at__gt=now,
            request__state=State.APPROVED, request__granted_until__gt=now,
        )
        .first()
    )  # fmt: skip
    is_valid = session is not None and staff_version(session.request.staff_id) == session.staff_version
    return session if is_valid else None


def actor_of(session: SupportSession) -> Actor:
    """Return the actor of a usable session; the granted data sets are read now."""
    request = session.request
    granted = RequestedDataset.objects.filter(request=request, is_granted=True).values_list("dataset_id", flat=True)
    scope = SupportScope(session.pk, request.pk, frozenset(granted), request.grants_values, request.staff_label)
    label = f"{request.staff_label} (Omni support)"
    return Actor(kind="support", tenant_id=bound_tenant_id(), user_id=None, label=label, support=scope)


def resolve_actor(session_id: UUID, now: datetime) -> Actor | None:
    """Derive the actor of a support session again, for a task; None when it is over."""
    session = usable_session(session_id, now=now)
    return actor_of(session) if session is not None else None


def choosable_datasets(request: SupportRequest) -> QuerySet[Dataset]:
    """Return the data sets that an approval may name: those asked for, or all when the request leaves it open."""
    published = Dataset.objects.filter(is_published=True)
    asked = RequestedDataset.objects.filter(request=request).values_list("dataset_id", flat=True)
    return published.filter(pk__in=list(asked)) if asked else published


def granted_names(request: SupportRequest) -> list[str]:
    rows = RequestedDataset.objects.filter(request=request, is_granted=True).select_related("dataset")
    return sorted(str(row.dataset) for row in rows)


def sessions_of(request: SupportRequest) -> QuerySet[SupportSession]:
    return SupportSession.objects.filter(request=request)


def running_sessions(*, now: datetime) -> QuerySet[SupportSession]:
    """Return the visits that are going on in the bound tenant."""
    return SupportSession.objects.select_related("request").filter(
        ended_at=None, expires_at__gt=now, request__state=State.APPROVED
    )


def state_text(request: SupportRequest, *, now: datetime) -> str:
    """Say how it stands, lapsed ones included: time alone changes no row."""
    if request.state == State.PENDING:
        return "waiting for approval" if now < request.expires_at else "lapsed, nobody decided"
    if request.state == State.APPROVED:
        is_valid = request.granted_until is not None and now < request.granted_until
        return "approved" if is_valid else "approved, time is over"
    return request.get_state_display().lower()


def log_of(request: SupportRequest) -> list[LogLine]:
    """Return what happened in the visits of a request, newest first."""
    ids = list(sessions_of(request).values_list("pk", flat=True))
    return [_line(event) for event in events().filter(support_session_id__in=ids)[:MAX_LOG_LINES]]


def _line(event: AuditEvent) -> LogLine:
    facts = event.facts
    status = facts.get("status", 200)
    if event.verb == "support.page_viewed":
        method = facts.get("method", "")
        detail = f"{'' if method == 'GET' else f'{method} '}{facts.get('path', '')}"
    else:
        detail = event.object_label if event.verb.startswith("queries.") else str(facts.get("why", ""))
    is_refusal = event.verb.endswith("_denied") or (isinstance(status, int) and status >= 400)
    text = "was refused" if is_refusal and event.verb == "support.page_viewed" else TEXTS.get(event.verb, event.verb)
    return LogLine(event.happened_at, text, detail, is_refusal)


def staff_rows(actor: Actor, *, now: datetime) -> list[StaffRow]:
    """Return a staff member's own requests, newest first. Each is read in its customer's tenant by id and author."""
    if actor.user_id is None:
        return []
    references = StaffRequestReference.objects.filter(staff_id=actor.user_id)[:MAX_SHOWN]
    return [row for reference in list(references) for row in _staff_row(reference, now)]


def _staff_row(reference: StaffRequestReference, now: datetime) -> Iterator[StaffRow]:
    try:
        customer = tenant_by_slug(reference.customer_slug)
    except UnknownTenantError:
        return
    if customer.id != reference.customer_tenant_id:
        return
    with bound(customer.id):
        request = SupportRequest.objects.filter(pk=reference.request_id, staff_id=reference.staff_id).first()
    if request is None:
        return
    is_waiting = request.state == State.PENDING and now < request.expires_at
    is_open = request.state == State.APPROVED and request.granted_until is not None and now < request.granted_until
    yield StaffRow(
        request_id=request.pk, customer_slug=customer.slug, customer_host=customer.host,
        reason=request.get_reason_display(), ticket=request.ticket, asked_at=request.created_at, state=request.state,
        state_text=state_text(request, now=now),
        ends_at=request.granted_until if is_open else request.expires_at if is_waiting else None,
        can_enter=is_open, can_withdraw=is_waiting,
    )  # fmt: skip
