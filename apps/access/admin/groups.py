"""Groups and attribute definitions."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from apps.access.admin.base import TenantInline, TenantModelAdmin, actor_of
from apps.access.admin.people import end_sessions_of_members
from apps.access.roles import Capability
from apps.access.sites import tenant_admin_site
from apps.accounts.ending import end_sessions_of
from apps.accounts.models import AttributeDefinition, GroupMembership, User, UserGroup


class MemberInline(TenantInline):
    """Members but oneself: nobody changes their own rights."""

    model = GroupMembership
    fields = ("user", "source")
    readonly_fields = ("source",)
    autocomplete_fields = ("user",)
    verbose_name_plural = "members (without yourself)"

    def get_queryset(self, request: HttpRequest) -> QuerySet[GroupMembership]:
        found: QuerySet[GroupMembership] = super().get_queryset(request)
        return found.exclude(user_id=str(actor_of(request).user_id))

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "user":
            kwargs["queryset"] = User.objects.exclude(pk=str(actor_of(request).user_id))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


@admin.register(UserGroup, site=tenant_admin_site)
class UserGroupAdmin(TenantModelAdmin):
    """Permissions are held by a group's id: a deleted group's name can be used again without its rights."""

    capability = Capability.MANAGE_PEOPLE

    list_display = ("name", "description", "people")
    search_fields = ("name",)
    fields = ("name", "description")
    inlines = (MemberInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[UserGroup]:
        found: QuerySet[UserGroup] = super().get_queryset(request).annotate(number=Count("memberships"))
        return found

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
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


@admin.register(AttributeDefinition, site=tenant_admin_site)
class AttributeDefinitionAdmin(TenantModelAdmin):
    """Attributes have no default: a person without a value is refused where a policy asks for it."""

    capability = Capability.MANAGE_PEOPLE

    list_display = ("name", "label", "type", "is_list", "people")
    search_fields = ("name", "label")
    fields = ("name", "label", "description", "type", "is_list")

    def get_readonly_fields(self, request: HttpRequest, obj: AttributeDefinition | None = None) -> tuple[str, ...]:
        return ("name", "type") if obj is not None and obj.values.exists() else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[AttributeDefinition]:
        found: QuerySet[AttributeDefinition] = super().get_queryset(request).annotate(number=Count("values"))
        return found

    @admin.display(description="people with a value", ordering="number")
    def people(self, definition: Any) -> int:
        return int(definition.number)
