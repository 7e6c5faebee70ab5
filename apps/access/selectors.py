"""Who asks, and what they may: the answers that everything downstream relies on."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from django.db import models
from guardian.shortcuts import get_objects_for_user

from apps.access.types import Actor, AttributeValue
from apps.accounts.models import ApiToken, User, UserAttribute, UserGroup
from apps.accounts.services import TOKEN_PREFIX, token_digest
from apps.tenants.binding import bound_tenant_id

M = TypeVar("M", bound=models.Model)
SupportResolver = Callable[[UUID, datetime], Actor | None]
USED_EVERY = timedelta(minutes=5)
DATASET = "datamodels.dataset"
_support_resolver: list[SupportResolver] = []


def anonymous(tenant_id: UUID) -> Actor:
    """Return the actor of somebody who has not signed in."""
    return Actor(kind="anonymous", tenant_id=tenant_id, user_id=None, label="anonymous")


def actor_for_user(user: User, *, is_platform: bool = False, token_id: UUID | None = None) -> Actor:
    """Build the actor of a person of the bound tenant: two statements, attributes and groups."""
    held = UserAttribute.objects.filter(user=user).select_related("definition")
    groups = list(UserGroup.objects.filter(memberships__user=user).values_list("pk", "name"))
    attributes = {
        row.definition.name: AttributeValue(tuple(row.values), row.definition.type, row.source) for row in held
    }
    is_admin = user.is_tenant_admin and not is_platform
    return Actor(
        kind="token" if token_id else "person",
        tenant_id=bound_tenant_id(),
        user_id=user.pk,
        label=str(user),
        email=user.email,
        is_tenant_admin=is_admin and token_id is None,
        is_platform_staff=user.is_tenant_admin and is_platform,
        group_ids=frozenset(pk for pk, _ in groups),
        group_names=frozenset(name for _, name in groups),
        attributes=attributes | _system_attributes(user, sorted(name for _, name in groups), is_admin=is_admin),
        timezone=user.timezone,
        token_id=token_id,
    )


def _system_attributes(user: User, groups: list[str], *, is_admin: bool) -> dict[str, AttributeValue]:
    """Attributes that the system sets; a group-less person has no ``omni_user_groups``, as with any unset one."""
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
    return actor_for_user(token.user, is_platform=is_platform, token_id=token.pk)


def register_support_resolver(resolver: SupportResolver) -> None:
    """Let ``support`` say how a support session becomes an actor in a task."""
    _support_resolver[:] = [resolver]


def actor_from_reference(
    kind: str, *, user_id: UUID | None, token_id: UUID | None, support_session_id: UUID | None, now: datetime
) -> Actor | None:
    """Derive an actor again from what a task's row names; None when it is no longer valid."""
    if kind == "support":
        return _support_resolver[0](support_session_id, now) if _support_resolver and support_session_id else None
    user = User.objects.filter(pk=user_id, is_active=True).first() if user_id else None
    if user is None:
        return None
    if kind == "token":
        if token_id is None:
            return None
        valid = ApiToken.objects.filter(pk=token_id, user=user, revoked_at=None, expires_at__gt=now)
        return actor_for_user(user, token_id=token_id) if valid.exists() else None
    return actor_for_user(user) if kind == "person" else None


def permitted(actor: Actor, model: type[M], codename: str) -> models.QuerySet[M]:
    """Return the objects on which the actor holds the permission, through themselves or a group.

    Being an administrator gives no object permission. A support session reaches its granted data sets only.
    """
    objects: models.QuerySet[M] = model._default_manager.all()
    if actor.kind == "support" and actor.support and model._meta.label_lower == DATASET:
        return objects.filter(pk__in=actor.support.dataset_ids)
    if actor.kind not in ("person", "token") or actor.user_id is None:
        return objects.none()
    found: models.QuerySet[M] = get_objects_for_user(
        User(pk=actor.user_id), codename, klass=objects, with_superuser=False, accept_global_perms=False
    )
    return found


def has_permission(actor: Actor, codename: str, obj: models.Model) -> bool:
    """Say whether the actor holds the permission on this object."""
    return permitted(actor, type(obj), codename).filter(pk=obj.pk).exists()
