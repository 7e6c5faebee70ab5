"""Sign-in through a real OpenID Connect provider over HTTP, and every way around it that must fail."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.test import Client

from apps.access.selectors import actor_for_user
from apps.accounts.models import (
    AttributeDefinition,
    ClaimMapping,
    GroupMembership,
    IdentityProvider,
    User,
    UserAttribute,
    UserGroup,
    UserSession,
)
from apps.accounts.services import end_sessions, invite_user, save_provider, set_attribute
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.tenants.binding import unbound
from apps.tenants.types import TenantRef

HOST = "acme.localhost"


@pytest.fixture(scope="session")
def issuer() -> Iterator[str]:
    """A provider process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "oidc_provider_mock",
        "--port",
        str(port),
        "--require-nonce",
        "true",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://localhost:{port}"
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                requests.get(f"{url}/.well-known/openid-configuration", timeout=2)
                break
            except requests.RequestException:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def provider(acme: TenantRef, issuer: str, now: datetime) -> IdentityProvider:
    """Acme's provider, which maps the claim region and reads groups."""
    row = IdentityProvider(slug="main", name="Main", issuer=issuer, client_id="omni-acme", sealed_client_secret=b"-")
    save_provider(row, client_secret="canary-secret", by=SYSTEM, now=now)
    definition = AttributeDefinition.objects.create(name="region", label="Region", is_list=True)
    ClaimMapping.objects.create(provider=row, claim="org.region", definition=definition)
    ClaimMapping.objects.create(provider=row, claim="groups")
    UserGroup.objects.create(name="Analysts", claim_value="Analysts")
    return row


@pytest.fixture
def invited(acme: TenantRef, now: datetime) -> User:
    return invite_user(email="eve@acme.example", name="Eve", by=SYSTEM, now=now)


def claims(issuer: str, **extra: object) -> None:
    """Tell the provider what it says of Eve."""
    body = {"email": "eve@acme.example", "email_verified": True, "name": "Eve"} | extra
    assert requests.put(f"{issuer}/users/eve", json=body, timeout=5).status_code == 204


class Walk:
    """The redirects of one sign-in, one by one."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def start(self) -> str:
        with unbound():
            response = self.client.post("/accounts/oidc/main/login/", {"next": "/trust/"}, HTTP_HOST=HOST)
        assert response.status_code == 302, response.content
        return str(response["Location"])

    def authorize(self, location: str, subject: str = "eve") -> str:
        response = requests.post(location, data={"sub": subject}, allow_redirects=False, timeout=5)
        assert response.status_code in (302, 303), response.text
        return response.headers["Location"]

    def finish(self, callback: str, host: str = HOST) -> object:
        parts = urlsplit(callback)
        with unbound():
            return self.client.get(f"{parts.path}?{parts.query}", HTTP_HOST=host)

    def whole(self) -> object:
        return self.finish(self.authorize(self.start()))


@pytest.fixture
def walk() -> Walk:
    return Walk(Client())


def is_in(walk: Walk, host: str = HOST) -> bool:
    with unbound():
        return bool(walk.client.get("/accounts/sessions/", HTTP_HOST=host).status_code == 200)


def test_an_invited_person_signs_in(walk: Walk, issuer: str, provider: IdentityProvider, invited: User) -> None:
    claims(issuer, org={"region": ["EU"]}, groups=["Analysts", "No such group"])
    location = walk.start()
    asked = parse_qs(urlsplit(location).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["nonce"]
    assert asked["state"]
    response = walk.finish(walk.authorize(location))
    assert (response.status_code, response["Location"]) == (302, "/trust/")  # type: ignore[attr-defined,index]  # the fixture's type says less than it returns
    assert is_in(walk)
    user = User.objects.get(pk=invited.pk)
    assert (user.issuer, user.subject) == (issuer, "eve")
    actor = actor_for_user(user)
    assert actor.attributes["region"].values == ("EU",)
    assert actor.attributes["region"].source == "claim"
    assert actor.group_names == {"Analysts"}


def test_claims_are_refreshed_and_removed_at_the_next_sign_in(
    walk: Walk, issuer: str, provider: IdentityProvider, invited: User
) -> None:
    claims(issuer, org={"region": ["EU"]}, groups=["Analysts"])
    walk.whole()
    claims(issuer, org={"region": ["US", "EU"]}, groups=["Analysts"])
    walk.whole()
    assert UserAttribute.objects.get(user=invited).values == ["US", "EU"]
    claims(issuer)
    walk.whole()
    assert not UserAttribute.objects.filter(user=invited).exists()
    assert not GroupMembership.objects.filter(user=invited).exists()


def test_a_claim_of_another_type_removes_the_value(
    walk: Walk, issuer: str, provider: IdentityProvider, invited: User
) -> None:
    claims(issuer, org={"region": ["EU"]})
    walk.whole()
    claims(issuer, org={"region": [{"$ne": ""}]})
    walk.whole()
    assert not UserAttribute.objects.filter(user=invited).exists()


def test_what_an_administrator_has_set_wins(
    walk: Walk, issuer: str, provider: IdentityProvider, invited: User, now: datetime
) -> None:
    definition = AttributeDefinition.objects.get(name="region")
    set_attribute(user=invited, definition=definition, values=["APAC"], by=SYSTEM, now=now)
    claims(issuer, org={"region": ["EU"]})
    walk.whole()
    assert actor_for_user(invited).attributes["region"].values == ("APAC",)
    set_attribute(user=invited, definition=definition, values=[], by=SYSTEM, now=now)
    assert actor_for_user(invited).attributes["region"].values == ("EU",)


def test_nobody_enters_uninvited_unverified_or_disabled(
    walk: Walk, issuer: str, provider: IdentityProvider, invited: User
) -> None:
    claims(issuer, email_verified=False)
    assert walk.whole().status_code == 403  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    claims(issuer, email="somebody@else.example")
    assert walk.whole().status_code == 403  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    assert not is_in(walk)
    claims(issuer)
    assert walk.whole().status_code == 302  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    assert is_in(walk)
    User.objects.filter(pk=invited.pk).update(is_active=False)
    assert not is_in(walk)
    assert walk.whole().status_code == 403  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    assert AuditEvent.objects.filter(verb="accounts.sign_in_refused").count() == 3


def test_an_address_decides_nothing_after_the_first_sign_in(
    walk: Walk, issuer: str, provider: IdentityProvider, invited: User
) -> None:
    claims(issuer)
    walk.whole()
    requests.put(f"{issuer}/users/mallory", json={"email": "eve@acme.example", "email_verified": True}, timeout=5)
    other = Walk(Client())
    assert other.finish(other.authorize(other.start(), "mallory")).status_code == 403  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    assert not is_in(other)


def test_state_belongs_to_the_browser_that_asked(
    walk: Walk, issuer: str, provider: IdentityProvider, invited: User
) -> None:
    claims(issuer)
    callback = walk.authorize(walk.start())
    thief = Walk(Client())
    assert thief.finish(callback).status_code == 400  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    assert not is_in(thief)
    assert walk.finish(callback).status_code == 302  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    assert (
        walk.finish(callback).status_code != 302 or not AuditEvent.objects.filter(verb="accounts.signed_in").count() > 1
    )  # type: ignore[attr-defined]  # the fixture's type says less than it returns


def test_an_id_token_of_another_sign_in_is_refused(
    walk: Walk, issuer: str, provider: IdentityProvider, invited: User
) -> None:
    claims(issuer)
    first, second = walk.start(), walk.start()
    nonce = parse_qs(urlsplit(first).query)["nonce"][0]
    swapped = second.replace(parse_qs(urlsplit(second).query)["nonce"][0], nonce)
    assert walk.finish(walk.authorize(swapped)).status_code == 400  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    assert not is_in(walk)
    assert walk.whole().status_code == 302  # type: ignore[attr-defined]  # the fixture's type says less than it returns


def test_a_second_factor_is_demanded_where_it_is_set(
    walk: Walk, issuer: str, provider: IdentityProvider, invited: User
) -> None:
    IdentityProvider.objects.update(required_amr="mfa")
    claims(issuer, amr=["pwd"])
    assert walk.whole().status_code == 403  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    claims(issuer, amr=["pwd", "mfa"])
    assert walk.whole().status_code == 302  # type: ignore[attr-defined]  # the fixture's type says less than it returns


def test_another_issuer_in_the_discovery_document_is_refused(
    walk: Walk, issuer: str, provider: IdentityProvider, invited: User
) -> None:
    IdentityProvider.objects.update(issuer=issuer.replace("localhost", "127.0.0.1") + "/x/..")
    with unbound():
        response = walk.client.post("/accounts/oidc/main/login/", HTTP_HOST=HOST)
    assert response.status_code == 502
    assert b"Traceback" not in response.content


def test_an_unreachable_provider_gives_a_page(walk: Walk, provider: IdentityProvider) -> None:
    IdentityProvider.objects.update(issuer="http://localhost:9")
    with unbound():
        response = walk.client.post("/accounts/oidc/main/login/", HTTP_HOST=HOST)
    assert response.status_code == 502


def test_a_session_of_one_tenant_is_nothing_on_anothers_host(
    walk: Walk, issuer: str, provider: IdentityProvider, invited: User, globex: TenantRef
) -> None:
    claims(issuer)
    walk.whole()
    assert is_in(walk)
    cookie = walk.client.cookies["omni_session"].value
    stranger = Client()
    stranger.cookies["omni_session"] = cookie
    with unbound():
        assert stranger.get("/trust/", HTTP_HOST="globex.localhost").status_code == 302


def test_ended_sessions_are_over_at_once(
    walk: Walk, issuer: str, provider: IdentityProvider, invited: User, now: datetime
) -> None:
    claims(issuer)
    walk.whole()
    assert is_in(walk)
    end_sessions(User.objects.get(pk=invited.pk), by=SYSTEM, now=now)
    assert not UserSession.objects.filter(user_id=invited.pk).exists()
    assert not is_in(walk)


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_nobody_is_sent_elsewhere_after_signing_in(
    walk: Walk, issuer: str, provider: IdentityProvider, invited: User, target: str
) -> None:
    claims(issuer)
    with unbound():
        location = walk.client.post("/accounts/oidc/main/login/", {"next": target}, HTTP_HOST=HOST)["Location"]
    assert walk.finish(walk.authorize(location))["Location"] == "/"  # type: ignore[index]  # the fixture's type says less than it returns


def test_only_the_bound_tenants_providers_exist(
    walk: Walk, provider: IdentityProvider, globex: TenantRef, issuer: str
) -> None:
    with unbound():
        assert b"Main" in walk.client.get("/accounts/sign-in/", HTTP_HOST=HOST).content
        assert b"Main" not in walk.client.get("/accounts/sign-in/", HTTP_HOST="globex.localhost").content
        assert walk.client.post("/accounts/oidc/main/login/", HTTP_HOST="globex.localhost").status_code == 404


def test_the_client_secret_is_sealed(provider: IdentityProvider) -> None:
    held = bytes(IdentityProvider.objects.get().sealed_client_secret)
    assert b"canary-secret" not in held
    assert len(held) > len(b"canary-secret")


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/login/",
        "/accounts/signup/",
        "/accounts/password/reset/",
        "/accounts/email/",
        "/admin/password_change/",
    ],
)
def test_there_are_no_password_pages(acme: TenantRef, ada: User, path: str) -> None:
    client = Client(HTTP_HOST=HOST)
    client.force_login(ada, backend="apps.accounts.backends.IdentityBackend")
    with unbound():
        assert client.get("/admin/").status_code == 200
        assert client.get(path).status_code == 404
