"""Every way to spoil a SAML answer that must fail; the one that is not spoiled is taken each time."""

import re
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timedelta

import pytest
import xmlsec
from django.test import Client
from lxml import etree

from apps.accounts.models import EmailDomain, IdentityProvider, SpentAssertion, User, UserSession
from apps.accounts.saml.metadata import plain_certificate
from apps.accounts.services import invite_user, save_provider
from apps.audit.types import SYSTEM
from apps.tenants.binding import bound, unbound
from apps.tenants.types import TenantRef
from tests.apps.accounts.saml_forge import (
    BASE,
    ENTITY,
    HOST,
    PAIR,
    SAML,
    SAMLP,
    STRANGER,
    Answer,
    assertion_of,
    encoded,
    request_id_of,
    sign,
)

DS = "http://www.w3.org/2000/09/xmldsig#"


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
            return bool(self.client.get("/trust/").status_code == 200)


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


def test_a_good_answer_is_taken(browser: Browser, eve: User) -> None:
    assert browser.arrive(Answer(browser.start()).posted()) == "in"
    assert browser.landed == "/trust/"
    user = User.objects.get(pk=eve.pk)
    assert (user.issuer, user.subject, user.name) == (f"saml:{ENTITY}", "p-17", "Eve")


WRONG = {
    "audience": {"audience": "https://other.example/"},
    "no audience": {"audience": None},
    "audience of our neighbour": {"audience": BASE.replace("acme", "globex")},
    "audience with more behind": {"audience": BASE + "x"},
    "recipient": {"recipient": "https://other.example/acs"},
    "recipient with more behind": {"recipient": BASE + "acs/?x=1"},
    "recipient around ours": {"recipient": "https://other.example/?" + BASE + "acs/"},
    "destination": {"destination": "https://other.example/acs"},
    "destination with more behind": {"destination": BASE + "acs/evil"},
    "issuer": {"issuer": "https://other.example/saml"},
    "expired": {"until": timedelta(seconds=-62)},
    "long expired within the library's grace": {"until": timedelta(minutes=-4)},
    "not yet": {"since": timedelta(seconds=62)},
    "issued in the future": {"issued": timedelta(minutes=4)},
    "request": {"request_id": "ONELOGIN_another"},
    "request in one place only": {"response_request_id": None},
    "requests that differ": {"response_request_id": "ONELOGIN_another"},
    "transient": {"name_id_format": "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"},
    "other format": {"name_id_format": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"},
    "empty subject": {"subject": ""},
    "subject with space": {"subject": " p-17"},
}


@pytest.mark.parametrize("what", WRONG)
def test_a_signed_answer_that_is_wrong_in_one_thing(browser: Browser, what: str) -> None:
    assert refused(browser, Answer(**{"request_id": browser.start()} | WRONG[what]).posted())  # type: ignore[arg-type]  # looser than the type on purpose


def changed(request_id: str, change: Callable[[etree._Element], object]) -> str:
    """Return a right answer, changed in one thing before the provider signs it."""
    root = Answer(request_id).root()
    change(assertion_of(root))
    sign(assertion_of(root), PAIR)
    return encoded(root)


@pytest.mark.parametrize(("qualifier", "code"), [(BASE, "in"), ("https://other.example/", "subject"), ("", "subject")])
def test_a_name_that_another_application_knows_the_person_by(browser: Browser, qualifier: str, code: str) -> None:
    def change(assertion: etree._Element) -> None:
        assertion.find(f".//{{{SAML}}}NameID").set("SPNameQualifier", qualifier)

    assert browser.arrive(changed(browser.start(), change)) == code


@pytest.mark.parametrize(("condition", "code"), [("OneTimeUse", "in"), ("Condition", "conditions")])
def test_a_condition_that_is_not_known_here(browser: Browser, condition: str, code: str) -> None:
    """Core, 2.5.1.1: with a condition that cannot be judged an assertion is not valid. The schema lets both through."""
    kind = (
        {"{http://www.w3.org/2001/XMLSchema-instance}type": "saml:OneTimeUseType"} if condition == "Condition" else {}
    )

    def change(assertion: etree._Element) -> None:
        etree.SubElement(assertion.find(f"{{{SAML}}}Conditions"), f"{{{SAML}}}{condition}", kind)

    assert browser.arrive(changed(browser.start(), change)) == code


@pytest.mark.parametrize("recipient", ["https://other.example/acs/", None])
def test_two_confirmations_of_one_subject(browser: Browser, recipient: str | None) -> None:
    """One of them right: which one decides is not left to whoever reads first."""

    def change(assertion: etree._Element) -> None:
        first = assertion.find(f".//{{{SAML}}}SubjectConfirmation")
        second = deepcopy(first)
        if recipient is not None:
            second[0].set("Recipient", recipient)
        first.addnext(second)

    assert refused(browser, changed(browser.start(), change)) == "confirmation"


@pytest.mark.parametrize(
    ("shift", "code"),
    [
        ({"since": timedelta(seconds=50)}, "in"),
        ({"issued": timedelta(seconds=50)}, "in"),
        ({"until": timedelta(seconds=-1), "since": timedelta(minutes=-2)}, "confirmation"),
    ],
)
def test_clocks_may_differ_a_little_at_the_beginning_and_not_at_the_end(
    browser: Browser, shift: dict[str, timedelta], code: str
) -> None:
    root = Answer(browser.start(), **shift)  # type: ignore[arg-type]  # looser than the type on purpose
    assert browser.arrive(root.posted()) == code


def test_an_unsigned_answer_and_one_whose_signature_was_taken_off(browser: Browser) -> None:
    assert refused(browser, encoded(Answer(browser.start()).root())) == "unsigned"
    root = Answer(browser.start()).signed()
    assertion_of(root).remove(assertion_of(root).find(f"{{{DS}}}Signature"))
    assert refused(browser, encoded(root)) == "unsigned"


def test_a_signed_response_around_an_unsigned_assertion(browser: Browser) -> None:
    root = Answer(browser.start()).root()
    sign(root, PAIR)
    assert refused(browser, encoded(root)) == "unsigned"
    both = Answer(browser.start()).signed()
    sign(both, PAIR)
    assert browser.arrive(encoded(both)) == "in"


def test_somebody_elses_key_even_with_its_certificate_beside(browser: Browser) -> None:
    assert refused(browser, encoded(Answer(browser.start()).signed(pair=STRANGER))) == "signature"


def test_a_changed_value(browser: Browser) -> None:
    data = etree.tostring(Answer(browser.start()).signed())
    assert refused(browser, encoded(data.replace(b">p-17<", b">p-18<"))) == "signature"
    assert refused(browser, encoded(data.replace(b"eve@acme", b"ada@acme"))) == "signature"


def test_two_keys_during_a_change_of_keys(browser: Browser, corp: IdentityProvider) -> None:
    """The second key of the metadata is taken as the first is; a third is not."""
    corp.certificates = [plain_certificate(STRANGER[1].decode()), plain_certificate(PAIR[1].decode())]
    corp.save()
    assert browser.arrive(Answer(browser.start()).posted()) == "in"
    other = Browser()
    assert other.arrive(encoded(Answer(other.start()).signed(pair=STRANGER))) == "in"


def wrapped(kind: str, request_id: str) -> etree._Element:
    """Return a response with a good, signed assertion put somewhere, and a forged one where it is looked for."""
    root = Answer(request_id).signed()
    good = assertion_of(root)
    forged = deepcopy(good)
    signature = forged.find(f"{{{DS}}}Signature")
    forged.remove(signature)
    forged.find(f"{{{SAML}}}Subject/{{{SAML}}}NameID").text = "p-99"
    if kind != "same id":
        forged.set("ID", "_forged")
    place = root.index(good)
    if kind in ("forged first", "same id"):
        root.insert(place, forged)
    elif kind == "forged last":
        root.append(forged)
    elif kind == "good inside the forged":
        root.replace(good, forged)
        forged.append(good)
    elif kind == "good inside its own signature":
        root.replace(good, forged)
        inner = good.find(f"{{{DS}}}Signature")
        good.remove(inner)
        etree.SubElement(inner, f"{{{DS}}}Object").append(good)
        forged.insert(1, inner)
    elif kind == "good inside extensions":
        root.replace(good, forged)
        extensions = etree.Element(f"{{{SAMLP}}}Extensions")
        extensions.append(good)
        root.insert(1, extensions)
    elif kind == "good in an attribute":
        root.replace(good, forged)
        forged.find(f".//{{{SAML}}}AttributeValue").append(good)
    return root


@pytest.mark.parametrize(
    "kind",
    ["forged first", "same id", "forged last", "good inside the forged", "good inside its own signature", "good inside extensions", "good in an attribute"],
)  # fmt: skip
def test_wrapped_assertions(browser: Browser, kind: str) -> None:
    assert refused(browser, encoded(wrapped(kind, browser.start()))) in ("shape", "unsigned")
    assert not User.objects.filter(subject="p-99").exists()


def test_a_second_reference_and_a_signature_of_another_part(browser: Browser) -> None:
    root = Answer(browser.start()).signed()
    reference = root.find(f".//{{{DS}}}Reference")
    reference.addnext(deepcopy(reference))
    assert refused(browser, encoded(root)) in ("shape", "weak")
    root = Answer(browser.start()).signed()
    root.find(f".//{{{DS}}}Reference").set("URI", "")
    assert refused(browser, encoded(root)) == "shape"


@pytest.mark.parametrize(
    ("method", "digest"),
    [
        (xmlsec.Transform.RSA_SHA1, xmlsec.Transform.SHA256),
        (xmlsec.Transform.RSA_SHA256, xmlsec.Transform.SHA1),
        (xmlsec.Transform.RSA_SHA1, xmlsec.Transform.SHA1),
    ],
)
def test_weak_algorithms(browser: Browser, method: object, digest: object) -> None:
    assert refused(browser, encoded(Answer(browser.start()).signed(method=method, digest=digest))) == "weak"


def test_a_keyed_hash_with_the_public_certificate_as_its_key(browser: Browser) -> None:
    root = Answer(browser.start()).root()
    node = assertion_of(root)
    template = xmlsec.template.create(node, xmlsec.Transform.EXCL_C14N, xmlsec.Transform.HMAC_SHA256)
    node.insert(1, template)
    reference = xmlsec.template.add_reference(template, xmlsec.Transform.SHA256, uri=f"#{node.get('ID')}")
    xmlsec.template.add_transform(reference, xmlsec.Transform.ENVELOPED)
    xmlsec.template.add_transform(reference, xmlsec.Transform.EXCL_C14N)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_binary_data(xmlsec.KeyData.HMAC, PAIR[1])
    context.register_id(node, "ID")
    context.sign(template)
    assert refused(browser, encoded(root)) == "weak"


def test_a_comment_within_the_name(browser: Browser) -> None:
    """Signatures do not cover comments; some parsers end a text at one, so that p-17<!---->.evil becomes p-17."""
    data = etree.tostring(Answer(browser.start(), subject="p-17.evil.example").signed())
    assert refused(browser, encoded(data.replace(b">p-17.evil", b">p-17<!---->.evil"))) == "comment"
    data = etree.tostring(Answer(browser.start()).signed())
    assert refused(browser, encoded(b"<!-- before -->" + data)) == "comment"
    assert refused(browser, encoded(data.replace(b">p-17<", b">p-17<?x y?><"))) == "comment"


@pytest.mark.parametrize(
    "text",
    [
        b'<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>',
        b'<!DOCTYPE r SYSTEM "file:///etc/passwd">',
        b'<?xml version="1.0"?><!DOCTYPE r [<!ATTLIST x ID ID #IMPLIED>]>',
    ],
)
def test_document_types(browser: Browser, text: bytes) -> None:
    assert refused(browser, encoded(text + etree.tostring(Answer(browser.start()).signed()))) == "doctype"


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "not_xml"), ("%%%", "not_xml"), (encoded(b"<a"), "not_xml"), (encoded(b"<a/>"), "shape"), (encoded(b"\xff\xfe<\0a\0/\0>\0"), "not_xml"), ("A" * 400_000, "too_large")],
    ids=["nothing", "no base64", "no XML", "no response", "UTF-16", "too large"],
)  # fmt: skip
def test_junk(browser: Browser, text: str, code: str) -> None:
    assert refused(browser, text) == code
    assert not UserSession.objects.filter(user_id=None, session_data__contains="assertion").exists()


def test_an_encrypted_assertion_is_refused_in_words(browser: Browser) -> None:
    root = Answer(browser.start()).root()
    node = assertion_of(root)
    root.replace(node, etree.Element(f"{{{SAML}}}EncryptedAssertion"))
    assert refused(browser, encoded(root)) == "encrypted"


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
