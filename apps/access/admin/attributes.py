"""Definitions of user attributes, and the list of the system's own."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse

from apps.access.admin.base import TenantModelAdmin, actor_of
from apps.access.roles import Capability
from apps.access.sites import tenant_admin_site
from apps.accounts.attributes import SYSTEM_ATTRIBUTES
from apps.accounts.models import AttributeDefinition, ClaimMapping
from apps.accounts.usage import uses_of


def mappings_of(definition: AttributeDefinition) -> QuerySet[ClaimMapping]:
    """Return the claims that fill an attribute, with their providers."""
    return ClaimMapping.objects.filter(definition=definition).select_related("provider").order_by("claim")


@admin.register(AttributeDefinition, site=tenant_admin_site)
class AttributeDefinitionAdmin(TenantModelAdmin):
    """Attributes have no default: a person without a value is refused where a policy asks for it.

    A name never changes, and type and number of values only while nobody has a value: neither can open anything.
    """

    nothing_yet = (
        "Attributes say what is known of people, such as a region. Row policies and grants of data models read them."
    )

    ordering = ("name",)  # the model's own is lost where values are counted
    capability = Capability.MANAGE_PEOPLE

    list_display = ("name", "label", "type", "is_list", "people", "groups")
    list_filter = ("type", "is_list")
    search_fields = ("name", "label", "description")
    search_help_text = "name, label or description"
    fields = ("name", "label", "description", "type", "is_list", "used_by", "filled_by")
    readonly_fields = ("used_by", "filled_by")
    change_list_template = "admin/accounts/attribute_list.html"

    def get_fields(self, request: HttpRequest, obj: AttributeDefinition | None = None) -> Any:
        return self.fields if obj is not None else self.fields[:-2]

    def get_readonly_fields(self, request: HttpRequest, obj: AttributeDefinition | None = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        has_values = obj.values.exists() or obj.group_values.exists()
        return (*self.readonly_fields, "name", *(("type", "is_list") if has_values else ()))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Leave one that claims fill to those who decide what providers are believed: its mappings go with it."""
        actor = actor_of(request)
        is_free = obj is None or actor.is_tenant_admin or actor.kind == "recovery" or not mappings_of(obj).exists()
        return super().has_delete_permission(request, obj) and is_free

    def get_queryset(self, request: HttpRequest) -> QuerySet[AttributeDefinition]:
        found: QuerySet[AttributeDefinition] = super().get_queryset(request)
        return found.annotate(number=Count("values__user", distinct=True), given=Count("group_values", distinct=True))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Delete one by one: each says first what depends on it."""
        found: dict[str, Any] = super().get_actions(request)
        found.pop("delete_selected", None)
        return found

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        system = {"system_attributes": SYSTEM_ATTRIBUTES.items()}
        found: HttpResponse = super().changelist_view(request, (extra_context or {}) | system)
        return found

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        obj = self.get_object(request, object_id)
        uses = uses_of(obj.name) if obj is not None and request.method == "GET" else []
        if uses:
            messages.warning(
                request,
                f"Used by {', '.join(uses)}. Without this attribute its rules refuse everybody whom they ask for it; "
                "nobody will see more than today.",
            )
        found: HttpResponse = super().delete_view(request, object_id, extra_context)
        return found

    @admin.display(description="used by")
    def used_by(self, definition: AttributeDefinition) -> str:
        return ", ".join(uses_of(definition.name)) or "no published data model"

    @admin.display(description="filled by claims")
    def filled_by(self, definition: AttributeDefinition) -> str:
        named = ", ".join(f"{row.claim} of {row.provider.name}" for row in mappings_of(definition))
        return f"{named}; a tenant administrator may delete it, with the mappings" if named else "none"

    @admin.display(description="people with a value of their own", ordering="number")
    def people(self, definition: Any) -> int:
        return int(definition.number)

    @admin.display(description="groups that give it", ordering="given")
    def groups(self, definition: Any) -> int:
        return int(definition.given)
