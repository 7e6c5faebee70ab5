"""People and groups of the bound tenant as SCIM resources. SCIM sees its own groups, its own members, its own values."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from scim2_models import Context, NotFoundException

from apps.accounts.models import GroupMembership, User, UserAttribute, UserGroup
from apps.accounts.scim.schemas import ATTRIBUTES, Served

PEOPLE, GROUPS = "Users", "Groups"


def people() -> QuerySet[User]:
    """Return everybody of the tenant who has not been removed, with what their resource needs."""
    memberships = GroupMembership.objects.filter(
        source=GroupMembership.Source.SCIM, group__origin=UserGroup.Origin.SCIM
    ).select_related("group")
    values = UserAttribute.objects.filter(source=UserAttribute.Source.SCIM).select_related("definition")
    return (
        User.objects.filter(removed_at=None, kind=User.Kind.PERSON)
        .select_related("scim_profile")
        .prefetch_related(
            Prefetch("memberships", queryset=memberships.order_by("group__name")),
            Prefetch("attribute_values", queryset=values),
        )
    )


def groups() -> QuerySet[UserGroup]:
    """Return the groups that SCIM keeps, with their members."""
    members = GroupMembership.objects.filter(source=GroupMembership.Source.SCIM, user__removed_at=None)
    return UserGroup.objects.filter(origin=UserGroup.Origin.SCIM).prefetch_related(
        Prefetch("memberships", queryset=members.order_by("user_id"))
    )


def one(rows: QuerySet[Any], key: str) -> Any:
    """Return the row of this id.

    Raises:
        NotFoundException: there is none, or it is not SCIM's: of another tenant, removed, or a group made by hand.
    """
    try:
        found = rows.filter(pk=UUID(key)).first() if str(UUID(key)) == key else None
    except ValueError:
        found = None
    if found is None:
        raise NotFoundException(detail="There is no such resource.")
    return found


def person_payload(user: User, base: str) -> dict[str, Any]:
    """Return a person as JSON. ``base`` is the address of the service, without a slash at its end."""
    profile = getattr(user, "scim_profile", None)
    said: dict[str, Any] = profile.document if profile else _plain(user)
    values = {
        row.definition.name: row.values if row.definition.is_list else row.values[0]
        for row in user.attribute_values.all()
    }
    payload: dict[str, Any] = {
        "id": str(user.pk), "userName": profile.user_name if profile else user.email, "active": user.is_active, **said,
        "groups": [{"value": str(row.group_id), "display": row.group.name} for row in user.memberships.all()],
    }  # fmt: skip
    if profile and profile.external_id:
        payload["externalId"] = profile.external_id
    if values:
        payload[ATTRIBUTES] = values
    changed = profile.updated_at if profile else user.created_at
    return payload | _meta("User", f"{base}/{PEOPLE}/{user.pk}", user.created_at, changed)


def _plain(user: User) -> dict[str, Any]:
    """Return what is said of somebody of whom no SCIM client has said anything."""
    found: dict[str, Any] = {"emails": [{"value": user.email, "type": "work", "primary": True}]}
    return found | ({"displayName": user.name} if user.name else {})


def group_payload(group: UserGroup, base: str) -> dict[str, Any]:
    """Return a group as JSON."""
    members = [
        {"value": str(row.user_id), "$ref": f"{base}/{PEOPLE}/{row.user_id}", "type": "User"}
        for row in group.memberships.all()
    ]
    payload: dict[str, Any] = {"id": str(group.pk), "displayName": group.name, "members": members}
    if group.external_id:
        payload["externalId"] = group.external_id
    return payload | _meta("Group", f"{base}/{GROUPS}/{group.pk}", group.created_at, group.updated_at)


def _meta(kind: str, location: str, created: Any, changed: Any) -> dict[str, Any]:
    stamps = {"created": created.isoformat(), "lastModified": changed.isoformat()}
    return {"meta": {"resourceType": kind, "location": location, **stamps}}


class Rendering:
    """Rows of one request as resources of the tenant's own models."""

    def __init__(self, served: Served, base: str) -> None:
        self.served = served
        self.base = base

    def payload(self, row: User | UserGroup) -> dict[str, Any]:
        """Return the resource as JSON, with its version: a hash of everything in it."""
        payload = person_payload(row, self.base) if isinstance(row, User) else group_payload(row, self.base)
        digest = hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()
        payload["meta"]["version"] = f'W/"{digest[:32]}"'
        return payload

    def resource(self, row: User | UserGroup) -> Any:
        """Return the resource as an object; attributes that SCIM cannot name are left out."""
        model = self.served.user if isinstance(row, User) else self.served.group
        payload = self.payload(row)
        payload["schemas"] = [str(model.__schema__)]
        if ATTRIBUTES in payload:
            payload[ATTRIBUTES] = self.served.nameable(payload[ATTRIBUTES])
        return model.model_validate(payload)

    def sent(self, row: User | UserGroup) -> Any:
        """Return the resource in the wider form that requests are read in, to be patched."""
        model = self.served.sent if isinstance(row, User) else self.served.sent_group
        payload: Mapping[str, Any] = self.resource(row).model_dump(scim_ctx=Context.DEFAULT)
        return model.model_validate(payload)
