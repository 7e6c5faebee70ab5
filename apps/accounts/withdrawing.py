"""What a provider has said of people goes with it, and with the mapping through which it was read."""

from datetime import datetime
from typing import TypeVar

from django.db import transaction
from django.db.models import QuerySet

from apps.accounts.ending import end_sessions_of
from apps.accounts.models import ApiToken, ClaimMapping, GroupMembership, IdentityProvider, User, UserAttribute
from apps.audit.types import AuditActor

Row = TypeVar("Row", GroupMembership, UserAttribute)


def withdraw_provider(provider: IdentityProvider, *, now: datetime) -> dict[str, int]:
    """Take what a provider has said of its people, and their API tokens, since none of them can come in any more.

    People stay, with what administrators and SCIM have given them. Where another provider names the same people, they
    keep everything.

    Returns:
        How many people it was about, and how many tokens were revoked: facts for the event.
    """
    others = IdentityProvider.objects.exclude(pk=provider.pk).filter(issuer=provider.issuer)
    if any(other.identity_issuer == provider.identity_issuer for other in others):
        return {"people": 0, "api_access_revoked": 0}
    people = _people_of(provider)
    _said_of(people, UserAttribute.objects.all()).delete()
    _said_of(people, GroupMembership.objects.all()).delete()
    revoked = ApiToken.objects.filter(user__in=people, revoked_at=None).update(revoked_at=now)
    return {"people": people.count(), "api_access_revoked": revoked}


@transaction.atomic
def withdraw_mapping(mapping: ClaimMapping, *, by: AuditActor, now: datetime) -> None:
    """Take what was read through a mapping that is no more; whoever had it signs in again, with what holds now."""
    people = _people_of(mapping.provider)
    if mapping.definition_id is None:
        said: QuerySet[GroupMembership] | QuerySet[UserAttribute] = _said_of(people, GroupMembership.objects.all())
    else:
        said = _said_of(people, UserAttribute.objects.filter(definition_id=mapping.definition_id))
    had = set(said.values_list("user_id", flat=True))
    said.delete()
    end_sessions_of(had, why="claims changed", by=by, now=now)


def _people_of(provider: IdentityProvider) -> QuerySet[User]:
    return User.objects.filter(issuer=provider.identity_issuer)


def _said_of(people: QuerySet[User], rows: QuerySet[Row]) -> QuerySet[Row]:
    return rows.filter(user__in=people, source="claim")
