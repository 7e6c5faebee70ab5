"""Rotate a tenant's key and the master key, recorded in each tenant's log. Every call takes up what an earlier one left."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from apps.audit.services import record
from apps.audit.types import SYSTEM, AuditActor
from apps.tenants.binding import bound
from apps.tenants.models import Tenant
from apps.vault.errors import KeyDestroyedError
from apps.vault.services import (
    begin_rotation,
    finish_rotation,
    left_to_reseal,
    reseal_all,
    rewrap_tenant_keys,
    rotation_began_at,
)


@dataclass(frozen=True, slots=True)
class RotationState:
    """Where the bound tenant's rotation stands: ``finishes_at`` is when the old key may go, None when none is under way."""

    began_at: datetime | None
    finishes_at: datetime | None
    left: int


def rotation_state() -> RotationState:
    began_at = rotation_began_at()
    if began_at is None:
        return RotationState(None, None, 0)
    return RotationState(began_at, began_at + timedelta(seconds=settings.OMNI_KEY_GRACE_S), left_to_reseal())


def rotate_tenant_key(*, by: AuditActor, now: datetime) -> RotationState:
    """Give the bound tenant a new key and seal everything anew; the old key stays until :func:`finish_tenant_key`.

    Called again, it goes on with the rotation that is under way. Masks and cached answers stay what they were.
    """
    with transaction.atomic():
        if begin_rotation(now=now):
            record("retention.key_rotation_begun", None, by=by, now=now)
    resealed = reseal_all()
    with transaction.atomic():
        record("retention.values_resealed", None, by=by, now=now, facts={"count": resealed})
    return rotation_state()


def finish_tenant_key(*, by: AuditActor, now: datetime) -> bool:
    """Seal what has been written under the old key meanwhile, and destroy that key; return False when there is none.

    Raises:
        RotationError: a transaction may still hold the old key.
    """
    if rotation_began_at() is None:
        return False
    reseal_all()
    with transaction.atomic():
        is_finished = finish_rotation(now=now)
        if is_finished:
            record("retention.key_rotated", None, by=by, now=now)
    return is_finished


def finish_due_rotations(*, now: datetime) -> int:
    """Finish the rotations of all tenants whose old key may go; return how many."""
    count = 0
    for tenant_id in Tenant.objects.order_by("slug").values_list("pk", flat=True):
        with bound(tenant_id):
            try:
                state = rotation_state()
            except KeyDestroyedError:
                continue  # a tenant that was erased
            if state.finishes_at is not None and state.finishes_at <= now:
                count += finish_tenant_key(by=SYSTEM, now=now)
    return count


def rotate_master_key(*, now: datetime) -> dict[str, int]:
    """Wrap every tenant's keys under the present master key; return the number per tenant that was under the previous one.

    Each tenant is a transaction of its own.
    """
    found = {}
    for tenant_id, slug in Tenant.objects.order_by("slug").values_list("pk", "slug"):
        with bound(tenant_id), transaction.atomic():
            found[slug] = rewrap_tenant_keys()
            if found[slug]:
                record("retention.master_key_rotated", None, by=SYSTEM, now=now, facts={"count": found[slug]})
    return found
