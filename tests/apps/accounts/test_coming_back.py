"""A sign-in that ends while a form is filled in: the way back to the page, and what the tab may keep meanwhile."""

from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from apps.accounts.models import User, UserSession
from apps.tenants.binding import bound, unbound
from apps.tenants.types import TenantRef
from tests.apps.conftest import SignedIn

FORM = "http://acme.localhost/admin/accounts/usergroup/add/?next=1"
ENDING = "/accounts/sessions/ending/"


@pytest.mark.parametrize(
    ("headers", "back"),
    [
        ({"referer": FORM}, "/admin/accounts/usergroup/add/?next=1"),
        ({"hx-request": "true", "hx-current-url": FORM}, "/admin/accounts/usergroup/add/?next=1"),
        ({}, None),
        ({"referer": "https://evil.example/admin/"}, None),
        ({"referer": "http://acme.localhost.evil.example/admin/"}, None),
        ({"referer": "http://acme.localhost@evil.example/admin/"}, None),
        ({"referer": "http://[evil/"}, None),
        ({"referer": "http://acme.localhost//evil.example/admin/"}, None),
        ({"referer": "http://acme.localhost/\\evil.example/admin/"}, None),
    ],
)
def test_after_sign_in_one_comes_back_to_the_page_whose_form_was_sent(
    acme: TenantRef, headers: dict[str, str], back: str | None
) -> None:
    with unbound():
        answer = Client(headers={"host": "acme.localhost", **headers}).post(
            "/admin/accounts/usergroup/add/", {"name": "x"}
        )
    where = urlsplit(answer.headers.get("HX-Redirect") or answer["Location"])
    assert where.path == "/accounts/sign-in/"
    assert parse_qs(where.query).get("next") == (None if back is None else [back])


def test_a_page_that_would_lead_elsewhere_leads_home(acme: TenantRef) -> None:
    with unbound():
        client = Client(headers={"host": "acme.localhost", "referer": "http://acme.localhost//evil.example/x"})
        where = client.post("/admin/", {})["Location"]
        page = client.get(where)
    assert page.status_code == 200
    assert page.context["next"] == "/"
    assert "evil" not in page.content.decode()


def test_a_page_is_told_when_the_session_ends_and_asking_is_no_use(
    acme: TenantRef, ann: User, signed_in: SignedIn
) -> None:
    browser = signed_in(ann)

    def ask(**headers: str) -> dict[str, object]:
        UserSession.objects.update(last_seen_at=datetime.now(UTC) - timedelta(minutes=100))
        with unbound():
            answer = browser.get(ENDING, headers=headers)
        found: dict[str, object] = answer.json()
        return found

    unattended = ask(**{"omni-unattended": "1"})
    assert 19 * 60 < int(str(unattended["unused_s"])) <= 20 * 60
    assert 7 * 3600 < int(str(unattended["ends_s"])) <= 12 * 3600
    assert 119 * 60 < int(str(ask()["unused_s"])) <= 120 * 60


def test_the_key_of_a_tab_is_one_persons(
    acme: TenantRef, globex: TenantRef, ann: User, bob: User, signed_in: SignedIn, make_person: Callable[..., User]
) -> None:
    def key(client: Client) -> str:
        with unbound():
            answer = client.get(ENDING)
        assert answer["Cache-Control"] == "no-store"
        return str(answer.json()["key"])

    with bound(globex.id):
        twin = signed_in(make_person(ann.email), host="globex.localhost")
    first, again, of_bob, of_twin = key(signed_in(ann)), key(signed_in(ann)), key(signed_in(bob)), key(twin)
    assert len(b64decode(first)) == 32
    assert first == again
    assert len({first, of_bob, of_twin}) == 3
    with unbound():
        assert Client(HTTP_HOST="acme.localhost").get(ENDING).status_code == 302
