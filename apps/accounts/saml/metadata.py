"""Metadata: what a provider says of itself, and what it must know of us."""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from xml.sax.saxutils import quoteattr

import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from django.conf import settings
from django.utils.dateparse import parse_datetime
from lxml import etree

from apps.accounts.errors import ProviderError, SamlError
from apps.accounts.models import is_address
from apps.accounts.saml.documents import DS, MAX_METADATA_BYTES, parse
from apps.network.fetching import FetchError, checked_session

MD = "urn:oasis:names:tc:SAML:2.0:metadata"
REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
PROTOCOL = "urn:oasis:names:tc:SAML:2.0:protocol"
NAMES = {"md": MD, "ds": DS}
MIN_RSA_BITS = 2048
MAX_CERTIFICATES = 10


@dataclass(frozen=True, slots=True)
class ProviderMetadata:
    """What is used of a provider's metadata. Certificates are base64 of DER, one line each."""

    entity_id: str
    sso_url: str
    certificates: tuple[str, ...]
    name_id_formats: tuple[str, ...]
    wants_signed_requests: bool


def read_metadata(data: bytes, *, now: datetime) -> ProviderMetadata:
    """Read a provider's metadata. Nothing verifies it: it is trusted as the administrator who brings it is.

    Raises:
        ProviderError: not metadata of one provider, over, or with nothing that can be used here.
    """
    try:
        root = parse(data, max_bytes=MAX_METADATA_BYTES)
    except SamlError as error:
        raise ProviderError(error.message) from None
    entity, role = _provider_of(root)
    for node in (root, entity, role):
        until = parse_datetime(node.get("validUntil", "")) if node.get("validUntil") else None
        if until is not None and until <= now:
            raise ProviderError(f"This metadata was valid until {until.date().isoformat()} only; fetch it anew.")
    addresses = role.xpath(f"md:SingleSignOnService[@Binding='{REDIRECT}']/@Location", namespaces=NAMES)
    if not addresses:
        raise ProviderError("The metadata names no sign-in address for the HTTP-Redirect binding, the one used here.")
    texts = role.xpath("md:KeyDescriptor[not(@use) or @use='signing']//ds:X509Certificate/text()", namespaces=NAMES)
    certificates = tuple(dict.fromkeys(plain_certificate(text) for text in texts[:MAX_CERTIFICATES]))
    if not certificates:
        raise ProviderError("The metadata holds no certificate for signatures.")
    formats = tuple(text.strip() for text in role.xpath("md:NameIDFormat/text()", namespaces=NAMES))
    is_signed = role.get("WantAuthnRequestsSigned") in ("true", "1")
    return ProviderMetadata(entity.get("entityID", "").strip(), addresses[0].strip(), certificates, formats, is_signed)


def fetch_metadata(address: str, *, now: datetime) -> ProviderMetadata:
    """Fetch a provider's metadata from its address and read it.

    Raises:
        ProviderError: the address is refused or does not answer, or as :func:`read_metadata`.
    """
    if not is_address(address) or not (settings.OMNI_IS_LOCAL or address.startswith("https://")):
        raise ProviderError("The metadata's address must begin with https://.")
    try:
        with checked_session(settings.OMNI_ALLOWED_PROVIDERS) as session:
            response = session.get(address)
            response.raise_for_status()
    except FetchError as error:
        raise ProviderError(f"The metadata was not fetched. {error.message}") from None
    except requests.RequestException:
        raise ProviderError("The metadata was not fetched: its address gives no usable answer.") from None
    return read_metadata(response.content, now=now)


def _provider_of(root: etree._Element) -> tuple[etree._Element, etree._Element]:
    found = [
        (entity, role)
        for entity in root.iter(f"{{{MD}}}EntityDescriptor")
        for role in entity.findall(f"{{{MD}}}IDPSSODescriptor")
    ]
    if not found:
        raise ProviderError("That is not the metadata of an identity provider (no IDPSSODescriptor in it).")
    if len(found) > 1:
        raise ProviderError("The metadata names several identity providers; bring that of one.")
    return found[0]


def plain_certificate(text: str) -> str:
    """Return a certificate, given as PEM or as its base64 alone, in one line of base64.

    Raises:
        ProviderError: it is no certificate, or its key is not one that is accepted.
    """
    body = "".join(line for line in text.strip().splitlines() if not line.strip().startswith("-----"))
    try:
        certificate = x509.load_der_x509_certificate(base64.b64decode("".join(body.split()), validate=True))
        key = certificate.public_key()
    except (binascii.Error, ValueError):
        raise ProviderError("That is not a certificate (PEM, or the base64 text of it).") from None
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < MIN_RSA_BITS:
            raise ProviderError(
                f"The certificate's RSA key has {key.key_size} bits; at least {MIN_RSA_BITS} are needed."
            )
    elif not isinstance(key, ec.EllipticCurvePublicKey):
        raise ProviderError("The certificate's key is neither RSA nor elliptic curve.")
    return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()


def loaded_certificate(text: str) -> x509.Certificate:
    """Return a stored certificate as an object."""
    return x509.load_der_x509_certificate(base64.b64decode(text))


def service_provider_metadata(*, entity_id: str, acs_url: str, name_id_format: str) -> str:
    """Return our own metadata for one provider, to be uploaded there."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<md:EntityDescriptor xmlns:md="{MD}" entityID={quoteattr(entity_id)}>\n'
        f'  <md:SPSSODescriptor AuthnRequestsSigned="false" WantAssertionsSigned="true"'
        f' protocolSupportEnumeration="{PROTOCOL}">\n'
        f"    <md:NameIDFormat>{name_id_format}</md:NameIDFormat>\n"
        f'    <md:AssertionConsumerService Binding="{POST}" Location={quoteattr(acs_url)} index="0" isDefault="true"/>\n'
        "  </md:SPSSODescriptor>\n"
        "</md:EntityDescriptor>\n"
    )
