"""Dashboards and folders for a tenant's administrators: what is on them and who may open them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from unfold.admin import StackedInline
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from apps.access.admin import TenantInline, TenantModelAdmin, TenantModelForm, actor_of
from apps.access.services import grant_permission, revoke_permission
from apps.access.sites import tenant_admin_site
from apps.accounts.models import User, UserGroup
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

TABLES: dict[type[models.Model], tuple[Any, Any]] = {
    Dashboard: (DashboardGroupPermission, DashboardUserPermission),
    Folder: (FolderGroupPermission, FolderUserPermission),
}
"""where the permissions on each kind of object are: of groups, of people"""


class ViewersForm(TenantModelForm):
    """Adds who may open the object; the choice is written through ``access`` and audited."""

    viewer_groups: Any = forms.ModelMultipleChoiceField(
        queryset=None, required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget, label="Groups that may open it"
    )
    viewers: Any = forms.ModelMultipleChoiceField(
        queryset=None, required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget, label="People who may open it"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["viewer_groups"].queryset = UserGroup.objects.all()  # type: ignore[attr-defined]
        self.fields["viewers"].queryset = User.objects.filter(is_active=True)  # type: ignore[attr-defined]
        groups, people = held_by(self.instance)
        self.initial.update(viewer_groups=groups, viewers=people)


def held_by(obj: models.Model) -> tuple[list[Any], list[Any]]:
    """Return the ids of the groups and of the people who may view the object."""
    if obj._state.adding:
        return [], []
    groups, people = TABLES[type(obj)]
    return (
        list(groups.objects.filter(content_object=obj).values_list("group_id", flat=True)),
        list(people.objects.filter(content_object=obj).values_list("user_id", flat=True)),
    )


class ViewersAdmin(TenantModelAdmin):
    """An object with a ``view_…`` permission."""

    form = ViewersForm

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        groups, people = held_by(form.instance)
        self._regrant(request, form.instance, "group", groups, form.cleaned_data["viewer_groups"])
        self._regrant(request, form.instance, "user", people, form.cleaned_data["viewers"])

    def _regrant(self, request: HttpRequest, obj: Any, who: str, held: list[Any], chosen: Iterable[Any]) -> None:
        """Grant what is new and revoke what is gone."""
        wanted = {one.pk: one for one in chosen}
        facts: dict[str, Any] = {
            "permission": f"view_{obj._meta.model_name}", "obj": obj, "by": actor_of(request), "now": datetime.now(UTC),
        }  # fmt: skip
        model: Any = UserGroup if who == "group" else User
        for one in model.objects.filter(pk__in=[pk for pk in held if pk not in wanted]):
            revoke_permission(**{who: one}, **facts)
        for pk, one in wanted.items():
            if pk not in held:
                grant_permission(**{who: one}, **facts)


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
class DashboardAdmin(ViewersAdmin):
    list_display = ("title", "slug", "folder", "archived_at")
    list_filter = ("folder",)
    search_fields = ("title", "slug")
    fields = ("title", "slug", "description", "folder", "archived_at", "viewer_groups", "viewers")
    inlines = (DashboardFilterInline, TileInline)


@admin.register(Folder, site=tenant_admin_site)
class FolderAdmin(ViewersAdmin):
    list_display = ("name", "parent")
    search_fields = ("name",)
    fields = ("name", "parent", "viewer_groups", "viewers")
