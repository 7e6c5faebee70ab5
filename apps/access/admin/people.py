"""People, their attributes and groups."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import path

from apps.access.admin.asking import Effect, after_page
from apps.access.admin.base import ReadOnlyInline, TenantInline, TenantModelAdmin, actor_of
from apps.access.admin.claims import claims_page
from apps.access.admin.reach import awaits_a_role, groups_closed_to
from apps.access.admin.values import AttributeOnceFormSet, GroupOnceFormSet, UserAttributeForm
from apps.access.roles import Capability
from apps.access.sites import tenant_admin_site
from apps.access.types import Actor
from apps.accounts import services
from apps.accounts.attributes import GROUP, held_of, lines_of, standing
from apps.accounts.ending import end_sessions_of
from apps.accounts.models import ApiToken, GroupMembership, User, UserAttribute, UserGroup

ADMITTING_NEEDS = "Admitting people needs a fresh sign-in. Nothing was changed yet; choose them again."
OWN = ("email", "name", "timezone", "is_active", "is_tenant_admin")
"""what nobody changes of themself: policies read it"""


def is_changeable(user: User, actor: Actor) -> bool:
    """Leave tenant administrators to tenant administrators."""
    return actor.is_tenant_admin or not user.is_tenant_admin


def _named(user: User) -> str:
    return f"{user.name} ({user.email})" if user.name else user.email


def stays_above(user: User, request: HttpRequest) -> str:
    """Say why somebody's account is not the reader's to change, or nothing."""
    return "" if is_changeable(user, actor_of(request)) else "only a tenant administrator changes another one"


def _stays(user: User, request: HttpRequest, *, is_active: bool) -> str:
    if user.pk == actor_of(request).user_id:
        return "nobody does this to themself"
    if user.is_active == is_active:
        return "admitted already" if is_active else "shut out already"
    return stays_above(user, request)


def tell_admitted(page: Any, request: HttpRequest, chosen: Sequence[User]) -> Effect:
    """Say what admitting people does."""
    return Effect.on(
        chosen, "They may sign in again, with the groups, roles and attributes that they have now.",
        named=_named, stays=lambda user: _stays(user, request, is_active=True),
    )  # fmt: skip


def tell_shut_out(page: Any, request: HttpRequest, chosen: Sequence[User]) -> Effect:
    """Say what shutting people out does."""
    return Effect.on(
        chosen, "Their sessions end at once and their API tokens are refused.",
        "They cannot sign in until they are admitted again. What they have made stays, and so does the audit log.",
        "Service accounts that they answer for wait: their tokens are refused until a tenant administrator names somebody else.",
        named=_named, stays=lambda user: _stays(user, request, is_active=False),
    )  # fmt: skip


def tell_signed_out(page: Any, request: HttpRequest, chosen: Sequence[User]) -> Effect:
    """Say what ending people's sessions does."""
    return Effect.on(
        chosen, "All their browsers are signed out at once; they may sign in again. Their API tokens stay valid.",
        named=_named, stays=lambda user: stays_above(user, request),
    )  # fmt: skip


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
    """Values set by hand; what other sources say stands in the panel above."""

    model = UserAttribute
    form = UserAttributeForm
    formset = AttributeOnceFormSet
    fields = ("definition", "text", "origin", "updated_at")
    readonly_fields = ("origin", "updated_at")
    verbose_name = "attribute set by hand"
    verbose_name_plural = "attributes by hand"

    def get_queryset(self, request: HttpRequest) -> QuerySet[UserAttribute]:
        found: QuerySet[UserAttribute] = super().get_queryset(request)
        return found.filter(source=UserAttribute.Source.ADMINISTRATOR)


class MembershipInline(NotForOneself):
    """Groups into which an administrator has put the person; others stand in the panel above."""

    model = GroupMembership
    formset = GroupOnceFormSet
    fields = ("group",)
    autocomplete_fields = ("group",)
    verbose_name = "group by hand"
    verbose_name_plural = "groups by hand"

    def get_queryset(self, request: HttpRequest) -> QuerySet[GroupMembership]:
        found: QuerySet[GroupMembership] = super().get_queryset(request)
        by_hand = found.filter(source=GroupMembership.Source.ADMINISTRATOR)
        return by_hand.exclude(group__in=groups_closed_to(actor_of(request)))

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer no group that has a role, but to tenant administrators."""
        if db_field.name == "group":
            kwargs["queryset"] = UserGroup.objects.exclude(pk__in=groups_closed_to(actor_of(request)))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class TokenInline(ReadOnlyInline):
    model = ApiToken
    fields = ("name", "scope", "created_at", "expires_at", "last_used_at", "revoked_at")
    readonly_fields = fields
    verbose_name_plural = "API tokens"


@admin.register(User, site=tenant_admin_site)
class UserAdmin(TenantModelAdmin):
    """Invite, look up, shut out. Identity comes from the provider; there is no password."""

    nothing_yet = "Nobody has been invited yet. People come in by an invitation, by SCIM, or uninvited where a provider may admit them."

    capability = Capability.MANAGE_PEOPLE

    list_display = ("email", "name", "is_active", "is_tenant_admin", "has_signed_in", "attributes_text", "last_login")
    list_filter = ("is_active", "is_tenant_admin", "groups")
    search_fields = ("email", "name")
    search_help_text = "name or e-mail"
    fields = (
        "email", "name", "is_active", "is_tenant_admin", "timezone", "issuer", "subject", "last_login", "what_holds",
    )  # fmt: skip
    readonly_fields = ("issuer", "subject", "last_login", "what_holds")
    inlines = (UserAttributeInline, MembershipInline, TokenInline)
    actions = ("activate", "deactivate", "end_sessions")
    asks_about = ("is_tenant_admin",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Leave out who has been removed over SCIM, of whom only the audit log speaks, and service accounts."""
        found: QuerySet[User] = super().get_queryset(request).filter(removed_at=None, kind=User.Kind.PERSON)
        return found.prefetch_related(
            "attribute_values__definition", "memberships__group__attribute_values__definition"
        )

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [path("<uuid:key>/claims/", wrap(claims_page), name="person_claims"), *super().get_urls()]

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        found = super().get_fields(request, obj)
        return found if obj is not None else [name for name in found if name != "what_holds"]

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Remember who has set an attribute by hand."""
        for one in formset.forms:
            if isinstance(one.instance, UserAttribute) and one.has_changed():
                one.instance.origin = actor_of(request).label
        super().save_formset(request, form, formset, change)
        end_sessions_of_members(request, formset)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        actor = actor_of(request)
        own = OWN if obj is not None and obj.pk == actor.user_id else ()
        is_promised = obj is not None and not actor.is_tenant_admin and awaits_a_role(obj)
        above = () if actor.is_tenant_admin else ("is_tenant_admin", *(("email",) if is_promised else ()))
        return (*self.readonly_fields, *own, *above)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only a tenant administrator changes another one."""
        is_above = obj is not None and obj.is_tenant_admin and not actor_of(request).is_tenant_admin
        return super().has_change_permission(request, obj) and not is_above

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """People are shut out, not deleted: the audit log speaks of them."""
        return False

    def needs_fresh(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> bool:
        """Ask also before somebody is admitted or has another address: invitations go by it. Inviting opens nothing."""
        changed = set(form.changed_data)
        is_let_in = change and ("email" in changed or ("is_active" in changed and form.instance.is_active))
        return is_let_in or super().needs_fresh(request, form, formsets, change)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        by, now = actor_of(request), datetime.now(UTC)
        if change and "is_active" in form.changed_data:
            services.set_active(obj, is_active=obj.is_active, by=by, now=now)
        if "is_tenant_admin" in form.changed_data:
            services.set_administrator(obj, is_tenant_admin=obj.is_tenant_admin, by=by, now=now)

    @admin.display(description="has signed in", boolean=True)
    def has_signed_in(self, user: User) -> bool:
        return user.subject is not None

    @admin.display(description="attributes")
    def attributes_text(self, user: User) -> str:
        said = [held_of(row.definition, row.values, row.source) for row in user.attribute_values.all()]
        for group in {row.group for row in user.memberships.all()}:
            said += [held_of(row.definition, row.values, GROUP, group.name) for row in group.attribute_values.all()]
        held = sorted(standing(said).values(), key=lambda one: one.name)
        return "; ".join(f"{one.name} = {', '.join(map(str, one.values)) or 'unset'}" for one in held)[:120] or "–"

    @admin.display(description="attributes and groups, and where each comes from")
    def what_holds(self, user: User) -> str:
        memberships = GroupMembership.objects.filter(user=user).select_related("group")
        context = {"lines": lines_of(user.pk), "memberships": memberships, "user": user}
        return render_to_string("admin/accounts/_what_holds.html", context)

    @admin.action(description="Admit the selected people")
    @after_page(tell_admitted, needs=ADMITTING_NEEDS)
    def activate(self, request: HttpRequest, people: list[User]) -> None:
        for user in people:
            services.set_active(user, is_active=True, by=actor_of(request), now=datetime.now(UTC))
        messages.success(request, f"{len(people)} admitted.")

    @admin.action(description="Shut out the selected people and end their sessions")
    @after_page(tell_shut_out)
    def deactivate(self, request: HttpRequest, people: list[User]) -> None:
        for user in people:
            services.set_active(user, is_active=False, by=actor_of(request), now=datetime.now(UTC))
        messages.success(request, f"{len(people)} shut out.")

    @admin.action(description="End the sessions of the selected people")
    @after_page(tell_signed_out)
    def end_sessions(self, request: HttpRequest, people: list[User]) -> None:
        for user in people:
            services.end_sessions(user, by=actor_of(request), now=datetime.now(UTC))
        messages.success(request, f"The sessions of {len(people)} are ended.")


def end_sessions_of_members(request: HttpRequest, formset: Any) -> None:
    """After memberships were saved: whoever joined or left a group signs in again, with what holds now."""
    if formset.model is not GroupMembership:
        return
    touched = [*formset.new_objects, *(row for row, _ in formset.changed_objects), *formset.deleted_objects]
    people = {row.user_id for row in touched}
    people |= {form.initial.get("user") for form in formset.initial_forms if "user" in form.changed_data}
    people.discard(None)  # a row that the page has not shown
    end_sessions_of(people, why="groups changed", by=actor_of(request), now=datetime.now(UTC))
