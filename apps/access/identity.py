"""Who asks, read in one statement: the session or token, its person, and what the person holds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from apps.access import statements
from apps.access.roles import BASE, BUILT_IN, NONE, Capability, capabilities_of
from apps.access.types import AttributeValue
from apps.accounts.attributes import GROUP, Held, standing
from apps.accounts.models import User, UserSession
from apps.accounts.sessions import session_digest
from apps.tenants.binding import bound_tenant_id


@dataclass(frozen=True, slots=True)
class Rights:
    """What a person holds: attributes by name as their strongest source has them, (id, name) of groups, capabilities of all roles together."""

    attributes: dict[str, AttributeValue]
    groups: list[tuple[UUID, str]]
    capabilities: frozenset[Capability]


NOTHING = Rights({}, [], NONE)


@dataclass(frozen=True, slots=True)
class Identity:
    """An active person of the bound tenant, and what they hold at this moment."""

    person: User
    rights: Rights


@dataclass(frozen=True, slots=True)
class SessionFound:
    """A session that has not expired, and whose it is; None while nobody has signed in.

    It still has to be held against the tenant's limits: :meth:`apps.accounts.sessions.SessionStore.restore` does so.
    """

    row: UserSession
    identity: Identity | None


@dataclass(frozen=True, slots=True)
class TokenFound:
    """A valid token and whose it is."""

    id: UUID
    last_used_at: datetime | None
    scope: str
    identity: Identity


def identity_of_session(key: str, *, now: datetime) -> SessionFound | None:
    """Return the bound tenant's session with this key and its person with rights; None when there is none any more."""
    row = _row(statements.SESSION, {"digest": session_digest(key), "tenant": bound_tenant_id(), "now": now})
    if row is None:
        return None
    width = len(statements.SESSION_FIELDS)
    session = UserSession.from_db(connection.alias, statements.SESSION_FIELDS, row[:width])
    has_person, *rest = row[width:]
    return SessionFound(session, _identity(rest) if has_person else None)


def identity_of_token(digest: bytes, *, now: datetime) -> TokenFound | None:
    """Return the bound tenant's valid token with this digest and its person with rights."""
    row = _row(statements.TOKEN, {"digest": digest, "tenant": bound_tenant_id(), "now": now})
    return _token(row) if row is not None else None


def identity_of_token_row(token_id: UUID, person_id: UUID, *, now: datetime) -> TokenFound | None:
    """Return the bound tenant's token by its id, if it is this person's and still valid, with the person's rights."""
    params = {"token": token_id, "person": person_id, "tenant": bound_tenant_id(), "now": now}
    row = _row(statements.TOKEN_OF, params)
    return _token(row) if row is not None else None


def identity_of_person(person_id: UUID) -> Identity | None:
    """Return the bound tenant's person, if still active, with what the person holds."""
    row = _row(statements.ACTIVE, {"person": person_id, "tenant": bound_tenant_id()})
    return _identity(row) if row is not None else None


def ask_identity(
    person_id: UUID, token_id: UUID | None, *, now: datetime
) -> Callable[[], Identity | TokenFound | None]:
    """Ask for a person, or for a token of theirs, within ``connection.one_message()``; what is returned reads the answer after it."""
    if token_id is None:
        row = _asked(statements.ACTIVE, {"person": person_id, "tenant": bound_tenant_id()})
        return lambda: None if (found := row()) is None else _identity(found)
    params = {"token": token_id, "person": person_id, "tenant": bound_tenant_id(), "now": now}
    token = _asked(statements.TOKEN_OF, params)
    return lambda: None if (found := token()) is None else _token(found)


def rights_of(user: User) -> Rights:
    """Read what a person of the bound tenant holds."""
    return rights_of_people([user.pk]).get(user.pk, NOTHING)


def rights_of_people(people: Iterable[UUID]) -> dict[UUID, Rights]:
    """Read what each of these people of the bound tenant holds, in one statement."""
    with connection.prepared_cursor() as cursor:  # type: ignore[attr-defined]  # our own backend's
        cursor.execute(statements.PEOPLE, {"tenant": bound_tenant_id(), "people": list(people)})
        return {row[0]: _rights(row[1:]) for row in cursor.fetchall()}


def _row(statement: str, params: Mapping[str, Any]) -> tuple[Any, ...] | None:
    return _asked(statement, params)()


def _asked(statement: str, params: Mapping[str, Any]) -> Callable[[], tuple[Any, ...] | None]:
    """Send a statement; return what reads its first row."""
    cursor = connection.prepared_cursor()  # type: ignore[attr-defined]  # our own backend's
    cursor.execute(statement, params)

    def read() -> tuple[Any, ...] | None:
        with cursor:
            found: tuple[Any, ...] | None = cursor.fetchone()
        return found

    return read


def _token(row: Sequence[Any]) -> TokenFound:
    return TokenFound(row[0], row[1], row[2], _identity(row[3:]))


def _identity(row: Sequence[Any]) -> Identity:
    width = len(statements.PERSON_FIELDS)
    return Identity(User.from_db(connection.alias, statements.PERSON_FIELDS, row[:width]), _rights(row[width:]))


def _rights(row: Sequence[Any]) -> Rights:
    own, given, groups, roles = row
    said = [Held(name, kind, is_list, tuple(values), source) for name, kind, is_list, values, source in own or ()]
    said += [
        Held(name, kind, is_list, tuple(values), GROUP, group) for name, kind, is_list, values, group in given or ()
    ]
    return Rights(
        {name: AttributeValue(one.values, one.type, one.source) for name, one in standing(said).items() if one.values},
        [(UUID(key), name) for key, name in groups or ()],
        _together(roles or ()),
    )


def _together(roles: Iterable[tuple[bool, str, list[str] | None]]) -> frozenset[Capability]:
    """Return what roles hold together, the base role included: the highest of base, group and own applies."""
    has_base = False
    held = NONE
    for is_base, built_in, own in roles:
        has_base = has_base or is_base
        held |= BUILT_IN.get(built_in, NONE) if built_in else capabilities_of(own or [])
    return held if has_base else held | BUILT_IN[BASE]
