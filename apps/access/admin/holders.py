"""Who holds the permissions on one object, as part of the object's page; and the page itself for who may edit that object."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib.admin.widgets import AutocompleteSelectMultiple
from django.db import models
from django.forms.models import ModelFormMetaclass
from django.http import HttpRequest

from apps.access.admin.base import TenantModelAdmin, actor_of
from apps.access.admin.reach import groups_out_of_reach, people_out_of_reach
from apps.access.deciding import has_permission, held_anywhere, permitted
from apps.access.roles import Capability
from apps.access.rules import PermissionRule, rule_of, rules_of
from apps.access.services import grant_permission, revoke_permission
from apps.access.sites import tenant_admin_site
from apps.accounts.models import User, UserGroup

NOT_OWN = (
    "Nobody changes what they may use themselves, alone or through a group: somebody else who keeps people does. What "
    "service accounts may use, alone or through a group, is for tenant administrators."
)


class HoldersField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # a generic without its parameter at run time
    """Groups or people that hold a permission; the reader's ``own`` stay as they are."""

    def __init__(self, *, own: frozenset[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.own = own

    def clean(self, value: Any) -> Any:
        """Return who is chosen.

        Raises:
            ValidationError: the reader's own right, or that of a group of theirs, would change.
        """
        found = super().clean(value)
        changed = {one.pk for one in found} ^ set(self.initial or ())
        if changed & self.own:
            raise forms.ValidationError(NOT_OWN)
        return found


class HoldersAdmin(TenantModelAdmin):
    """An object with permissions, held in direct tables.

    A role opens all objects; ``edited_by`` is the permission that opens one to whoever holds it. Who edits an object
    and who says who reaches it are two matters: the second is for those who manage people.
    """

    edited_by: str = ""

    @property
    def rules(self) -> tuple[PermissionRule, ...]:
        return rules_of(self.model)

    def _may(self, request: HttpRequest) -> bool:
        return self._may_edit(request) or self._may_share(request)

    def _may_edit_all(self, request: HttpRequest) -> bool:
        return super()._may(request)

    def _may_edit(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Say whether the reader may edit an object; without one named, any."""
        if self._may_edit_all(request):
            return True
        if not self.edited_by:
            return False
        if obj is not None and not obj._state.adding:
            return has_permission(actor_of(request), self.edited_by, obj)
        return self._edits_any(request)

    def _edits_any(self, request: HttpRequest) -> bool:
        """Say whether the reader may edit an object of this kind: asked once per request, for all kinds together."""
        known: frozenset[PermissionRule] | None = request.__dict__.get("edits_any")
        if known is None:
            pages = (page for page in self.admin_site._registry.values() if isinstance(page, HoldersAdmin))
            rules = [rule_of(page.model, page.edited_by) for page in pages if page.edited_by]
            known = request.__dict__["edits_any"] = held_anywhere(actor_of(request), rules)
        return rule_of(self.model, self.edited_by) in known

    def _may_share(self, request: HttpRequest) -> bool:
        """Say whether the reader may say who holds the object: who edits it and who opens it are two matters."""
        actor = actor_of(request)
        return actor.kind == "person" and actor.manages(Capability.MANAGE_PEOPLE)

    def is_open_to(self, request: HttpRequest) -> bool:
        """Say whether a single object opens this page to a reader without any role for it."""
        return (
            bool(self.edited_by)
            and rule_of(self.model, self.edited_by).admits(actor_of(request))
            and self._edits_any(request)
        )

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_share(request) or self._may_edit(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_share(request) or self._may_edit(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_edit_all(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_edit_all(request)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Show all objects to roles, and to others those that they may edit."""
        found: models.QuerySet[Any] = super().get_queryset(request)
        if self._may_edit_all(request) or self._may_share(request):
            return found
        if not self.edited_by:
            return found.none()
        return found.filter(pk__in=permitted(actor_of(request), self.model, self.edited_by).order_by().values("pk"))

    def get_list_filter(self, request: HttpRequest) -> Any:
        """Name the folders and models of others to nobody who sees single objects only."""
        is_for_all = self._may_edit_all(request) or self._may_share(request)
        return super().get_list_filter(request) if is_for_all else ()

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Add the holders for those who may say who they are."""
        found = super().get_fieldsets(request, obj)
        if not self._may_share(request):
            return found
        names = [name for rule in self.rules for name in _names(rule)]
        return [
            *found,
            ("Who may use it", {"fields": names, "description": "A change holds from the next request on."}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave everything but the holders to those who may edit the object."""
        found = super().get_readonly_fields(request, obj)
        if self._may_edit(request, obj):
            return found
        own = [name for _, options in super().get_fieldsets(request, obj) for name in options["fields"]]
        return tuple(dict.fromkeys((*found, *own)))

    def get_form(self, request: HttpRequest, obj: models.Model | None = None, **kwargs: Any) -> Any:
        """Add a field of groups and one of people for each permission."""
        if not self._may_share(request):
            return super().get_form(request, obj, **kwargs)
        chosen = {}
        actor = actor_of(request)
        own = (
            (frozenset(), frozenset())
            if actor.is_tenant_admin
            else (groups_out_of_reach(actor), people_out_of_reach(actor))
        )
        for rule in self.rules:
            groups, people = self.held_by(rule, obj)
            for name, table, model, what, held in (
                (_names(rule)[0], rule.group_table, UserGroup, "Groups", groups),
                (_names(rule)[1], rule.user_table, User, "People", people),
            ):
                field = table._meta.get_field("group" if model is UserGroup else "user")
                chosen[name] = HoldersField(
                    own=own[model is User], queryset=model.objects.all(), required=False, initial=held, label=f"{what} that may {rule.label} it",
                    widget=AutocompleteSelectMultiple(field, tenant_admin_site),
                )  # fmt: skip
        with_holders: Any = ModelFormMetaclass("HoldersForm", (self.form,), chosen)
        return super().get_form(request, obj, **{"form": with_holders, **kwargs})

    def needs_fresh(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> bool:
        """Ask also before somebody is granted what they did not hold."""
        is_granted = any(
            {one.pk for one in form.cleaned_data[name]} - set(field.initial or ())
            for name, field in form.fields.items()
            if isinstance(field, HoldersField)
        )
        return is_granted or super().needs_fresh(request, form, formsets, change)

    def may_ask(self, request: HttpRequest) -> bool:
        return self._may_share(request) or super().may_ask(request)

    def held_by(self, rule: PermissionRule, obj: models.Model | None) -> tuple[list[Any], list[Any]]:
        """Return the ids of the groups and of the people who were granted the permission on the object itself."""
        if obj is None or obj._state.adding:
            return [], []
        wanted = {"content_object": obj, "permission__codename": rule.codename}
        return (
            list(rule.group_table.objects.filter(**wanted).values_list("group_id", flat=True)),
            list(rule.user_table.objects.filter(**wanted).values_list("user_id", flat=True)),
        )

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Leave the object as it is when only its holders may be changed."""
        if not change or self._may_edit(request, obj):
            self.save_edited(request, obj, form, change)

    def save_edited(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save an object that the reader may edit."""
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if not self._may_share(request):
            return
        for rule in self.rules:
            groups, people = self.held_by(rule, form.instance)
            in_groups, in_people = _names(rule)
            self._regrant(request, rule, form.instance, "group", groups, form.cleaned_data[in_groups])
            self._regrant(request, rule, form.instance, "user", people, form.cleaned_data[in_people])

    def _regrant(
        self, request: HttpRequest, rule: PermissionRule, obj: Any, who: str, held: list[Any], chosen: Iterable[Any]
    ) -> None:
        """Grant what is new and revoke what is gone."""
        wanted = {one.pk: one for one in chosen}
        facts: dict[str, Any] = {
            "permission": rule.codename, "obj": obj, "by": actor_of(request), "now": datetime.now(UTC),
        }  # fmt: skip
        model: Any = UserGroup if who == "group" else User
        for one in model.objects.filter(pk__in=[pk for pk in held if pk not in wanted]):
            revoke_permission(**{who: one}, **facts)
        for pk, one in wanted.items():
            if pk not in held:
                grant_permission(**{who: one}, **facts)


def _names(rule: PermissionRule) -> tuple[str, str]:
    """Return the names of the form's fields for a permission: of its groups, and of its people."""
    return f"{rule.codename}_groups", f"{rule.codename}_people"
