"""Roles, and who has which: for tenant administrators only, since a role can hold everything."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from apps.access.admin.base import ConfirmedAdmin, TenantModelForm
from apps.access.models import Role, RoleAssignment
from apps.access.roles import BASE, BUILT_IN, LABELS, NAMES, NONE, capabilities_of
from apps.access.sites import tenant_admin_site

FIELD_LABELS = {"user": "Person", "group": "or group", "built_in": "Built-in role", "role": "or role of your own"}


WIDENS = (
    f"the role of everybody. Without one everybody is {NAMES[BASE].lower()}, which is more than it holds: give everybody another "
    "role first"
)


def widened_by(gone: QuerySet[RoleAssignment]) -> list[str]:
    """Say what keeps these from being deleted: that everybody's last role would go, and the one without any holds more."""
    everybodys = RoleAssignment.objects.filter(user=None, group=None)
    lost = everybodys.filter(pk__in=gone.values("pk")).select_related("role")
    if not lost or everybodys.exclude(pk__in=gone.values("pk")).exists():
        return []
    held = NONE.union(
        *(BUILT_IN.get(one.built_in) or capabilities_of(one.role.capabilities if one.role else []) for one in lost)
    )
    return [] if BUILT_IN[BASE] <= held else [WIDENS]


class RoleForm(TenantModelForm):
    """Capabilities as check boxes, each with what it means."""

    capabilities = forms.MultipleChoiceField(
        choices=[(capability.value, text) for capability, text in LABELS.items()],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        required=False,
    )

    class Meta:
        model = Role
        fields = ("name", "description", "capabilities")


@admin.register(Role, site=tenant_admin_site)
class RoleAdmin(ConfirmedAdmin):
    """Roles of your own, beside viewer, querier, modeler, connection administrator and tenant administrator."""

    nothing_yet = "The built-in roles need no entry here. Add one where people need another set of capabilities."
    search_help_text = "name of the role"

    form = RoleForm
    list_display = ("name", "description", "held", "assigned")
    search_fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Role]:
        found: QuerySet[Role] = (
            super().get_queryset(request).prefetch_related("assignments__user", "assignments__group")
        )
        return found

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, set[str], Any]:
        """Keep a role whose deletion would give everybody more."""
        names, counts, needed, protected = super().get_deleted_objects(objs, request)
        kept = widened_by(RoleAssignment.objects.filter(role__in=[one.pk for one in objs]))
        return names, counts, needed, [*protected, *kept]

    @admin.display(description="may")
    def held(self, role: Role) -> str:
        return ", ".join(sorted(str(item) for item in capabilities_of(role.capabilities))) or "see what is shared"

    @admin.display(description="held by")
    def assigned(self, role: Role) -> str:
        return ", ".join(sorted(item.who for item in role.assignments.all()))[:120] or "–"


@admin.register(RoleAssignment, site=tenant_admin_site)
class RoleAssignmentAdmin(ConfirmedAdmin):
    """Everything that any of somebody's roles holds applies. A role of everybody is the base role; without one it is querier."""

    nothing_yet = "Everybody has the base role. Give a person or a group another one here."
    search_help_text = "e-mail of a person, or name of a group or role"

    list_display = ("who", "role_name")
    list_filter = ("built_in", "role")
    search_fields = ("user__email", "group__name", "role__name")
    fields = ("user", "group", "built_in", "role")
    autocomplete_fields = ("user", "group", "role")

    def get_queryset(self, request: HttpRequest) -> QuerySet[RoleAssignment]:
        found: QuerySet[RoleAssignment] = super().get_queryset(request).select_related("user", "group", "role")
        return found

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, set[str], Any]:
        """Keep everybody's role where having none would be more."""
        names, counts, needed, protected = super().get_deleted_objects(objs, request)
        kept = widened_by(RoleAssignment.objects.filter(pk__in=[one.pk for one in objs]))
        return names, counts, needed, [*protected, *kept]

    def get_readonly_fields(self, request: HttpRequest, obj: RoleAssignment | None = None) -> Any:
        """Leave everybody's role everybody's: given to one person instead, it would be as good as deleted."""
        found = super().get_readonly_fields(request, obj)
        is_everybodys = obj is not None and obj.user_id is None and obj.group_id is None
        return (*found, "user", "group") if is_everybodys else found

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Name the fields as people do, and say what an empty person and group mean."""
        found = super().formfield_for_dbfield(db_field, request, **kwargs)
        if found is not None and db_field.name in FIELD_LABELS:
            found.label = FIELD_LABELS[db_field.name]
        if found is not None and db_field.name == "group":
            found.help_text = "leave person and group empty to mean everybody"
        return found
