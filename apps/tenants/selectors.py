"""Find tenants by host or slug; both tables are platform-wide and readable before binding."""

from collections.abc import Iterator

from django.db import connection

from apps.tenants.errors import UnknownTenantError
from apps.tenants.models import Tenant
from apps.tenants.types import TenantRef


def _ref(tenant: Tenant, host: str = "") -> TenantRef:
    return TenantRef(tenant.id, tenant.slug, tenant.name, tenant.kind == Tenant.Kind.PLATFORM, host)


HOST = """
SELECT t.id, t.slug, t.name, t.kind FROM tenants_tenantdomain d JOIN tenants_tenant t ON t.id = d.tenant_id
 WHERE d.host = %s AND t.is_active
"""
"""by hand, as it is the first statement of every request; see ADR 14"""


def tenant_by_host(host: str) -> TenantRef:
    """Return the active tenant whose host name (without port, lower case) this is.

    Raises:
        UnknownTenantError: nobody's host, or an inactive tenant's.
    """
    with connection.prepared_cursor() as cursor:  # type: ignore[attr-defined]  # our own backend's
        cursor.execute(HOST, (host,))
        row = cursor.fetchone()
    if row is None:
        raise UnknownTenantError(host)
    return TenantRef(row[0], row[1], row[2], row[3] == Tenant.Kind.PLATFORM, host)


def tenant_by_slug(slug: str) -> TenantRef:
    """Return the active tenant with this slug.

    Raises:
        UnknownTenantError: there is none.
    """
    tenant = Tenant.objects.filter(slug=slug, is_active=True).first()
    if tenant is None:
        raise UnknownTenantError(slug)
    domain = tenant.domains.filter(is_primary=True).first()
    return _ref(tenant, domain.host if domain else "")


def platform_tenant() -> TenantRef:
    """Return the platform's own tenant.

    Raises:
        UnknownTenantError: the installation has not been set up.
    """
    tenant = Tenant.objects.filter(kind=Tenant.Kind.PLATFORM).first()
    if tenant is None:
        raise UnknownTenantError("platform")
    return _ref(tenant)


def active_tenants() -> Iterator[TenantRef]:
    """Yield every active tenant, the platform's too, for work that binds one at a time."""
    for tenant in Tenant.objects.filter(is_active=True).order_by("slug"):
        yield _ref(tenant)
