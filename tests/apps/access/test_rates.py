"""How often somebody may try; nobody's attempts use up anybody else's."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory

from apps.accounts import rates
from apps.accounts.entering import Way, enter
from apps.accounts.models import IdentityProvider, User
from apps.accounts.recovering import issue_recovery_link
from apps.accounts.services import issue_token
from apps.accounts.sessions import SessionStore
from apps.audit.types import SYSTEM
from apps.tenants.binding import bound, unbound
from apps.tenants.types import TenantRef
from tests.apps.conftest import SignedIn

ELSEWHERE = "198.51.100.7"


@pytest.fixture(autouse=True)
def few(settings: Any) -> None:
    settings.OMNI_RATES = {
        "sign_in": "3/minute", "person": "2/minute", "failed_token": "3/minute", "api": "4/minute", "scim": "3/minute",
        "recovery": "3/minute",
    }  # fmt: skip


def ask(token: str, host: str = "acme.localhost", address: str = "127.0.0.1", path: str = "/api/v1/datasets") -> object:
    with unbound():
        return Client(headers={"host": host, "authorization": f"Bearer {token}"}).get(path, REMOTE_ADDR=address)


def codes(times: int, act: Callable[[], object]) -> list[int]:
    return [int(act().status_code) for _ in range(times)]  # type: ignore[attr-defined]  # the fixture's type says less than it returns


def test_guesses_at_tokens_slow_down_the_guesser_and_nobody_else(
    ann: User, globex: TenantRef, make_person: Callable[..., User], now: datetime
) -> None:
    token = issue_token(user=ann, name="t", days=1, by=SYSTEM, now=now)
    assert codes(5, lambda: ask("omni_guess")) == [401, 401, 401, 429, 429]
    refused = ask("omni_another-guess")
    assert refused.status_code == 429  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    assert refused["Content-Type"] == "application/problem+json"  # type: ignore[index]  # the fixture's type says less than it returns
    assert 1 <= int(refused["Retry-After"]) <= 60  # type: ignore[index]  # the fixture's type says less than it returns
    assert codes(2, lambda: ask(token)) == [200, 200]
    assert codes(1, lambda: ask("omni_guess", address=ELSEWHERE)) == [401]
    assert codes(1, lambda: ask("omni_guess", host="globex.localhost")) == [401]


def test_a_persons_requests_use_up_their_own_share(
    ann: User, bob: User, globex: TenantRef, make_person: Callable[..., User], now: datetime
) -> None:
    first, second = (issue_token(user=ann, name=name, days=1, by=SYSTEM, now=now) for name in "ab")
    of_bob = issue_token(user=bob, name="t", days=1, by=SYSTEM, now=now)
    with bound(globex.id):
        of_gus = issue_token(user=make_person("gus@globex.example"), name="t", days=1, by=SYSTEM, now=now)
    assert codes(3, lambda: ask(first)) == [200, 200, 200]
    assert codes(2, lambda: ask(second)) == [200, 429]
    assert codes(1, lambda: ask(of_bob)) == [200]
    assert codes(1, lambda: ask(of_gus, host="globex.localhost")) == [200]


def test_sign_ins_are_counted_per_address_and_tenant(acme: TenantRef, globex: TenantRef) -> None:
    def start(host: str = "acme.localhost", address: str = "127.0.0.1") -> object:
        with unbound():
            return Client(HTTP_HOST=host).post("/accounts/oidc/main/login/", REMOTE_ADDR=address)

    assert codes(4, start) == [404, 404, 404, 429]
    refused: Any = start()
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) >= 1
    assert b"Too many requests" in refused.content
    assert codes(1, lambda: start(address=ELSEWHERE)) == [404]
    assert codes(1, lambda: start(host="globex.localhost")) == [404]
    with unbound():
        assert Client(HTTP_HOST="acme.localhost").get("/accounts/sign-in/").status_code == 200


def test_wrong_recovery_links_keep_nobody_from_signing_in_nor_from_a_link_that_is_right(
    acme: TenantRef, globex: TenantRef, ada: User
) -> None:
    link = issue_recovery_link(acme, email=ada.email, by=SYSTEM, now=datetime.now(UTC))

    def at(path: str, *, post: bool = False, host: str = "acme.localhost", address: str = "127.0.0.1") -> HttpResponse:
        with unbound():
            client = Client(HTTP_HOST=host)
            return client.post(path, REMOTE_ADDR=address) if post else client.get(path, REMOTE_ADDR=address)

    wrong = "/accounts/recover/x/"
    assert codes(2, lambda: at(wrong)) == [404, 404]
    assert codes(2, lambda: at(wrong, post=True)) == [404, 429]
    assert int(at(wrong)["Retry-After"]) >= 1
    assert codes(1, lambda: at("/accounts/oidc/main/login/", post=True)) == [404]
    assert codes(1, lambda: at("/accounts/sign-in/", post=True)) == [200]
    assert codes(1, lambda: at(wrong, address=ELSEWHERE)) == [404]
    assert codes(1, lambda: at(wrong, host="globex.localhost")) == [404]
    assert codes(1, lambda: at(link)) == [200]
    assert at(link, post=True)["Location"] == "/accounts/recovery/"


def test_all_addresses_of_one_ipv6_network_share_a_count(acme: TenantRef) -> None:
    """One subscriber has 2^64 of them: counted one by one, nobody would ever be slowed down."""
    own = [f"2001:db8:7:7::{number:x}" for number in range(1, 6)]
    assert [codes(1, lambda: ask("omni_guess", address=one)) for one in own] == [[401]] * 3 + [[429]] * 2  # noqa: B023  (called at once)
    assert codes(1, lambda: ask("omni_guess", address="2001:db8:7:8::1")) == [401]
    assert codes(4, lambda: ask("omni_guess", address="::ffff:192.0.2.1")) == [401, 401, 401, 429]
    assert codes(1, lambda: ask("omni_guess", address="::ffff:192.0.2.2")) == [401]


def test_behind_one_proxy_each_address_has_its_count_and_no_header_of_ones_own_gives_another(
    acme: TenantRef, settings: Any
) -> None:
    settings.OMNI_TRUSTED_PROXIES = ["10.0.0.0/8"]

    def guess(forwarded: str, peer: str = "10.1.2.3") -> object:
        with unbound():
            client = Client(headers={"host": "acme.localhost", "authorization": "Bearer omni_guess"})
            return client.get("/api/v1/datasets", REMOTE_ADDR=peer, headers={"x-forwarded-for": forwarded})

    assert codes(4, lambda: guess(ELSEWHERE)) == [401, 401, 401, 429]
    assert codes(1, lambda: guess("198.51.100.8")) == [401]  # somebody else behind the same proxy
    invented = (f"192.0.2.{number}, {ELSEWHERE}" for number in range(9))
    assert codes(3, lambda: guess(next(invented))) == [429, 429, 429]  # what the client wrote itself stands on the left
    assert codes(1, lambda: guess(f"{ELSEWHERE}, 10.9.9.9")) == [429]  # through two proxies
    outside = (f"203.0.113.{number}" for number in range(9))
    assert codes(4, lambda: guess(next(outside), peer="198.51.100.9")) == [401, 401, 401, 429]  # not a proxy
    assert codes(1, lambda: guess("203.0.113.0")) == [401]  # whom the last one named is none the worse for it


def test_scim_is_counted_per_token(acme: TenantRef) -> None:
    first = codes(4, lambda: ask("scim-a", path="/scim/v2/Users", address=ELSEWHERE))
    assert first[3] == 429
    assert 429 not in first[:3]
    other = ask("scim-b", path="/scim/v2/Users", address="203.0.113.1")
    assert other.status_code != 429  # type: ignore[attr-defined]  # the fixture's type says less than it returns


def test_sign_ins_of_one_person_are_counted_wherever_they_come_from(acme: TenantRef, ann: User, bob: User) -> None:
    def come(who: User) -> HttpResponse:
        request = RequestFactory().get("/", headers={"host": "acme.localhost"})
        request.session, request.tenant = SessionStore(None), acme  # type: ignore[assignment,attr-defined]  # of our own kind
        return enter(request, who, "/", Way(None))

    assert [come(ann).status_code for _ in range(4)] == [302, 302, 429, 429]
    assert come(bob).status_code == 302


def test_sign_ins_of_one_person_use_up_nobody_elses(acme: TenantRef, ann: User, bob: User) -> None:
    assert [rates.hit("person", acme.id, str(ann.pk)) > 0 for _ in range(3)] == [False, False, True]
    assert rates.hit("person", acme.id, str(bob.pk)) == 0


def test_without_redis_requests_go_on_and_the_log_says_so(
    signed_in: SignedIn, ann: User, now: datetime, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    token = issue_token(user=ann, name="t", days=1, by=SYSTEM, now=now)
    settings.OMNI_REDIS_URL = "unix:///nonexistent/redis.sock"
    with caplog.at_level(logging.WARNING):
        assert codes(6, lambda: ask(token)) == [200] * 6
        assert codes(5, lambda: ask("omni_guess")) == [401] * 5
    assert "rate limits are not counted" in caplog.text


def test_names_are_a_tenants_own(
    acme: TenantRef, globex: TenantRef, make_person: Callable[..., User], signed_in: SignedIn, ada: User
) -> None:
    """Nobody learns from "already taken" what another tenant has."""
    with bound(globex.id):
        make_person("carol@acme.example")
        IdentityProvider.objects.create(
            slug="main", name="Main", issuer="https://x.example", client_id="a", sealed_client_secret=b"-"
        )
    admin = signed_in(ada)
    data = {
        "name": "Main", "slug": "main", "protocol": "oidc", "issuer": "https://x.example", "client_id": "a",
        "client_secret": "s", "scopes": "openid", "is_enabled": "on", "mappings-TOTAL_FORMS": "0",
        "mappings-INITIAL_FORMS": "0", "domains-TOTAL_FORMS": "0", "domains-INITIAL_FORMS": "0",
            "name_id_format": IdentityProvider.NameId.PERSISTENT.value,
    }  # fmt: skip
    with unbound():
        assert admin.post("/admin/accounts/user/add/", {
            "email": "carol@acme.example", "timezone": "UTC", "is_active": "on",
            **{f"{prefix}-{part}": "0" for prefix in ("attribute_values", "memberships", "tokens") for part in ("TOTAL_FORMS", "INITIAL_FORMS")},
        }).status_code == 302  # fmt: skip
        assert admin.post("/admin/accounts/identityprovider/add/", data).status_code == 302
        assert admin.post("/admin/accounts/identityprovider/add/", data).status_code == 200
    assert User.objects.filter(email="carol@acme.example").count() == 1
