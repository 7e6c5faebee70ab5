"""Data sets, and who may query them."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from apps.access.admin import HoldersAdmin
from apps.access.roles import Capability
from apps.access.sites import tenant_admin_site
from apps.datamodels.models import Dataset


@admin.register(Dataset, site=tenant_admin_site)
class DatasetAdmin(HoldersAdmin):
    """Published topics and who may query them; rows, fields and masks follow from the model."""

    nothing_yet = "Data sets appear when a data model is published: one for each topic."
    search_help_text = "name or label"

    capability = Capability.MANAGE_MODELS

    list_per_page = 50
    list_select_related = ("data_model",)
    list_display = ("name", "label", "data_model", "is_published")
    list_filter = ("data_model", "is_published")
    search_fields = ("name", "label")
    fields = ("name", "label", "description", "data_model", "is_published")
    readonly_fields = ("name", "label", "description", "data_model", "is_published")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Leave the page to look at to whoever says nothing of its holders: the rest comes from the model."""
        return self._may_share(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
