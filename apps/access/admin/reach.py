"""Whose rights who keeps people leaves alone: their own, and those of programs."""

from uuid import UUID

from django.db.models import Q, QuerySet

from apps.access.models import RoleAssignment
from apps.access.roles import BUILT_IN
from apps.access.types import Actor
from apps.accounts.last_claims import groups_to_come
from apps.accounts.models import GroupMembership, User


def groups_out_of_reach(actor: Actor) -> frozenset[UUID]:
    """Return the groups whose rights the actor does not change.

    Their own, since nobody changes their own rights. But for tenant administrators, also those into which their claims
    will put them at the next sign-in, and those that a service account is in: whoever holds its token would get what
    the group is given.
    """
    if actor.is_tenant_admin:
        return actor.group_ids
    of_programs = GroupMembership.objects.filter(user__kind=User.Kind.SERVICE).values_list("group_id", flat=True)
    return actor.group_ids | frozenset(of_programs) | groups_to_come(actor.user_id)


def people_out_of_reach(actor: Actor) -> frozenset[UUID | None]:
    """Return the people and programs whose rights on single objects the actor does not change."""
    programs = User.objects.filter(kind=User.Kind.SERVICE).values_list("pk", flat=True)
    return frozenset((actor.user_id, *programs))


def groups_closed_to(actor: Actor) -> frozenset[UUID]:
    """Return the groups into which the actor puts nobody, not by handing them over either: those through which people have a role.

    Who may do what is for tenant administrators; a group would be a way around them.
    """
    if actor.is_tenant_admin:
        return frozenset()
    return frozenset(_holding().exclude(group=None).values_list("group_id", flat=True))


def awaits_a_role(user: User) -> bool:
    """Say whether a role waits for somebody who has not come yet: who changes their address says who gets it."""
    if user.subject is not None:
        return False
    groups = GroupMembership.objects.filter(user=user).values("group")
    return _holding().filter(Q(user=user) | Q(group__in=groups)).exists()


def _holding() -> QuerySet[RoleAssignment]:
    """Return what gives somebody, or a group, a role that holds anything."""
    built_in = [code for code, held in BUILT_IN.items() if held]
    return RoleAssignment.objects.filter(Q(built_in__in=built_in) | (Q(role__isnull=False) & ~Q(role__capabilities=[])))
