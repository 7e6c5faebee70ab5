"""Real SAML responses, signed with real keys, to be spoiled afterwards."""

import base64
import re
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import xmlsec
from lxml import etree

from tests.saml_keys import make_pair

HOST = "acme.localhost"
BASE = f"http://{HOST}/accounts/saml/corp/"
ENTITY = "https://idp.acme.example/saml"
PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
SAML, SAMLP = "urn:oasis:names:tc:SAML:2.0:assertion", "urn:oasis:names:tc:SAML:2.0:protocol"
PAIR = make_pair("idp")
STRANGER = make_pair("stranger")
TEMPLATE = """
<samlp:Response xmlns:samlp="{SAMLP}" xmlns:saml="{SAML}" ID="_r{n}" Version="2.0" IssueInstant="{issued}" Destination="{destination}"{response_to}>
<saml:Issuer>{issuer}</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>
<saml:Assertion ID="{id}" Version="2.0" IssueInstant="{issued}"><saml:Issuer>{issuer}</saml:Issuer>
<saml:Subject><saml:NameID Format="{format}">{subject}</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">
<saml:SubjectConfirmationData Recipient="{recipient}" NotOnOrAfter="{until}"{confirmed_to}/></saml:SubjectConfirmation></saml:Subject>
<saml:Conditions NotBefore="{since}" NotOnOrAfter="{until}">{restriction}</saml:Conditions>
<saml:AuthnStatement AuthnInstant="{issued}" SessionIndex="s1"><saml:AuthnContext><saml:AuthnContextClassRef>{context}</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>
<saml:AttributeStatement>{attributes}</saml:AttributeStatement></saml:Assertion></samlp:Response>"""
_numbers = iter(range(1, 1_000_000))


@dataclass
class Answer:
    """What the provider is to say; every default is right, whatever is changed is one thing."""

    request_id: str | None
    subject: str = "p-17"
    name_id_format: str = PERSISTENT
    attributes: dict[str, list[str]] = field(
        default_factory=lambda: {"mail": ["eve@acme.example"], "displayName": ["Eve"]}
    )
    issuer: str = ENTITY
    audience: str | None = BASE
    recipient: str = BASE + "acs/"
    destination: str = BASE + "acs/"
    since: timedelta = timedelta(minutes=-1)
    until: timedelta = timedelta(minutes=5)
    issued: timedelta = timedelta(seconds=-1)
    context: str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
    response_request_id: str | None = "same"
    id: str = ""

    def root(self) -> etree._Element:
        """Return the response, not signed yet."""
        now, number = datetime.now(UTC), next(_numbers)
        outer = self.request_id if self.response_request_id == "same" else self.response_request_id
        text = TEMPLATE.format(
            SAML=SAML, SAMLP=SAMLP, n=number, id=self.id or f"_a{number}", issuer=self.issuer, destination=self.destination,
            recipient=self.recipient, format=self.name_id_format, subject=self.subject, context=self.context,
            issued=_instant(now + self.issued), since=_instant(now + self.since), until=_instant(now + self.until),
            response_to=f' InResponseTo="{outer}"' if outer else "",
            confirmed_to=f' InResponseTo="{self.request_id}"' if self.request_id else "",
            restriction=f"<saml:AudienceRestriction><saml:Audience>{self.audience}</saml:Audience></saml:AudienceRestriction>" if self.audience else "",
            attributes="".join(_attribute(name, values) for name, values in self.attributes.items()),
        )  # fmt: skip
        return etree.fromstring(text.strip())

    def signed(
        self, *, pair: tuple[bytes, bytes] = PAIR, method: object = None, digest: object = None
    ) -> etree._Element:
        root = self.root()
        sign(assertion_of(root), pair, method=method, digest=digest)
        return root

    def posted(self) -> str:
        return encoded(self.signed())


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _attribute(name: str, values: list[str]) -> str:
    inner = "".join(f"<saml:AttributeValue>{value}</saml:AttributeValue>" for value in values)
    return f'<saml:Attribute Name="{name}">{inner}</saml:Attribute>'


def assertion_of(root: etree._Element) -> etree._Element:
    return root.find(f"{{{SAML}}}Assertion")


def sign(node: etree._Element, pair: tuple[bytes, bytes], *, method: object = None, digest: object = None) -> None:
    """Sign an element within itself, by its ID, with the certificate beside."""
    template = xmlsec.template.create(node, xmlsec.Transform.EXCL_C14N, method or xmlsec.Transform.RSA_SHA256)
    node.insert(1, template)  # after the issuer, where the schema has it
    reference = xmlsec.template.add_reference(template, digest or xmlsec.Transform.SHA256, uri=f"#{node.get('ID')}")
    xmlsec.template.add_transform(reference, xmlsec.Transform.ENVELOPED)
    xmlsec.template.add_transform(reference, xmlsec.Transform.EXCL_C14N)
    xmlsec.template.add_x509_data(xmlsec.template.ensure_key_info(template))
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(pair[0], xmlsec.KeyFormat.PEM)
    context.key.load_cert_from_memory(pair[1], xmlsec.KeyFormat.PEM)
    context.register_id(node, "ID")
    context.sign(template)


def encoded(root: etree._Element | bytes) -> str:
    data = root if isinstance(root, bytes) else etree.tostring(root)
    return base64.b64encode(data).decode()


def request_id_of(location: str) -> str:
    """Return the id of the request that a redirect carries."""
    found = re.search(r' ID="([^"]+)"', request_of(location))
    assert found
    return found.group(1)


def request_of(location: str) -> str:
    """Return the request that a redirect carries."""
    packed = parse_qs(urlsplit(location).query)["SAMLRequest"][0]
    return zlib.decompress(base64.b64decode(packed), -15).decode()
