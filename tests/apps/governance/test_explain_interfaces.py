"""Explanations through the API and the command."""

import json
from collections.abc import Callable
from datetime import datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from apps.accounts.models import (
    User,
)
from apps.accounts.services import issue_token
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.tenants.binding import bound, unbound
from apps.tenants.types import TenantRef
from tests.apps.governance.test_explain import Send, finance, more, send
from tests.apps.queries.conftest import analysts, ask, eve, max_, nil, sales, source

__all__ = ["analysts", "ask", "eve", "finance", "max_", "more", "nil", "sales", "send", "source"]


def test_the_api_tells_an_administrator_about_somebody_else(send: Send, ada: User, eve: User) -> None:
    body = {"dataset": "Sales", "fields": ["orders.margin", "orders.revenue"]}
    full = send(ada, body | {"person": "ANN@acme.example"}).json()
    assert full["person"] == "ann@acme.example"
    assert full["row_policies"][0]["rule"].startswith("orders.view.yaml:")
    assert full["field_verdicts"][0]["reasons"][0]["rule"] == "orders.view.yaml:15"
    assert full["reasons"][0]["kind"] == "permission"
    assert full["sql"] is None  # the question is refused
    assert "SELECT" in send(ada, body | {"person": "ann@acme.example", "fields": ["orders.revenue"]}).json()["sql"]


def test_whom_one_may_not_ask_about_reads_like_nobody(
    send: Send, ada: User, eve: User, make_person: Callable[..., User], globex: TenantRef
) -> None:
    with bound(globex.id):
        make_person("zoe@globex.example")
    body = {"dataset": "Sales", "fields": ["orders.revenue"]}
    answers = [
        send(ada, body | {"person": "nobody@acme.example"}),
        send(ada, body | {"person": "zoe@globex.example"}),
        send(ada, body | {"person": 7}),
        send(eve, body | {"person": "ada@acme.example"}),
        send(eve, body | {"person": "ann@acme.example"}),
        send(eve, body | {"person": "nobody@acme.example"}),
    ]
    assert {(answer.status_code, answer.content) for answer in answers} == {(404, answers[0].content)}
    assert send(ada, body | {"person": "ann@acme.example"}).status_code == 200
    assert send(eve, body).status_code == 200


def test_a_token_of_an_administrator_explains_its_owner_only(ada: User, eve: User, now: datetime) -> None:
    token = issue_token(user=ada, name="t", days=1, by=SYSTEM, now=now)
    client = Client(HTTP_HOST="acme.localhost", headers={"Authorization": f"Bearer {token}"})
    body = {"dataset": "Sales", "fields": ["orders.revenue"], "person": "ann@acme.example"}
    with unbound():
        assert client.post("/api/v1/explain", json.dumps(body), content_type="application/json").status_code == 404


def test_asking_about_somebody_else_is_recorded_under_both(send: Send, ada: User, eve: User) -> None:
    body = {"dataset": "Sales", "fields": ["orders.revenue"]}
    send(eve, body)
    assert not AuditEvent.objects.filter(verb="governance.access_explained").exists()
    send(ada, body | {"person": "ann@acme.example"})
    event = AuditEvent.objects.get(verb="governance.access_explained")
    assert event.actor_id == ada.pk
    assert event.facts["person_id"] == str(eve.pk)


def test_the_api_hides_reasons_and_sql_from_members(send: Send, eve: User) -> None:
    own = send(eve, {"dataset": "Sales", "fields": ["orders.revenue", "orders.margin"]}).json()
    assert not {"sql", "reasons", "withheld_fields"} & own.keys()
    assert own["fields"] == ["orders.revenue"]
    assert own["rows"][0]["attribute"]["values"] == ["EU"]
    assert own["masked_fields"] == ["orders.email"]


def test_a_strict_body_stays_strict_with_a_person_in_it(send: Send, ada: User, eve: User) -> None:
    body = {"dataset": "Sales", "fields": ["orders.revenue"], "person": "ann@acme.example", "persons": 1}
    assert send(ada, body).status_code == 400
    assert send(ada, [1]).status_code == 400


@pytest.fixture
def question(tmp_path: Path) -> Path:
    path = tmp_path / "question.json"
    path.write_text(json.dumps({"dataset": "Sales", "fields": ["orders.margin", "orders.region"]}))
    return path


def run(*arguments: str) -> str:
    out = StringIO()
    with unbound():
        call_command(*arguments, stdout=out)
    return out.getvalue()


def test_the_command_names_every_rule(eve: User, question: Path) -> None:
    text = run("explain", "acme", "ann@acme.example", str(question))
    assert "✗ Field orders.margin asks for finance  [orders.view.yaml:15]" in text
    assert "region = EU: set by an administrator" in text
    assert "Refused." in text
    assert json.loads(run("explain", "acme", "ann@acme.example", str(question), "--json"))["is_allowed"] is False


def test_the_query_command_explains_as_the_person_may_know_it(eve: User, question: Path) -> None:
    own = json.loads(run("query", "acme", "ann@acme.example", str(question), "--explain"))
    assert own["fields"] == ["orders.region"]
    assert "finance" not in json.dumps(own).lower()
    assert "yaml" not in json.dumps(own)


def test_the_command_answers_bad_input_with_one_line(eve: User, question: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no active person"):
        run("explain", "acme", "nobody@acme.example", str(question))
    with pytest.raises(CommandError, match="cannot read"):
        run("explain", "acme", "ann@acme.example", str(tmp_path / "none.json"))
    question.write_text(json.dumps({"dataset": "Nothing", "fields": ["a.b"]}))
    with pytest.raises(CommandError, match="no data set"):
        run("explain", "acme", "ann@acme.example", str(question))
