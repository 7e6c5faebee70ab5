"""A stolen session or token that is used from outside of the networks changes nothing, and its owner is told once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.messages.storage.session import SessionStorage
from django.test import Client

from apps.accounts.models import ApiToken, ScimToken, User, UserSession
from apps.accounts.recovering import issue_recovery_link
from apps.accounts.scim.tokens import issue_scim_token
from apps.accounts.services import issue_token
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.tenants.binding import unbound
from apps.tenants.models import Tenant
from apps.tenants.types import TenantRef
from tests.apps.conftest import SignedIn

OFFICE, HOME = "203.0.113.9", "198.51.100.7"
REFUSED = "accounts.use_from_outside_refused"
Ask = Callable[[str], int]
Row = Callable[[], Any]


def events() -> list[tuple[str, str, object]]:
    found = AuditEvent.objects.filter(verb=REFUSED).order_by("sequence")
    return [(event.actor_kind, event.object_type, event.facts["address"]) for event in found]


@pytest.fixture
def listed(acme: TenantRef) -> None:
    lists = {name: ["203.0.113.0/24"] for name in ("networks_people", "networks_tokens", "networks_scim")}
    Tenant.objects.filter(pk=acme.id).update(**lists)


def of_session(signed_in: SignedIn, ann: User, now: datetime) -> tuple[Ask, Row, tuple[str, str]]:
    browser = signed_in(ann)
    UserSession.objects.update(last_seen_at=now - timedelta(minutes=30), address=OFFICE, browser="Office")

    def ask(address: str) -> int:
        return browser.get("/accounts/sessions/", REMOTE_ADDR=address, headers={"user-agent": "Thief"}).status_code

    return ask, lambda: UserSession.objects.values("last_seen_at", "address", "browser", "session_data").get(), (
        "person", "accounts.usersession",
    )  # fmt: skip


def of_token(signed_in: SignedIn, ann: User, now: datetime) -> tuple[Ask, Row, tuple[str, str]]:
    token = issue_token(user=ann, name="t", days=9, by=SYSTEM, now=now)
    program = Client(headers={"host": "acme.localhost", "authorization": f"Bearer {token}"})
    ApiToken.objects.update(last_used_at=now - timedelta(hours=1))

    def ask(address: str) -> int:
        return program.get("/api/v1/datasets", REMOTE_ADDR=address).status_code

    return ask, lambda: ApiToken.objects.values("last_used_at").get(), ("token", "accounts.apitoken")


def of_scim(signed_in: SignedIn, ann: User, now: datetime) -> tuple[Ask, Row, tuple[str, str]]:
    token = issue_scim_token(name="s", days=9, by=SYSTEM, now=now)
    program = Client(headers={"host": "acme.localhost", "authorization": f"Bearer {token}"})

    def ask(address: str) -> int:
        return program.get("/scim/v2/Users", REMOTE_ADDR=address).status_code

    return ask, lambda: ScimToken.objects.values("last_used_at").get(), ("scim", "accounts.scimtoken")


@pytest.mark.parametrize("credential", [of_session, of_token, of_scim])
def test_use_from_outside_changes_nothing_and_is_written_down_once_a_day(
    listed: None, signed_in: SignedIn, ann: User, credential: Callable[..., tuple[Ask, Row, tuple[str, str]]]
) -> None:
    now = datetime.now(UTC)
    ask, row, said = credential(signed_in, ann, now)
    before = row()
    with unbound():
        assert [ask(HOME) for _ in range(3)] == [403] * 3
    assert row() == before
    assert events() == [(*said, HOME)]
    for model in (UserSession, ApiToken, ScimToken):
        model.objects.update(refused_at=now - timedelta(days=1, seconds=1))  # type: ignore[attr-defined]  # each has the tenant's manager
    with unbound():
        assert ask(HOME) == 403
    assert events() == [(*said, HOME)] * 2
    assert row() == before
    with unbound():
        assert ask(OFFICE) == 200
    assert row() != before
    assert len(events()) == 2


def test_a_session_that_is_refused_goes_on_where_it_may_and_its_refusal_names_nobody(
    listed: None, signed_in: SignedIn, ann: User
) -> None:
    browser = signed_in(ann)
    with unbound():
        assert ann.email in browser.get("/", REMOTE_ADDR=OFFICE).content.decode()
        outside = browser.get("/", REMOTE_ADDR=HOME)
        assert outside.status_code == 403
        assert ann.email not in outside.content.decode()
        assert "omni_session" not in outside.cookies
        assert browser.get("/", REMOTE_ADDR=OFFICE).status_code == 200


def test_what_was_to_be_said_is_neither_shown_outside_nor_lost(listed: None, signed_in: SignedIn, ann: User) -> None:
    waiting = '[["__json_message",0,25,"A word for Ann.",""]]'
    browser = signed_in(ann, **{SessionStorage.session_key: waiting})
    with unbound():
        assert "A word for Ann." not in browser.get("/", REMOTE_ADDR=HOME).content.decode()
        assert "A word for Ann." in browser.get("/", REMOTE_ADDR=OFFICE).content.decode()


def test_going_unused_is_not_put_off_from_outside(listed: None, signed_in: SignedIn, ann: User) -> None:
    browser = signed_in(ann)
    for at, address, code in ((119, HOME, 403), (119 + 2, OFFICE, 302)):
        UserSession.objects.update(last_seen_at=datetime.now(UTC) - timedelta(minutes=at))
        with unbound():
            assert browser.get("/accounts/sessions/", REMOTE_ADDR=address).status_code == code


def test_what_opens_nothing_leaves_no_event(listed: None, ann: User, now: datetime) -> None:
    ended = issue_token(user=ann, name="t", days=9, by=SYSTEM, now=now)
    ApiToken.objects.update(revoked_at=now)
    with unbound():
        for token in ("omni_guess", ended):
            program = Client(headers={"host": "acme.localhost", "authorization": f"Bearer {token}"})
            assert program.get("/api/v1/datasets", REMOTE_ADDR=HOME).status_code == 403
        assert Client(HTTP_HOST="acme.localhost").get("/", REMOTE_ADDR=HOME).status_code == 403
    assert events() == []


def test_a_recovery_counts_as_use_from_everywhere(listed: None, acme: TenantRef, ada: User) -> None:
    link = issue_recovery_link(acme, email=ada.email, by=SYSTEM, now=datetime.now(UTC))
    browser = Client(HTTP_HOST="acme.localhost")
    with unbound():
        assert browser.post(link, REMOTE_ADDR=HOME).status_code == 302
    UserSession.objects.update(last_seen_at=datetime.now(UTC) - timedelta(minutes=5), address="")
    with unbound():
        assert browser.get("/accounts/recovery/", REMOTE_ADDR=HOME).status_code == 200
    row = UserSession.objects.get()
    assert (row.kind, row.address) == (UserSession.Kind.RECOVERY, HOME)
    assert datetime.now(UTC) - row.last_seen_at < timedelta(minutes=1)
    assert events() == []


@pytest.mark.parametrize("method", ["get", "post"])
def test_where_recovery_links_lead_a_session_from_outside_is_nobodys(
    listed: None, signed_in: SignedIn, ann: User, method: str
) -> None:
    browser = signed_in(ann)
    key, path = browser.session.session_key, "/accounts/recover/x/"
    with unbound():
        inside = browser.get(path, REMOTE_ADDR=OFFICE).content.decode()
    kept = dict(UserSession.objects.values("session_data", "last_seen_at", "address").get())
    with unbound():
        answer = getattr(browser, method)(path, REMOTE_ADDR=HOME)
    assert ann.email in inside
    assert answer.status_code == 404
    assert ann.email not in answer.content.decode()
    assert "omni_session" not in answer.cookies
    assert UserSession.objects.values("session_data", "last_seen_at", "address").get() == kept
    assert events() == [("person", "accounts.usersession", HOME)]
    with unbound():
        assert browser.get("/accounts/sessions/", REMOTE_ADDR=OFFICE).status_code == 200
    assert browser.session.session_key == key


def test_a_recovery_link_from_outside_lets_its_holder_in_and_nobody_else_out(
    listed: None, acme: TenantRef, signed_in: SignedIn, ann: User, ada: User
) -> None:
    browser = signed_in(ann)
    path = urlsplit(issue_recovery_link(acme, email=ada.email, by=SYSTEM, now=datetime.now(UTC))).path
    with unbound():
        assert browser.get(path, REMOTE_ADDR=HOME).status_code == 200
        assert browser.post(path, REMOTE_ADDR=HOME).status_code == 302
    assert set(UserSession.objects.values_list("user", flat=True)) == {ann.pk, ada.pk}
