"""Support requests in the administration: to read. Decisions are made on the support pages."""

from django.contrib import admin
from django.utils.html import format_html

from apps.access.admin import ReadOnlyAdmin
from apps.access.roles import Capability
from apps.access.sites import tenant_admin_site
from apps.support.models import SupportRequest


@admin.register(SupportRequest, site=tenant_admin_site)
class SupportRequestAdmin(ReadOnlyAdmin):
    nothing_yet = "Nobody of support has asked to come in."
    search_fields = ("staff_label", "reason_text", "ticket")
    search_help_text = "who asks, reason or ticket"
    capability = Capability.DECIDE_SUPPORT
    list_display = ("created_at", "staff_label", "reason", "state", "granted_until", "decided_by", "page")
    list_filter = ("state", "reason")
    fields = (
        "staff_label", "reason", "reason_text", "ticket", "state", "asked_minutes", "asks_values", "created_at",
        "expires_at", "decided_at", "decided_by", "granted_minutes", "grants_values", "granted_until", "page",
    )  # fmt: skip
    readonly_fields = fields

    @admin.display(description="decide and watch")
    def page(self, request: SupportRequest) -> str:
        return format_html('<a href="/support/requests/{}/">open</a>', request.pk)
