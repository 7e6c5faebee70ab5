"""Grant and revoke object permissions."""

from datetime import datetime

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import models, transaction
from guardian.shortcuts import assign_perm, remove_perm

from apps.access.errors import UnknownPermissionError
from apps.accounts.models import User, UserGroup
from apps.audit.services import record
from apps.audit.types import AuditActor


def _checked(permission: str, obj: models.Model) -> Permission:
    content_type = ContentType.objects.get_for_model(obj)
    found = Permission.objects.filter(content_type=content_type, codename=permission).first()
    if found is None:
        raise UnknownPermissionError(permission)
    return found


@transaction.atomic
def grant_permission(
    *,
    user: User | None = None,
    group: UserGroup | None = None,
    permission: str,
    obj: models.Model,
    by: AuditActor,
    now: datetime,
) -> None:
    """Grant a permission on one object to a person or a group.

    Raises:
        UnknownPermissionError: objects of this kind have no such permission.
    """
    who = _one_of(user, group)
    assign_perm(_checked(permission, obj), who, obj)
    record("access.permission_granted", obj, by=by, now=now, facts={"permission": permission, "to": str(who)})


@transaction.atomic
def revoke_permission(
    *,
    user: User | None = None,
    group: UserGroup | None = None,
    permission: str,
    obj: models.Model,
    by: AuditActor,
    now: datetime,
) -> None:
    """Take a permission on one object away again; the next request is refused."""
    who = _one_of(user, group)
    remove_perm(_checked(permission, obj), who, obj)
    record("access.permission_revoked", obj, by=by, now=now, facts={"permission": permission, "to": str(who)})


def _one_of(user: User | None, group: UserGroup | None) -> User | UserGroup:
    if (user is None) == (group is None):
        raise TypeError("name either a person or a group")
    return user or group  # type: ignore[return-value]  # exactly one is given
