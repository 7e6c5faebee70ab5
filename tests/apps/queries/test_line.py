"""The line of waiting runs, in the real Redis: who is next, and what a lost lease does."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import redis
from django.conf import settings as django_settings
from pytest_django import Settings

from apps.connections.models import Connection
from apps.queries import flights, line
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


def test_tenants_that_were_never_served_go_in_the_order_of_asking(join: Join) -> None:
    """By their ids, one would wait for as long as others with lesser ids keep asking for the first time."""
    for tenant, second in ((C, 0), (A, 1), (B, 2)):
        join(tenant, second)
    assert [taken().tenant_id for _ in range(3)] == [C, A, B]


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


def lead(tenant: UUID, question: str, run_id: UUID, *, most: int) -> UUID | None:
    with bound(tenant):
        return flights.lead_or_follow(question, run_id, waiting=line.own(), most=most)


def test_beyond_the_bound_nobody_leads_any_more_but_following_goes_on(join: Join) -> None:
    first, second = uuid4(), uuid4()
    assert lead(A, "one", first, most=2) == first
    join(A)
    join(A)
    assert lead(A, "two", second, most=2) is None
    assert lead(A, "one", second, most=2) == first
    assert lead(B, "two", second, most=2) == second
    assert lead(A, "two", second, most=3) == second  # who was refused leads nobody


def test_who_has_landed_leads_nobody_and_frees_only_what_is_its_own() -> None:
    first, second = uuid4(), uuid4()
    assert lead(A, "one", first, most=9) == first
    with bound(A):
        flights.land("one", second)
        assert flights.wait(second, 0)
        assert not flights.wait(first, 0)
    assert lead(A, "one", second, most=9) == first
    with bound(A):
        flights.land("one", first)
        assert flights.wait(first, 0)
    assert lead(A, "one", second, most=9) == second


def put(tenant: UUID, link: Connection) -> bool:
    with bound(tenant):
        return line.join(uuid4(), link, Priority.INTERACTIVE, asked_at=NOW)


def test_a_hand_that_listens_hears_of_a_run_and_of_one_that_is_gone_nobody_says_so(
    links: dict[str, Connection],
) -> None:
    assert not put(A, links["wide"])  # nobody listens: somebody has to send a message
    assert not line.listen(0.05)
    taken()
    assert line.take(is_hand=True) is None
    assert put(A, links["wide"])
    assert line.listen(0.05)
    assert not line.listen(0.05)  # one ring wakes one hand
    line.retire()
    assert line.listen(0.05)  # what it may have heard and not looked for
    assert not put(A, links["wide"])


def test_a_hand_that_is_silent_is_counted_on_by_nobody(links: dict[str, Connection]) -> None:
    assert line.take(is_hand=True) is None
    with redis.Redis.from_url(django_settings.OMNI_REDIS_URL) as client:
        ((process, until),) = client.zrange("omni:line:hands", 0, -1, withscores=True)
        client.zadd("omni:line:hands", {process: until - line.HAND_STAYS_MS - 1})
    assert not put(A, links["wide"])


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
