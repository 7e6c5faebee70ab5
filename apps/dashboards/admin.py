"""Dashboards and folders for a tenant's administrators: what is on them and who may open them."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from unfold.admin import StackedInline

from apps.access.admin import HoldersAdmin, TenantInline, TenantModelForm, actor_of
from apps.access.deciding import has_permission, permitted
from apps.access.roles import Capability
from apps.access.sites import tenant_admin_site
from apps.dashboards.models import Dashboard, DashboardFilter, Folder, Tile
from apps.dashboards.rules import EDIT, EDIT_FOLDER
from apps.datamodels.models import Dataset
from apps.governance.offering import is_hidden, listed_datasets
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


class KnownDatasetsInline(TenantInline):
    """Rows that name a data set: one that the reader's lists show, or that one of their dashboards names already."""

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        actor = actor_of(request)
        if db_field.name == "dataset":
            if actor.manages(Capability.MANAGE_DASHBOARDS):
                named, offered = Tile.objects.all(), Dataset.objects.filter(is_published=True)
                shown = [item.pk for item in offered.select_related("data_model") if not is_hidden(actor, item)]
            else:
                named = Tile.objects.filter(dashboard__in=permitted(actor, Dashboard, EDIT))
                shown = [item.pk for item in listed_datasets(actor)]
            kwargs["queryset"] = Dataset.objects.filter(Q(pk__in=shown) | Q(pk__in=named.values("dataset")))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class InFolderAdmin(HoldersAdmin):
    """An object in a folder. It is moved only between folders that the mover may edit: they are a floor of its rights."""

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.related_model is Folder:
            kwargs["queryset"] = permitted(actor_of(request), Folder, EDIT_FOLDER)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Keep an object where it is when the reader may not edit the folder that it lies in, or it lies in none."""
        found = super().get_readonly_fields(request, obj)
        if obj is None or self._may_edit_all(request):
            return found
        folder = obj.folder if isinstance(obj, Dashboard) else obj.parent
        is_free = folder is not None and has_permission(actor_of(request), EDIT_FOLDER, folder)
        return found if is_free else (*found, "folder", "parent")


class TileInline(KnownDatasetsInline):
    model = Tile
    form = TileForm
    template = StackedInline.template
    fields = (("title", "subtitle"), ("dataset", "chart", "width", "position"), "query", "encoding")


class DashboardFilterInline(KnownDatasetsInline):
    model = DashboardFilter
    fields = ("key", "label", "field", "kind", "dataset", "position")


@admin.register(Dashboard, site=tenant_admin_site)
class DashboardAdmin(InFolderAdmin):
    nothing_yet = "There is no dashboard yet. Add one, and choose who may open it."
    search_help_text = "title or short name"
    capability = Capability.MANAGE_DASHBOARDS
    edited_by = EDIT
    list_per_page = 50
    list_select_related = ("folder",)
    list_display = ("title", "slug", "folder", "archived_at")
    list_filter = ("folder",)
    search_fields = ("title", "slug")
    fields = ("title", "slug", "description", "folder", "archived_at")
    inlines = (DashboardFilterInline, TileInline)


@admin.register(Folder, site=tenant_admin_site)
class FolderAdmin(InFolderAdmin):
    nothing_yet = "Folders hold dashboards. Whoever may see a folder sees what is in it."
    search_help_text = "name of the folder"
    list_filter = ("parent",)
    capability = Capability.MANAGE_DASHBOARDS
    edited_by = EDIT_FOLDER
    list_per_page = 50
    list_select_related = ("parent",)
    list_display = ("name", "parent")
    search_fields = ("name",)
    fields = ("name", "parent")
