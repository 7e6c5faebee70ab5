"""What a tenant's own request says to the operator: whether it may be carried out, and what the certificate tells of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.retention.errors import ErasureError
from apps.retention.models import ErasureOrder
from apps.tenants.binding import bound, unbound
from apps.tenants.models import Tenant
from apps.tenants.selectors import active_tenants

BEFORE_ITS_TIME = {
    "unconfirmed": "a second administrator has until {confirm_by} to confirm it",
    "waiting": "its waiting time runs until {due_at}, and its administrators can take it back",
    "taken back": "it was taken back on {ended_at}",
}
REFUSED = "{slug} asked on {requested_at} to be erased, but {why}; nothing was done. Whoever has it done all the same says why: --reason TEXT"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a tenant's newest request stands; ``state`` is empty where there is none that counts."""

    slug: str
    state: str = ""
    due_at: datetime | None = None

    @property
    def is_due(self) -> bool:
        return self.state in ("due", "begun")


def standing_of(tenant: Tenant | None, *, slug: str, now: datetime, using: str) -> Standing:
    """Return how the newest request of a tenant stands."""
    order = _newest(tenant, using=using) if tenant is not None else None
    state = order.state(now) if order is not None else ""
    return Standing(slug, "" if state == "lapsed" else state, order.due_at if order is not None else None)


def standings(now: datetime) -> list[Standing]:
    """Return the requests of all tenants that are open, those that are due first."""
    found = []
    with unbound():
        for tenant in active_tenants():
            with bound(tenant.id):
                order = ErasureOrder.objects.filter(ended_at=None).first()
            if order is not None and order.state(now) != "lapsed":
                found.append(Standing(tenant.slug, order.state(now), order.due_at))
    return sorted(found, key=lambda one: (not one.is_due, one.slug))


def begin_order(tenant: Tenant, *, reason: str, now: datetime, using: str) -> dict[str, Any] | None:
    """Mark the tenant's request as being carried out, so that nobody takes it back any more; return what is said of it.

    Call it in the transaction that begins the erasure. None stands for a tenant that has not asked.

    Raises:
        ErasureError: it is not time, or was taken back, and the operator gives no reason.
    """
    order = _newest(tenant, using=using, is_locking=True)
    state = order.state(now) if order is not None else ""
    if order is None or state == "lapsed":
        return {"reason": reason} if reason else None
    if state in BEFORE_ITS_TIME and not reason:
        times = {name: _said(getattr(order, name)) for name in ("confirm_by", "due_at", "ended_at")}
        why = BEFORE_ITS_TIME[state].format(**times)
        raise ErasureError(REFUSED.format(slug=tenant.slug, requested_at=_said(order.requested_at), why=why))
    if order.ended_at is None:
        with bound(tenant.pk):
            ErasureOrder.objects.using(using).filter(pk=order.pk).update(begun_at=order.begun_at or now)
    return {
        "state": state, "requested_by": _person(order.requested_by), "requested_at": order.requested_at.isoformat(),
        "confirmed_by": _person(order.confirmed_by), "wait_days": order.wait_days,
        "due_at": order.due_at and order.due_at.isoformat(), "reason": reason,
    }  # fmt: skip


def _newest(tenant: Tenant, *, using: str, is_locking: bool = False) -> ErasureOrder | None:
    with bound(tenant.pk):
        orders = ErasureOrder.objects.using(using)
        if is_locking:
            list(orders.select_for_update().values_list("pk"))
        return orders.select_related("requested_by", "confirmed_by").order_by("-requested_at").first()


def _person(user: Any) -> str | None:
    return f"{user} ({user.email})" if user is not None else None


def _said(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC" if time is not None else "nobody knows when"
