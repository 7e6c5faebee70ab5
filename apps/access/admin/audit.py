"""The audit log: to read, search and filter."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from apps.access.admin.base import ReadOnlyAdmin
from apps.access.roles import Capability
from apps.access.sites import tenant_admin_site
from apps.audit.models import AuditEvent


@admin.register(AuditEvent, site=tenant_admin_site)
class AuditEventAdmin(ReadOnlyAdmin):
    """Newest first. Facts are names and counts; the log holds no customer data."""

    nothing_yet = "Whatever somebody does or asks is told here, and nobody can change it."

    capability = Capability.READ_AUDIT

    list_display = ("happened_at", "verb", "actor_label", "on_behalf_of", "object_label", "object_type", "facts_text")
    list_filter = ("actor_kind", "verb")
    search_fields = ("verb", "actor_label", "object_label", "object_id")
    search_help_text = "verb, person, object or its id"
    ordering = ("-sequence",)
    show_full_result_count = False
    list_per_page = 50
    fields = (
        "sequence", "happened_at", "verb", "actor_kind", "actor_label", "on_behalf_of", "support_session_id",
        "object_type", "object_label", "object_id", "facts", "hash_text",
    )  # fmt: skip
    readonly_fields = fields

    @admin.display(description="facts")
    def facts_text(self, event: AuditEvent) -> str:
        shown = (f"{name}: {value}" for name, value in event.facts.items() if value not in ([], "", None))
        return ", ".join(shown)[:140]

    @admin.display(description="hash")
    def hash_text(self, event: AuditEvent) -> str:
        return bytes(event.hash).hex()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may(request)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {}
