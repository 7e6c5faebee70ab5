"""What an assertion says → claims, as an ID token has them, so that one mapping serves both."""

from collections.abc import Collection, Mapping
from typing import Any

from apps.accounts.claims import ProtocolText
from apps.accounts.models import IdentityProvider
from apps.accounts.saml.assertions import Assertion
from apps.accounts.selectors import domain_of

EMAIL = (
    "email",
    "mail",
    "emailAddress",
    "urn:oid:0.9.2342.19200300.100.1.3",
    "urn:oid:1.2.840.113549.1.9.1",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
)
VERIFIED = ("email_verified", "http://schemas.auth0.com/email_verified")
NAME = (
    "displayName",
    "name",
    "cn",
    "urn:oid:2.16.840.1.113730.3.1.241",
    "urn:oid:2.5.4.3",
    "http://schemas.microsoft.com/identity/claims/displayname",
)
GIVEN = (
    "givenName",
    "firstName",
    "urn:oid:2.5.4.42",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname",
)
FAMILY = (
    "sn",
    "surname",
    "lastName",
    "urn:oid:2.5.4.4",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname",
)
METHODS = "http://schemas.microsoft.com/claims/authnmethodsreferences"


def claims_of(assertion: Assertion, provider: IdentityProvider, domains: Collection[str]) -> dict[str, Any]:
    """Return the claims; each attribute is a list of texts.

    SAML has no word for a verified address. One counts as verified when the administrator has listed its domain
    (``domains``) for this provider, or when the provider says so in an attribute.
    """
    said = assertion.attributes
    email = _first(said, (provider.email_attribute,) if provider.email_attribute else EMAIL)
    if email is None and assertion.name_id_format == IdentityProvider.NameId.EMAIL:
        email = assertion.subject
    is_verified = (_first(said, VERIFIED) or "").lower() in ("true", "1")
    full = " ".join(part for part in (_first(said, GIVEN), _first(said, FAMILY)) if part)
    claims: dict[str, Any] = {name: [ProtocolText(value) for value in values] for name, values in said.items()}
    return claims | {
        "iss": provider.issuer,
        "sub": assertion.subject,
        "email": email,
        "email_verified": bool(email) and (is_verified or domain_of(email or "") in domains),
        "name": _first(said, NAME) or full or None,
    }


def methods_of(assertion: Assertion) -> list[str]:
    """Return how the provider says that the person was recognised: the classes, and Entra's list of methods."""
    return [*assertion.contexts, *assertion.attributes.get(METHODS, ())]


def _first(said: Mapping[str, list[str]], names: Collection[str]) -> str | None:
    return next((value for name in names for value in said.get(name, ())), None)
