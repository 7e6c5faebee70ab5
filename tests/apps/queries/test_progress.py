"""How far a run is: told to its own asker at the price of one look, and to administrators without what was asked."""

from datetime import UTC, datetime, timedelta

import pytest
from celery import current_app
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.access.selectors import actor_for_user
from apps.accounts.models import User
from apps.audit.models import AuditEvent
from apps.connections.models import Connection
from apps.connections.selectors import open_source
from apps.datamodels.models import Dataset
from apps.queries import flights, line
from apps.queries.errors import QueryFailedError, UnknownRunError
from apps.queries.models import QueryRun
from apps.queries.services import answer, cancel_run, progress, run_state
from apps.queries.types import Answer, Pending
from apps.warehouses.types import Limits
from tests.apps.conftest import SignedIn
from tests.apps.queries.conftest import CANARY
from tests.apps.queries.test_api import Send, send

__all__ = ["send"]
LIST = "/admin/queries/queryrun/"


def queue(who: User, field: str = "orders.revenue") -> Pending:
    question = {"dataset": "Sales", "fields": [field], "filters": {"orders.status": {"is": CANARY}}}
    found = answer(actor_for_user(who), question, now=datetime.now(UTC), wait_s=0)
    assert isinstance(found, Pending)
    return found


@pytest.mark.usefixtures("nobody_works")
def test_a_look_at_ones_run_is_one_statement_and_says_the_place(eve: User, max_: User) -> None:
    first, second = queue(eve), queue(max_)
    actor, now = actor_for_user(max_), datetime.now(UTC)
    with CaptureQueriesContext(connection) as captured:
        found = progress(actor, second.run_id, now=now)
    assert len(captured) == 1
    assert found is not None
    assert (found.state, found.position) == ("queued", 2)
    assert found.told(now=found.queued_at + timedelta(seconds=3)) == "waiting, place 2 in line, for 3 s"
    for stranger, run in ((actor, first), (actor_for_user(eve), second)):
        with pytest.raises(UnknownRunError):
            progress(stranger, run.run_id, now=now)
    with pytest.raises(UnknownRunError):
        progress(actor, second.run_id, now=now + timedelta(hours=1))


@pytest.mark.usefixtures("nobody_works")
def test_one_who_follows_is_told_of_the_run_that_leads(eve: User) -> None:
    leads, follows = queue(eve), queue(eve)
    actor, now = actor_for_user(eve), datetime.now(UTC)
    assert QueryRun.objects.get(pk=follows.run_id).leader_id == leads.run_id
    lease = line.take()
    assert lease is not None
    QueryRun.objects.filter(pk=leads.run_id).update(state="running", started_at=now - timedelta(seconds=7))
    flights.tell_rows(leads.run_id, 12_000)
    found = progress(actor, follows.run_id, now=now)
    assert found is not None
    assert found.told(now=now) == "running for 7 s, 12,000 rows so far"
    QueryRun.objects.filter(pk=leads.run_id).update(state="failed")
    assert progress(actor, follows.run_id, now=now) is None


@pytest.mark.usefixtures("nobody_works")
def test_a_run_that_the_line_has_lost_is_put_back_by_the_look(eve: User) -> None:
    run = queue(eve)
    flights.client().flushdb()
    assert line.take() is None
    assert progress(actor_for_user(eve), run.run_id, now=datetime.now(UTC)) is not None
    lease = line.take()
    assert lease is not None
    assert lease.run_id == run.run_id


def test_rows_are_counted_while_they_come(max_: User, sales: Dataset) -> None:
    """What the source is given to count with: every adapter calls it, chunk by chunk."""
    told: list[int] = []
    source = open_source(sales.data_model.connection)
    limits = Limits(5, 1_000_000, 10, on_rows=told.append)
    source.execute("SELECT status FROM main.orders", (), limits)
    source.close()
    assert told[-1] == 5


@pytest.mark.usefixtures("nobody_works")
def test_the_api_tells_the_same(send: Send, eve: User) -> None:
    asked = send(eve, body={"dataset": "Sales", "fields": ["orders.count"]}, Prefer="respond-async")
    assert asked.status_code == 202
    body = asked.json()
    assert (body["state"], body["position"], body["started_at"], body["rows"]) == ("queued", 1, None, None)
    assert body["progress"].startswith("waiting, place 1 in line")
    later = {"dataset": "Sales", "fields": ["orders.revenue"]}
    behind = send(eve, body=later, Prefer="respond-async", **{"Omni-Priority": "background"}).json()
    before = send(eve, body={"dataset": "Sales", "fields": ["orders.status"]}, Prefer="respond-async").json()
    assert (behind["position"], before["position"]) == (2, 2)
    connection_id = Connection.objects.values_list("pk", flat=True).get()
    assert line.position(behind["run_id"], connection_id) == 3
    assert send(eve, body=later, Prefer="respond-async").status_code == 202  # somebody waits for it now
    assert line.position(behind["run_id"], connection_id) == 2


@pytest.mark.usefixtures("nobody_works")
def test_an_administrator_sees_who_asks_and_not_what_and_can_stop_it(eve: User, ada: User, signed_in: SignedIn) -> None:
    run = queue(eve)
    page = signed_in(ada).get(LIST).content.decode()
    for text in (eve.name, "Sales", "orders", "Queued"):
        assert text in page
    one = signed_in(ada).get(f"{LIST}{run.run_id}/change/").content.decode()
    for shown in (page, one):
        assert CANARY not in shown
        assert "orders.revenue" not in shown
        assert "sealed" not in shown
    assert signed_in(eve).get(LIST).status_code == 404
    chosen = {"action": "cancel_selected", "_selected_action": str(run.run_id)}
    assert signed_in(eve).post(LIST, chosen).status_code == 404
    assert QueryRun.objects.get().state == "queued"
    assert signed_in(ada).post(LIST, chosen).status_code == 302
    assert QueryRun.objects.get().state == "cancelled"
    assert line.take() is None
    event = AuditEvent.objects.get(verb="queries.query_cancelled")
    assert (event.actor_id, event.facts["asked_by"]) == (ada.pk, str(eve))
    with pytest.raises(QueryFailedError, match="cancelled"):
        run_state(actor_for_user(eve), run.run_id, now=datetime.now(UTC))
    assert eve.name not in signed_in(ada).get(LIST).content.decode().partition("result_list")[2]


@pytest.mark.usefixtures("nobody_works")
def test_who_follows_a_run_that_was_stopped_asks_by_themselves(eve: User) -> None:
    leads = queue(eve)
    follows = queue(eve)
    cancel_run(actor_for_user(eve), leads.run_id, now=datetime.now(UTC))
    current_app.conf.task_always_eager = True
    found = run_state(actor_for_user(eve), follows.run_id, now=datetime.now(UTC))
    assert isinstance(found, Answer)
