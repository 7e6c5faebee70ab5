"""Writes: ask, approve, deny, withdraw, enter, end. Each is audited in its own transaction.

A request lives in the customer's tenant. On our side only a reference is kept: which one, where, by whom.
"""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from apps.access.types import Actor
from apps.audit.services import record
from apps.audit.types import SYSTEM, AuditActor
from apps.support import policies, selectors, tickets
from apps.support.errors import NotPermittedError, RequestStateError, TicketError, UnknownCustomerError
from apps.support.models import RequestedDataset, StaffRequestReference, SupportRequest, SupportSession
from apps.support.types import Author, Entry
from apps.tenants.binding import bound, bound_tenant_id
from apps.tenants.errors import UnknownTenantError
from apps.tenants.selectors import tenant_by_slug
from apps.tenants.types import TenantRef

State = SupportRequest.State
PENDING_LIFETIME = timedelta(hours=4)
MIN_MINUTES, MAX_MINUTES = 5, 480
MAX_REASON = 1000
Decision = Callable[..., None]
OVER = "This request has been decided already, or its time is over."


def _customer(slug: str) -> TenantRef:
    try:
        tenant = tenant_by_slug(slug)
    except UnknownTenantError:
        raise UnknownCustomerError from None
    if tenant.is_platform:
        raise UnknownCustomerError
    return tenant


@transaction.atomic
def request_access(
    *, tenant_slug: str, reason: str, reason_text: str, minutes: int, ticket: str = "", asks_values: bool = False,
    by: Actor, now: datetime,
) -> StaffRequestReference:  # fmt: skip
    """Ask a customer for access. The bound tenant is the platform's; the customer's is bound for its row only.

    Raises:
        NotPermittedError: the actor is not one of our staff.
        UnknownCustomerError: there is nobody to ask under this name.
        ValidationError: no reason, or a time outside the limits.
    """
    if not policies.may_ask(by) or by.user_id is None:
        raise NotPermittedError
    customer = _customer(tenant_slug)
    if not 0 < len(reason_text.strip()) <= MAX_REASON or not MIN_MINUTES <= minutes <= MAX_MINUTES:
        raise ValidationError(f"A reason and {MIN_MINUTES} to {MAX_MINUTES} minutes are needed.")
    facts = {"reason": reason, "ticket": ticket, "minutes": minutes, "asks_for_data": asks_values}
    with bound(customer.id):
        request = SupportRequest(
            staff_id=by.user_id, staff_label=by.label, reason=reason, reason_text=reason_text.strip(), ticket=ticket,
            asked_minutes=minutes, asks_values=asks_values, created_at=now, expires_at=now + PENDING_LIFETIME,
        )  # fmt: skip
        request.full_clean(exclude=["tenant", "decided_at", "granted_minutes", "granted_until"])
        request.save(force_insert=True)
        record("support.access_requested", request, by=by, now=now, facts=facts)
    reference = StaffRequestReference.objects.create(
        staff_id=by.user_id, customer_tenant_id=customer.id, customer_slug=customer.slug, request_id=request.pk,
        created_at=now,
    )  # fmt: skip
    record("support.access_requested", reference, by=by, now=now, facts=facts | {"customer": customer.slug})
    return reference


def _locked(request_id: UUID) -> SupportRequest:
    return SupportRequest.objects.select_for_update().get(pk=request_id)


def _pending(request: SupportRequest, now: datetime) -> SupportRequest:
    """Lock the request and make sure that it still waits."""
    found = _locked(request.pk)
    if found.state != State.PENDING or now >= found.expires_at:
        raise RequestStateError(OVER)
    return found


def _require_reviewer(by: Actor, request: SupportRequest) -> None:
    if not policies.may_review(by) or by.user_id is None or by.user_id == request.staff_id:
        raise NotPermittedError


@transaction.atomic
def approve_request(
    request: SupportRequest,
    *,
    minutes: int,
    dataset_ids: Collection[UUID],
    grants_values: bool,
    by: Actor,
    now: datetime,
) -> SupportRequest:
    """Approve, at most what was asked for. The granted time runs from now, entered or not.

    Raises:
        NotPermittedError: the actor is no administrator of the customer, in person.
        RequestStateError: it was decided, withdrawn or has lapsed.
        ValidationError: more than was asked for, or no data set.
    """
    _require_reviewer(by, request)
    found = _pending(request, now)
    if not 1 <= minutes <= found.asked_minutes:
        raise ValidationError(f"Grant between 1 and {found.asked_minutes} minutes.")
    if grants_values and not found.asks_values:
        raise ValidationError("Values were not asked for.")
    wanted = set(dataset_ids)
    chosen = list(selectors.choosable_datasets(found).filter(pk__in=wanted))
    if not chosen or len(chosen) != len(wanted):
        raise ValidationError("Choose at least one data set from the list.")
    for dataset in chosen:
        RequestedDataset.objects.update_or_create(request=found, dataset=dataset, defaults={"is_granted": True})
    found.state, found.decided_at, found.decided_by = State.APPROVED, now, by.label
    found.granted_minutes, found.grants_values = minutes, grants_values
    found.granted_until = now + timedelta(minutes=minutes)
    found.save()
    facts = {"minutes": minutes, "data_sets": [dataset.name for dataset in chosen], "grants_data": grants_values}
    record("support.request_approved", found, by=by, now=now, facts=facts)
    return found


@transaction.atomic
def deny_request(request: SupportRequest, *, by: Actor, now: datetime) -> None:
    """Refuse a request.

    Raises:
        NotPermittedError, RequestStateError: as :func:`approve_request`.
    """
    _require_reviewer(by, request)
    found = _pending(request, now)
    found.state, found.decided_at, found.decided_by = State.DENIED, now, by.label
    found.save(update_fields=["state", "decided_at", "decided_by"])
    record("support.request_denied", found, by=by, now=now)


@transaction.atomic
def revoke_request(request: SupportRequest, *, by: Actor, now: datetime) -> None:
    """End an approval and every visit under it: the next click is refused, and there is no way back in.

    Raises:
        NotPermittedError: the actor is no administrator of the customer.
        RequestStateError: there is no approval to end.
    """
    _require_reviewer(by, request)
    found = _locked(request.pk)
    if found.state != State.APPROVED:
        raise RequestStateError("There is no approval to end.")
    found.state = State.REVOKED
    found.save(update_fields=["state"])
    _end_running(found, by=by, now=now, why="ended by the customer")  # rows are locked before the log, everywhere
    record("support.request_revoked", found, by=by, now=now)


def _own(request_id: UUID, by: Actor) -> StaffRequestReference:
    """Return the staff member's own reference; of others' requests they learn nothing."""
    if not policies.may_ask(by) or by.user_id is None:
        raise NotPermittedError
    found = StaffRequestReference.objects.filter(request_id=request_id, staff_id=by.user_id).first()
    if found is None:
        raise NotPermittedError
    return found


@transaction.atomic
def withdraw_request(request_id: UUID, *, by: Actor, now: datetime) -> None:
    """Take a request back that still waits.

    Raises:
        NotPermittedError: it is not the actor's own.
        RequestStateError: it no longer waits.
    """
    reference = _own(request_id, by)
    with bound(reference.customer_tenant_id):
        request = _locked(request_id)
        if request.state != State.PENDING:
            raise RequestStateError(OVER)
        request.state = State.WITHDRAWN
        request.save(update_fields=["state"])
        record("support.request_withdrawn", request, by=by, now=now)
    record("support.request_withdrawn", reference, by=by, now=now)


@transaction.atomic
def issue_ticket(request_id: UUID, *, by: Actor, now: datetime) -> tuple[TenantRef, str]:
    """Return the customer and a one-time ticket into an approved visit.

    Raises:
        NotPermittedError: the request is not the actor's own.
        RequestStateError: it is not approved, or no longer.
    """
    reference = _own(request_id, by)
    customer = _customer(reference.customer_slug)
    with bound(customer.id):
        _enterable(request_id, reference.staff_id, now)
    record("support.entry_started", reference, by=by, now=now, facts={"customer": customer.slug})
    return customer, tickets.issue(Entry(customer.id, request_id, reference.staff_id))


def _enterable(request_id: UUID, staff_id: UUID, now: datetime) -> tuple[SupportRequest, datetime]:
    """Lock an approved request of this staff member; return it and when its time is over."""
    request = SupportRequest.objects.select_for_update().filter(pk=request_id, staff_id=staff_id).first()
    is_open = request is not None and request.state == State.APPROVED and request.decided_by != ""
    if request is None or not is_open or request.granted_until is None or now >= request.granted_until:
        raise RequestStateError("Access is not approved, or its time is over.")
    return request, request.granted_until


def open_session(ticket: str, *, now: datetime) -> SupportSession:
    """Begin a visit with a one-time ticket; an earlier visit under the same approval ends.

    Who enters is who the ticket was issued to: nobody else has an identity on the customer's host.

    Raises:
        TicketError: the ticket is unknown, used, expired or of another tenant.
        RequestStateError: the approval has ended meanwhile.
    """
    entry = tickets.redeem(ticket)
    version = selectors.staff_version(entry.staff_id) if entry is not None else None
    if entry is None or entry.tenant_id != bound_tenant_id() or version is None:
        raise TicketError
    with transaction.atomic():
        request, until = _enterable(entry.request_id, entry.staff_id, now)
        _end_running(request, by=SYSTEM, now=now, why="entered anew")
        session = SupportSession.objects.create(
            request=request, started_at=now, expires_at=until, staff_version=version
        )
        facts = {"expires_at": session.expires_at, "approved_by": request.decided_by, "ticket": request.ticket}
        record("support.session_opened", session, by=selectors.actor_of(session), now=now, facts=facts)
    return session


def end_session(session_id: UUID, *, by: Actor, now: datetime) -> None:
    """End a visit from within; the approval stays until its time is over.

    Raises:
        NotPermittedError: it is not the actor's own visit.
    """
    if by.support is None or by.support.session_id != session_id:
        raise NotPermittedError
    _end_one(session_id, by=by, now=now, why="left")


def end_lapsed_session(session_id: UUID, *, now: datetime) -> None:
    """Write down that a visit is over which can no longer be used."""
    _end_one(session_id, by=SYSTEM, now=now, why="no longer valid")


@transaction.atomic
def _end_one(session_id: UUID, *, by: AuditActor, now: datetime, why: str) -> None:
    session = SupportSession.objects.select_for_update().filter(pk=session_id, ended_at=None).first()
    if session is not None:
        _end(session, by=by, now=now, why=why)


def _end_running(request: SupportRequest, *, by: AuditActor, now: datetime, why: str) -> None:
    for session in SupportSession.objects.select_for_update().filter(request=request, ended_at=None):
        _end(session, by=by, now=now, why=why)


def _end(session: SupportSession, *, by: AuditActor, now: datetime, why: str) -> None:
    session.ended_at = min(now, session.expires_at)
    session.ended_by = by.label
    session.save(update_fields=["ended_at", "ended_by"])
    author = Author(by.kind, by.user_id, by.label, by.on_behalf_of, session.pk)
    record("support.session_ended", session, by=author, now=now, facts={"why": why})
