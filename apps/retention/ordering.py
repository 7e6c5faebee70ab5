"""A tenant's own request to be erased: asked for, confirmed by a second administrator, waited for, taken back.

It makes the tenant go only through the operator's hands (``erase_tenant``), and only after a time in which any of its
administrators can take it back. See ADR 21.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from apps.access.types import Actor
from apps.accounts.models import User
from apps.audit.models import AuditEvent
from apps.audit.selectors import events
from apps.audit.services import record
from apps.audit.types import SYSTEM
from apps.retention.errors import OrderRefusedError, WrongNameError
from apps.retention.models import MAX_REASON, ErasureOrder
from apps.tenants.selectors import bound_tenant

CONFIRM_WITHIN = timedelta(days=14)
LATELY = timedelta(days=30)
"""in which nobody becomes the only administrator, or a second one, for the purpose"""
ENDED = ("accounts.user_deactivated", "accounts.administrator_unmade", "accounts.person_removed")
BEGAN = ("accounts.administrator_made", "accounts.user_activated")
MOST_DAYS = 90
NOBODY = "Only a tenant administrator in person can do this."
WRONG_NAME = "Type the name exactly as it is written here. Nothing was asked for."
ASKED_ALREADY = "The erasure has been asked for already; it is shown below."
NOT_OPEN = "There is nothing to confirm or take back any more."
OWN = "This is your own request: a colleague has to confirm it."
TOO_NEW = (
    f"You have been an administrator for less than {LATELY.days} days: a colleague who has been one for longer has to confirm it. "
    "You can take it back."
)
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


def has_colleague(by: UUID) -> bool:
    """Say whether the tenant has an administrator beside this one."""
    return _administrators().filter(is_tenant_admin=True, is_active=True).exclude(pk=by).exists()


def needs_second(by: UUID, now: datetime) -> bool:
    """Say whether a second administrator's word is needed: there is another one, or was one lately.

    Whoever shuts out all others is not alone at once.
    """
    return has_colleague(by) or _left_lately(by, now)


def why_not_confirm(order: ErasureOrder, by: UUID | None, now: datetime) -> str:
    """Say why an administrator's word does not count for a request; nothing where it does.

    Somebody whom the tenant's own people made an administrator for the purpose, or let in again, is no second one.
    """
    if order.requested_by_id == by:
        return OWN
    made = _lately(BEGAN, now).filter(object_id=str(by)).exclude(actor_kind=SYSTEM.kind)
    return TOO_NEW if made.exists() else ""


def _administrators() -> QuerySet[User]:
    """Return whoever may be or have been an administrator with a word to say: people who have signed in."""
    return User.objects.filter(kind=User.Kind.PERSON, subject__isnull=False)


def _lately(verbs: tuple[str, ...], now: datetime) -> QuerySet[AuditEvent]:
    return events().filter(verb__in=verbs, happened_at__gt=now - LATELY)


def _left_lately(by: UUID, now: datetime) -> bool:
    """Say whether somebody else was an administrator lately who is shut out, is none any more or was removed."""
    shut_out, unmade, removed = ENDED
    ids: dict[str, set[str]] = {verb: set() for verb in ENDED}
    for verb, key, facts in _lately(ENDED, now).values_list("verb", "object_id", "facts"):
        if verb != removed or facts.get("was_administrator"):
            ids[verb].add(key)
    gone = Q(pk__in=ids[shut_out], is_tenant_admin=True) | Q(pk__in=ids[unmade] | ids[removed])
    return _administrators().filter(gone).exclude(pk=by).exists()


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
    is_alone = not needs_second(asker, now)
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
        OrderRefusedError: it is one's own, one is too new, it is not there any more, or the name is not the tenant's.
    """
    second = _in_person(by)
    order = _locked(key, now)
    if order.state(now) != "unconfirmed":
        raise OrderRefusedError(NOT_OPEN)
    if reason := why_not_confirm(order, second, now):
        raise OrderRefusedError(reason)
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
