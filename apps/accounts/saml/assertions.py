"""An answer that a browser brought → what the provider says of a person, or a refusal.

The library verifies signatures, status, issuer, schema and its own reading of times and addresses. It takes an address
that begins like ours for ours, an absent audience for any, the unsigned id of a request for the signed one, and five
minutes of grace; so these are checked here once more, exactly, on the tree whose signature it has verified.

Rules: SAML 2.0 Profiles, 4.1.4.2 and 4.1.4.3; Core, 2.5 (conditions).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.http import HttpRequest
from django.utils.dateparse import parse_datetime
from lxml import etree
from onelogin.saml2.errors import OneLogin_Saml2_ValidationError
from onelogin.saml2.response import OneLogin_Saml2_Response

from apps.accounts.errors import SamlError
from apps.accounts.models import IdentityProvider
from apps.accounts.saml.documents import NAMES, SAML, decoded, parse_response
from apps.accounts.saml.library import Auth, acs_url, entity_id

SKEW = timedelta(seconds=60)
FOREVER = datetime(9000, 1, 1, tzinfo=UTC)
"""some providers write the last second that there is; a minute after it there is no time"""
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
UNSPECIFIED = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
MAX_SUBJECT = 255
WORDS = {
    OneLogin_Saml2_ValidationError.INVALID_SIGNATURE: ("signature", "The signature is not by a key of the provider."),
    OneLogin_Saml2_ValidationError.WRONG_AUDIENCE: ("audience", "The answer is meant for another application."),
    OneLogin_Saml2_ValidationError.WRONG_DESTINATION: ("destination", "The answer is addressed to another place."),
    OneLogin_Saml2_ValidationError.WRONG_ISSUER: ("issuer", "The answer comes from another provider."),
    OneLogin_Saml2_ValidationError.ASSERTION_EXPIRED: ("expired", "The answer is too old. Please try again."),
    OneLogin_Saml2_ValidationError.SESSION_EXPIRED: ("expired", "The session at your provider is over."),
    OneLogin_Saml2_ValidationError.ASSERTION_TOO_EARLY: ("early", "The answer is not valid yet: compare the clocks."),
    OneLogin_Saml2_ValidationError.WRONG_SUBJECTCONFIRMATION: ("confirmation", "The answer is not confirmed for here."),
    OneLogin_Saml2_ValidationError.STATUS_CODE_IS_NOT_SUCCESS: ("declined", "Your provider declined the sign-in."),
}  # fmt: skip
UNCLEAR = ("invalid", "The answer of your identity provider did not pass the checks.")


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a verified assertion says. ``request_id`` is None when the provider started; attributes keep their order."""

    id: str
    subject: str
    name_id_format: str
    attributes: dict[str, list[str]]
    contexts: tuple[str, ...]
    request_id: str | None
    expires_at: datetime
    authenticated_at: datetime | None = None
    """when the person proved who they are; None where the provider does not say"""


def read_answer(request: HttpRequest, row: IdentityProvider, text: str, *, now: datetime) -> Assertion:
    """Check everything that can be checked without knowing the browser, and return what is said.

    Not yet checked, since they need the browser's session and the database: that this browser asked, and that the
    assertion is used once.

    Raises:
        SamlError: anything is not as it must be; ``code`` says what.
    """
    parse_response(decoded(text))
    auth = Auth(request, row)
    try:
        response = OneLogin_Saml2_Response(auth.get_settings(), text)
        response.is_valid(auth.request_data, raise_exceptions=True)
    except OneLogin_Saml2_ValidationError as error:
        raise SamlError(*WORDS.get(error.code, UNCLEAR)) from None
    except Exception:  # noqa: BLE001  (the bare class is what the library raises of a time that it cannot read)
        raise SamlError(*UNCLEAR) from None
    return _checked(response.document, acs=acs_url(request, row), audience=entity_id(request, row), row=row, now=now)


def _checked(root: etree._Element, *, acs: str, audience: str, row: IdentityProvider, now: datetime) -> Assertion:
    assertion = root.find(f"{{{SAML}}}Assertion")
    if root.get("Destination", acs) != acs:
        raise SamlError("destination", "The answer is addressed to another place.")
    if [_text(node) for node in assertion.findall(f"{{{SAML}}}Issuer")] != [row.issuer]:
        raise SamlError("issuer", "The answer comes from another provider.")
    _check_conditions(assertion, audience, now)
    confirmation = _confirmation(assertion, acs, now)
    request_id = confirmation.get("InResponseTo")
    if root.get("InResponseTo") != request_id:
        raise SamlError("confirmation", "The answer names two requests, or one only in part of it.")
    subject, name_id_format = _subject(assertion, row, audience)
    authenticated = _all(assertion, "saml:AuthnStatement/@AuthnInstant")
    instants = (root.get("IssueInstant"), assertion.get("IssueInstant"), *authenticated)
    if any(_time(instant) > now + SKEW for instant in instants):
        raise SamlError("early", "The answer comes from the future: compare the clocks.")
    return Assertion(
        id=assertion.get("ID"),
        subject=subject,
        name_id_format=name_id_format,
        attributes=_attributes(assertion),
        contexts=tuple(_text(node) for node in _all(assertion, "saml:AuthnStatement/saml:AuthnContext/saml:AuthnContextClassRef")),
        request_id=request_id,
        expires_at=_time(confirmation.get("NotOnOrAfter")) + SKEW,
        authenticated_at=min(map(_time, authenticated), default=None),
    )  # fmt: skip


def _check_conditions(assertion: etree._Element, audience: str, now: datetime) -> None:
    conditions = assertion.find(f"{{{SAML}}}Conditions")
    _check_times(conditions, now, needs_end=True)
    restrictions = conditions.findall(f"{{{SAML}}}AudienceRestriction")
    named = [[_text(node) for node in item.findall(f"{{{SAML}}}Audience")] for item in restrictions]
    if not named or any(audience not in names for names in named):
        raise SamlError("audience", "The answer is meant for another application.")
    known = {f"{{{SAML}}}{name}" for name in ("AudienceRestriction", "OneTimeUse", "ProxyRestriction")}
    if any(node.tag not in known for node in conditions):
        raise SamlError("conditions", "The answer has a condition that is not known here.")


def _confirmation(assertion: etree._Element, acs: str, now: datetime) -> etree._Element:
    """Return the data of the one confirmation that there must be: bearer, for our address, not over."""
    found = _all(assertion, "saml:Subject/saml:SubjectConfirmation")
    data = found[0].find(f"{{{SAML}}}SubjectConfirmationData") if len(found) == 1 else None
    if data is None or found[0].get("Method") != BEARER:
        raise SamlError("confirmation", "The answer is not confirmed for its bearer.")
    if data.get("Recipient") != acs:
        raise SamlError("recipient", "The answer is addressed to another place.")
    _check_times(data, now, needs_end=True)
    return data


def _check_times(node: etree._Element, now: datetime, *, needs_end: bool) -> None:
    start, end = node.get("NotBefore"), node.get("NotOnOrAfter")
    if start is not None and _time(start) > now + SKEW:
        raise SamlError("early", "The answer is not valid yet: compare the clocks.")
    if (end is None and needs_end) or (end is not None and _time(end) + SKEW <= now):
        raise SamlError("expired", "The answer is too old. Please try again.")


def _subject(assertion: etree._Element, row: IdentityProvider, audience: str) -> tuple[str, str]:
    """Return who it is, in the format that the administrator chose: one person has one name."""
    found = _all(assertion, "saml:Subject/saml:NameID")
    if len(found) != 1:
        raise SamlError("subject", "The answer names nobody.")
    node, text = found[0], _text(found[0])
    name_id_format = node.get("Format", UNSPECIFIED)
    if name_id_format == TRANSIENT:
        raise SamlError(
            "transient",
            "Your identity provider gives you another name at each sign-in (NameID format transient), so you cannot be "
            "recognised. Your administrator can have it send a persistent one.",
        )
    if name_id_format != row.name_id_format:
        raise SamlError("name_id", "Your identity provider names you in another NameID format than was agreed.")
    if not text or text != text.strip() or len(text) > MAX_SUBJECT or "\0" in text:
        raise SamlError("subject", "The answer names nobody.")
    if node.get("SPNameQualifier", audience) != audience:
        raise SamlError("subject", "The answer names you as another application knows you.")
    return text, name_id_format


def _attributes(assertion: etree._Element) -> dict[str, list[str]]:
    """Return every attribute's texts by its name, and by its friendly name where no attribute is called so."""
    found: dict[str, list[str]] = {}
    friendly: dict[str, list[str]] = {}
    for node in _all(assertion, "saml:AttributeStatement/saml:Attribute"):
        values = [_text(value) for value in node.findall(f"{{{SAML}}}AttributeValue") if len(value) == 0]
        values = [value.strip() for value in values if value.strip()]
        found.setdefault(node.get("Name"), []).extend(values)
        if label := node.get("FriendlyName"):
            friendly.setdefault(label, []).extend(values)
    return friendly | found


def _all(node: etree._Element, path: str) -> list[etree._Element]:
    return list(node.xpath(path, namespaces=NAMES))


def _text(node: etree._Element) -> str:
    """Return an element's text; one with elements inside has none."""
    return "" if len(node) else str(node.text or "")


def _time(text: str | None) -> datetime:
    try:
        found = parse_datetime(text or "")
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise SamlError("time", "The answer has a time that cannot be read.")
    return min(found, FOREVER)
