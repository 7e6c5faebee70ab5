"""Dashboards and folders for a tenant's administrators: what is on them and who may open them."""

from django import forms
from django.contrib import admin
from unfold.admin import StackedInline

from apps.access.admin import HoldersAdmin, TenantInline, TenantModelForm
from apps.access.roles import Capability
from apps.access.sites import tenant_admin_site
from apps.dashboards.models import (
    Dashboard,
    DashboardFilter,
    DashboardGroupPermission,
    DashboardUserPermission,
    Folder,
    FolderGroupPermission,
    FolderUserPermission,
    Tile,
)
from apps.semantic.errors import QueryError
from apps.semantic.query.reading import parse_query


class TileForm(TenantModelForm):
    """Refuses a query that no reader could ever run."""

    def clean_query(self) -> object:
        query = self.cleaned_data["query"]
        dataset = self.cleaned_data.get("dataset")
        try:
            parse_query({**query, "dataset": dataset.name if dataset else "?"} if isinstance(query, dict) else query)
        except QueryError as error:
            raise forms.ValidationError(f"{error.path}: {error.message}" if error.path else error.message) from error
        return query


class TileInline(TenantInline):
    model = Tile
    form = TileForm
    template = StackedInline.template
    fields = (("title", "subtitle"), ("dataset", "chart", "width", "position"), "query", "encoding")


class DashboardFilterInline(TenantInline):
    model = DashboardFilter
    fields = ("key", "label", "field", "kind", "dataset", "position")


@admin.register(Dashboard, site=tenant_admin_site)
class DashboardAdmin(HoldersAdmin):
    capability = Capability.MANAGE_DASHBOARDS
    permission = "view_dashboard"
    group_table, user_table = DashboardGroupPermission, DashboardUserPermission
    list_display = ("title", "slug", "folder", "archived_at")
    list_filter = ("folder",)
    search_fields = ("title", "slug")
    fields = ("title", "slug", "description", "folder", "archived_at", "holder_groups", "holders")
    inlines = (DashboardFilterInline, TileInline)


@admin.register(Folder, site=tenant_admin_site)
class FolderAdmin(HoldersAdmin):
    capability = Capability.MANAGE_DASHBOARDS
    permission = "view_folder"
    group_table, user_table = FolderGroupPermission, FolderUserPermission
    list_display = ("name", "parent")
    search_fields = ("name",)
    fields = ("name", "parent", "holder_groups", "holders")
