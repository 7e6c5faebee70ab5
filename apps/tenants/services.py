"""Create and stop tenants."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from apps.tenants.binding import unbound
from apps.tenants.models import Tenant, TenantDomain

SIGN_IN_FIELDS = (
    "session_idle_min", "session_lifetime_min", "token_max_days", "confirm_within_min", "networks_people",
    "networks_tokens", "networks_scim",
)  # fmt: skip


def create_tenant(*, slug: str, name: str, kind: Tenant.Kind = Tenant.Kind.CUSTOMER, host: str = "") -> Tenant:
    """Create a tenant and its host name, ``<slug>.<base domain>`` unless given, with nobody bound.

    Raises:
        ValidationError: the slug or host is malformed or taken.
    """
    with unbound(), transaction.atomic():
        tenant = Tenant(slug=slug, name=name, kind=kind)
        tenant.full_clean()
        tenant.save()
        domain = TenantDomain(tenant=tenant, host=(host or f"{slug}.{settings.OMNI_BASE_DOMAIN}").lower())
        domain.full_clean()
        domain.save()
    return tenant


@transaction.atomic
def save_sign_in_settings(tenant: Tenant) -> None:
    """Write the columns that a tenant's administrators decide; the database lets only the bound tenant's row change.

    Raises:
        ValidationError: a value is out of bounds.
    """
    tenant.full_clean(exclude=["slug", "name", "kind"])
    tenant.save(update_fields=SIGN_IN_FIELDS)


__all__ = ["SIGN_IN_FIELDS", "ValidationError", "create_tenant", "save_sign_in_settings"]
