"""A provider that speaks SAML, somebody who is invited, and a browser at Acme's SAML addresses."""

import re
from datetime import datetime

import pytest
from django.test import Client

from apps.accounts.models import EmailDomain, IdentityProvider, User
from apps.accounts.saml.metadata import plain_certificate
from apps.accounts.services import invite_user, save_provider
from apps.audit.types import SYSTEM
from apps.tenants.binding import unbound
from apps.tenants.types import TenantRef
from tests.apps.accounts.saml_forge import (
    ENTITY,
    HOST,
    PAIR,
    Answer,
    request_id_of,
)


def make_provider(now: datetime, slug: str = "corp") -> IdentityProvider:
    row = IdentityProvider(
        slug=slug, name="Corp", protocol=IdentityProvider.Protocol.SAML, issuer=ENTITY, sso_url="https://idp.acme.example/sso",
        certificates=[plain_certificate(PAIR[1].decode())],
    )  # fmt: skip
    save_provider(row, client_secret=None, by=SYSTEM, now=now)
    EmailDomain.objects.create(provider=row, domain="acme.example")
    return row


@pytest.fixture
def corp(acme: TenantRef, now: datetime) -> IdentityProvider:
    """Acme's SAML provider, which speaks for acme.example."""
    return make_provider(now)


@pytest.fixture
def eve(acme: TenantRef, now: datetime) -> User:
    return invite_user(email="eve@acme.example", name="Eve", by=SYSTEM, now=now)


class Browser:
    """One browser at Acme's SAML addresses."""

    def __init__(self, host: str = HOST) -> None:
        self.client, self.host = Client(HTTP_HOST=host), host

    def start(self, slug: str = "corp", target: str = "/trust/") -> str:
        """Begin, and return the id of the request that goes to the provider."""
        with unbound():
            response = self.client.post(f"/accounts/saml/{slug}/login/", {"next": target})
        assert response.status_code == 302, response.content
        return request_id_of(response["Location"])

    def post(self, text: str, slug: str = "corp", relay_state: str = "") -> object:
        """Post an answer as another site's form does: without this site's session cookie."""
        session = self.client.cookies.pop("omni_session", None)
        with unbound():
            response = self.client.post(
                f"/accounts/saml/{slug}/acs/", {"SAMLResponse": text, "RelayState": relay_state}
            )
        if session is not None:
            self.client.cookies["omni_session"] = session.value
        return response

    def arrive(self, text: str, slug: str = "corp", relay_state: str = "") -> str:
        """Post an answer and follow it; return "in", or the code of the refusal."""
        response = self.post(text, slug, relay_state)
        if response.status_code == 302:  # type: ignore[attr-defined]  # the fixture's type says less than it returns
            with unbound():
                response = self.client.get(response["Location"])  # type: ignore[index]  # the fixture's type says less than it returns
        if response.status_code == 302:  # type: ignore[attr-defined]  # the fixture's type says less than it returns
            self.landed = response["Location"]  # type: ignore[index]  # the fixture's type says less than it returns
            assert self.is_in()
            return "in"
        assert not self.is_in()
        found = re.search(rb"<code>(\w+)</code>", response.content)  # type: ignore[attr-defined]  # the fixture's type says less than it returns
        return found.group(1).decode() if found else str(response.status_code)  # type: ignore[attr-defined]  # the fixture's type says less than it returns

    def is_in(self) -> bool:
        with unbound():
            return bool(self.client.get("/accounts/sessions/").status_code == 200)


@pytest.fixture
def browser(corp: IdentityProvider, eve: User) -> Browser:
    return Browser()


def refused(browser: Browser, text: str) -> str:
    """Return why a text is refused, after seeing that a good answer to the same request is taken."""
    code = browser.arrive(text)
    assert code != "in"
    other = Browser()
    assert other.arrive(Answer(other.start()).posted()) == "in"
    return code
