"""The JSON API: strict, alike in its refusals, and on the one path."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.access.services import grant_permission
from apps.accounts.models import GroupMembership, User, UserGroup
from apps.accounts.services import issue_token
from apps.audit.models import AuditEvent
from apps.audit.notes import place_notes
from apps.audit.selectors import verify_chain
from apps.audit.types import SYSTEM
from apps.datamodels.models import Dataset
from apps.datamodels.services import import_files
from apps.queries.models import CachedResult
from apps.tenants.binding import unbound
from apps.tenants.types import TenantRef
from tests.apps.queries.conftest import MODEL

QUESTION = {"dataset": "Sales", "fields": ["orders.region", "orders.revenue"]}
Send = Callable[..., Any]


@pytest.fixture
def send(now: datetime) -> Send:
    """Send a request with a fresh token of somebody."""

    def request(
        user: User | None,
        path: str = "/api/v1/query",
        body: Any = None,
        *,
        raw: bytes | None = None,
        host: str = "acme.localhost",
        **headers: str,
    ) -> Any:
        sent = {"Accept": "application/json"} | headers
        if user is not None:
            token = issue_token(user=user, name="test", days=1, by=SYSTEM, now=now)
            sent["Authorization"] = f"Bearer {token}"
        client = Client(HTTP_HOST=host, headers=sent, enforce_csrf_checks=True)
        with unbound():
            if body is None and raw is None:
                return client.get(path)
            return client.post(path, raw if raw is not None else json.dumps(body), content_type="application/json")

    return request


def test_a_person_gets_their_rows_with_what_limits_them(send: Send, eve: User) -> None:
    answer = send(eve, body=QUESTION).json()
    assert answer["rows"] == [["EU", 60.0]]
    assert [column["name"] for column in answer["columns"]] == QUESTION["fields"]
    assert answer["policy_fingerprint"]
    assert any("EU" in text for text in answer["limits"])
    assert send(eve, body=QUESTION).json()["cache"]["hit"] is True


def test_other_forms_of_the_same_answer(send: Send, eve: User) -> None:
    assert send(eve, body=QUESTION, Accept="text/csv").content == b"Region,Revenue\r\nEU,60.0\r\n"
    stream = send(eve, body=QUESTION, Accept="application/vnd.apache.arrow.stream").content
    assert pa.ipc.open_stream(io.BytesIO(stream)).read_all().to_pylist() == [
        {"orders.region": "EU", "orders.revenue": 60.0}
    ]


def test_a_value_that_fails_is_told_to_whom_its_row_is_shown_and_to_nobody_else(send: Send, eve: User) -> None:
    for region, status in (("EU", 422), ("US", 200), ("XX", 200)):
        filters = {"orders.region": {"is": region}, "orders.status": {"is": [7, True]}}
        found = send(eve, body=QUESTION | {"filters": filters})
        assert found.status_code == status, (region, found.content)
        if status == 422:
            assert (found.json()["code"], found.json()["title"]) == ("bad_value", "Failed on a value")


def test_the_lists_name_what_may_be_used_and_nothing_else(send: Send, eve: User, ada: User) -> None:
    assert [item["name"] for item in send(eve, "/api/v1/datasets").json()["datasets"]] == ["Sales"]
    fields = {field["name"] for field in send(eve, "/api/v1/datasets/Sales").json()["fields"]}
    assert "orders.revenue" in fields
    assert not fields & {"orders.margin", "orders.margin_share", "orders.price"}
    assert send(ada, "/api/v1/datasets").json()["datasets"] == []


def test_forbidden_and_missing_are_alike(send: Send, eve: User, ada: User) -> None:
    assert send(eve, "/api/v1/datasets/Sales").status_code == 200
    forbidden, missing = send(ada, "/api/v1/datasets/Sales"), send(ada, "/api/v1/datasets/Xales")
    assert (forbidden.status_code, forbidden.content.replace(b"Sales", b"Xales")) == (404, missing.content)
    assert dict(forbidden.headers) == dict(missing.headers)


@pytest.mark.parametrize(
    ("body", "status", "path"),
    [
        ({"dataset": "Sales"}, 400, "fields"),
        (QUESTION | {"colour": 1}, 400, "colour"),
        (QUESTION | {"limit": "10"}, 400, "limit"),
        (QUESTION | {"filters": {"orders.region": {"resembles": "EU"}}}, 400, "filters.orders.region"),
        (QUESTION | {"filters": {"orders.region": {"is": {"$ne": 1}}}}, 400, "filters.orders.region"),
        ({"dataset": "Sales", "fields": ["orders.nothing"]}, 400, "fields.0"),
        ([], 400, ""),
    ],
)
def test_bad_questions_are_told_where(send: Send, eve: User, body: Any, status: int, path: str) -> None:
    answer = send(eve, body=body)
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json().get("path", "") == path


@pytest.mark.parametrize(
    "raw",
    [
        b" ",
        b"{",
        b'{"dataset": "Sales", "dataset": "Sales", "fields": ["orders.count"]}',
        b'{"limit": NaN}',
        b"[" * 9000,
    ],
)
def test_bodies_that_are_no_json_are_refused(send: Send, eve: User, raw: bytes) -> None:
    assert send(eve, raw=raw).status_code == 400


def test_without_a_valid_token_there_is_one_answer(send: Send, eve: User, globex: TenantRef) -> None:
    assert send(eve, body=QUESTION).status_code == 200
    for answer in (
        send(None, body=QUESTION),
        send(None, body=QUESTION, Authorization="Bearer omni_" + "x" * 43),
        send(None, body=QUESTION, Authorization="Basic eDp5"),
    ):
        assert answer.status_code in (401, 403)
    assert send(eve, body=QUESTION, host="globex.localhost").status_code == 401


def test_a_revoked_or_expired_token_and_a_disabled_person_are_refused(send: Send, eve: User) -> None:
    assert send(eve, body=QUESTION).status_code == 200
    User.objects.filter(pk=eve.pk).update(is_active=False)
    assert send(eve, body=QUESTION).status_code == 401


def test_a_cookie_needs_a_csrf_token_and_a_bearer_token_does_not(send: Send, eve: User) -> None:
    assert send(eve, body=QUESTION).status_code == 200
    client = Client(HTTP_HOST="acme.localhost", enforce_csrf_checks=True)
    client.force_login(eve, backend="apps.accounts.backends.IdentityBackend")
    with unbound():
        assert client.post("/api/v1/query", json.dumps(QUESTION), content_type="application/json").status_code == 403


def test_explain_says_which_rule_and_value_apply(send: Send, eve: User) -> None:
    told = send(eve, "/api/v1/explain", QUESTION | {"fields": ["orders.region", "orders.margin"]}).json()
    assert told["row_policies"][0]["values"] == ["EU"]
    assert "rule" not in told["row_policies"][0]  # where a rule is written is for administrators
    assert told["fields"] == ["orders.region"]
    assert "sql" not in told


def test_other_addresses_and_methods(send: Send, eve: User) -> None:
    assert send(eve, "/api/v1/nothing").status_code == 404
    assert send(eve, "/api/v1/query").status_code == 405
    assert send(eve, "/api/v1/runs/00000000-0000-0000-0000-000000000001").status_code == 404


def test_a_caller_who_wants_nothing_kept_is_answered_from_the_source(send: Send, eve: User) -> None:
    assert send(eve, body=QUESTION).json()["cache"]["hit"] is False
    assert send(eve, body=QUESTION).json()["cache"]["hit"] is True
    CachedResult.objects.update(created_at=datetime.now(UTC) - timedelta(minutes=1))
    headers = {"Cache-Control": "no-cache"}
    assert send(eve, body=QUESTION, **headers).json()["cache"]["hit"] is False
    refused = send(eve, body={"dataset": "Nowhere", "fields": ["orders.region"]}, **headers)
    assert refused.status_code == 404


def test_a_token_that_only_reads_leaves_kept_answers_as_they_are(send: Send, eve: User, now: datetime) -> None:
    send(eve, body=QUESTION)
    CachedResult.objects.update(created_at=now - timedelta(minutes=1))

    def ask_anew(scope: str) -> int:
        token = issue_token(user=eve, name=scope, days=1, scope=scope, by=SYSTEM, now=now)
        client = Client(HTTP_HOST="acme.localhost", headers={"Authorization": f"Bearer {token}"})
        with unbound():
            return client.post(
                "/api/v1/query", json.dumps(QUESTION), content_type="application/json", headers={"Cache-Control": "no-cache"}
            ).status_code  # fmt: skip

    kept = set(CachedResult.objects.values_list("pk", flat=True))
    assert kept
    assert ask_anew("read") == 403
    assert set(CachedResult.objects.values_list("pk", flat=True)) == kept
    assert ask_anew("query") == 200
    assert set(CachedResult.objects.values_list("pk", flat=True)) != kept


def test_a_kept_answer_costs_four_statements_whatever_somebody_holds(
    send: Send, eve: User, sales: Dataset, now: datetime
) -> None:
    token = issue_token(user=eve, name="test", days=1, by=SYSTEM, now=now)
    client = Client(HTTP_HOST="acme.localhost", headers={"Authorization": f"Bearer {token}"})

    def asked() -> list[str]:
        with unbound(), CaptureQueriesContext(connection) as found:
            answer = client.post("/api/v1/query", json.dumps(QUESTION), content_type="application/json")
        assert answer.json()["cache"]["hit"]
        return [query["sql"] for query in found]

    send(eve, body=QUESTION)
    asked()  # the token's first use is written down
    few = asked()
    assert len(few) == 4
    assert not [sql for sql in few if "advisory" in sql]
    for number in range(30):
        group = UserGroup.objects.create(name=f"Group {number}")
        GroupMembership.objects.create(user=eve, group=group)
        grant_permission(group=group, permission="query_dataset", obj=sales, by=SYSTEM, now=now)
    assert len(asked()) == 4


def test_every_answer_leaves_its_note_fresh_or_kept(send: Send, eve: User) -> None:
    send(eve, body=QUESTION)
    found = send(eve, body=QUESTION).json()
    answered = AuditEvent.objects.filter(verb="queries.query_answered").order_by("happened_at")
    facts = {"fingerprint": found["policy_fingerprint"], "decision": "allowed", "rows": found["row_count"]}
    assert [event.facts for event in answered] == [
        facts | {"data_set_id": event.object_id, "is_hit": is_hit}
        for event, is_hit in zip(answered, (False, True), strict=True)
    ]
    assert {(event.sequence, event.actor_id, event.object_label) for event in answered} == {(None, eve.pk, "Sales")}
    place_notes()
    assert AuditEvent.objects.filter(sequence=None).count() == 0
    assert verify_chain().is_intact


@pytest.mark.parametrize("name", ["Sal\x00es", "\ud800"])
def test_a_name_that_no_database_can_hold_is_a_fault_of_the_question(send: Send, eve: User, name: str) -> None:
    assert send(eve, body=QUESTION).status_code == 200
    for path in ("/api/v1/query", "/api/v1/explain", "/api/v1/downloads"):
        found = send(eve, path, body=QUESTION | {"dataset": name})
        assert (found.status_code, found.json()["path"]) == (400, "dataset")


def test_a_nul_in_an_address_finds_nothing(send: Send, eve: User) -> None:
    assert send(eve, "/api/v1/datasets/Sales").status_code == 200
    nothing = send(eve, "/api/v1/datasets/Nothing")
    found = send(eve, "/api/v1/datasets/%00")
    assert (found.status_code, found.json()["title"]) == (nothing.status_code, nothing.json()["title"])
    assert send(eve, "/api/v1/datasets?q=a").status_code == 200
    assert send(eve, "/api/v1/datasets?q=%00").status_code == 404


def test_a_data_set_tells_what_holds_where_a_question_does_not_say(send: Send, eve: User) -> None:
    told = send(eve, "/api/v1/datasets/Sales").json()["defaults"]
    assert told == {"limit": 1000, "timezone": "UTC", "filters": {}}


def test_suggested_filters_on_masked_fields_are_not_told(send: Send, eve: User, sales: Dataset, now: datetime) -> None:
    topic = (
        MODEL["Sales.topic.yaml"]
        + "default_filters: {orders.email: {is: hidden.51e0@example.com}, orders.status: {is: paid}}\n"
    )
    files = MODEL | {"Sales.topic.yaml": topic}
    import_files(connection=sales.data_model.connection, name="orders", files=files, publish=True, by=SYSTEM, now=now)
    answer = send(eve, "/api/v1/datasets/Sales")
    assert "hidden.51e0" not in answer.content.decode()
    assert answer.json()["defaults"]["filters"] == {"orders.status": {"is": ["paid"]}}
