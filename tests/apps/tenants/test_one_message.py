"""Statements that are sent together: one transaction of the bound tenant's, or nothing of any of them."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import DataError, OperationalError, ProgrammingError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from apps.tenants.binding import bound, unbound
from apps.tenants.types import TenantRef
from tests.databases import admin_url

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


def test_they_leave_when_the_block_is_over(
    session: BaseDatabaseWrapper, acme: TenantRef, watcher: "psycopg.Connection[Any]"
) -> None:
    [(pid,)] = send(session, ("SELECT pg_backend_pid()", ()))
    with session.one_message():  # type: ignore[attr-defined]  # our own backend's
        waiting = session.prepared_cursor()  # type: ignore[attr-defined]  # our own backend's
        waiting.execute("SELECT 'asked later'")
        assert "asked later" not in last_seen(watcher, pid)
    assert waiting.fetchone() == ("asked later",)
    assert "asked later" in last_seen(watcher, pid)


@pytest.fixture
def watcher() -> "Iterator[psycopg.Connection[Any]]":
    """Who sees what other sessions do, and may end them."""
    with psycopg.connect(admin_url(connections["default"].settings_dict["NAME"]), autocommit=True) as found:
        yield found


def last_seen(watcher: "psycopg.Connection[Any]", pid: int) -> str:
    """Return the last statement that the server has from a session."""
    row = watcher.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchone()
    return str(row[0]) if row else ""


def test_rows_that_are_wanted_within_the_block_come(session: BaseDatabaseWrapper, acme: TenantRef) -> None:
    with session.one_message():  # type: ignore[attr-defined]  # our own backend's
        first = session.prepared_cursor()  # type: ignore[attr-defined]  # our own backend's
        first.execute(*WHOSE)
        assert first.fetchone()[0] == str(acme.id)
        second = session.prepared_cursor()  # type: ignore[attr-defined]  # our own backend's
        second.execute("SELECT 2")
    assert second.fetchone() == (2,)


def test_much_to_send_with_much_to_answer_stops_neither_side(session: BaseDatabaseWrapper, acme: TenantRef) -> None:
    large = b"\x00" * 4_000_000
    statement = ("SELECT %s::bytea", (large,))
    assert [bytes(row[0]) == large for row in send(session, statement, statement, statement)] == [True] * 3


def test_a_session_that_was_ended_says_so(
    session: BaseDatabaseWrapper, acme: TenantRef, watcher: "psycopg.Connection[Any]"
) -> None:
    [(pid,)] = send(session, ("SELECT pg_backend_pid()", ()))
    with pytest.raises(OperationalError), session.one_message():  # type: ignore[attr-defined]  # our own backend's
        session.prepared_cursor().execute("SELECT 1")  # type: ignore[attr-defined]  # our own backend's
        watcher.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    session.close()
    assert send(session, ("SELECT 1", ())) == [(1,)]
