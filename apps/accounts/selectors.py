"""Reads for pages: providers to sign in by, sessions in words, tokens by state."""

import string
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Lower

from apps.accounts.browsers import browser_words
from apps.accounts.models import ApiToken, EmailDomain, IdentityProvider, User, UserSession
from apps.accounts.sessions import is_over
from apps.tenants.types import SignInLimits

SMALL = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


@dataclass(frozen=True, slots=True)
class SessionLine:
    """One session as its owner sees it."""

    id: UUID
    browser: str
    address: str
    came_by: str
    started_at: datetime
    last_seen_at: datetime
    is_this: bool


def running_sessions(limits: SignInLimits, *, now: datetime) -> QuerySet[UserSession]:
    """Return the sessions of people of the bound tenant that can still go on."""
    idle = timedelta(minutes=limits.session_idle_min)
    longest = timedelta(minutes=limits.session_lifetime_min)
    return UserSession.objects.filter(
        user__isnull=False, expire_date__gt=now, last_seen_at__gt=now - idle, started_at__gt=now - longest
    )


def session_lines(
    sessions: Iterable[UserSession], limits: SignInLimits, *, this: UUID | None, now: datetime
) -> list[SessionLine]:
    """Say each session in words, the one that asks first."""
    lines = [
        SessionLine(
            row.pk, browser_words(row.browser), row.address or "unknown address", came_by(row), row.started_at,
            row.last_seen_at, row.pk == this,
        )
        for row in sessions if not is_over(row, limits, now)
    ]  # fmt: skip
    return sorted(lines, key=lambda line: not line.is_this)


def came_by(row: UserSession) -> str:
    """Say through what a session was begun."""
    return "recovery link" if row.kind == UserSession.Kind.RECOVERY else row.provider_name or "identity provider"


def token_state(token: ApiToken, *, now: datetime) -> str:
    """Say whether a token can be used: one of a service account waits while the person who answers for it is shut out."""
    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at <= now:
        return "expired"
    owner = token.user.owner
    return "waiting" if owner is not None and not owner.is_active else "valid"


def tokens_in(state: str, *, now: datetime) -> Q:
    """Return the condition that a token is in one of the states that :func:`token_state` tells; any for a state unknown."""
    waits = Q(user__owner__is_active=False)
    running = Q(revoked_at=None, expires_at__gt=now)
    return {
        "valid": running & ~waits,
        "waiting": running & waits,
        "expired": Q(revoked_at=None, expires_at__lte=now),
        "revoked": Q(revoked_at__isnull=False),
    }.get(state, Q())


def valid_tokens_of(provider: IdentityProvider, *, now: datetime) -> QuerySet[ApiToken]:
    """Return the API tokens that can be used of people whom a provider names, and of the programs they answer for."""
    issuer = provider.identity_issuer
    whose = Q(user__issuer=issuer, user__is_active=True) | Q(user__owner__issuer=issuer, user__is_active=True)
    return ApiToken.objects.filter(whose, tokens_in("valid", now=now))


def enabled_providers() -> list[IdentityProvider]:
    """Return the bound tenant's providers by which people may sign in."""
    return list(IdentityProvider.objects.filter(is_enabled=True).order_by("name"))


def domain_of(email: str) -> str:
    """Return the domain of an address in small letters, or "" where there is none that could be listed."""
    name, _, domain = email.strip().rpartition("@")
    return domain.lower() if name and domain.isascii() else ""


def is_same_address(one: str, other: str) -> bool:
    """Say whether two addresses are the same: letter by letter, but for capital letters from A to Z.

    The database takes ``ı`` and ``ſ`` for ``i`` and ``s`` where it compares without regard to case. Somebody who has an
    address with such a letter would come in as whoever was invited by the plain one.
    """
    return one.translate(SMALL) == other.translate(SMALL)


def is_taken(email: str) -> bool:
    """Say whether somebody of the bound tenant has an address, or one that the database takes for it in either case."""
    named = Q(low=Lower(Value(email))) | Q(email__iexact=email)
    return User.objects.alias(low=Lower("email")).filter(named).exists()


def provider_for(email: str) -> IdentityProvider | None:
    """Return the enabled provider that an address leads to by its domain. Nobody is looked up."""
    found = EmailDomain.objects.filter(domain=domain_of(email), provider__is_enabled=True).select_related("provider")
    return next((row.provider for row in found), None)


def domains_of(provider: IdentityProvider) -> set[str]:
    """Return the domains that are listed for a provider."""
    return set(EmailDomain.objects.filter(provider=provider).values_list("domain", flat=True))


def speaks_for(email: str, provider: IdentityProvider) -> bool:
    """Say whether a provider's word counts for an address that nobody has come in with yet.

    A domain that is listed for a provider is that provider's alone. One that is listed for none is the only provider's;
    where people may come by several, none of them could be told from one that says more than it knows.
    """
    listed = EmailDomain.objects.filter(domain=domain_of(email)).first()
    if listed is not None:
        return listed.provider_id == provider.pk
    return not IdentityProvider.objects.filter(is_enabled=True).exclude(pk=provider.pk).exists()
