"""Who holds the permission on one object, as part of the object's page."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.db import models
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from apps.access.admin.base import TenantModelAdmin, TenantModelForm, actor_of
from apps.access.roles import Capability
from apps.access.services import grant_permission, revoke_permission
from apps.accounts.models import User, UserGroup

HOLDERS = ("holder_groups", "holders")


class HoldersForm(TenantModelForm):
    """Adds who may use the object; the choice is written through ``access`` and audited."""

    holder_groups: Any = forms.ModelMultipleChoiceField(
        queryset=None, required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget, label="Groups that may use it"
    )
    holders: Any = forms.ModelMultipleChoiceField(
        queryset=None, required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget, label="People who may use it"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "holders" in self.fields:
            self.fields["holder_groups"].queryset = UserGroup.objects.all()  # type: ignore[attr-defined]
            self.fields["holders"].queryset = User.objects.filter(is_active=True)  # type: ignore[attr-defined]


class HoldersAdmin(TenantModelAdmin):
    """An object with one permission, held in its two direct tables."""

    form = HoldersForm
    permission: str
    group_table: Any
    user_table: Any

    def _may(self, request: HttpRequest) -> bool:
        return self._may_edit(request) or self._may_share(request)

    def _may_edit(self, request: HttpRequest) -> bool:
        return super()._may(request)

    def _may_share(self, request: HttpRequest) -> bool:
        """Say whether the reader may say who holds the object: who edits it and who opens it are two matters."""
        actor = actor_of(request)
        return actor.kind == "person" and actor.manages(Capability.MANAGE_PEOPLE)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_edit(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_edit(request)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave the holders to those who may say who they are."""
        found = super().get_fields(request, obj)
        return found if self._may_share(request) else [name for name in found if name not in HOLDERS]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave everything else to those who may edit the object."""
        found = super().get_readonly_fields(request, obj)
        return found if self._may_edit(request) else (*found, *(name for name in self.fields if name not in HOLDERS))

    def get_form(self, request: HttpRequest, obj: models.Model | None = None, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, **kwargs)
        if self._may_share(request):
            groups, people = self.held_by(obj)
            form.base_fields["holder_groups"].initial = groups
            form.base_fields["holders"].initial = people
        else:
            for name in HOLDERS:
                form.base_fields.pop(name, None)
        return form

    def held_by(self, obj: models.Model | None) -> tuple[list[Any], list[Any]]:
        """Return the ids of the groups and of the people who hold the permission."""
        if obj is None or obj._state.adding:
            return [], []
        return (
            list(self.group_table.objects.filter(content_object=obj).values_list("group_id", flat=True)),
            list(self.user_table.objects.filter(content_object=obj).values_list("user_id", flat=True)),
        )

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if not self._may_share(request):
            return
        groups, people = self.held_by(form.instance)
        self._regrant(request, form.instance, "group", groups, form.cleaned_data["holder_groups"])
        self._regrant(request, form.instance, "user", people, form.cleaned_data["holders"])

    def _regrant(self, request: HttpRequest, obj: Any, who: str, held: list[Any], chosen: Iterable[Any]) -> None:
        """Grant what is new and revoke what is gone."""
        wanted = {one.pk: one for one in chosen}
        facts: dict[str, Any] = {
            "permission": self.permission, "obj": obj, "by": actor_of(request), "now": datetime.now(UTC),
        }  # fmt: skip
        model: Any = UserGroup if who == "group" else User
        for one in model.objects.filter(pk__in=[pk for pk in held if pk not in wanted]):
            revoke_permission(**{who: one}, **facts)
        for pk, one in wanted.items():
            if pk not in held:
                grant_permission(**{who: one}, **facts)
