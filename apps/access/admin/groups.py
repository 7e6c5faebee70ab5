"""Groups: their members and where each came from, what members have, and who keeps the group."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods

from apps.access.admin import shown
from apps.access.admin.base import ReadOnlyAdmin, TenantInline, TenantModelAdmin, actor_of
from apps.access.admin.people import end_sessions_of_members
from apps.access.admin.reach import groups_closed_to, groups_out_of_reach
from apps.access.admin.values import AttributeOnceFormSet, GroupAttributeForm, PersonOnceFormSet
from apps.access.roles import Capability
from apps.access.sites import tenant_admin_site
from apps.accounts import confirming
from apps.accounts.ending import end_sessions_of
from apps.accounts.models import GroupAttribute, GroupMembership, User, UserGroup
from apps.accounts.scim.keepers import hand_over, take_back


def _members_for(request: HttpRequest) -> QuerySet[User]:
    """Return whom the reader may put into groups: programs, and one another, are tenant administrators' to place."""
    everybody = User.objects.all()
    if actor_of(request).is_tenant_admin:
        return everybody
    return everybody.filter(kind=User.Kind.PERSON, is_tenant_admin=False)


def _keeps(request: HttpRequest, group: UserGroup | None) -> bool:
    """Say whether the reader may do away with a group, or hand it over: leaving one changes one's own rights."""
    actor = actor_of(request)
    if group is None or actor.is_tenant_admin:
        return True
    return group.pk not in groups_out_of_reach(actor) | groups_closed_to(actor)


class MemberInline(TenantInline):
    """Members put in by hand, but oneself: nobody changes their own rights. Into groups that have a role administrators put them."""

    model = GroupMembership
    formset = PersonOnceFormSet
    fields = ("user",)
    autocomplete_fields = ("user",)
    verbose_name = "member by hand"
    verbose_name_plural = "members by hand"

    def get_queryset(self, request: HttpRequest) -> QuerySet[GroupMembership]:
        found: QuerySet[GroupMembership] = super().get_queryset(request)
        by_hand = found.filter(source=GroupMembership.Source.ADMINISTRATOR, user__in=_members_for(request))
        return by_hand.exclude(user_id=str(actor_of(request).user_id))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_add_permission(request, obj) and not self._is_closed(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and not self._is_closed(request, obj)

    def _is_closed(self, request: HttpRequest, obj: Any) -> bool:
        return obj is not None and obj.pk in groups_closed_to(actor_of(request))

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "user":
            kwargs["queryset"] = (
                _members_for(request).filter(removed_at=None).exclude(pk=str(actor_of(request).user_id))
            )
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class GroupAttributeInline(TenantInline):
    """What members have; read-only to members of the group, and for who keeps people where programs are members."""

    model = GroupAttribute
    form = GroupAttributeForm
    formset = AttributeOnceFormSet
    fields = ("definition", "text", "origin", "updated_at")
    readonly_fields = ("origin", "updated_at")
    verbose_name = "attribute of the members"
    verbose_name_plural = "attributes of members"

    def _is_member(self, request: HttpRequest, obj: Any) -> bool:
        return obj is not None and obj.pk in groups_out_of_reach(actor_of(request))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_add_permission(request, obj) and not self._is_member(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and not self._is_member(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not self._is_member(request, obj)


@admin.register(UserGroup, site=tenant_admin_site)
class UserGroupAdmin(TenantModelAdmin):
    """Permissions are held by a group's id: a deleted group's name can be used again without its rights."""

    nothing_yet = "Groups hold permissions for many people at once. They come from claims, from SCIM, or are made here."

    capability = Capability.MANAGE_PEOPLE
    takes_along = (GroupMembership,)
    ordering = ("name",)  # the model's own is lost where members are counted

    list_display = ("name", "description", "origin", "people")
    list_filter = ("origin",)
    search_fields = ("name", "description")
    search_help_text = "name or description"
    fields = ("name", "description", "claim_value", "kept_by", "all_members")
    readonly_fields = ("kept_by", "all_members")
    inlines = (MemberInline, GroupAttributeInline)
    asks_about = ("name", "claim_value")  # claims make members by them, and policies read names

    def get_queryset(self, request: HttpRequest) -> QuerySet[UserGroup]:
        found: QuerySet[UserGroup] = super().get_queryset(request)
        return found.annotate(number=Count("memberships__user", distinct=True))

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [path("<uuid:key>/keeper/", wrap(keeper_page), name="group_keeper"), *super().get_urls()]

    def get_fields(self, request: HttpRequest, obj: UserGroup | None = None) -> Any:
        """Show who keeps a group once there is one; claims have no say in one that SCIM keeps."""
        hidden = {"kept_by", "all_members"} if obj is None else {"claim_value"} if _is_scim(obj) else set()
        return [name for name in self.fields if name not in hidden]

    def get_readonly_fields(self, request: HttpRequest, obj: UserGroup | None = None) -> Any:
        """Leave the name to SCIM where it keeps the group, and to others than members: policies read names.

        For groups of programs, see :func:`groups_out_of_reach`.

        Which claim makes people members is for those who decide what providers are believed.
        """
        actor = actor_of(request)
        is_named = obj is not None and (_is_scim(obj) or obj.pk in groups_out_of_reach(actor))
        claimed = () if actor.is_tenant_admin or actor.kind == "recovery" else ("claim_value",)
        return (*self.readonly_fields, *(("name",) if is_named else ()), *claimed)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and _keeps(request, obj)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Remember who has set what members have."""
        for one in formset.forms:
            if isinstance(one.instance, GroupAttribute) and one.has_changed():
                one.instance.origin = actor_of(request).label
        super().save_formset(request, form, formset, change)
        end_sessions_of_members(request, formset)

    def delete_model(self, request: HttpRequest, obj: UserGroup) -> None:
        self._end_sessions_of(request, [obj])
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[UserGroup]) -> None:
        self._end_sessions_of(request, list(queryset))
        super().delete_queryset(request, queryset)

    def _end_sessions_of(self, request: HttpRequest, groups: list[UserGroup]) -> None:
        people = GroupMembership.objects.filter(group__in=groups).values_list("user_id", flat=True)
        end_sessions_of(people, why="group removed", by=actor_of(request), now=datetime.now(UTC))

    @admin.display(ordering="number")
    def people(self, group: Any) -> int:
        return int(group.number)

    @admin.display(description="kept by")
    def kept_by(self, group: UserGroup) -> str:
        context = {"group": group, "is_scim": _is_scim(group)}
        return render_to_string("admin/accounts/_kept_by.html", context)

    @admin.display(description="members")
    def all_members(self, group: UserGroup) -> str:
        counts = GroupMembership.objects.filter(group=group).values_list("source").annotate(Count("pk"))
        sources = [(GroupMembership.Source(source).label, number) for source, number in counts.order_by("source")]
        return render_to_string("admin/accounts/_all_members.html", {"group": group, "sources": sources})


def _is_scim(group: UserGroup) -> bool:
    return group.origin == UserGroup.Origin.SCIM


@require_http_methods(["GET", "POST"])
def keeper_page(request: HttpRequest, key: UUID) -> HttpResponse:
    """Hand a group over to SCIM, or take it back, after saying what that does."""
    actor = actor_of(request)
    group = UserGroup.objects.filter(pk=key).first() if actor.manages(Capability.MANAGE_PEOPLE) else None
    if group is None or not _keeps(request, group):
        raise Http404
    if (away := confirming.required(request)) is not None:  # who keeps a group says who has what it holds
        return away
    if request.method == "POST":
        return _change_keeper(request, group)
    leaving = _leaving(group)
    context = {
        **tenant_admin_site.each_context(request), "opts": UserGroup._meta, "title": f"Who keeps {group}",
        "group": group, "is_scim": _is_scim(group), "leaving": len(leaving), "shown": _keeper_digest(group, leaving),
    }  # fmt: skip
    return TemplateResponse(request, "admin/accounts/keeper_page.html", context)


def _leaving(group: UserGroup) -> list[UUID]:
    """Return the people who leave the group when another one keeps it."""
    goes = GroupMembership.Source.SCIM if _is_scim(group) else GroupMembership.Source.CLAIM
    found = GroupMembership.objects.filter(group=group, source=goes)
    return list(found.order_by("user_id").values_list("user_id", flat=True))


def _keeper_digest(group: UserGroup, leaving: list[UUID]) -> str:
    return shown.digest_of(group.pk, group.name, group.origin, leaving)


@transaction.atomic
def _change_keeper(request: HttpRequest, group: UserGroup) -> HttpResponse:
    """Do what the page has shown: a second press, or somebody else's, does not turn it back."""
    group = UserGroup.objects.select_for_update().get(pk=group.pk)
    away = shown.refusal(request, _keeper_digest(group, _leaving(group)))
    if away is not None:
        return away
    change = take_back if _is_scim(group) else hand_over
    change(group, by=actor_of(request), now=datetime.now(UTC))
    messages.success(request, "Done. It holds from now on.")
    return HttpResponseRedirect(reverse("admin:accounts_usergroup_change", args=(group.pk,)))


@admin.register(GroupMembership, site=tenant_admin_site)
class GroupMembershipAdmin(ReadOnlyAdmin):
    """Who is in which group, and through what; changed on the group's or the person's page."""

    nothing_yet = "Nobody is in a group yet. Members are put in on a group's or a person's page, by claims, or by SCIM."

    capability = Capability.MANAGE_PEOPLE

    list_display = ("user", "email", "group", "source")
    list_filter = ("source",)
    list_select_related = ("user", "group")
    search_fields = ("user__email", "user__name", "group__name")
    search_help_text = "name or e-mail of the person, or name of the group"

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        return lookup == "group__id__exact" or bool(super().lookup_allowed(lookup, value, request))

    @admin.display(description="e-mail", ordering="user__email")
    def email(self, membership: GroupMembership) -> str:
        return membership.user.email
