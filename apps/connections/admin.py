"""Connections for a tenant's administrators: the credential can be written, never read."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import Count, Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from unfold.decorators import action
from unfold.widgets import UnfoldAdminPasswordWidget

from apps.access.admin import HoldersAdmin, ReadOnlyAdmin, ReadOnlyInline, TenantModelForm, actor_of
from apps.access.roles import Capability
from apps.access.sites import tenant_admin_site
from apps.accounts import confirming
from apps.connections import policies
from apps.connections.models import CatalogColumn, CatalogTable, Connection, ConnectionCheck
from apps.connections.rules import MANAGE
from apps.connections.selectors import context_of
from apps.connections.services import check_now, rotate_credential, save_connection
from apps.warehouses.opening import SERVERS

CATALOGUE = "catalogue"


class PasswordForm(forms.Form):
    password = forms.CharField(widget=forms.PasswordInput(render_value=False), max_length=10_000)


class ConnectionForm(TenantModelForm):
    """An existing credential stays unless another is written; another target needs it written again."""

    password = forms.CharField(
        required=False,
        widget=UnfoldAdminPasswordWidget(render_value=False),
        help_text="sealed when saved, never shown again",
    )
    replaces_credential = forms.BooleanField(required=False, label="replace the credential")

    class Meta:
        model = Connection
        fields = (
            "name", "dialect", "host", "port", "database", "username", "options", "max_rows", "max_bytes", "timeout_s",
            "max_running", "refresh_every_h",
        )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("replaces_credential") and not cleaned.get("password"):
            self.add_error("password", "Write the new password here.")
        return cleaned

    def _post_clean(self) -> None:
        before = None if self.instance._state.adding else Connection.objects.filter(pk=self.instance.pk).first()
        super()._post_clean()  # type: ignore[misc]  # Django's own name, which its stubs leave out
        is_moved = before is not None and context_of(before) != context_of(self.instance)
        if is_moved and before is not None and before.sealed_credential and self.secret() is None:
            self.add_error("password", "Another target needs the password to be written again.")

    def secret(self) -> str | None:
        """Return what to seal, or None to leave the sealed credential."""
        is_wanted = self.instance._state.adding or self.cleaned_data.get("replaces_credential")
        return (self.cleaned_data.get("password") or None) if is_wanted else None


class CheckInline(ReadOnlyInline):
    """Health over time, the latest first."""

    model = ConnectionCheck
    fields = ("checked_at", "health", "text", "took_ms", "tables_count")
    readonly_fields = fields
    verbose_name_plural = "health over time"
    per_page = 20


@admin.register(Connection, site=tenant_admin_site)
class ConnectionAdmin(HoldersAdmin):
    """Where the data is. Checks run in the worker: this process cannot open a credential."""

    nothing_yet = "No database is connected yet. Credentials are sealed when saved, and only the worker can open them."
    search_help_text = "name of the connection"

    capability = Capability.MANAGE_CONNECTIONS
    edited_by = MANAGE
    asks_about = ("dialect", "host", "port", "database", "username")

    form = ConnectionForm
    list_display = ("name", "dialect", "database", "host", "health", "health_text", "checked_at")
    list_filter = ("dialect", "health")
    search_fields = ("name",)
    inlines = (CheckInline,)
    actions = ("check_selected",)
    waiting_actions = frozenset(actions)
    takes_along = (CatalogTable, CatalogColumn, ConnectionCheck)
    actions_detail = ("check_one", "rotate_password", "show_catalogue")
    fieldsets = (
        (
            None,
            {"fields": ("name", "dialect", "host", "port", "database", "username", "password", "replaces_credential")},
        ),
        ("Limits", {"fields": ("max_rows", "max_bytes", "timeout_s", "max_running", "refresh_every_h", "options")}),
        ("Health", {"fields": ("health", "health_text", "checked_at", "too_many_rights", "encryption", "version")}),
    )
    readonly_fields = ("health", "health_text", "checked_at", "too_many_rights", "encryption", "version")

    def needs_fresh(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> bool:
        """Ask also before a credential is written, or options say something else: how much TLS proves, for one."""
        is_optioned = "options" in form.fields and form.cleaned_data["options"] != form.initial.get("options")
        return is_optioned or form.secret() is not None or super().needs_fresh(request, form, formsets, change)

    def save_edited(self, request: HttpRequest, obj: Connection, form: Any, change: bool) -> None:
        save_connection(obj, secret=form.secret(), by=actor_of(request), now=datetime.now(UTC))

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> None:
        """The service has recorded it already."""

    log_change = log_addition

    @admin.display(description="rights it does not need")
    def too_many_rights(self, connection: Connection) -> str:
        if connection.health != Connection.Health.OK:
            return "known after the next check"
        if connection.excess_rights:
            return format_html_join(mark_safe("<br>"), "{}", ((text,) for text in connection.excess_rights))
        return "none: the user may only read"

    @admin.display(description="encryption")
    def encryption(self, connection: Connection) -> str:
        if connection.dialect not in SERVERS:
            return "a file on the worker's own disk"
        if connection.is_tls_relaxed:
            return (
                f"Relaxed by choice: sslmode={connection.tls_mode}. Whoever is on the way may listen or answer instead."
            )
        if connection.tls_mode:
            return "TLS; the server's certificate and name are verified"
        return "TLS; the server's certificate and name are verified, unless it is this machine"

    @action(description="Check now", url_path="check", icon="monitor_heart")  # type: ignore[untyped-decorator]  # the theme has no types
    def check_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say what a check does; POST does it."""
        connection = self._opened(request, object_id)
        if request.method == "POST":
            self._tell(request, check_now(connection, by=actor_of(request), now=datetime.now(UTC), wait_s=10))
            return self._back(connection)
        return self._page(request, connection, "check_page", f"Check {connection}")

    @action(description="Rotate the password", url_path="rotate", icon="key")  # type: ignore[untyped-decorator]  # the theme has no types
    def rotate_password(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for another password; a worker tries it before the old one goes."""
        connection = self._opened(request, object_id)
        away = confirming.required(request)
        if away is not None:
            return away
        form = PasswordForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            secret = form.cleaned_data["password"]
            problem = rotate_credential(
                connection, secret=secret, by=actor_of(request), now=datetime.now(UTC), wait_s=10
            )
            if problem:
                messages.error(request, problem)
            else:
                messages.success(request, "The new password opens the database and is in use.")
            return self._back(connection)
        return self._page(request, connection, "rotate_page", f"Rotate the password of {connection}", form=form)

    @action(description="Catalogue", url_path=CATALOGUE, icon="table_rows")  # type: ignore[untyped-decorator]  # the theme has no types
    def show_catalogue(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not self._may_edit_all(request):  # the list of tables is for those who keep all connections
            raise Http404
        connection = self._opened(request, object_id)
        address = reverse("admin:connections_catalogtable_changelist")
        return HttpResponseRedirect(f"{address}?connection__id__exact={connection.pk}")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Show no button to whom it answers that there is nothing: who only says who holds a connection opens no source."""
        found: list[Any] = super().get_actions_detail(request, object_id)
        if self._may_edit_all(request):
            return found
        connection = self.get_object(request, unquote(str(object_id)))
        if connection is None or not self._may_edit(request, connection):
            return []
        return [button for button in found if button.path != CATALOGUE]

    def _page(
        self, request: HttpRequest, connection: Connection, name: str, title: str, **more: object
    ) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": title, "connection": connection, **more,
        }  # fmt: skip
        return TemplateResponse(request, f"admin/connections/{name}.html", context)

    def _opened(self, request: HttpRequest, object_id: str) -> Connection:
        try:
            key = UUID(object_id)
        except ValueError:
            raise Http404 from None
        return policies.visible_or_404(actor_of(request), key)

    def _back(self, connection: Connection) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:connections_connection_change", args=(connection.pk,)))

    def _tell(self, request: HttpRequest, found: Connection) -> None:
        is_ok = found.health == Connection.Health.OK
        text = found.health_text or found.get_health_display()
        (messages.success if is_ok else messages.error)(request, f"{found.name}: {text}")

    def has_manage_permission(self, request: HttpRequest) -> bool:
        """Leave checking to those who may manage a connection: who says who holds one opens its source no more for it."""
        return self._may_edit(request)

    @admin.action(description="Check the selected connections in the worker", permissions=["manage"])
    def check_selected(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        own = policies.visible(actor_of(request)).order_by().values("pk")
        for connection in queryset.filter(pk__in=own)[:10]:
            self._tell(request, check_now(connection, by=actor_of(request), now=datetime.now(UTC), wait_s=5))


class ColumnInline(ReadOnlyInline):
    model = CatalogColumn
    fields = ("name", "type", "is_nullable")
    readonly_fields = fields


@admin.register(CatalogTable, site=tenant_admin_site)
class CatalogTableAdmin(ReadOnlyAdmin):
    """What introspection found: names and types, no data."""

    nothing_yet = "No tables are known yet. Check a connection, and what it holds is listed here."
    search_help_text = "table or schema"

    capability = Capability.MANAGE_CONNECTIONS

    ordering = ("schema", "name")
    list_display = ("name", "schema", "connection", "columns_count", "is_stored", "seen_at")
    list_filter = ("connection", "is_stored")
    search_fields = ("name", "schema")
    fields = ("connection", "schema", "name", "is_stored", "seen_at")
    inlines = (ColumnInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[CatalogTable]:
        found: QuerySet[CatalogTable] = super().get_queryset(request).annotate(number=Count("columns"))
        return found

    @admin.display(description="columns", ordering="number")
    def columns_count(self, table: Any) -> int:
        return int(table.number)
