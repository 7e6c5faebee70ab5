"""Every way to spoil a SAML answer that must fail; the one that is not spoiled is taken each time."""

from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta

import pytest
import xmlsec
from lxml import etree

from apps.accounts.models import IdentityProvider, User, UserSession
from apps.accounts.saml.metadata import plain_certificate
from tests.apps.accounts.saml_browser import Browser, browser, corp, eve, refused
from tests.apps.accounts.saml_forge import (
    BASE,
    ENTITY,
    PAIR,
    SAML,
    SAMLP,
    STRANGER,
    Answer,
    assertion_of,
    encoded,
    sign,
)

__all__ = ["browser", "corp", "eve"]
DS = "http://www.w3.org/2000/09/xmldsig#"


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


def until(text: str) -> Callable[[etree._Element], None]:
    """Write another end into an answer, at both places that have one."""

    def change(assertion: etree._Element) -> None:
        for node in assertion.xpath("//*[@NotOnOrAfter]"):
            node.set("NotOnOrAfter", text)

    return change


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("9999-12-31T23:59:59Z", "in"),
        ("9999-12-31T23:59:59.999Z", "in"),
        ("2099-01-01T00:00:00Z", "in"),
        ("2099-01-01T00:00:00+14:00", "invalid"),
        ("2099-13-01T00:00:00Z", "invalid"),
        ("0000-00-00T00:00:00Z", "invalid"),
        ("", "invalid"),
        ("tomorrow", "invalid"),
    ],
)
def test_times_at_the_end_of_time_and_such_as_are_none(browser: Browser, eve: User, text: str, code: str) -> None:
    """What cannot be read is refused like anything else, whoever has signed it."""
    answer = changed(browser.start(), until(text))
    assert (browser.arrive(answer) if code == "in" else refused(browser, answer)) == code
    if code != "in":
        root = Answer(browser.start()).root()
        until(text)(assertion_of(root))
        sign(assertion_of(root), STRANGER)
        assert refused(browser, encoded(root)) == code


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
