"""Writes of groups over SCIM: only groups that SCIM keeps, only memberships that came over SCIM."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from scim2_models import InvalidValueException, UniquenessException

from apps.accounts.ending import end_sessions_of
from apps.accounts.models import GroupMembership, User, UserGroup
from apps.accounts.models.groups import forget_namesakes, is_group_name_taken, plain_name
from apps.audit.services import record
from apps.audit.types import AuditActor

MAX_NAME, MAX_TEXT = 120, 255
TOLD = 40


@transaction.atomic
def save_group(group: UserGroup | None, sent: Any, *, by: AuditActor, now: datetime) -> UserGroup:
    """Make a group, or bring one to the state that was sent.

    Raises:
        InvalidValueException: the name is too long, or a member is no person of this tenant.
        UniquenessException: this tenant has a group of this name, which may be one that was made by hand.
    """
    name, external_id = plain_name(sent.display_name or ""), sent.external_id or ""
    if not name or len(name) > MAX_NAME or len(external_id) > MAX_TEXT:
        raise InvalidValueException(
            detail=f"displayName has 1 to {MAX_NAME} characters, externalId at most {MAX_TEXT}."
        )
    row = group or UserGroup(origin=UserGroup.Origin.SCIM)
    if is_group_name_taken(row, name):
        raise UniquenessException(
            detail="There is a group of this name already. If it was made by hand, an administrator can hand it over."
        )
    is_new = group is None
    is_renamed = (row.name, row.external_id) != (name, external_id)
    forget_namesakes(row, name)
    row.name, row.external_id = name, external_id
    if is_new:
        row.save()
    added, gone = _set_members(row, _wanted(sent.members or ()))
    if not (is_new or is_renamed or added or gone):
        return row
    row.save()
    facts = {
        "is_renamed": is_renamed and not is_new, "added": len(added), "removed": len(gone),
        "added_ids": sorted(map(str, added))[:TOLD], "removed_ids": sorted(map(str, gone))[:TOLD],
    }  # fmt: skip
    record("accounts.group_provisioned" if is_new else "accounts.group_changed", row, by=by, now=now, facts=facts)
    end_sessions_of(added | gone, why="groups changed", by=by, now=now)
    return row


def _wanted(members: Iterable[Any]) -> set[UUID]:
    wanted: set[UUID] = set()
    for member in members:
        if member.type not in (None, "User"):
            raise InvalidValueException(detail="Groups hold people only, no groups.")
        try:
            wanted.add(UUID(member.value or ""))
        except ValueError:
            raise InvalidValueException(detail="A member is no person of this tenant.") from None
    found = set(User.objects.filter(pk__in=wanted, removed_at=None, kind=User.Kind.PERSON).values_list("pk", flat=True))
    if found != wanted:
        raise InvalidValueException(detail="A member is no person of this tenant.")
    return wanted


def _set_members(group: UserGroup, wanted: set[UUID]) -> tuple[set[UUID], set[UUID]]:
    """Bring SCIM's memberships to what was sent; return who was added and who is gone."""
    own = GroupMembership.objects.filter(group=group, source=GroupMembership.Source.SCIM)
    held = set(own.values_list("user_id", flat=True))
    own.filter(user_id__in=held - wanted).delete()
    GroupMembership.objects.bulk_create(
        GroupMembership(user_id=user_id, group=group, source=GroupMembership.Source.SCIM)
        for user_id in sorted(wanted - held)
    )
    return wanted - held, held - wanted


@transaction.atomic
def remove_group(group: UserGroup, *, by: AuditActor, now: datetime) -> None:
    """Delete a group with what it was granted: permissions are held by its id."""
    members = list(GroupMembership.objects.filter(group=group).values_list("user_id", flat=True))
    record("accounts.group_removed", group, by=by, now=now)
    group.delete()
    end_sessions_of(members, why="group removed", by=by, now=now)
