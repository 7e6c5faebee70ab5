"""A one-time link for an administrator who cannot sign in. Issued on the server only, never by a page or an API."""

import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from apps.accounts.models import RecoveryLink, User
from apps.accounts.services import PersonActor, set_active, token_digest
from apps.audit.services import record
from apps.audit.types import AuditActor
from apps.tenants.types import TenantRef

LINK_LIFETIME = timedelta(minutes=15)


@transaction.atomic
def issue_recovery_link(tenant: TenantRef, *, email: str, admits: bool = False, by: AuditActor, now: datetime) -> str:
    """Return the address of a new link for an administrator of the bound tenant; earlier ones are void.

    With ``admits`` one who was shut out, by an administrator or by the directory over SCIM, is admitted again first:
    the directory may shut out the last one, since whoever has left must not stay in.

    Raises:
        ValidationError: nobody here is an active administrator with this address, or the tenant is the platform, whose
            staff come with a second factor always.
    """
    if tenant.is_platform:
        raise ValidationError(
            "Staff sign in with a second factor always: repair the provider with add_identity_provider."
        )
    user = User.objects.filter(email__iexact=email, is_tenant_admin=True, removed_at=None).first()
    if user is None:
        raise ValidationError(f"no administrator {email!r} here: invite one with create_user --admin")
    if not user.is_active and not admits:
        raise ValidationError(f"{email!r} was shut out; --admit lets them in again")
    if not user.is_active:
        set_active(user, is_active=True, by=by, now=now)
    secret = secrets.token_urlsafe(32)
    RecoveryLink.objects.filter(user=user, used_at=None, expires_at__gt=now).update(expires_at=now)
    link = RecoveryLink.objects.create(
        user=user, digest=token_digest(secret), issued_at=now, expires_at=now + LINK_LIFETIME
    )
    record("accounts.recovery_issued", user, by=by, now=now, facts={"expires_at": link.expires_at})
    return f"{_origin(tenant)}/accounts/recover/{secret}/"


def _origin(tenant: TenantRef) -> str:
    if settings.OMNI_IS_LOCAL:
        return f"http://{tenant.host}:{settings.OMNI_PUBLIC_PORT}"
    return f"https://{tenant.host}"


def open_link(secret: str, *, now: datetime) -> RecoveryLink | None:
    """Return the link of the bound tenant that can be used now, or None: used, expired and unknown are alike."""
    return (
        RecoveryLink.objects.select_related("user")
        .filter(
            digest=token_digest(secret), used_at=None, expires_at__gt=now,
            user__is_active=True, user__is_tenant_admin=True,
        )
        .first()
    )  # fmt: skip


@transaction.atomic
def use_link(secret: str, *, address: str, now: datetime) -> User | None:
    """Use a link up and return whose it is; of several that try at once, one gets through."""
    link = open_link(secret, now=now)
    if link is None:
        return None
    is_first = RecoveryLink.objects.filter(pk=link.pk, used_at=None, expires_at__gt=now).update(used_at=now)
    if not is_first:
        return None
    record("accounts.recovery_used", link.user, by=PersonActor(link.user), now=now, facts={"address": address})
    return link.user
