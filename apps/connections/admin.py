"""Connections for a tenant's administrators: the credential can be written, never read."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest

from apps.access.admin import HoldersAdmin, ReadOnlyAdmin, ReadOnlyInline, TenantModelForm, actor_of
from apps.access.roles import Capability
from apps.access.sites import tenant_admin_site
from apps.connections.models import CatalogColumn, CatalogTable, Connection
from apps.connections.rules import MANAGE
from apps.connections.selectors import context_of
from apps.connections.services import check_now, save_connection


class ConnectionForm(TenantModelForm):
    """An existing credential stays unless another is written; another target needs it written again."""

    password = forms.CharField(
        required=False, widget=forms.PasswordInput(render_value=False), help_text="sealed when saved, never shown again"
    )
    replaces_credential = forms.BooleanField(required=False, label="replace the credential")

    class Meta:
        model = Connection
        fields = (
            "name", "dialect", "host", "port", "database", "username", "options", "max_rows", "max_bytes", "timeout_s",
        )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("replaces_credential") and not cleaned.get("password"):
            self.add_error("password", "Write the new password here.")
        return cleaned

    def _post_clean(self) -> None:
        before = None if self.instance._state.adding else Connection.objects.filter(pk=self.instance.pk).first()
        super()._post_clean()  # type: ignore[misc]
        is_moved = before is not None and context_of(before) != context_of(self.instance)
        if is_moved and before is not None and before.sealed_credential and self.secret() is None:
            self.add_error("password", "Another target needs the password to be written again.")

    def secret(self) -> str | None:
        """Return what to seal, or None to leave the sealed credential."""
        is_wanted = self.instance._state.adding or self.cleaned_data.get("replaces_credential")
        return (self.cleaned_data.get("password") or None) if is_wanted else None


class CatalogTableInline(ReadOnlyInline):
    model = CatalogTable
    fields = ("schema", "name", "seen_at")
    readonly_fields = fields
    show_change_link = True
    verbose_name_plural = "catalogue"


@admin.register(Connection, site=tenant_admin_site)
class ConnectionAdmin(HoldersAdmin):
    """Where the data is. Checks run in the worker: this process cannot open a credential."""

    capability = Capability.MANAGE_CONNECTIONS
    edited_by = MANAGE

    form = ConnectionForm
    list_display = ("name", "dialect", "database", "host", "health", "health_text", "checked_at")
    list_filter = ("dialect", "health")
    search_fields = ("name",)
    inlines = (CatalogTableInline,)
    actions = ("check_selected",)
    fieldsets = (
        (
            None,
            {"fields": ("name", "dialect", "host", "port", "database", "username", "password", "replaces_credential")},
        ),
        ("Limits", {"fields": ("max_rows", "max_bytes", "timeout_s", "options")}),
        ("Health", {"fields": ("health", "health_text", "checked_at", "version")}),
    )
    readonly_fields = ("health", "health_text", "checked_at", "version")

    def save_edited(self, request: HttpRequest, obj: Connection, form: Any, change: bool) -> None:
        save_connection(obj, secret=form.secret(), by=actor_of(request), now=datetime.now(UTC))

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> None:
        """The service has recorded it already."""

    log_change = log_addition

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, set[str], Any]:
        """A connection takes its catalogue along, although nobody may delete a part of it alone."""
        shown, counts, needed, protected = super().get_deleted_objects(objs, request)
        return shown, counts, needed - {str(CatalogTable._meta.verbose_name)}, protected

    @admin.action(description="Check the selected connections in the worker", permissions=["view"])
    def check_selected(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        for connection in queryset[:10]:
            found = check_now(connection, by=actor_of(request), now=datetime.now(UTC), wait_s=5)
            is_ok = found.health == Connection.Health.OK
            text = found.health_text or found.get_health_display()
            (messages.success if is_ok else messages.error)(request, f"{found.name}: {text}")


class ColumnInline(ReadOnlyInline):
    model = CatalogColumn
    fields = ("name", "type", "is_nullable")
    readonly_fields = fields


@admin.register(CatalogTable, site=tenant_admin_site)
class CatalogTableAdmin(ReadOnlyAdmin):
    """What introspection found: names and types, no data."""

    capability = Capability.MANAGE_CONNECTIONS

    list_display = ("name", "schema", "connection", "columns_count", "seen_at")
    list_filter = ("connection",)
    search_fields = ("name", "schema")
    fields = ("connection", "schema", "name", "seen_at")
    inlines = (ColumnInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[CatalogTable]:
        found: QuerySet[CatalogTable] = super().get_queryset(request).annotate(number=Count("columns"))
        return found

    @admin.display(description="columns", ordering="number")
    def columns_count(self, table: Any) -> int:
        return int(table.number)
