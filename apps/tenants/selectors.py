"""Find tenants by host or slug; both tables are platform-wide and readable before binding."""

from collections.abc import Iterator

from django.db import connection
from django.db.models import JSONField, QuerySet

from apps.tenants.binding import bound_tenant_id
from apps.tenants.errors import UnknownTenantError
from apps.tenants.limits import limits_of
from apps.tenants.models import Tenant, Tombstone
from apps.tenants.tombstones import buried_ids, is_buried
from apps.tenants.types import SignInLimits, TenantRef


def _ref(tenant: Tenant, host: str = "") -> TenantRef:
    is_platform = tenant.kind == Tenant.Kind.PLATFORM
    return TenantRef(tenant.id, tenant.slug, tenant.name, is_platform, limits_of(tenant), host)


TENANT_FIELDS = tuple(field.attname for field in Tenant._meta.concrete_fields)
TENANT = ", ".join(
    f't."{field.column}"' + ("::json" if isinstance(field, JSONField) else "") for field in Tenant._meta.concrete_fields
)
HOST = f"""
SELECT {TENANT} FROM tenants_tenantdomain d JOIN tenants_tenant t ON t.id = d.tenant_id
 WHERE d.host = %s AND t.is_active AND NOT EXISTS (SELECT FROM tenants_tombstone g WHERE g.id = t.id)
"""
"""by hand, as it is the first statement of every request; see ADR 14. The driver reads ``json``, Django ``jsonb``"""


def tenant_by_host(host: str) -> TenantRef:
    """Return the active tenant whose host name (without port, lower case) this is.

    Raises:
        UnknownTenantError: nobody's host, an inactive tenant's, or one's that was erased.
    """
    with connection.prepared_cursor() as cursor:  # type: ignore[attr-defined]  # our own backend's
        cursor.execute(HOST, (host,))
        row = cursor.fetchone()
    tenant = Tenant.from_db(connection.alias, TENANT_FIELDS, row) if row is not None else None
    if tenant is None or is_buried(tenant.pk):
        raise UnknownTenantError(host)
    return _ref(tenant, host)


def living() -> QuerySet[Tenant]:
    """Return the tenants that may do anything: active, and not erased, whatever a restored backup says."""
    found = Tenant.objects.filter(is_active=True).exclude(pk__in=Tombstone.objects.values("pk"))
    return found.exclude(pk__in=buried_ids())


def tenant_by_slug(slug: str) -> TenantRef:
    """Return the active tenant with this slug.

    Raises:
        UnknownTenantError: there is none.
    """
    tenant = living().filter(slug=slug).first()
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
    for tenant in living().order_by("slug"):
        yield _ref(tenant)


def bound_tenant() -> Tenant:
    """Return the row of the bound tenant."""
    return Tenant.objects.get(pk=bound_tenant_id())


def bound_limits() -> SignInLimits:
    """Return the sign-in limits of the bound tenant, for work that has no request."""
    return limits_of(bound_tenant())
