"""Sign-in through a real SAML identity provider process (pysaml2), and what comes along with it."""

import html
import io
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
import requests
from django.core.management import CommandError, call_command
from django.test import Client

from apps.access.selectors import actor_for_user
from apps.accounts.models import (
    AttributeDefinition,
    ClaimMapping,
    EmailDomain,
    IdentityProvider,
    User,
    UserGroup,
    UserSession,
)
from apps.accounts.saml.metadata import service_provider_metadata
from apps.accounts.services import invite_user, save_provider
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.tenants.binding import unbound
from apps.tenants.types import TenantRef
from tests.saml_keys import XMLSEC

HOST = "acme.localhost"
BASE = f"http://{HOST}/accounts/saml/corp/"
EVE = {
    "subject": "p-17",
    "attributes": {
        "mail": ["eve@acme.example"], "displayName": ["Eve Lund"], "org.region": ["EU", "US"], "level": ["7"], "isMember": ["true"],
        "groups": ["Analysts", "No such group"],
    },
}  # fmt: skip
MAX = {"subject": "p-18", "attributes": {"mail": ["max@elsewhere.example"], "displayName": ["Max"]}}


@pytest.fixture(scope="session")
def idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A provider process of its own; its address, and the file with its metadata."""
    if not Path(XMLSEC).exists():
        pytest.skip(f"{XMLSEC} is missing; install Debian's xmlsec1")
    folder = tmp_path_factory.mktemp("idp")
    known = folder / "sp.xml"
    known.write_text(
        service_provider_metadata(
            entity_id=BASE, acs_url=BASE + "acs/", name_id_format=IdentityProvider.NameId.PERSISTENT.value
        )
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    people = [part for person in (EVE, MAX) for part in ("--person", json.dumps(person))]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.saml_provider", "--port", str(port), "--folder", str(folder), "--service-provider", str(known), *people],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                requests.get(f"http://localhost:{port}/sso", timeout=2)
                break
            except requests.RequestException:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.2)
        yield f"http://localhost:{port}", folder / "idp.xml"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def corp(acme: TenantRef, idp: tuple[str, Path]) -> IdentityProvider:
    """The provider, added by the command from its metadata; it speaks for acme.example."""
    AttributeDefinition.objects.create(name="region", label="Region", is_list=True)
    AttributeDefinition.objects.create(name="level", label="Level", type="number")
    AttributeDefinition.objects.create(name="member", label="Member", type="boolean")
    UserGroup.objects.create(name="Analysts", claim_value="Analysts")
    output = io.StringIO()
    maps = [part for pair in ("org.region=region", "level=level", "isMember=member") for part in ("--map", pair)]
    with unbound():
        call_command(
            "add_identity_provider", "acme", "Corp", "--saml-metadata", str(idp[1]), "--domain", "Acme.example", *maps,
            "--groups-claim", "groups", stdout=output,
        )  # fmt: skip
    assert "acs /accounts/saml/corp/acs/" in output.getvalue()
    return IdentityProvider.objects.get()


@pytest.fixture
def eve(acme: TenantRef, now: datetime) -> User:
    return invite_user(email="eve@acme.example", by=SYSTEM, now=now)


def hidden(page: str) -> dict[str, str]:
    """Return a form's hidden fields."""
    return {
        name: html.unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)
    }


def walk(client: Client, idp: tuple[str, Path], subject: str = "p-17", *, is_unasked: bool = False) -> object:
    """Go the whole way as a browser does; return the last answer."""
    if is_unasked:
        asked = {"SAMLRequest": "", "RelayState": "/trust/"}
    else:
        with unbound():
            begun = client.post("/accounts/saml/corp/login/", {"next": "/trust/"})
        asked = hidden(requests.get(begun["Location"], timeout=10).text)
    page = requests.post(f"{idp[0]}/sso", data=asked | {"subject": subject}, timeout=10).text
    assert f'action="{BASE}acs/"' in page
    cookie = client.cookies.pop("omni_session", None)
    with unbound():
        kept = client.post("/accounts/saml/corp/acs/", hidden(page))
    if cookie is not None:
        client.cookies["omni_session"] = cookie.value
    if kept.status_code != 302:
        return kept
    assert kept.cookies["omni_saml"]["httponly"]
    with unbound():
        return client.get(kept["Location"])


def is_in(client: Client) -> bool:
    with unbound():
        return bool(client.get("/accounts/sessions/").status_code == 200)


@pytest.fixture
def client() -> Client:
    return Client(HTTP_HOST=HOST)


def test_an_invited_person_signs_in_and_attributes_become_typed(
    client: Client, idp: tuple[str, Path], corp: IdentityProvider, eve: User
) -> None:
    answer = walk(client, idp)
    assert (answer.status_code, answer["Location"]) == (302, "/trust/")  # type: ignore[attr-defined,index]  # the fixture's type says less than it returns
    assert is_in(client)
    user = User.objects.get(pk=eve.pk)
    assert (user.issuer, user.subject, user.name) == (f"saml:{corp.issuer}", "p-17", "Eve Lund")
    actor = actor_for_user(user)
    assert actor.attributes["region"].values == ("EU", "US")
    assert actor.attributes["level"].values == (7,)
    assert actor.attributes["member"].values == (True,)
    assert actor.attributes["region"].source == "claim"
    assert actor.group_names == {"Analysts"}
    assert UserSession.objects.filter(user_id=user.pk).get().provider_id == corp.pk


def test_an_address_counts_as_verified_only_where_its_domain_is_listed(
    client: Client, idp: tuple[str, Path], corp: IdentityProvider, eve: User, now: datetime
) -> None:
    invite_user(email="max@elsewhere.example", by=SYSTEM, now=now)
    assert walk(client, idp, "p-18").status_code == 403  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    assert not is_in(client)
    EmailDomain.objects.create(provider=corp, domain="elsewhere.example")
    assert walk(client, idp, "p-18").status_code == 302  # type: ignore[attr-defined]  # the fixture's type says less than it returns


def test_an_address_of_another_providers_domain_binds_nobody(
    client: Client, idp: tuple[str, Path], corp: IdentityProvider, eve: User, now: datetime
) -> None:
    other = IdentityProvider(slug="main", name="Main", issuer="https://main.example", client_id="omni")
    save_provider(other, client_secret="secret", by=SYSTEM, now=now)
    EmailDomain.objects.update(provider=other)
    IdentityProvider.objects.filter(pk=corp.pk).update(admits_uninvited=True)
    assert walk(client, idp).status_code == 403  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    EmailDomain.objects.update(provider=corp)
    assert walk(client, idp).status_code == 302  # type: ignore[attr-defined]  # the fixture's type says less than it returns


def test_a_provider_that_is_switched_off_is_over_at_the_next_click(
    client: Client, idp: tuple[str, Path], corp: IdentityProvider, eve: User, now: datetime
) -> None:
    walk(client, idp)
    assert is_in(client)
    IdentityProvider.objects.filter(pk=corp.pk).update(is_enabled=False)
    assert not is_in(client)
    with unbound():
        assert client.post("/accounts/saml/corp/login/").status_code == 404
        assert client.post("/accounts/saml/corp/acs/", {"SAMLResponse": "x"}).status_code == 404
        assert client.get("/accounts/saml/corp/finish/").status_code == 404
    IdentityProvider.objects.filter(pk=corp.pk).update(is_enabled=True)
    corp.is_enabled = False
    save_provider(corp, client_secret=None, by=SYSTEM, now=now)
    assert not UserSession.objects.filter(user_id=eve.pk).exists()
    IdentityProvider.objects.filter(pk=corp.pk).update(is_enabled=True)
    assert not is_in(client)


def test_a_provider_starts_a_sign_in_where_it_may(
    client: Client, idp: tuple[str, Path], corp: IdentityProvider, eve: User
) -> None:
    assert walk(client, idp, is_unasked=True).status_code == 400  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    assert AuditEvent.objects.filter(verb="accounts.sign_in_refused").count() == 1
    IdentityProvider.objects.filter(pk=corp.pk).update(allows_unsolicited=True)
    answer = walk(client, idp, is_unasked=True)
    assert (answer.status_code, answer["Location"]) == (302, "/trust/")  # type: ignore[attr-defined,index]  # the fixture's type says less than it returns


def test_a_method_is_demanded_where_it_is_set(
    client: Client, idp: tuple[str, Path], corp: IdentityProvider, eve: User
) -> None:
    IdentityProvider.objects.filter(pk=corp.pk).update(required_amr="https://refeds.org/profile/mfa")
    assert walk(client, idp).status_code == 403  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    IdentityProvider.objects.filter(pk=corp.pk).update(
        required_amr="urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
    )
    assert walk(client, idp).status_code == 302  # type: ignore[attr-defined]  # the fixture's type says less than it returns


def test_one_protocols_people_are_not_anothers(
    client: Client, idp: tuple[str, Path], corp: IdentityProvider, now: datetime
) -> None:
    """A person of an OpenID Connect provider whose issuer and subject read the same is somebody else."""
    User.objects.create(email="boss@acme.example", issuer=corp.issuer, subject="p-17")
    assert walk(client, idp).status_code == 403  # type: ignore[attr-defined]  # the fixture's type says less than it returns
    assert not is_in(client)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "give --issuer"),
        (["--saml-metadata", "/nonexistent.xml"], "No such file"),
        (["--saml-metadata", __file__], "not well-formed"),
        (["--saml-metadata", __file__, "--issuer", "https://x.example"], "stands alone"),
    ],
)
def test_the_command_answers_bad_input_in_one_line(acme: TenantRef, arguments: list[str], line: str) -> None:
    with unbound(), pytest.raises(CommandError, match=line):
        call_command("add_identity_provider", "acme", "Corp", *arguments)
    assert not IdentityProvider.objects.exists()
    assert not ClaimMapping.objects.exists()
