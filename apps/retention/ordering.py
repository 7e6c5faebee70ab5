"""A tenant's own request to be erased: asked for, confirmed by a second administrator, waited for, taken back.

It makes the tenant go only through the operator's hands (``erase_tenant``), and only after a time in which any of its
administrators can take it back. See ADR 21.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from apps.access.types import Actor
from apps.accounts.models import User
from apps.audit.services import record
from apps.retention.errors import OrderRefusedError, WrongNameError
from apps.retention.models import MAX_REASON, ErasureOrder
from apps.tenants.selectors import bound_tenant

CONFIRM_WITHIN = timedelta(days=14)
MOST_DAYS = 90
NOBODY = "Only a tenant administrator in person can do this."
WRONG_NAME = "Type the name exactly as it is written here. Nothing was asked for."
ASKED_ALREADY = "The erasure has been asked for already; it is shown below."
NOT_OPEN = "There is nothing to confirm or take back any more."
OWN = "Another administrator has to confirm it: this is your own request."
BEGUN = "The erasure has begun: it cannot be taken back any more."


def least_days() -> int:
    """Return how many days a request waits at least, as the operator decides."""
    return min(max(1, settings.OMNI_ERASURE_WAIT_DAYS), MOST_DAYS)


def open_order(now: datetime) -> ErasureOrder | None:
    """Return the bound tenant's request that is neither taken back nor lapsed."""
    found = ErasureOrder.objects.select_related("requested_by", "confirmed_by").filter(ended_at=None).first()
    return found if found is not None and found.state(now) != "lapsed" else None


def past_orders() -> list[ErasureOrder]:
    """Return the last requests that came to nothing, newest first."""
    ended = ErasureOrder.objects.exclude(ended_at=None).select_related("requested_by", "taken_back_by")
    return list(ended[:20])


def needs_second(by: UUID) -> bool:
    """Say whether the tenant has an administrator beside this one, whose word is needed then."""
    others = User.objects.filter(
        kind=User.Kind.PERSON, is_tenant_admin=True, is_active=True, removed_at=None, subject__isnull=False
    )
    return others.exclude(pk=by).exists()


def _in_person(by: Actor) -> UUID:
    """Return who asks.

    Raises:
        OrderRefusedError: it is no tenant administrator as themselves: a program, a visit, a recovery.
    """
    if by.kind != "person" or by.viewing is not None or not by.is_tenant_admin or by.user_id is None:
        raise OrderRefusedError(NOBODY)
    return by.user_id


@transaction.atomic
def ask_for_erasure(*, typed_name: str, days: int, reason: str, by: Actor, now: datetime) -> ErasureOrder:
    """Ask for the erasure of the bound tenant; its waiting time begins when nobody else has to confirm it.

    Raises:
        OrderRefusedError: the name is not the tenant's, the days are out of bounds, or it has been asked for already.
    """
    asker = _in_person(by)
    if typed_name.strip() != bound_tenant().name:
        raise WrongNameError(WRONG_NAME)
    if not least_days() <= days <= MOST_DAYS:
        raise OrderRefusedError(f"The waiting time is from {least_days()} to {MOST_DAYS} days.")
    _end_lapsed(by, now)
    order = ErasureOrder(
        requested_by_id=asker, requested_at=now, reason=reason.strip()[:MAX_REASON], wait_days=days,
        confirm_by=now + CONFIRM_WITHIN,
    )  # fmt: skip
    is_alone = not needs_second(asker)
    if is_alone:
        order.due_at = now + timedelta(days=days)
    try:
        with transaction.atomic():
            order.save(force_insert=True)
    except IntegrityError:
        raise OrderRefusedError(ASKED_ALREADY) from None
    facts = {"days": days, "is_alone": is_alone, "due_at": order.due_at and order.due_at.isoformat()}
    record("retention.erasure_requested", order, by=by, now=now, facts=facts)
    return order


@transaction.atomic
def confirm_erasure(key: UUID, *, typed_name: str, by: Actor, now: datetime) -> ErasureOrder:
    """Confirm a colleague's request; its waiting time begins.

    Raises:
        OrderRefusedError: it is one's own, is not there any more, or the name is not the tenant's.
    """
    second = _in_person(by)
    order = _locked(key, now)
    if order.state(now) != "unconfirmed":
        raise OrderRefusedError(NOT_OPEN)
    if order.requested_by_id == second:
        raise OrderRefusedError(OWN)
    if typed_name.strip() != bound_tenant().name:
        raise OrderRefusedError(WRONG_NAME)
    order.confirmed_by_id, order.confirmed_at = second, now
    order.due_at = now + timedelta(days=order.wait_days)
    order.save(update_fields=["confirmed_by", "confirmed_at", "due_at"])
    record("retention.erasure_confirmed", order, by=by, now=now, facts={"due_at": order.due_at.isoformat()})
    return order


@transaction.atomic
def take_back_erasure(key: UUID, *, by: Actor, now: datetime) -> None:
    """Take a request back, one's own or a colleague's, however long it has waited.

    Raises:
        OrderRefusedError: it is not there any more, or is being carried out.
    """
    order = _locked(key, now)
    order.taken_back_by_id, order.ended_at = _in_person(by), now
    order.save(update_fields=["taken_back_by", "ended_at"])
    record("retention.erasure_taken_back", order, by=by, now=now)


def _locked(key: UUID, now: datetime) -> ErasureOrder:
    order = ErasureOrder.objects.select_for_update().filter(pk=key, ended_at=None).first()
    if order is None or order.state(now) == "lapsed":
        raise OrderRefusedError(NOT_OPEN)
    if order.begun_at is not None:
        raise OrderRefusedError(BEGUN)
    return order


def _end_lapsed(by: Actor, now: datetime) -> None:
    """Close what nobody has confirmed in time, so that it can be asked for anew."""
    lapsed = ErasureOrder.objects.filter(ended_at=None, due_at=None, confirm_by__lte=now)
    for order in lapsed.select_for_update():
        order.ended_at = order.confirm_by
        order.save(update_fields=["ended_at"])
        record("retention.erasure_lapsed", order, by=by, now=now)
