"""Statements that are sent together: one transaction of the bound tenant's, or nothing of any of them."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DataError, ProgrammingError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from apps.tenants.binding import bound, unbound
from apps.tenants.types import TenantRef

WHOSE = ("SELECT current_setting('omni.tenant_id', true), txid_current()", ())
REMEMBER = ("SELECT set_config('omni.probe', 'was here', false)", ())
RECALL = ("SELECT coalesce(current_setting('omni.probe', true), '')", ())
PEOPLE = ("SELECT count(*) FROM accounts_user", ())
FAILS = ("SELECT 1 / %s::int", (0,))
Statement = tuple[str, tuple[Any, ...]]


@pytest.fixture
def session(acme: TenantRef) -> Iterator[BaseDatabaseWrapper]:
    """A session of its own, in no transaction, unlike that of tests."""
    found = connections.create_connection("default")
    try:
        yield found
    finally:
        found.close()


def send(session: BaseDatabaseWrapper, *statements: Statement) -> list[tuple[Any, ...]]:
    cursors = []
    with session.one_message():  # type: ignore[attr-defined]  # our own backend's
        for text, params in statements:
            cursor = session.prepared_cursor()  # type: ignore[attr-defined]  # our own backend's
            cursor.execute(text, params)
            cursors.append(cursor)
    return [cursor.fetchone() for cursor in cursors]


def test_they_are_one_transaction_of_whoever_is_bound(
    session: BaseDatabaseWrapper, acme: TenantRef, globex: TenantRef
) -> None:
    seen = set()
    for tenant in (acme, globex, acme):
        with bound(tenant.id):
            first, second = send(session, WHOSE, WHOSE)
        assert first == second
        assert first[0] == str(tenant.id)
        seen.add(first[1])
    assert len(seen) == 3
    with unbound():
        assert send(session, WHOSE)[0][0] == ""


def test_what_fails_leaves_nothing_of_the_others_and_the_session_goes_on(session: BaseDatabaseWrapper) -> None:
    with pytest.raises(DataError):
        send(session, REMEMBER, FAILS)
    assert send(session, RECALL) == [("",)]
    send(session, REMEMBER, PEOPLE)
    assert send(session, RECALL) == [("was here",)]


def test_within_a_transaction_they_are_part_of_it(session: BaseDatabaseWrapper, acme: TenantRef) -> None:
    session.set_autocommit(False)
    session.in_atomic_block = True
    one, other = send(session, WHOSE, WHOSE), send(session, WHOSE)
    assert one[0] == one[1] == other[0]
    assert other[0][0] == str(acme.id)
    session.in_atomic_block = False
    session.rollback()
    session.set_autocommit(True)


def test_nothing_of_another_tenant_is_sent_with_them(
    session: BaseDatabaseWrapper, acme: TenantRef, globex: TenantRef
) -> None:
    with bound(acme.id), session.one_message():  # type: ignore[attr-defined]  # our own backend's
        mine = session.prepared_cursor()  # type: ignore[attr-defined]  # our own backend's
        mine.execute(*WHOSE)
        for other in (bound(globex.id), unbound()):
            with other, pytest.raises(ProgrammingError, match="one tenant only"):
                session.prepared_cursor().execute(*WHOSE)  # type: ignore[attr-defined]  # our own backend's
    assert mine.fetchone()[0] == str(acme.id)
