"""API tokens: what a token opens, for how long, and who makes and revokes it."""

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from apps.access.selectors import actor_for_token, actor_from_reference
from apps.access.types import Actor
from apps.accounts.models import ApiToken, User, UserSession
from apps.accounts.services import (
    issue_token,
    revoke_token,
    set_active,
    set_administrator,
)
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.tenants.binding import bound, unbound
from apps.tenants.models import Tenant
from apps.tenants.types import TenantRef
from tests.apps.conftest import SignedIn, confirmed

PAGE = "/accounts/tokens/"
DATASETS = "/api/v1/datasets"


def status(token: str, path: str = DATASETS, method: str = "get", host: str = "acme.localhost", **more: object) -> int:
    client = Client(headers={"host": host, "authorization": f"Bearer {token}"})
    with unbound():
        return int(getattr(client, method)(path, **more).status_code)


def shown(page: bytes) -> str | None:
    found = re.search(rb"omni_[A-Za-z0-9_-]{43}", page)
    return found[0].decode() if found else None


def test_a_person_makes_uses_and_revokes_a_token(signed_in: SignedIn, ann: User) -> None:
    browser = signed_in(ann)
    with unbound():
        made = browser.post(PAGE, {"name": "Notebook", "scope": "query", "days": "30"})
        token = shown(made.content)
        again = browser.get(PAGE)
    assert token is not None
    assert shown(again.content) is None
    assert b"Notebook" in again.content
    assert status(token) == 200
    row = ApiToken.objects.get()
    assert token.encode() not in bytes(row.digest)
    assert row.last_used_at is not None
    with unbound():
        browser.post(f"{PAGE}{row.pk}/revoke/")
    assert status(token) == 401
    verbs = AuditEvent.objects.filter(actor_id=ann.pk).order_by("sequence").values_list("verb", flat=True)
    assert list(verbs) == ["accounts.api_access_issued", "accounts.api_access_revoked"]


def test_a_token_lives_as_long_as_the_tenant_allows(
    acme: TenantRef, signed_in: SignedIn, ann: User, now: datetime
) -> None:
    Tenant.objects.filter(pk=acme.id).update(token_max_days=10)
    browser = signed_in(ann)
    with unbound():
        refused = browser.post(PAGE, {"name": "Long", "scope": "query", "days": "11"})
        made = browser.post(PAGE, {"name": "Short", "scope": "query", "days": "10"})
    assert (refused.status_code, shown(refused.content)) == (422, None)
    assert shown(made.content)
    for days in (0, 11):
        with pytest.raises(ValidationError):
            issue_token(user=ann, name="x", days=days, by=SYSTEM, now=now)
    token = issue_token(user=ann, name="x", days=10, by=SYSTEM, now=now)
    assert actor_for_token(token, now=now + timedelta(days=10, seconds=-1), is_inside=True) is not None
    assert actor_for_token(token, now=now + timedelta(days=10), is_inside=True) is None


def test_nobody_sees_or_revokes_anothers_token(signed_in: SignedIn, ann: User, bob: User, now: datetime) -> None:
    token = issue_token(user=bob, name="Bobs token", days=1, by=SYSTEM, now=now)
    browser = signed_in(ann)
    with unbound():
        assert b"Bobs token" not in browser.get(PAGE).content
    row = ApiToken.objects.get(user=bob)
    with unbound():
        assert browser.post(f"{PAGE}{row.pk}/revoke/").status_code == 404
    assert status(token) == 200


def test_a_token_that_reads_runs_nothing(ann: User, now: datetime) -> None:
    reading = issue_token(user=ann, name="r", days=1, scope="read", by=SYSTEM, now=now)
    querying = issue_token(user=ann, name="q", days=1, scope="query", by=SYSTEM, now=now)
    body = json.dumps({"dataset": "Nothing", "fields": ["a.b"]})
    assert (status(reading), status(querying)) == (200, 200)
    asked = {"path": "/api/v1/query", "method": "post", "data": body, "content_type": "application/json"}
    assert status(reading, **asked) == 403  # type: ignore[arg-type]  # looser than the type on purpose
    assert status(querying, **asked) == 404  # type: ignore[arg-type]  # it may ask; there is no such data set
    assert AuditEvent.objects.filter(verb="queries.query_denied", facts__code="scope").count() == 1


def test_work_that_is_queued_keeps_its_tokens_scope(ann: User, now: datetime) -> None:
    issue_token(user=ann, name="r", days=1, scope="read", by=SYSTEM, now=now)
    token = ApiToken.objects.get()
    found = actor_from_reference("token", user_id=ann.pk, token_id=token.pk, support_session_id=None, now=now)
    assert found is not None
    assert not found.may_run


@pytest.mark.parametrize("spoiled", ["revoked", "expired", "of somebody else", "of nobody active"])
def test_queued_work_ends_with_its_token(ann: User, bob: User, now: datetime, spoiled: str) -> None:
    issue_token(user=ann, name="q", days=1, by=SYSTEM, now=now)
    token = ApiToken.objects.get()

    def derived(at: datetime = now, of: User = ann) -> Actor | None:
        return actor_from_reference("token", user_id=of.pk, token_id=token.pk, support_session_id=None, now=at)

    found = derived()
    assert found is not None
    assert (found.user_id, found.token_id, found.may_run) == (ann.pk, token.pk, True)
    if spoiled == "revoked":
        ApiToken.objects.update(revoked_at=now)
    if spoiled == "of nobody active":
        User.objects.filter(pk=ann.pk).update(is_active=False)
    assert derived(now + timedelta(days=2) if spoiled == "expired" else now, bob if "else" in spoiled else ann) is None


def test_a_token_is_nothing_on_another_tenants_host(
    ann: User, globex: TenantRef, make_person: Callable[..., User], now: datetime
) -> None:
    token = issue_token(user=ann, name="t", days=1, by=SYSTEM, now=now)
    with bound(globex.id):
        other = issue_token(user=make_person("gus@globex.example"), name="t", days=1, by=SYSTEM, now=now)
    assert (status(token), status(token, host="globex.localhost")) == (200, 401)
    assert (status(other), status(other, host="globex.localhost")) == (401, 200)


def test_tokens_of_who_is_shut_out_are_revoked_for_good(ann: User, bob: User, now: datetime) -> None:
    token = issue_token(user=ann, name="t", days=1, by=SYSTEM, now=now)
    of_bob = issue_token(user=bob, name="t", days=1, by=SYSTEM, now=now)
    assert status(token) == 200
    set_active(ann, is_active=False, by=SYSTEM, now=now)
    assert status(token) == 401
    set_active(ann, is_active=True, by=SYSTEM, now=now)
    assert (status(token), status(of_bob)) == (401, 200)


def test_a_token_of_a_disabled_person_is_refused_even_when_nothing_revoked_it(ann: User, now: datetime) -> None:
    token = issue_token(user=ann, name="t", days=1, by=SYSTEM, now=now)
    assert status(token) == 200
    User.objects.filter(pk=ann.pk).update(is_active=False)
    assert status(token) == 401


def test_administrators_find_and_revoke_anybodys_tokens(
    signed_in: SignedIn, ada: User, ann: User, bob: User, now: datetime
) -> None:
    tokens = [issue_token(user=user, name=f"of {user.name}", days=1, by=SYSTEM, now=now) for user in (ann, bob)]
    listed, admin, member = "/admin/accounts/apitoken/", signed_in(ada), signed_in(bob)
    row = ApiToken.objects.get(user=ann)
    with unbound():
        page = admin.get(f"{listed}?q=ann@acme&scope__exact=query&state=valid").content.decode()
        assert "of Ann" in page
        assert "of Bob" not in page
        assert member.get(listed).status_code == 404
    confirmed(admin, listed, {"action": "revoke", "_selected_action": [str(row.pk)]})
    assert [status(token) for token in tokens] == [401, 200]


def test_a_token_that_administers_needs_an_administrator_with_a_fresh_sign_in(
    signed_in: SignedIn, ada: User, ann: User
) -> None:
    wanted = {"name": "Alarm", "scope": "admin", "days": "1"}
    member, stale, fresh = signed_in(ann), signed_in(ada, is_fresh=False), signed_in(ada)
    with unbound():
        assert member.post(PAGE, wanted).status_code == 422
        away = stale.post(PAGE, wanted)
        made = fresh.post(PAGE, wanted)
    assert away["Location"] == "/accounts/confirm/?next=%2Faccounts%2Ftokens%2F"
    assert shown(made.content)
    assert ApiToken.objects.get().scope == "admin"


@pytest.mark.parametrize("scope", ["read", "query"])
def test_a_token_of_ones_own_that_lives_long_needs_a_fresh_sign_in(signed_in: SignedIn, ann: User, scope: str) -> None:
    wanted, stale, fresh = {"name": "Alarm", "scope": scope}, signed_in(ann, is_fresh=False), signed_in(ann)
    with unbound():
        assert shown(stale.post(PAGE, wanted | {"days": "30"}).content)
        away = stale.post(PAGE, wanted | {"days": "31"})
        told = stale.get(PAGE).content.decode()
    assert away["Location"] == "/accounts/confirm/?next=%2Faccounts%2Ftokens%2F"
    assert "lives for more than 30 days, needs a fresh sign-in" in told
    assert 'name="days" value="30"' in told
    assert ApiToken.objects.count() == 1
    with unbound():
        assert shown(fresh.post(PAGE, wanted | {"days": "366"}).content)


def test_the_administration_api_lists_and_ends(signed_in: SignedIn, ada: User, ann: User, now: datetime) -> None:
    admin = issue_token(user=ada, name="Alarm", days=1, scope="admin", by=SYSTEM, now=now)
    plain = issue_token(user=ada, name="Plain", days=1, by=SYSTEM, now=now)
    of_ann = issue_token(user=ann, name="Ann", days=1, by=SYSTEM, now=now)
    browser = signed_in(ann)
    client = Client(headers={"host": "acme.localhost", "authorization": f"Bearer {admin}"})
    with unbound():
        tokens = client.get("/api/v1/admin/tokens").json()["tokens"]
        sessions = client.get("/api/v1/admin/sessions").json()["sessions"]
    assert {row["name"] for row in tokens} == {"Alarm", "Plain", "Ann"}
    assert [row["person"] for row in sessions] == ["ann@acme.example"]
    text = json.dumps([tokens, sessions])
    assert browser.cookies["omni_session"].value not in text
    target = next(row["id"] for row in tokens if row["name"] == "Ann")
    assert status(plain, f"/api/v1/admin/tokens/{target}", "delete") == 403
    assert status(of_ann) == 200
    assert status(admin, f"/api/v1/admin/tokens/{target}", "delete") == 204
    assert status(of_ann) == 401
    assert status(admin, f"/api/v1/admin/sessions/{sessions[0]['id']}", "delete") == 204
    assert not UserSession.objects.filter(user=ann).exists()
    assert status(admin, f"/api/v1/admin/sessions/{sessions[0]['id']}", "delete") == 404


def test_a_token_that_administers_sinks_with_its_holder(ada: User, now: datetime) -> None:
    admin = issue_token(user=ada, name="Alarm", days=1, scope="admin", by=SYSTEM, now=now)
    assert status(admin, "/api/v1/admin/tokens") == 200
    set_administrator(ada, is_tenant_admin=False, by=SYSTEM, now=now)
    assert status(admin, "/api/v1/admin/tokens") == 403
    assert status(admin) == 200


def test_the_administration_api_stays_within_its_tenant(
    ada: User, globex: TenantRef, make_person: Callable[..., User], now: datetime
) -> None:
    admin = issue_token(user=ada, name="Alarm", days=1, scope="admin", by=SYSTEM, now=now)
    with bound(globex.id):
        theirs = issue_token(user=make_person("gus@globex.example"), name="t", days=1, by=SYSTEM, now=now)
        row = ApiToken.objects.get()
    assert status(admin, f"/api/v1/admin/tokens/{row.pk}", "delete") == 404
    assert status(theirs, host="globex.localhost") == 200


def test_the_page_of_tokens_offers_a_fresh_sign_in_before_anything_is_filled_in(signed_in: SignedIn, ann: User) -> None:
    stale, fresh = signed_in(ann, is_fresh=False), signed_in(ann)
    with unbound():
        told = [b"/accounts/confirm/?next=%2Faccounts%2Ftokens%2F" in one.get(PAGE).content for one in (stale, fresh)]
    assert told == [True, False]


def test_revoking_twice_is_written_down_once(ann: User, now: datetime) -> None:
    issue_token(user=ann, name="t", days=1, by=SYSTEM, now=now)
    row = ApiToken.objects.get()
    revoke_token(row, by=SYSTEM, now=now)
    revoke_token(row, by=SYSTEM, now=now + timedelta(hours=1))
    assert AuditEvent.objects.filter(verb="accounts.api_access_revoked").count() == 1
    assert ApiToken.objects.get().revoked_at == now


def test_at_the_platforms_host_where_a_token_would_open_nothing_none_is_made(
    platform: TenantRef,
    acme: TenantRef,
    make_person: Callable[..., User],
    signed_in: SignedIn,
    ann: User,
    now: datetime,
) -> None:
    page, wish = "/accounts/tokens/", {"name": "t", "days": "1", "scope": "query"}
    with bound(platform.id):
        sam = make_person("sam@platform.example")
        staff = signed_in(sam, host="localhost")
        with pytest.raises(ValidationError, match="no API"):
            issue_token(user=sam, name="t", days=1, by=SYSTEM, now=now)
    member = signed_in(ann)
    with unbound():
        told, own = (client.get(page).content.decode() for client in (staff, member))
        assert ("none is made" in told, "Make the token" in told) == (True, False)
        assert ("none is made" in own, "Make the token" in own) == (False, True)
        assert (staff.post(page, wish).status_code, member.post(page, wish).status_code) == (404, 200)
    with bound(platform.id):
        assert not ApiToken.objects.exists()
    assert ApiToken.objects.count() == 1
