"""Limits of a run, from the question to what the person is told: time, bytes, and how many may wait."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from celery import current_app
from pytest_django import Settings

from apps.access.selectors import actor_for_user
from apps.access.services import grant_permission
from apps.accounts.models import User
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.connections.services import save_connection
from apps.datamodels.models import Dataset
from apps.datamodels.services import import_files
from apps.queries import flights, line
from apps.queries.errors import QueryFailedError
from apps.queries.models import CachedResult, QueryRun
from apps.queries.services import answer
from apps.queries.types import Answer, Pending
from apps.tenants.types import TenantRef
from tests.apps.queries.conftest import Ask
from tests.warehouses import rogues
from tests.warehouses.rogues import Guest, answering, packet, rogue
from tests.warehouses.samples import PASSWORD
from tests.warehouses.test_rogues import QUIET

FILES = {
    "odd.view.yaml": "schema: sales\ntable_name: odd\ndimensions:\n  x: {}\nmeasures:\n  count: {aggregate_type: count}\n",
    "Odd.topic.yaml": "base_view: odd\n",
}
Act = Callable[[Guest, bytes], None]


@contextmanager
def at_a_rogue(ann: User, act: Act, now: datetime) -> Iterator[None]:
    """A data set whose source behaves well until the query comes."""
    with rogue(answering(act, quiet=QUIET)) as server:
        link = Connection(
            name="odd", dialect="mysql", host="127.0.0.1", port=server.port, database="sales", username="reader", timeout_s=1
        )  # fmt: skip
        save_connection(link, secret=PASSWORD, by=SYSTEM, now=now)
        import_files(connection=link, name="odd", files=FILES, publish=True, by=SYSTEM, now=now)
        found = Dataset.objects.get(name="Odd")
        grant_permission(user=ann, permission="query_dataset", obj=found, by=SYSTEM, now=now)
        yield


@pytest.mark.parametrize(
    ("act", "codes"),
    [
        (lambda guest, _: guest.hang(), {"timed_out"}),
        (lambda guest, _: guest.drip(rogues.one_row() * 50, 0.1), {"timed_out", "nonsense"}),
        (lambda guest, _: guest.say(b""), {"unreachable"}),
        (lambda guest, _: guest.say(packet(1, b"\x01") + rogues.column(2, b"\xff\xfe")), {"nonsense", "unreachable"}),
    ],
    ids=["hangs and hears no cancel", "drips", "dies", "answers nonsense"],
)
def test_a_source_that_does_harm_ends_the_run_in_time_and_says_so(
    acme: TenantRef, ann: User, act: Act, codes: set[str], now: datetime
) -> None:
    with at_a_rogue(ann, act, now):
        begun = time.monotonic()
        with pytest.raises(QueryFailedError) as caught:
            answer(actor_for_user(ann), {"dataset": "Odd", "fields": ["odd.x"]}, now=now, wait_s=1)
        assert time.monotonic() - begun < 1 + 2 + 2 + 5  # limit, grace, patience with the cancel, and a slow machine
    assert caught.value.code in codes
    run = QueryRun.objects.get()
    assert (run.state, run.error_code, run.error_text) == ("failed", caught.value.code, caught.value.message)
    assert not CachedResult.objects.exists()
    assert line.leased() == frozenset()


def test_an_answer_of_too_many_bytes_is_cut_and_says_so(ask: Ask, max_: User) -> None:
    whole = ask(max_, "orders.placed[date]", "orders.status")
    assert (whole.row_count, whole.is_truncated) == (7, False)
    Connection.objects.update(max_bytes=60, version=2)
    cut = ask(max_, "orders.placed[date]", "orders.status")
    assert 0 < cut.row_count < 7
    assert cut.is_truncated
    assert b'"truncated":true' in cut.to_json()


@pytest.mark.usefixtures("nobody_works")
def test_beyond_so_many_waiting_a_question_is_refused_and_nothing_is_left_of_it(
    eve: User, max_: User, settings: Settings
) -> None:
    settings.OMNI_WAITING_MAX = 2
    now, actor = datetime.now(UTC), actor_for_user(eve)
    fields = ("orders.count", "orders.revenue", "orders.status")
    questions = [{"dataset": "Sales", "fields": [field]} for field in fields]
    for question in questions[:2]:
        assert isinstance(answer(actor, question, now=now, wait_s=0), Pending)
    with pytest.raises(QueryFailedError) as caught:
        answer(actor, questions[2], now=now, wait_s=0)
    assert caught.value.code == "too_many_waiting"
    assert QueryRun.objects.count() == 2
    assert isinstance(
        answer(actor, questions[0], now=now, wait_s=0), Pending
    )  # who follows asks nothing more of anybody
    settings.OMNI_WAITING_MAX = 3
    assert isinstance(answer(actor, questions[2], now=now, wait_s=0), Pending)  # it leads: the refused one let go


@pytest.mark.usefixtures("nobody_works")
def test_a_follower_whose_leader_is_gone_leads_itself(eve: User) -> None:
    now, actor = datetime.now(UTC), actor_for_user(eve)
    question = {"dataset": "Sales", "fields": ["orders.revenue"]}
    first = answer(actor, question, now=now, wait_s=0)
    assert isinstance(first, Pending)
    QueryRun.objects.filter(pk=first.run_id).update(state=QueryRun.State.FAILED, error_code="lost")
    current_app.conf.task_always_eager = True
    found = answer(actor, question, now=now, wait_s=0)  # the flight still names the leader that was lost
    assert isinstance(found, Answer)
    assert not flights.wait(first.run_id, 0)
