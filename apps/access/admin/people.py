"""People, their attributes and groups."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from apps.access.admin.base import ReadOnlyInline, TenantInline, TenantModelAdmin, TenantModelForm, actor_of
from apps.access.roles import Capability
from apps.access.sites import tenant_admin_site
from apps.access.types import Actor
from apps.accounts import confirming, services
from apps.accounts.claims import typed_values
from apps.accounts.ending import end_sessions_of
from apps.accounts.errors import AttributeTypeError
from apps.accounts.models import ApiToken, AttributeDefinition, GroupMembership, User, UserAttribute

ADMINISTRATORS_NEED = (
    "Who is an administrator changes only after a fresh sign-in. Nothing was changed yet; fill in the form again."
)


class UserAttributeForm(TenantModelForm):
    """Values one per line, checked against the attribute's type."""

    text = forms.CharField(
        label="values", widget=forms.Textarea(attrs={"rows": 2}), help_text="one per line", required=True
    )

    class Meta:
        model = UserAttribute
        fields = ("definition",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.values:
            self.fields["text"].initial = "\n".join(str(value) for value in self.instance.values)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        definition: AttributeDefinition | None = cleaned.get("definition")
        lines = [line.strip() for line in cleaned.get("text", "").splitlines() if line.strip()]
        if definition is not None:
            try:
                self.instance.values = typed_values([_parsed(line, definition) for line in lines], definition)
            except AttributeTypeError as error:
                self.add_error("text", str(error))
        self.instance.source = UserAttribute.Source.ADMINISTRATOR
        return cleaned


def _parsed(line: str, definition: AttributeDefinition) -> str | int | float | bool:
    if definition.type == AttributeDefinition.Type.BOOLEAN and line.lower() in ("true", "false"):
        return line.lower() == "true"
    if definition.type == AttributeDefinition.Type.NUMBER:
        try:
            return float(line) if "." in line else int(line)
        except ValueError:
            return line
    return line


class NotForOneself(TenantInline):
    """Nobody changes their own rights, and only a tenant administrator those of another one."""

    def _is_self(self, request: HttpRequest, obj: Any) -> bool:
        actor = actor_of(request)
        return obj is not None and (obj.pk == actor.user_id or (obj.is_tenant_admin and not actor.is_tenant_admin))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_add_permission(request, obj) and not self._is_self(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and not self._is_self(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not self._is_self(request, obj)


class UserAttributeInline(NotForOneself):
    model = UserAttribute
    form = UserAttributeForm
    fields = ("definition", "text", "source", "updated_at")
    readonly_fields = ("source", "updated_at")
    verbose_name_plural = "attributes (values from the identity provider are refreshed at each sign-in)"


class MembershipInline(NotForOneself):
    model = GroupMembership
    fields = ("group", "source")
    readonly_fields = ("source",)
    verbose_name_plural = "groups"


class TokenInline(ReadOnlyInline):
    model = ApiToken
    fields = ("name", "scope", "created_at", "expires_at", "last_used_at", "revoked_at")
    readonly_fields = fields
    verbose_name_plural = "API tokens"


@admin.register(User, site=tenant_admin_site)
class UserAdmin(TenantModelAdmin):
    """Invite, look up, shut out. Identity comes from the provider; there is no password."""

    capability = Capability.MANAGE_PEOPLE

    list_display = ("email", "name", "is_active", "is_tenant_admin", "has_signed_in", "attributes_text", "last_login")
    list_filter = ("is_active", "is_tenant_admin", "groups")
    search_fields = ("email", "name")
    search_help_text = "name or e-mail"
    fields = ("email", "name", "is_active", "is_tenant_admin", "timezone", "issuer", "subject", "last_login")
    readonly_fields = ("issuer", "subject", "last_login")
    inlines = (UserAttributeInline, MembershipInline, TokenInline)
    actions = ("activate", "deactivate", "end_sessions")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        found: QuerySet[User] = super().get_queryset(request).filter(kind=User.Kind.PERSON)
        return found.prefetch_related("attribute_values__definition")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        actor = actor_of(request)
        own = ("is_active", "is_tenant_admin") if obj is not None and obj.pk == actor.user_id else ()
        return (*self.readonly_fields, *own, *(() if actor.is_tenant_admin else ("is_tenant_admin",)))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only a tenant administrator changes another one."""
        is_above = obj is not None and obj.is_tenant_admin and not actor_of(request).is_tenant_admin
        return super().has_change_permission(request, obj) and not is_above

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """People are shut out, not deleted: the audit log speaks of them."""
        return False

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Ask for a fresh sign-in before somebody becomes an administrator, or no longer is one."""
        if request.method == "POST" and self._may(request) and self._changes_administrator(request, object_id):
            away = confirming.required(request)
            if away is not None:
                messages.warning(request, ADMINISTRATORS_NEED)
                return away
        found: HttpResponse = super().changeform_view(request, object_id, form_url, extra_context)
        return found

    def _changes_administrator(self, request: HttpRequest, object_id: str | None) -> bool:
        user = self.get_object(request, unquote(object_id)) if object_id else None
        if "is_tenant_admin" in self.get_readonly_fields(request, user):
            return False
        return bool(request.POST.get("is_tenant_admin")) != bool(user and user.is_tenant_admin)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        by, now = actor_of(request), datetime.now(UTC)
        if change and "is_active" in form.changed_data:
            services.set_active(obj, is_active=obj.is_active, by=by, now=now)
        if "is_tenant_admin" in form.changed_data:
            services.set_administrator(obj, is_tenant_admin=obj.is_tenant_admin, by=by, now=now)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        end_sessions_of_members(request, formset)

    @admin.display(description="has signed in", boolean=True)
    def has_signed_in(self, user: User) -> bool:
        return user.subject is not None

    @admin.display(description="attributes")
    def attributes_text(self, user: User) -> str:
        rows = user.attribute_values.all()
        return "; ".join(f"{row.definition.name} = {', '.join(map(str, row.values))}" for row in rows)[:120] or "–"

    @admin.action(description="Admit the selected people")
    def activate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._set_active(request, queryset, is_active=True)

    @admin.action(description="Shut out the selected people and end their sessions")
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._set_active(request, queryset, is_active=False)

    def _set_active(self, request: HttpRequest, queryset: QuerySet[User], *, is_active: bool) -> None:
        actor = actor_of(request)
        for user in changeable(queryset.exclude(pk=str(actor.user_id)), actor):
            services.set_active(user, is_active=is_active, by=actor, now=datetime.now(UTC))
        messages.success(request, "Done. You yourself are never changed by this.")

    @admin.action(description="End the sessions of the selected people")
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in changeable(queryset, actor_of(request)):
            services.end_sessions(user, by=actor_of(request), now=datetime.now(UTC))


def end_sessions_of_members(request: HttpRequest, formset: Any) -> None:
    """After memberships were saved: whoever joined or left a group signs in again, with what holds now."""
    if formset.model is not GroupMembership:
        return
    touched = [*formset.new_objects, *(row for row, _ in formset.changed_objects), *formset.deleted_objects]
    people = {row.user_id for row in touched}
    people |= {form.initial["user"] for form in formset.initial_forms if "user" in form.changed_data}
    end_sessions_of(people, why="groups changed", by=actor_of(request), now=datetime.now(UTC))


def changeable(people: QuerySet[User], actor: Actor) -> QuerySet[User]:
    """Leave tenant administrators to tenant administrators."""
    return people if actor.is_tenant_admin else people.filter(is_tenant_admin=False)
