"""Whose rights who keeps people leaves alone: their own, and those of programs."""

from uuid import UUID

from apps.access.types import Actor
from apps.accounts.models import GroupMembership, User


def groups_out_of_reach(actor: Actor) -> frozenset[UUID]:
    """Return the groups whose rights the actor does not change.

    Their own, since nobody changes their own rights; and, but for tenant administrators, those that a service account
    is in: whoever holds its token would get what the group is given.
    """
    if actor.is_tenant_admin:
        return actor.group_ids
    of_programs = GroupMembership.objects.filter(user__kind=User.Kind.SERVICE).values_list("group_id", flat=True)
    return actor.group_ids | frozenset(of_programs)


def people_out_of_reach(actor: Actor) -> frozenset[UUID | None]:
    """Return the people and programs whose rights on single objects the actor does not change."""
    programs = User.objects.filter(kind=User.Kind.SERVICE).values_list("pk", flat=True)
    return frozenset((actor.user_id, *programs))
