"""Admin pages of access, and of the apps below it that may not know it."""

from apps.access.admin import (
    attributes,
    audit,
    groups,
    people,
    platform,
    providers,
    reviews,
    roles,
    scim,
    service_accounts,
    shown,
    sign_in,
    tokens,
)
from apps.access.admin.base import (
    ReadOnlyAdmin,
    ReadOnlyInline,
    TenantInline,
    TenantModelAdmin,
    TenantModelForm,
    actor_of,
)
from apps.access.admin.holders import HoldersAdmin

__all__ = [
    "HoldersAdmin",
    "ReadOnlyAdmin",
    "ReadOnlyInline",
    "TenantInline",
    "TenantModelAdmin",
    "TenantModelForm",
    "actor_of",
    "attributes",
    "audit",
    "groups",
    "people",
    "platform",
    "providers",
    "reviews",
    "roles",
    "scim",
    "service_accounts",
    "shown",
    "sign_in",
    "tokens",
]
