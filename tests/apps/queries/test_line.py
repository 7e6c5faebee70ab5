"""The line of waiting runs, in the real Redis: who is next, and what a lost lease does."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import redis
from django.conf import settings as django_settings
from pytest_django import Settings

from apps.connections.models import Connection
from apps.queries import line
from apps.queries.line import Lease, Priority
from apps.tenants.binding import bound

A, B, C = (UUID(int=number) for number in (1, 2, 3))
NOW = datetime.now(UTC) - timedelta(hours=1)
Join = Callable[..., UUID]


@pytest.fixture
def links() -> dict[str, Connection]:
    """Two connections: one takes a single query at once."""
    return {"wide": Connection(name="wide", max_running=50), "narrow": Connection(name="narrow", max_running=1)}


@pytest.fixture
def join(links: dict[str, Connection]) -> Join:
    """Let a run of a tenant wait; ``second`` orders those of one tenant."""

    def put(tenant: UUID, second: int = 0, *, link: str = "wide", priority: Priority = Priority.INTERACTIVE) -> UUID:
        run_id = uuid4()
        with bound(tenant):
            line.join(run_id, links[link], priority, asked_at=NOW + timedelta(seconds=second))
        return run_id

    return put


def taken() -> Lease:
    found = line.take()
    assert found is not None
    return found


def test_tenants_take_turns_however_many_one_of_them_has_waiting(join: Join) -> None:
    flood = [join(A, second) for second in range(5)]
    two = [join(B, second) for second in range(2)]
    one = [join(C)]
    order = [taken().run_id for _ in range(5)]
    assert set(order[:3]) == {flood[0], two[0], one[0]}
    assert set(order[3:]) == {flood[1], two[1]}


def test_who_has_fewest_running_is_next_and_among_equals_who_was_served_longest_ago(join: Join) -> None:
    for second in range(3):
        join(A, second)
        join(B, second)
    first = taken()
    second = taken()
    assert {first.tenant_id, second.tenant_id} == {A, B}
    line.leave(second)
    assert taken().tenant_id == second.tenant_id  # nothing of it runs, although it was served last
    line.leave(first)
    third = taken()
    assert third.tenant_id == first.tenant_id


def test_a_connection_takes_only_so_many_at_once_and_keeps_no_other_waiting(join: Join) -> None:
    narrow = [join(A, second, link="narrow") for second in range(3)]
    wide = join(A, 10)
    first = taken()
    assert first.run_id == narrow[0]
    assert taken().run_id == wide
    assert line.take() is None
    line.leave(first)
    assert taken().run_id == narrow[1]


def test_a_tenant_takes_only_so_many_at_once(join: Join, settings: Settings) -> None:
    settings.OMNI_TENANT_RUNNING_MAX = 2
    for second in range(4):
        join(A, second)
    leases = [taken(), taken()]
    assert line.take() is None
    other = join(B)
    assert taken().run_id == other
    line.leave(leases[0])
    assert taken().tenant_id == A


def test_background_lets_interactive_go_first_but_not_for_ever(join: Join, settings: Settings) -> None:
    settings.OMNI_BACKGROUND_BEHIND_S = 60
    background = join(A, 0, priority=Priority.BACKGROUND)
    soon, late = join(A, 30), join(A, 61)
    assert [taken().run_id for _ in range(3)] == [soon, background, late]


def test_a_place_in_the_line_can_be_told_and_given_up(join: Join, links: dict[str, Connection]) -> None:
    first, second = join(A, 1), join(A, 2)
    join(B)
    with bound(A):
        assert [line.position(run, links["wide"].pk) for run in (first, second)] == [1, 2]
        line.withdraw(first, links["wide"].pk)
        assert [line.position(run, links["wide"].pk) for run in (first, second)] == [None, 1]


def test_beyond_the_bound_there_is_no_room(join: Join, settings: Settings) -> None:
    settings.OMNI_WAITING_MAX = 2
    join(A)
    with bound(A):
        assert line.has_room()
    join(A)
    with bound(A):
        assert not line.has_room()
    with bound(B):
        assert line.has_room()


def running() -> dict[bytes, float]:
    with redis.Redis.from_url(django_settings.OMNI_REDIS_URL) as client:
        return dict(client.zrange("omni:line:running", 0, -1, withscores=True))


def set_running(member: str, score: float) -> None:
    with redis.Redis.from_url(django_settings.OMNI_REDIS_URL) as client:
        client.zadd("omni:line:running", {member: score})


def test_a_silent_worker_loses_its_slot_and_the_run_is_named(join: Join, settings: Settings) -> None:
    settings.OMNI_LEASE_S = 30
    join(A, link="narrow")
    waiting = join(A, 1, link="narrow")
    dead = taken()
    assert line.take() is None
    set_running(dead.member, 1)  # its time is long over
    assert taken().run_id == waiting
    assert line.lost() == {A: {dead.run_id}}
    line.looked_after(A, [dead.run_id])
    assert line.lost() == {}


def test_a_clock_that_was_set_back_holds_no_slot_for_longer_than_a_lease(join: Join, settings: Settings) -> None:
    settings.OMNI_LEASE_S = 30
    join(A)
    held = taken()
    (score,) = running().values()
    set_running(held.member, score + 3_600_000)
    assert line.leased() == {held.run_id}
    (shortened,) = running().values()
    assert shortened <= score + 40_000


def test_a_lease_that_vanished_comes_back_unless_another_worker_has_the_run(join: Join) -> None:
    join(A)
    mine = taken()
    with redis.Redis.from_url(django_settings.OMNI_REDIS_URL) as client:
        client.flushdb()
    assert line.leased() == frozenset()
    assert line.renew(mine)
    assert line.leased() == {mine.run_id}
    line.leave(mine)
    with bound(A):
        theirs = line.hold(mine.run_id)
    assert not line.renew(mine)
    assert line.renew(theirs)
