"""Who keeps a group: SCIM, or people by hand. Apart from what speaks SCIM, whose library only its routes need."""

from datetime import datetime

from django.db import transaction

from apps.accounts.ending import end_sessions_of
from apps.accounts.models import GroupMembership, UserGroup
from apps.audit.services import record
from apps.audit.types import AuditActor


@transaction.atomic
def hand_over(group: UserGroup, *, by: AuditActor, now: datetime) -> None:
    """Let SCIM keep a group that was made by hand: its members from claims go, those put in by hand stay."""
    _drop_members(group, GroupMembership.Source.CLAIM, by=by, now=now)
    UserGroup.objects.filter(pk=group.pk).update(origin=UserGroup.Origin.SCIM, claim_value="", updated_at=now)
    record("accounts.group_handed_over", group, by=by, now=now)


@transaction.atomic
def take_back(group: UserGroup, *, by: AuditActor, now: datetime) -> None:
    """Take a group from SCIM: the members that came over SCIM go, and SCIM does not see it any more."""
    _drop_members(group, GroupMembership.Source.SCIM, by=by, now=now)
    UserGroup.objects.filter(pk=group.pk).update(origin=UserGroup.Origin.ADMINISTRATOR, external_id="", updated_at=now)
    record("accounts.group_taken_back", group, by=by, now=now)


def _drop_members(group: UserGroup, source: str, *, by: AuditActor, now: datetime) -> None:
    """Take out those whom one source put in; they sign in again."""
    found = GroupMembership.objects.filter(group=group, source=source)
    people = list(found.values_list("user_id", flat=True))
    found.delete()
    end_sessions_of(people, why="groups changed", by=by, now=now)
