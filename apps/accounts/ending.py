"""End sessions: one, a person's, everybody's of a provider. The next request in them is refused."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F

from apps.accounts.models import IdentityProvider, User, UserSession
from apps.audit.services import record
from apps.audit.types import AuditActor


@transaction.atomic
def end_session(session: UserSession, *, by: AuditActor, now: datetime) -> None:
    """End one session; one that is over already is left alone."""
    count, _ = UserSession.objects.filter(pk=session.pk).delete()
    if count:
        facts = {"count": 1, "why": "chosen", "session": session.pk}
        record("accounts.sessions_ended", session.user, by=by, now=now, facts=facts)


@transaction.atomic
def end_other_sessions(user_id: UUID, *, but: UUID | None, by: AuditActor, now: datetime) -> int:
    """End a person's sessions but one; return how many."""
    others = UserSession.objects.filter(user_id=user_id)
    count, _ = (others.exclude(pk=but) if but is not None else others).delete()
    user = User.objects.get(pk=user_id)
    record("accounts.sessions_ended", user, by=by, now=now, facts={"count": count, "why": "all others"})
    return count


@transaction.atomic
def end_sessions_of(user_ids: Iterable[UUID], *, why: str, by: AuditActor, now: datetime) -> int:
    """End every session of some people, because what they may do has changed; return how many.

    Their session version rises too, so that a sign-in that is on its way starts with what holds now, or not at all.
    """
    people = set(user_ids)
    if not people:
        return 0
    User.objects.filter(pk__in=people).update(session_version=F("session_version") + 1)
    count, _ = UserSession.objects.filter(user_id__in=people).delete()
    if count:
        facts = {"count": count, "people": len(people), "why": why}
        record("accounts.sessions_ended", None, by=by, now=now, facts=facts)
    return count


@transaction.atomic
def end_sessions_of_provider(provider: IdentityProvider, *, why: str, by: AuditActor, now: datetime) -> int:
    """End every session that was begun through a provider; return how many."""
    count, _ = UserSession.objects.filter(provider_id=provider.pk).delete()
    if count:
        record("accounts.sessions_ended", provider, by=by, now=now, facts={"count": count, "why": why})
    return count
