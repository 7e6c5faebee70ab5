"""Who asks, and what they may: the answers that everything downstream relies on."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models import OuterRef, Q
from django.db.models.functions import JSONObject
from guardian.shortcuts import get_objects_for_user
from guardian.utils import get_group_obj_perms_model

from apps.access.models import RoleAssignment, ViewSession
from apps.access.roles import ALL, BASE, BUILT_IN, NONE, OF_RECOVERY, Capability, capabilities_of
from apps.access.types import Actor, AttributeValue, Viewing
from apps.accounts.attributes import GROUP, Held, standing
from apps.accounts.models import (
    ApiToken,
    GroupAttribute,
    GroupMembership,
    ScimToken,
    User,
    UserAttribute,
    UserGroup,
)
from apps.accounts.scim.tokens import SCIM_PREFIX
from apps.accounts.services import TOKEN_PREFIX, may_hold_admin_token, token_digest
from apps.tenants.binding import bound_tenant_id

M = TypeVar("M", bound=models.Model)
SupportResolver = Callable[[UUID, datetime], Actor | None]
USED_EVERY = timedelta(minutes=5)
DATASET = "datamodels.dataset"
PERSONALLY = "personally"
OF_TOKENS = frozenset((Capability.QUERY,))
"""what a token can do at most, whatever its person may"""
_support_resolver: list[SupportResolver] = []


def anonymous(tenant_id: UUID) -> Actor:
    """Return the actor of somebody who has not signed in."""
    return Actor(kind="anonymous", tenant_id=tenant_id, user_id=None, label="anonymous")


def actor_for_user(
    user: User, *, is_platform: bool = False, token_id: UUID | None = None, token_scope: str = ""
) -> Actor:
    """Build the actor of a person of the bound tenant: one statement for attributes, groups and roles."""
    found = rights_of(user)
    groups = found.groups
    attributes = found.attributes
    is_admin = user.is_tenant_admin and not is_platform
    held_here = frozenset() if is_platform else ALL if is_admin else found.capabilities
    return Actor(
        kind="token" if token_id else "person",
        tenant_id=bound_tenant_id(),
        user_id=user.pk,
        label=str(user),
        email=user.email,
        is_tenant_admin=is_admin and token_id is None,
        is_platform_staff=user.is_tenant_admin and is_platform,
        capabilities=held_here & OF_TOKENS if token_id else held_here,
        group_ids=frozenset(pk for pk, _ in groups),
        group_names=frozenset(name for _, name in groups),
        attributes=attributes | _system_attributes(user, sorted(name for _, name in groups), is_admin=is_admin),
        timezone=user.timezone,
        token_id=token_id,
        token_scope=token_scope,
    )


def actor_for_recovery(user: User) -> Actor:
    """Return the actor of an administrator who came by a recovery link: no attribute, no group, no permission."""
    return Actor(
        kind="recovery", tenant_id=bound_tenant_id(), user_id=user.pk, label=str(user), email=user.email,
        capabilities=OF_RECOVERY if user.is_tenant_admin else NONE, timezone=user.timezone,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rights:
    """What a person holds: attributes by name, (id, name) of groups, capabilities of all roles together."""

    attributes: dict[str, AttributeValue]
    groups: list[tuple[UUID, str]]
    capabilities: frozenset[Capability]


def rights_of(user: User) -> Rights:
    """Read what a person of the bound tenant holds, in one statement; of each attribute, what the strongest source says."""
    own_groups = GroupMembership.objects.filter(user=OuterRef(OuterRef("pk"))).values("group")
    definition: dict[str, Any] = {
        "name": "definition__name", "type": "definition__type", "is_list": "definition__is_list", "values": "values",
    }  # fmt: skip
    attributes = UserAttribute.objects.filter(user=OuterRef("pk")).values(row=JSONObject(source="source", **definition))
    given = GroupAttribute.objects.filter(group__in=own_groups).values(
        row=JSONObject(group="group__name", **definition)
    )
    groups = UserGroup.objects.filter(pk__in=own_groups).values(row=JSONObject(id="pk", name="name"))
    own = Q(user=None, group=None) | Q(user=OuterRef("pk")) | Q(group__in=own_groups)
    roles = RoleAssignment.objects.filter(own).values(
        row=JSONObject(built_in="built_in", own="role__capabilities", user="user_id", group="group_id")
    )
    rows = User.objects.filter(pk=user.pk).values_list(
        ArraySubquery(attributes), ArraySubquery(given), ArraySubquery(groups), ArraySubquery(roles)
    )
    held = rows.order_by().first()
    if held is None:
        return Rights({}, [], NONE)
    said = standing(_held(row) for row in (*held[0], *held[1]))
    return Rights(
        {name: AttributeValue(one.values, one.type, one.source) for name, one in said.items() if one.values},
        [(UUID(row["id"]), row["name"]) for row in held[2]],
        _together(held[3]),
    )


def _held(row: Mapping[str, Any]) -> Held:
    return Held(
        row["name"], row["type"], row["is_list"], tuple(row["values"]), row.get("source", GROUP), row.get("group", "")
    )


def _together(roles: Iterable[Mapping[str, Any]]) -> frozenset[Capability]:
    """Return what roles hold together, the base role included."""
    has_base = False
    held = NONE
    for row in roles:
        has_base = has_base or (row["user"] is None and row["group"] is None)
        held |= BUILT_IN.get(row["built_in"], NONE) if row["built_in"] else capabilities_of(row["own"] or [])
    return held if has_base else held | BUILT_IN[BASE]


def role_capabilities(user: User) -> frozenset[Capability]:
    """Return what the roles of a person hold together: their own, their groups', everybody's."""
    return rights_of(user).capabilities


def _system_attributes(user: User, groups: list[str], *, is_admin: bool) -> dict[str, AttributeValue]:
    """Attributes that the system sets; a group-less person has no ``omni_user_groups``, as with any unset one.

    All of ``accounts.attributes.SYSTEM_ATTRIBUTES`` but the entity of embedded sessions, which nobody who signs in has.
    """
    found: dict[str, tuple[str, ...]] = {
        "omni_user_id": (str(user.pk),),
        "omni_user_name": (user.name,) if user.name else (),
        "omni_user_email": (user.email,),
        "omni_user_groups": tuple(groups),
        "omni_is_org_admin": ("true" if is_admin else "false",),
        "omni_user_timezone": (user.timezone,),
    }
    return {name: AttributeValue(values, "string", "system") for name, values in found.items() if values}


def actor_for_token(bearer: str, *, now: datetime, is_platform: bool = False) -> Actor | None:
    """Return the actor of a valid token of the bound tenant, or None."""
    if not bearer.startswith(TOKEN_PREFIX):
        return None
    token = (
        ApiToken.objects.select_related("user")
        .filter(digest=token_digest(bearer), revoked_at=None, expires_at__gt=now, user__is_active=True)
        .first()
    )
    if token is None:
        return None
    if token.last_used_at is None or token.last_used_at < now - USED_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return actor_for_user(token.user, is_platform=is_platform, token_id=token.pk, token_scope=_scope(token))


def _scope(token: ApiToken) -> str:
    """Return what a token is good for; one that administers sinks with the rights of its holder."""
    if token.scope == ApiToken.Scope.ADMIN and not may_hold_admin_token(token.user):
        return ApiToken.Scope.QUERY
    return token.scope


def actor_for_scim(bearer: str, *, now: datetime) -> Actor | None:
    """Return the actor of a valid SCIM token of the bound tenant, or None: it keeps people and groups, and sees no data."""
    if not bearer.startswith(SCIM_PREFIX):
        return None
    token = ScimToken.objects.filter(digest=token_digest(bearer), revoked_at=None, expires_at__gt=now).first()
    if token is None:
        return None
    if token.last_used_at is None or token.last_used_at < now - USED_EVERY:
        ScimToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return Actor(
        kind="scim", tenant_id=bound_tenant_id(), user_id=None, label=f"SCIM token {token.name}", token_id=token.pk
    )


def register_support_resolver(resolver: SupportResolver) -> None:
    """Let ``support`` say how a support session becomes an actor in a task."""
    _support_resolver[:] = [resolver]


def usable_view(view_id: UUID, *, viewer_id: UUID | None, now: datetime) -> ViewSession | None:
    """Return this viewer's view when it may go on now: both people are active and still what they have to be."""
    found = (
        ViewSession.objects.select_related("viewer", "person")
        .filter(
            pk=view_id, viewer_id=viewer_id, ended_at=None, expires_at__gt=now,
            viewer__is_active=True, person__is_active=True, person__is_tenant_admin=False,
        )
        .first()
    )  # fmt: skip
    if found is None or found.viewer.is_tenant_admin or Capability.VIEW_AS in role_capabilities(found.viewer):
        return found
    return None


def actor_for_view(view: ViewSession) -> Actor:
    """Return the actor of a usable view: who is really there, with the rights of the person seen."""
    viewer, person = view.viewer, view.person
    return replace(
        actor_for_user(person),
        user_id=viewer.pk,
        label=str(viewer),
        email=viewer.email,
        is_tenant_admin=False,
        on_behalf_of=f"{person.email} ({person.pk})",
        viewing=Viewing(view.pk, person.pk, str(person), person.email, view.expires_at, _own_limits(viewer)),
    )


def _own_limits(viewer: User) -> Actor | None:
    """Return the viewer with their own rights, which limit a view; a full administrator's do not."""
    return None if viewer.is_tenant_admin else actor_for_user(viewer)


def actor_from_reference(
    kind: str,
    *,
    user_id: UUID | None,
    token_id: UUID | None,
    support_session_id: UUID | None,
    view_session_id: UUID | None = None,
    now: datetime,
) -> Actor | None:
    """Derive an actor again from what a task's row names; None when it is no longer valid."""
    if kind == "support":
        return _support_resolver[0](support_session_id, now) if _support_resolver and support_session_id else None
    if view_session_id is not None:
        view = usable_view(view_session_id, viewer_id=user_id, now=now)
        return actor_for_view(view) if view is not None else None
    user = User.objects.filter(pk=user_id, is_active=True).first() if user_id else None
    if user is None:
        return None
    if kind == "token":
        if token_id is None:
            return None
        token = ApiToken.objects.filter(pk=token_id, user=user, revoked_at=None, expires_at__gt=now).first()
        return actor_for_user(user, token_id=token_id, token_scope=token.scope) if token else None
    return actor_for_user(user) if kind == "person" else None


def permitted(actor: Actor, model: type[M], codename: str) -> models.QuerySet[M]:
    """Return the objects on which the actor holds the permission, through themselves or a group.

    Being an administrator gives no object permission. A support session reaches its granted data sets only.
    A view as another person reaches what that person may, and no more than its own limits.
    """
    objects: models.QuerySet[M] = model._default_manager.all()
    if actor.kind == "support" and actor.support and model._meta.label_lower == DATASET:
        return objects.filter(pk__in=actor.support.dataset_ids)
    if actor.kind not in ("person", "token") or actor.subject_id is None:
        return objects.none()
    found: models.QuerySet[M] = get_objects_for_user(
        User(pk=actor.subject_id), codename, klass=objects, with_superuser=False, accept_global_perms=False
    )
    if actor.viewing is not None and actor.viewing.limits is not None:
        found = found.filter(pk__in=permitted(actor.viewing.limits, model, codename).values("pk"))
    return found


def has_permission(actor: Actor, codename: str, obj: models.Model) -> bool:
    """Say whether the actor holds the permission on this object."""
    return permitted(actor, type(obj), codename).filter(pk=obj.pk).exists()


def permission_holders(actor: Actor, codename: str, obj: models.Model) -> tuple[str, ...]:
    """Say through what the actor holds a permission: "personally", "through group …"; empty when they do not hold it."""
    if not has_permission(actor, codename, obj):
        return ()
    if actor.support is not None:
        return ("approved for this support session",)
    personal = get_objects_for_user(
        User(pk=actor.subject_id), codename, klass=type(obj)._default_manager.filter(pk=obj.pk), use_groups=False,
        with_superuser=False, accept_global_perms=False,
    )  # fmt: skip
    held = get_group_obj_perms_model(obj)._default_manager.filter(
        content_object=obj, permission__codename=codename, group__memberships__user=actor.subject_id
    )
    groups = held.order_by("group__name").values_list("group__name", flat=True).distinct()
    return (*((PERSONALLY,) if personal.exists() else ()), *(f"through group {name}" for name in groups))
