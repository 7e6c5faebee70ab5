"""Create and stop tenants."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from apps.tenants.binding import unbound
from apps.tenants.models import Tenant, TenantDomain


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


__all__ = ["ValidationError", "create_tenant"]
