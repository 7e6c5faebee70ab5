"""The list of models, and the addresses of their pages."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from apps.access.admin import HoldersAdmin
from apps.access.roles import Capability
from apps.access.sites import tenant_admin_site
from apps.datamodels.admin import actions, pages
from apps.datamodels.models import DataModel, ModelVersion
from apps.datamodels.rules import MANAGE

VERSION = "<uuid:key>/versions/<int:number>/"
ROUTES = (
    ("<uuid:key>/change/", pages.model_page, "model_page"),
    ("<uuid:key>/draft/", actions.start_draft, "start_draft"),
    ("<uuid:key>/refresh/", actions.refresh, "refresh"),
    (VERSION, pages.version_page, "version_page"),
    (f"{VERSION}file/", actions.file_page, "file_page"),
    (f"{VERSION}diff/", pages.diff_page, "diff_page"),
    (f"{VERSION}classify/", actions.classify_page, "classify_page"),
    (f"{VERSION}publish/", actions.publish_page, "publish_page"),
    (f"{VERSION}rebase/", actions.rebase_page, "rebase_page"),
    (f"{VERSION}discard/", actions.discard_page, "discard_page"),
)


@admin.register(DataModel, site=tenant_admin_site)
class DataModelAdmin(HoldersAdmin):
    """Models come in by ``import_model``; what is published of them, and what is drafted, is on their pages."""

    nothing_yet = "There is no data model yet. Import the folder of files with manage.py import_model."
    search_help_text = "name of the model"
    list_filter = ("connection",)

    capability = Capability.MANAGE_MODELS
    edited_by = MANAGE

    list_display = ("name", "connection", "current", "drafts", "created_at", "holders")
    list_per_page = 50
    fields = readonly_fields = ("name", "connection", "created_at")
    search_fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[DataModel]:
        found: QuerySet[DataModel] = super().get_queryset(request).select_related("connection")
        return found.prefetch_related("versions")

    def get_urls(self) -> list[URLPattern]:
        own = [path(route, self.admin_site.admin_view(view), name=f"datamodels_{name}") for route, view, name in ROUTES]
        holders = path("<uuid:key>/holders/", self.admin_site.admin_view(self.holders_page), name="datamodels_holders")
        inherited: list[URLPattern] = super().get_urls()
        return [*own, holders, *inherited]

    def holders_page(self, request: HttpRequest, key: UUID) -> HttpResponse:
        """Show and change who may manage one model; its own page shows what is in it."""
        found: HttpResponse = self.changeform_view(request, str(key))
        return found

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Leave the holders to those who keep people; what is in a model is changed on pages of its own."""
        return self._may_share(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="who may manage it")
    def holders(self, data_model: DataModel) -> str:
        address = reverse("admin:datamodels_holders", args=(data_model.pk,))
        return format_html('<a href="{}">see</a>', address)

    @admin.display(description="current version")
    def current(self, data_model: DataModel) -> str:
        return next((f"v{version.number}" for version in data_model.versions.all() if version.is_current), "–")

    @admin.display(description="open drafts")
    def drafts(self, data_model: DataModel) -> str:
        found: list[ModelVersion] = [version for version in data_model.versions.all() if version.is_draft]
        return ", ".join(f"v{version.number}" for version in found) or "–"

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {}
