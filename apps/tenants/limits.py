"""Limits of sign-in: a tenant's own, never wider than the operator's, and narrow for the platform's staff."""

from django.conf import settings

from apps.tenants.models import Tenant
from apps.tenants.types import SignInLimits

STAFF_IDLE_MIN = 15
STAFF_LIFETIME_MIN = 8 * 60


def limits_of(tenant: Tenant) -> SignInLimits:
    """Return what holds now: a lowered ceiling bites at once, whatever the tenant has stored."""
    is_staff = tenant.kind == Tenant.Kind.PLATFORM
    idle = min(tenant.session_idle_min, settings.OMNI_SESSION_IDLE_MAX_MIN)
    lifetime = min(tenant.session_lifetime_min, settings.OMNI_SESSION_MAX_MIN)
    return SignInLimits(
        session_idle_min=min(idle, STAFF_IDLE_MIN) if is_staff else idle,
        session_lifetime_min=min(lifetime, STAFF_LIFETIME_MIN) if is_staff else lifetime,
        token_max_days=min(tenant.token_max_days, settings.OMNI_TOKEN_MAX_DAYS),
        confirm_within_min=min(tenant.confirm_within_min, settings.OMNI_CONFIRM_MAX_MIN),
        networks_people=tuple(tenant.networks_people),
        networks_tokens=tuple(tenant.networks_tokens),
        networks_scim=tuple(tenant.networks_scim),
    )


def narrowest() -> SignInLimits:
    """Return the limits of a session of which nobody said where it belongs: those of staff, within the ceilings."""
    return SignInLimits(
        session_idle_min=min(STAFF_IDLE_MIN, settings.OMNI_SESSION_IDLE_MAX_MIN),
        session_lifetime_min=min(STAFF_LIFETIME_MIN, settings.OMNI_SESSION_MAX_MIN),
        token_max_days=1,
        confirm_within_min=1,
    )
