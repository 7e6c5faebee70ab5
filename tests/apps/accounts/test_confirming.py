"""Dangerous actions ask for a fresh sign-in at the provider, by the same person, and lead back to the same page."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from allauth.socialaccount.internal import statekit
from django.db.models import F
from django.test import Client

from apps.accounts.confirming import is_fresh, stated_time
from apps.accounts.errors import SignInError
from apps.accounts.models import IdentityProvider, User, UserSession
from apps.accounts.services import save_provider, sign_in_from_claims
from apps.accounts.sessions import session_digest
from apps.audit.types import SYSTEM
from apps.tenants.binding import bound, unbound
from apps.tenants.types import TenantRef
from tests.apps.accounts.test_sign_in import HOST, Walk, claims, invited, issuer, provider, walk
from tests.apps.conftest import SignedIn, confirmed

__all__ = ["invited", "issuer", "provider", "walk"]
DANGEROUS = "/admin/tenants/signinsettings/"
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


@pytest.fixture
def eve(invited: User) -> User:
    """Eve is an administrator."""
    User.objects.filter(pk=invited.pk).update(is_tenant_admin=True)
    return invited


def get(walk: Walk, path: str) -> object:
    with unbound():
        return walk.client.get(path, HTTP_HOST=HOST)


def confirm(walk: Walk, target: str = DANGEROUS) -> str:
    """Press the button of the page that asks for a fresh sign-in; return where it leads."""
    with unbound():
        response = walk.client.post("/accounts/oidc/main/login/", {"next": target, "confirm": "1"}, HTTP_HOST=HOST)
    assert response.status_code == 302
    return str(response["Location"])


def test_a_fresh_sign_in_opens_what_a_stale_one_does_not(
    walk: Walk, issuer: str, provider: IdentityProvider, eve: User
) -> None:
    claims(issuer, auth_time=None)
    walk.whole()
    away = get(walk, DANGEROUS)
    assert (away.status_code, away["Location"]) == (  # type: ignore[attr-defined,index]  # the fixture's type says less than it returns
        302, "/accounts/confirm/?next=%2Fadmin%2Ftenants%2Fsigninsettings%2F",
    )  # fmt: skip
    assert b"Sign in again with Main" in get(walk, away["Location"]).content  # type: ignore[attr-defined,index]  # the fixture's type says less than it returns
    asked = parse_qs(urlsplit(location := confirm(walk)).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["900"])
    claims(issuer, auth_time=int(time.time()))
    back = walk.finish(walk.authorize(location))
    assert back["Location"] == DANGEROUS  # type: ignore[index]  # the fixture's type says less than it returns
    assert get(walk, DANGEROUS).status_code == 200  # type: ignore[attr-defined]  # the fixture's type says less than it returns


@pytest.mark.parametrize("auth_time", [None, 0, "now", -20 * 60, 20 * 60])
def test_a_provider_that_does_not_say_that_it_was_just_now_confirms_nothing(
    walk: Walk, issuer: str, provider: IdentityProvider, eve: User, auth_time: object
) -> None:
    claims(issuer, auth_time=None)
    walk.whole()
    is_offset = isinstance(auth_time, int) and auth_time
    claims(issuer, auth_time=int(time.time()) + auth_time if is_offset else auth_time)  # type: ignore[operator]  # the fixture's type says less than it returns
    refused = walk.finish(walk.authorize(confirm(walk)))
    assert refused.status_code == 403  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    assert get(walk, DANGEROUS).status_code == 302  # type: ignore[attr-defined]  # the fixture's type says less than it returns


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("hours", [1, 9])
def test_going_to_the_provider_leaves_the_session_as_it_is(
    walk: Walk, issuer: str, provider: IdentityProvider, eve: User, monkeypatch: pytest.MonkeyPatch, hours: int,
    is_late: bool,
) -> None:  # fmt: skip
    """On the way there and at an answer that confirms nothing: a session of nine hours lives on for its three."""
    claims(issuer, auth_time=None)
    walk.whole()
    UserSession.objects.update(started_at=F("started_at") - timedelta(hours=hours), expire_date=F("expire_date") - timedelta(hours=hours))  # fmt: skip
    before = UserSession.objects.get(user=eve)
    location = confirm(walk)
    assert get(walk, "/accounts/sessions/").status_code == 200  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    if is_late:
        monkeypatch.setattr(statekit, "STATE_TTL", -1)
    refused = walk.finish(walk.authorize(location))
    assert refused.status_code == (400 if is_late else 403)  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    assert get(walk, "/accounts/sessions/").status_code == 200  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    after = UserSession.objects.get(user=eve)
    assert (after.pk, after.started_at) == (before.pk, before.started_at)
    assert (after.address, after.browser) == (before.address, before.browser)
    assert abs(after.expire_date - before.expire_date) < timedelta(seconds=5)


def test_somebody_else_confirms_nothing(
    walk: Walk, issuer: str, provider: IdentityProvider, eve: User, make_person: Callable[..., User]
) -> None:
    make_person("ann@acme.example", issuer=issuer, subject="ann", is_tenant_admin=True)
    claims(issuer, auth_time=int(time.time()) - 3600)
    walk.whole()
    body = {"email": "ann@acme.example", "email_verified": True, "auth_time": int(time.time())}
    assert requests.put(f"{issuer}/users/ann", json=body, timeout=5).status_code == 204
    refused = walk.finish(walk.authorize(confirm(walk), "ann"))
    assert refused.status_code == 403  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    assert UserSession.objects.get(user__isnull=False).user_id == eve.pk
    assert get(walk, DANGEROUS).status_code == 302  # type: ignore[attr-defined]  # the fixture's type says less than it returns


def test_a_fresh_first_sign_in_counts(walk: Walk, issuer: str, provider: IdentityProvider, eve: User) -> None:
    claims(issuer, auth_time=int(time.time()))
    walk.whole()
    assert get(walk, DANGEROUS).status_code == 200  # type: ignore[attr-defined]  # the fixture's type says less than it returns


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_confirming_leads_nowhere_else(
    walk: Walk, issuer: str, provider: IdentityProvider, eve: User, target: str
) -> None:
    claims(issuer, auth_time=int(time.time()))
    walk.whole()
    assert b"evil.example" not in get(walk, f"/accounts/confirm/?next={target}").content  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    assert walk.finish(walk.authorize(confirm(walk, target)))["Location"] == "/"  # type: ignore[index]  # the fixture's type says less than it returns


def test_signing_in_changes_the_key_and_drops_what_was_planted(
    walk: Walk, issuer: str, provider: IdentityProvider, eve: User
) -> None:
    claims(issuer)
    location = walk.start()
    planted = walk.client.cookies["omni_session"].value
    walk.finish(walk.authorize(location))
    fresh = walk.client.cookies["omni_session"].value
    assert fresh != planted
    attacker = Client(HTTP_HOST=HOST)
    attacker.cookies["omni_session"] = planted
    with unbound():
        assert attacker.get("/accounts/sessions/").status_code == 302
    assert not UserSession.objects.filter(digest=session_digest(planted)).exists()
    assert get(walk, "/accounts/sessions/").status_code == 200  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    row = UserSession.objects.get(digest=session_digest(fresh))
    assert (row.user_id, row.provider_id, row.provider_name) == (eve.pk, provider.pk, "Main")
    assert (row.address, row.expire_date - row.started_at) == ("127.0.0.1", timedelta(hours=12))


def test_the_edges_of_fresh() -> None:
    within = timedelta(minutes=15)
    assert is_fresh(NOW, within=within, now=NOW)
    assert is_fresh(NOW - within + timedelta(seconds=1), within=within, now=NOW)
    assert not is_fresh(NOW - within, within=within, now=NOW)
    assert is_fresh(NOW + timedelta(seconds=60), within=within, now=NOW)
    assert not is_fresh(NOW + timedelta(seconds=61), within=within, now=NOW)
    assert not is_fresh(None, within=within, now=NOW)
    assert [stated_time(odd) for odd in (None, True, "1", [], 0, 1e300, float("nan"))] == [None] * 7
    assert stated_time(int(NOW.timestamp())) == NOW


@pytest.mark.parametrize(
    "path", ["/admin/accounts/identityprovider/add/", "/admin/accounts/identityprovider/{pk}/change/",
             "/admin/accounts/identityprovider/{pk}/delete/", DANGEROUS],
)  # fmt: skip
def test_dangerous_pages_ask_administrators_and_are_not_there_for_others(
    provider: IdentityProvider, signed_in: SignedIn, ada: User, ann: User, path: str
) -> None:
    path = path.format(pk=provider.pk)
    stale, fresh, member = signed_in(ada, is_fresh=False), signed_in(ada), signed_in(ann)
    with unbound():
        assert stale.get(path)["Location"].startswith("/accounts/confirm/?next=")
        assert stale.post(path, {"post": "yes"})["Location"].startswith("/accounts/confirm/?next=")
        assert member.get(path).status_code == 404
        assert fresh.get(path).status_code == 200
    assert IdentityProvider.objects.filter(pk=provider.pk).exists()


def test_no_list_action_gets_around_it(provider: IdentityProvider, signed_in: SignedIn, ada: User) -> None:
    listed = "/admin/accounts/identityprovider/"
    data = {"action": "delete_selected", "_selected_action": [str(provider.pk)]}
    stale, fresh = signed_in(ada, is_fresh=False), signed_in(ada)
    with unbound():
        assert stale.get(listed).status_code == 200
        stale.post(listed, data | {"post": "yes"})
    assert IdentityProvider.objects.filter(pk=provider.pk).exists()
    confirmed(fresh, listed, data)
    assert not IdentityProvider.objects.filter(pk=provider.pk).exists()


def test_an_administrator_is_made_after_a_fresh_sign_in_only(signed_in: SignedIn, ada: User, ann: User) -> None:
    path = f"/admin/accounts/user/{ann.pk}/change/"
    forms = {f"{prefix}-{part}": "0" for prefix in ("attribute_values", "memberships", "tokens") for part in ("TOTAL_FORMS", "INITIAL_FORMS")}  # fmt: skip
    plain = {"email": ann.email, "name": "Ann", "timezone": "UTC", "is_active": "on", **forms}
    stale, fresh = signed_in(ada, is_fresh=False), signed_in(ada)
    with unbound():
        assert stale.post(path, plain | {"name": "Anna"})["Location"] == "/admin/accounts/user/"
        assert stale.post(path, plain | {"is_tenant_admin": "on"})["Location"].startswith("/accounts/confirm/")
    assert not User.objects.get(pk=ann.pk).is_tenant_admin
    with unbound():
        assert fresh.post(path, plain | {"is_tenant_admin": "on"})["Location"] == "/admin/accounts/user/"
    assert User.objects.get(pk=ann.pk).is_tenant_admin
    with unbound():
        assert stale.post(path, plain)["Location"].startswith("/accounts/confirm/")
    assert User.objects.get(pk=ann.pk).is_tenant_admin


@pytest.mark.parametrize(
    ("required", "methods", "enters"),
    [
        ("", [], False),
        ("", ["pwd"], False),
        ("", ["pwd", "mfa"], True),
        ("mfa", ["pwd"], False),
        ("pwd", ["pwd"], False),  # one factor does not do for staff, whatever the provider was set to demand
        ("pwd", ["pwd", "mfa"], True),
        ("urn:two-factors", ["urn:two-factors"], True),
        ("urn:two-factors", ["mfa"], False),
    ],
)
def test_staff_come_with_a_second_factor_always(
    platform: TenantRef, acme: TenantRef, make_person: Callable[..., User], now: datetime, settings: Any,
    required: str, methods: list[str], enters: bool,
) -> None:  # fmt: skip
    settings.OMNI_MULTI_FACTORS = ["urn:two-factors"]

    def signs_in(tenant: TenantRef) -> bool:
        with bound(tenant.id):
            make_person("sam@omni.example", issuer="https://idp.example", subject="sam")
            row = IdentityProvider(
                slug="m", name="M", issuer="https://idp.example", client_id="a", required_amr=required,
                sealed_client_secret=b"-",
            )  # fmt: skip
            found = save_provider(row, client_secret="s", by=SYSTEM, now=now)
            try:
                sign_in_from_claims(provider=found, claims={"sub": "sam"}, amr=methods, now=now)
            except SignInError:
                return False
            return True

    assert signs_in(platform) is enters
    assert signs_in(acme) is (not required or required in methods)
