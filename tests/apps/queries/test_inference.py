"""What somebody may not see is told by nothing around it: every channel, with somebody allowed who does get it there."""

from datetime import datetime
from typing import Any

import pytest

from apps.accounts.models import GroupMembership, User, UserGroup
from apps.audit.types import SYSTEM
from apps.datamodels.models import Dataset
from apps.datamodels.services import import_files
from tests.apps.queries.conftest import MODEL
from tests.apps.queries.test_api import Send, send

__all__ = ["send"]

CLOSED = "quixotic"
"""in the names and labels of everything that is closed, and in nothing that is open"""
VIEW = MODEL["orders.view.yaml"].replace(
    "dimensions:\n",
    """dimensions:
  quixotic_rank: {sql: "-CAST(price AS INT)", label: Quixotic rank, required_access_grants: [finance]}
  quixotic_later: {sql: status, classification: unclassified}
  state:
    sql: status
    label: State
    drill_fields: [region, quixotic_rank, quixotic_later]
    links:
      - {label: To the quixotic place, url: "https://bi.example/${quixotic_rank}"}
      - {label: To the place, url: "https://bi.example/${region}"}
  ranked: {sql: status, order_by_field: quixotic_rank}
  contact:
    sql: email
    colors: {conditions: [{condition: {is: quixotic@example.com}, color: red}], else: blue}
""",
).replace(
    "measures:\n",
    """measures:
  quixotic_gain: {aggregate_type: sum, sql: "0.2 * ${price}", label: Quixotic gain, required_access_grants: [finance]}
  share: {sql: "${quixotic_gain} / NULLIF(${revenue}, 0)", label: Share}
  sold: {aggregate_type: count, drill_fields: [region, quixotic_rank]}
""",
)  # fmt: skip
OPEN = {"dataset": "Sales", "fields": ["orders.state", "orders.sold"]}


@pytest.fixture
def told(sales: Dataset, now: datetime) -> Dataset:
    """Sales with closed fields that open ones name in every way there is."""
    files = MODEL | {"orders.view.yaml": VIEW}
    import_files(connection=sales.data_model.connection, name="orders", files=files, publish=True, by=SYSTEM, now=now)
    return sales


@pytest.fixture
def boss(max_: User) -> User:
    """May see everything."""
    GroupMembership.objects.create(user=max_, group=UserGroup.objects.create(name="Finance"))
    return max_


def body(send: Send, user: User, path: str, question: Any = None, **headers: str) -> str:
    found = send(user, path, question, **headers)
    return found.content.decode("utf-8", "replace").lower()


CHANNELS: dict[str, tuple[str, Any, dict[str, str]]] = {
    "the list of data sets": ("/api/v1/datasets", None, {}),
    "labels, formats, links, drill fields and colours": ("/api/v1/datasets/Sales", None, {}),
    "an answer": ("/api/v1/query", OPEN, {}),
    "headers of CSV": ("/api/v1/query", OPEN, {"Accept": "text/csv"}),
    "the schema of Arrow": ("/api/v1/query", OPEN, {"Accept": "application/vnd.apache.arrow.stream"}),
    "an explanation": ("/api/v1/explain", OPEN, {}),
    "an explanation of the data set": ("/api/v1/explain", {"dataset": "Sales"}, {}),
    "a name that is nearly a closed one": ("/api/v1/query", {"dataset": "Sales", "fields": ["orders.quixotc_gain"]}, {}),
    "a sort that is nearly a closed one": ("/api/v1/query", OPEN | {"sorts": [{"field": "orders.quixotc_rank"}]}, {}),
    "an operator on nothing": ("/api/v1/query", OPEN | {"filters": {"orders.sold": {"is_quixotc": 1}}}, {}),
}  # fmt: skip


@pytest.mark.parametrize("channel", sorted(CHANNELS))
def test_no_channel_names_what_is_closed(send: Send, told: Dataset, eve: User, channel: str) -> None:
    path, question, headers = CHANNELS[channel]
    is_refused = channel.startswith(("a name", "a sort", "an operator", "an explanation of"))
    assert (send(eve, path, question, **headers).status_code == 200) is not is_refused
    assert CLOSED not in body(send, eve, path, question, **headers)


def test_the_channels_do_name_it_to_whoever_may_see_it(send: Send, told: Dataset, boss: User) -> None:
    described = body(send, boss, "/api/v1/datasets/Sales")
    for text in ("orders.quixotic_rank", "quixotic gain", "to the quixotic place", "quixotic@example.com"):
        assert text in described, text
    asked = {"dataset": "Sales", "fields": ["orders.quixotic_gain"]}
    assert "quixotic gain" in body(send, boss, "/api/v1/query", asked, Accept="text/csv")
    assert "quixotic gain" in body(send, boss, "/api/v1/explain", asked)


CLAUSES = {
    "field": lambda name: {"fields": [name]},
    "filter": lambda name: {"filters": {name: {"greater_than": 1}}},
    "filter of another type": lambda name: {"filters": {name: {"contains": "a"}}},
    "either": lambda name: {"filters": {"or": [{name: {"is": 1}}, {name: {"is": 2}}]}},
    "sort": lambda name: {"sorts": [{"field": name}]},
    "pivot": lambda name: {"pivots": [name]},
    "timeframe": lambda name: {"fields": [f"{name}[month]"]},
    "top": lambda name: {"top": {"field": "orders.state", "n": 1, "by": name}},
}


@pytest.mark.parametrize("clause", sorted(CLAUSES))
@pytest.mark.parametrize("closed", ["quixotic_gain", "quixotic_rank", "quixotic_later", "share"])
def test_a_closed_name_is_refused_word_for_word_like_one_that_is_not_there(
    send: Send, told: Dataset, eve: User, clause: str, closed: str
) -> None:
    missing = closed[:-1] + "z"
    refused, unknown = (
        send(eve, "/api/v1/query", OPEN | CLAUSES[clause](f"orders.{name}")) for name in (closed, missing)
    )
    assert refused.status_code == unknown.status_code >= 400
    assert refused.content.replace(closed.encode(), missing.encode()) == unknown.content
    assert dict(refused.headers) == dict(unknown.headers)


@pytest.mark.parametrize("clause", ["field", "filter", "sort", "top"])
def test_the_same_clauses_answer_whoever_may_use_the_name(send: Send, told: Dataset, boss: User, clause: str) -> None:
    asked = CLAUSES[clause]("orders.quixotic_gain")
    if clause == "sort":
        asked |= {"fields": [*OPEN["fields"], "orders.quixotic_gain"]}
    assert send(boss, "/api/v1/query", OPEN | asked).status_code == 200


def test_what_is_sorted_by_a_closed_field_is_closed(send: Send, told: Dataset, eve: User, boss: User) -> None:
    """The order of rows would tell the rank."""
    asked = {"dataset": "Sales", "fields": ["orders.ranked"]}
    assert send(boss, "/api/v1/query", asked).status_code == 200
    refused, unknown = (
        send(eve, "/api/v1/query", asked | {"fields": [name]}) for name in ("orders.ranked", "orders.rankez")
    )
    assert refused.content.replace(b"ranked", b"rankez") == unknown.content


def test_a_masked_value_is_told_by_no_colour(send: Send, told: Dataset, eve: User, boss: User) -> None:
    def contact(user: User) -> dict[str, Any]:
        fields = send(user, "/api/v1/datasets/Sales").json()["fields"]
        return next(item for item in fields if item["name"] == "orders.contact")

    assert contact(boss)["colors"]["values"] == {"quixotic@example.com": "red"}
    assert contact(eve)["is_masked"]
    assert "colors" not in contact(eve)
