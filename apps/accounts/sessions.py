"""Sessions in the database, each of one tenant: on another tenant's host its key finds nothing.

Only the browser has the key. The database has its hash, so that nobody who reads a row or a backup can come in by it.

Limits are checked on the row that is read anyway; when it was last seen is written at most once a minute.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.contrib.sessions.middleware import SessionMiddleware
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from apps.accounts.models import UserSession
from apps.tenants.addresses import admits, client_address
from apps.tenants.limits import STAFF_IDLE_MIN, narrowest
from apps.tenants.types import SignInLimits

SEEN_EVERY = timedelta(minutes=1)
RECOVERY_IDLE, RECOVERY_LIFETIME = timedelta(minutes=15), timedelta(minutes=30)
PROVIDER_KEY, PROVIDER_NAME_KEY, RECOVERY_KEY = "provider_id", "provider_name", "is_recovery"
UNATTENDED = "Omni-Unattended"
"""the header of what a page asks by itself for as long as it is open: nobody need be there, so it keeps no session going"""
CONFIRMED_KEY = "confirmed_at"
"""in the session: when the provider says that the person proved who they are, in seconds since 1970; 0 is unknown"""


@dataclass(frozen=True, slots=True)
class Arrival:
    """From where a request comes, and the limits of the tenant that it comes to."""

    limits: SignInLimits
    address: str = ""
    browser: str = ""
    is_use: bool = True
    is_inside: bool = True
    """within the networks that people may come from; a recovery goes on from everywhere"""


def idle_limit(kind: str, limits: SignInLimits) -> timedelta:
    """Return how long a session may go unused."""
    own = timedelta(minutes=limits.session_idle_min)
    return min(own, RECOVERY_IDLE) if kind == UserSession.Kind.RECOVERY else own


def lifetime(kind: str, limits: SignInLimits) -> timedelta:
    """Return how long a session may last, used or not."""
    own = timedelta(minutes=limits.session_lifetime_min)
    return min(own, RECOVERY_LIFETIME) if kind == UserSession.Kind.RECOVERY else own


def is_over(row: UserSession, limits: SignInLimits, now: datetime) -> bool:
    """Say whether a session has reached one of its limits.

    What nobody of the tenant has signed in to is a sign-in on its way, or a support visit: our staff's limit holds.
    """
    idle = idle_limit(row.kind, limits)
    if row.user_id is None:
        idle = min(idle, timedelta(minutes=STAFF_IDLE_MIN))
    return (
        now >= row.expire_date or now - row.started_at >= lifetime(row.kind, limits) or now - row.last_seen_at >= idle
    )


def session_digest(key: str) -> bytes:
    """Return the hash under which a session is kept. Its key has 165 random bits, so it needs no salt."""
    return hashlib.sha256(key.encode()).digest()


class SessionStore(db.SessionStore):
    """Store that knows the tenant's limits and keeps beside each session whose it is, since when and from where."""

    def __init__(self, session_key: str | None = None, arrival: Arrival | None = None) -> None:
        super().__init__(session_key)
        self.arrival = arrival or Arrival(narrowest())
        self._row: UserSession | None = None

    @classmethod
    def get_model_class(cls) -> type[UserSession]:
        return UserSession

    def _get_session_from_db(self) -> UserSession | None:
        now = timezone.now()
        is_open = Q(provider=None) | Q(provider__is_enabled=True)  # a provider that is switched off ends its sessions
        digest = session_digest(self.session_key or "")
        return self._taken(UserSession.objects.filter(is_open, digest=digest, expire_date__gt=now).first(), now)

    def restore(self, found: UserSession | None, *, now: datetime) -> bool:
        """Take the row that was just read of this session, so that it is not read again; say whether it goes on.

        None stands for a session that is not there, has expired, or whose provider is switched off. The tenant's
        limits are checked here, as they are when the store reads the row itself.
        """
        row = self._taken(found, now)
        self._session_cache = self.decode(row.session_data) if row is not None else {}
        self.accessed = True
        return row is not None

    def _taken(self, row: UserSession | None, now: datetime) -> UserSession | None:
        """Return a row within the limits and note that it was seen; forget the key of any other."""
        if row is None or is_over(row, self.arrival.limits, now):
            self._session_key = None
            return None
        self._row = row
        if self.arrival.is_use and self._counts(row) and now - row.last_seen_at >= SEEN_EVERY:
            self._note_seen(row, now)
        return row

    def _counts(self, row: UserSession) -> bool:
        """Say whether the session may be used from here: what will be refused is no use, and changes nothing."""
        return self.arrival.is_inside or row.kind == UserSession.Kind.RECOVERY

    def _note_seen(self, row: UserSession, now: datetime) -> None:
        row.last_seen_at, row.address = now, self.arrival.address or row.address
        UserSession.objects.filter(pk=row.pk).update(last_seen_at=now, address=row.address)

    def exists(self, session_key: str) -> bool:
        return UserSession.objects.filter(digest=session_digest(session_key)).exists()

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            UserSession.objects.filter(digest=session_digest(key)).delete()

    def create(self) -> None:
        """Begin a row of its own, with times of its own."""
        self._row = None
        super().create()

    def flush(self) -> None:
        self._row = None
        super().flush()

    def get_session_cookie_age(self) -> int:
        return self.arrival.limits.session_lifetime_min * 60

    def create_model_instance(self, data: dict[str, Any]) -> UserSession:
        digest = session_digest(self._get_or_create_session_key())  # type: ignore[attr-defined]  # Django's own name, which its stubs leave out
        row = UserSession(digest=digest, session_data=self.encode(data), expire_date=self.get_expiry_date())
        held, now = self._row, timezone.now()
        if held is not None:
            row.pk, row.started_at, row.last_seen_at = held.pk, held.started_at, held.last_seen_at
            row.refused_at = held.refused_at
        else:
            row.started_at = row.last_seen_at = now
        row.user_id = UUID(data[SESSION_KEY]) if data.get(SESSION_KEY) else None
        row.kind = UserSession.Kind.RECOVERY if data.get(RECOVERY_KEY) else UserSession.Kind.PROVIDER
        row.provider_id = UUID(data[PROVIDER_KEY]) if data.get(PROVIDER_KEY) else None
        row.provider_name = str(data.get(PROVIDER_NAME_KEY, ""))[:80]
        is_known_here = held is None or self._counts(row)
        row.address = (is_known_here and self.arrival.address) or (held.address if held else "")
        row.browser = (is_known_here and self.arrival.browser) or (held.browser if held else "")
        row.expire_date = min(row.expire_date, row.started_at + lifetime(row.kind, self.arrival.limits))
        self._row = row
        return row

    @property
    def row_id(self) -> UUID | None:
        """The id by which pages name this session; None before it is stored or read."""
        return self._row.pk if self._row is not None else None

    @property
    def unused_until(self) -> datetime | None:
        """When the session is over if nobody uses it, as far as its last use is noted."""
        row = self._row
        return row.last_seen_at + idle_limit(row.kind, self.arrival.limits) if row is not None else None

    @property
    def ends_at(self) -> datetime | None:
        """When the session is over at the latest."""
        return self._row.expire_date if self._row is not None else None


def arrival_of(request: HttpRequest) -> Arrival:
    """Return from where a request comes, and what its tenant allows."""
    address = client_address(request)
    limits: SignInLimits = request.tenant.limits  # type: ignore[attr-defined]  # bound by the middleware
    browser = request.headers.get("User-Agent", "")[:300]
    is_inside = admits(limits.networks_people, address)
    return Arrival(limits, str(address) if address else "", browser, UNATTENDED not in request.headers, is_inside)


def rejoin(request: HttpRequest) -> None:
    """Have the request's session know its tenant again, after allauth kept or took a state in it.

    allauth puts a store in its place that knows the key alone: by the narrowest limits it would end or shorten what
    the tenant's own allow. The row is read again, so what other tabs have written meanwhile stays.
    """
    store = SessionStore(request.session.session_key, arrival_of(request))
    store.modified = request.session.modified
    request.session = store


class TenantSessionMiddleware(SessionMiddleware):
    """Django's, with the limits of the bound tenant and where the request comes from handed to the store."""

    def process_request(self, request: HttpRequest) -> None:
        key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
        request.session = SessionStore(key, arrival_of(request))
