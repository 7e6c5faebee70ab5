"""Totals, subtotals and cross tables over the API, each under the same rights as the answer itself."""

from datetime import UTC, datetime

import pytest

from apps.access.selectors import actor_for_user
from apps.access.services import grant_permission
from apps.accounts.models import User
from apps.audit.types import SYSTEM
from apps.datamodels.models import Dataset
from apps.datamodels.services import import_files
from apps.queries.services import progress
from apps.queries.tasks import run_next
from apps.queries.types import Answer, Pending
from apps.queries.whole import whole_answer, whole_run
from tests.apps.queries.conftest import MODEL
from tests.apps.queries.test_api import Send, send

__all__ = ["send"]
STATES = {"dataset": "Sales", "fields": ["orders.region", "orders.status", "orders.revenue"]}


def test_totals_are_over_the_rows_that_the_person_may_see(send: Send, eve: User, max_: User) -> None:
    whole = {**STATES, "totals": True, "subtotals": ["orders.region"], "limit": 1}
    narrow = send(eve, body=whole).json()
    assert narrow["totals"] == {"columns": ["orders.revenue"], "rows": [[60.0]]}
    assert narrow["subtotals"]["rows"] == [["EU", 60.0]]
    assert narrow["truncated"] is True
    wide = send(max_, body=whole).json()
    assert wide["totals"]["rows"] == [[280.0]]
    assert sorted(wide["subtotals"]["rows"]) == [["EU", 60.0], ["US", 220.0]]


def test_a_total_keeps_what_rows_are_chosen_and_drops_what_groups_are(send: Send, max_: User) -> None:
    filters = {"orders.status": {"is": "paid"}, "orders.revenue": {"greater_than": 100}}
    found = send(max_, body={**STATES, "filters": filters, "totals": True}).json()
    assert found["rows"] == [["US", "paid", 120.0]]
    assert found["totals"]["rows"] == [[160.0]]


def test_values_of_a_pivot_become_columns(send: Send, max_: User) -> None:
    found = send(max_, body={**STATES, "pivots": ["orders.status"]}).json()["pivot"]
    assert [(column["name"], column["values"]) for column in found["columns"]] == [
        ("orders.region", []), ("orders.revenue", ["open"]), ("orders.revenue", ["paid"])
    ]  # fmt: skip
    assert sorted(found["rows"]) == [["EU", 20.0, 40.0], ["US", 100.0, 120.0]]
    assert found["truncated"] is False


def test_a_pivot_that_was_not_asked_for_is_refused(send: Send, max_: User) -> None:
    refused = send(max_, body={**STATES, "pivots": ["orders.email"]})
    assert refused.status_code == 400
    assert refused.json()["path"] == "pivots.0"


def test_a_composite_topic_is_asked_and_explained_like_any_data_set(
    send: Send, sales: Dataset, max_: User, now: datetime
) -> None:
    shared = "shared_dimensions: {region: {mappings: {Sales: orders.region, Again: orders.region}}}\n"
    files = MODEL | {"Again.topic": "base_view: orders\n", "Both.composite_topic": f"topics: [Sales, Again]\n{shared}"}
    import_files(connection=sales.data_model.connection, name="orders", files=files, publish=True, by=SYSTEM, now=now)
    asked = {
        "dataset": "Both",
        "fields": ["@_shared_dimensions_.region", "@Sales.orders.revenue", "@Again.orders.count"],
    }
    assert send(max_, body=asked).status_code == 404
    both = Dataset.objects.get(name="Both")
    grant_permission(user=max_, permission="query_dataset", obj=both, by=SYSTEM, now=now)
    assert sorted(send(max_, body=asked).json()["rows"]) == [["EU", 60.0, 3], ["US", 220.0, 4]]
    names = [item["name"] for item in send(max_, path="/api/v1/datasets/Both").json()["fields"]]
    assert names[0] == "@_shared_dimensions_.region"
    assert "@Sales.orders.revenue" in names
    assert "@Sales.orders.margin" not in names
    assert send(max_, path="/api/v1/explain", body=asked).json()["is_allowed"] is True
    forbidden = {**asked, "fields": ["@Sales.orders.margin"]}
    assert send(max_, path="/api/v1/explain", body=forbidden).json()["is_allowed"] is False
    assert send(max_, body=forbidden).status_code == 400


@pytest.mark.usefixtures("nobody_works")
def test_where_rows_are_kept_and_their_total_is_not_one_comes_back_for_both(max_: User, sales: Dataset) -> None:
    """The id under which one comes back was that of the kept answer, which nobody finds: a tile waited for ever."""
    actor, now, question = actor_for_user(max_), datetime.now(UTC), {**STATES, "totals": True}
    assert isinstance(whole_answer(actor, STATES, now=now, wait_s=0), Pending)
    run_next.apply()
    assert isinstance(whole_answer(actor, STATES, now=now, wait_s=0), Answer)  # kept
    asked = whole_answer(actor, question, now=now, wait_s=0)  # the total waits for a worker
    assert isinstance(asked, Pending)
    assert progress(actor, asked.run_id, now=now) is None  # of the rows: the tile around it fetches itself
    again = whole_run(actor, asked.run_id, now=now)
    assert isinstance(again, Pending)
    assert again.run_id == asked.run_id
    run_next.apply()
    found = whole_run(actor, asked.run_id, now=now)
    assert isinstance(found, Answer)
    assert found.totals is not None
    assert [float(value) for value in found.totals.rows[0]] == [280.0]
