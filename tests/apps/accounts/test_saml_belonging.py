"""Whose a SAML answer is: taken once, and only where the browser, the provider and the tenant are those that asked."""

from datetime import datetime, timedelta

import pytest
from django.core.exceptions import ValidationError

from apps.accounts.models import IdentityProvider, SpentAssertion, User, UserSession
from apps.accounts.saml.metadata import plain_certificate
from apps.accounts.services import invite_user, save_provider
from apps.accounts.sessions import SessionStore, session_digest
from apps.audit.types import SYSTEM
from apps.tenants.binding import bound, unbound
from apps.tenants.types import TenantRef
from tests.apps.accounts.saml_browser import Browser, browser, corp, eve, make_provider, refused
from tests.apps.accounts.saml_forge import (
    BASE,
    ENTITY,
    STRANGER,
    Answer,
    encoded,
)

__all__ = ["browser", "corp", "eve"]


def test_an_answer_is_taken_once(browser: Browser) -> None:
    text = Answer(browser.start()).posted()
    assert browser.arrive(text) == "in"
    assert Browser().arrive(text) == "replayed"
    assert SpentAssertion.objects.count() == 1
    again = Browser()
    assert again.arrive(Answer(again.start()).posted()) == "in"


def test_spent_assertions_are_forgotten_when_they_are_over(
    browser: Browser, corp: IdentityProvider, now: datetime
) -> None:
    SpentAssertion.objects.create(provider=corp, digest=b"old", expires_at=now - timedelta(seconds=1))
    assert browser.arrive(Answer(browser.start()).posted()) == "in"
    assert SpentAssertion.objects.count() == 1


def test_an_answer_belongs_to_the_browser_that_asked(browser: Browser) -> None:
    text = Answer(browser.start()).posted()
    assert Browser().arrive(text) == "no_state"
    other = Browser()
    other.start()
    assert other.arrive(Answer(browser.start()).posted()) == "no_state"
    assert browser.arrive(Answer(browser.start()).posted()) == "in"


def test_what_was_kept_for_one_provider_is_nothing_at_another(browser: Browser, now: datetime) -> None:
    second = IdentityProvider(
        slug="second", name="Second", protocol=IdentityProvider.Protocol.SAML, issuer="https://second.example", sso_url="https://second.example/sso",
        certificates=[plain_certificate(STRANGER[1].decode())],
    )  # fmt: skip
    save_provider(second, client_secret=None, by=SYSTEM, now=now)
    browser.post(Answer(browser.start()).posted())
    with unbound():
        assert browser.client.get("/accounts/saml/second/finish/").status_code == 400
    assert not browser.is_in()
    assert browser.arrive(Answer(browser.start()).posted(), slug="second") in ("destination", "issuer", "signature")


def test_what_is_kept_between_the_steps_is_sealed_to_its_own_row(browser: Browser) -> None:
    kept = []
    for _ in range(2):
        browser.post(Answer(browser.start()).posted())
        row = UserSession.objects.get(digest=session_digest(browser.client.cookies["omni_saml"].value))
        said = str(SessionStore().decode(row.session_data))
        assert "saml_answer" in said
        assert not [word for word in ("p-17", "eve@", "Eve", ENTITY, "request_id") if word in said]
        kept.append(row)
    UserSession.objects.filter(pk=kept[1].pk).update(session_data=kept[0].session_data)
    with unbound():
        assert browser.client.get("/accounts/saml/corp/finish/").status_code == 400
    assert not browser.is_in()
    browser.post(Answer(browser.start()).posted())
    with unbound():
        assert browser.client.get("/accounts/saml/corp/finish/").status_code == 302
    assert browser.is_in()


def test_no_second_provider_takes_the_name_of_the_first_with_keys_of_its_own(
    browser: Browser, corp: IdentityProvider, globex: TenantRef, now: datetime
) -> None:
    """Metadata says what it likes: with the first one's entity id its maker would come in as each of its people."""

    def brought(*certificates: str, **fields: object) -> IdentityProvider:
        row = IdentityProvider(
            slug="second", name="Second", protocol=corp.protocol, issuer=ENTITY, sso_url="https://x.example/sso",
            certificates=list(certificates), **fields,
        )  # fmt: skip
        return save_provider(row, client_secret=None, by=SYSTEM, now=now)

    own, theirs = plain_certificate(STRANGER[1].decode()), corp.certificates[0]
    for certificates in ([own], [theirs, own]):  # the first one's certificate is no secret
        with pytest.raises(ValidationError, match="calls itself so"):
            brought(*certificates)
    waiting = brought(own, is_enabled=False)
    waiting.is_enabled = True
    with pytest.raises(ValidationError, match="calls itself so"):
        save_provider(waiting, client_secret=None, by=SYSTEM, now=now)
    IdentityProvider.objects.filter(pk=waiting.pk).delete()
    second = brought(theirs)
    assert browser.arrive(Answer(browser.start()).posted()) == "in"
    IdentityProvider.objects.filter(pk=second.pk).delete()
    corp.is_enabled = False
    save_provider(corp, client_secret=None, by=SYSTEM, now=now)
    brought(own)  # the keys of the same provider, changed
    with unbound(), bound(globex.id):
        brought(own)


@pytest.mark.parametrize(
    ("field", "value"),
    [("issuer", "https://new.example/saml"), ("certificates", [plain_certificate(STRANGER[1].decode())])],
)
def test_what_was_kept_of_a_provider_is_nothing_once_it_is_another_one(
    browser: Browser, corp: IdentityProvider, now: datetime, field: str, value: object
) -> None:
    """Its word was checked as that of the former; the new one has a person of the same name."""

    def change(to: object) -> None:
        setattr(corp, field, to)
        save_provider(corp, client_secret=None, by=SYSTEM, now=now)

    User.objects.create(email="new@acme.example", issuer="saml:https://new.example/saml", subject="p-17")
    before = getattr(corp, field)
    browser.post(Answer(browser.start()).posted())
    change(value)
    with unbound():
        assert browser.client.get("/accounts/saml/corp/finish/").status_code == 400
    assert not browser.is_in()
    change(before)
    browser.post(Answer(browser.start()).posted())
    with unbound():
        assert browser.client.get("/accounts/saml/corp/finish/").status_code == 302
    assert browser.is_in()


def test_a_session_in_the_place_of_what_was_kept_is_nothing_and_stays(
    browser: Browser, corp: IdentityProvider, eve: User
) -> None:
    """Both are rows of one table, and a browser sends what it likes under either name."""
    assert browser.arrive(Answer(browser.start()).posted()) == "in"
    browser.client.cookies["omni_saml"] = browser.client.cookies["omni_session"].value
    with unbound():
        answer = browser.client.get("/accounts/saml/corp/finish/")
    assert (answer.status_code, b"<code>no_state</code>" in answer.content) == (400, True)
    assert browser.is_in()
    other = Browser()
    other.post(Answer(other.start()).posted())
    other.client.cookies["omni_session"] = other.client.cookies["omni_saml"].value
    assert not other.is_in()


def test_another_tenants_answer(browser: Browser, globex: TenantRef, now: datetime) -> None:
    """Globex uses the same provider, keys and short name; an answer for one is nothing at the other."""
    with unbound(), bound(globex.id):
        make_provider(now)
        invite_user(email="eve@acme.example", by=SYSTEM, now=now)
    there = Browser("globex.localhost")
    assert there.arrive(Answer(there.start()).posted()) != "in"
    assert there.arrive(Answer(browser.start()).posted()) != "in"
    where = BASE.replace("acme", "globex")
    theirs = Answer(there.start(), audience=where, recipient=where + "acs/", destination=where + "acs/")
    assert there.arrive(theirs.posted()) == "in"
    assert browser.arrive(Answer(browser.start()).posted()) == "in"


def test_only_a_provider_that_may_start_sign_ins_does(browser: Browser, corp: IdentityProvider) -> None:
    assert browser.arrive(Answer(None).posted()) == "unsolicited"
    IdentityProvider.objects.filter(pk=corp.pk).update(allows_unsolicited=True)
    text = Answer(None).posted()
    assert browser.arrive(text, relay_state="/trust/") == "in"
    assert browser.landed == "/trust/"
    assert Browser().arrive(text) == "replayed"


def test_the_name_of_the_request_cannot_be_taken_off(browser: Browser, corp: IdentityProvider) -> None:
    """An answer that was asked for does not become one that was not by removing what its signature does not cover."""
    IdentityProvider.objects.filter(pk=corp.pk).update(allows_unsolicited=True)
    root = Answer(browser.start()).signed()
    del root.attrib["InResponseTo"]
    assert refused(Browser(), encoded(root)) == "confirmation"


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_a_relay_state_leads_nowhere_else(browser: Browser, corp: IdentityProvider, target: str) -> None:
    IdentityProvider.objects.filter(pk=corp.pk).update(allows_unsolicited=True)
    assert browser.arrive(Answer(None).posted(), relay_state=target) == "in"
    assert browser.landed == "/"
    other = Browser()
    assert other.arrive(Answer(other.start(target=target)).posted()) == "in"
    assert other.landed == "/"
