"""What our staff see: tenants and their host names."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from apps.access.admin.base import actor_of
from apps.access.sites import platform_admin_site
from apps.tenants.models import Tenant, TenantDomain


class _StaffOnly:
    """To look at only: tenants are created and stopped on the server."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return actor_of(request).is_platform_staff

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return actor_of(request).is_platform_staff

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class DomainInline(_StaffOnly, TabularInline):  # type: ignore[misc]  # the base has no types
    model = TenantDomain
    fields = ("host", "is_primary")
    extra = 0


@admin.register(Tenant, site=platform_admin_site)
class TenantAdmin(_StaffOnly, ModelAdmin):  # type: ignore[misc]  # the base has no types
    """Who our customers are, and nothing of what is in them."""

    nothing_yet = "There is no tenant yet."
    search_help_text = "name or short name"

    list_display = ("name", "slug", "kind", "is_active", "created_at")
    list_filter = ("kind", "is_active")
    search_fields = ("name", "slug")
    fields = ("name", "slug", "kind", "is_active", "created_at")  # not what a customer's administrators have decided
    inlines = (DomainInline,)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Let the list be narrowed by its filters only: nobody finds out by trying what the page does not show."""
        is_filter = lookup.partition("__")[0] in self.list_filter
        return is_filter and bool(super().lookup_allowed(lookup, value, request))
