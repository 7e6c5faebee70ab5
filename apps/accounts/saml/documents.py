"""XML from outside: read without definitions, entities or network, up to a size; and the one shape a response may have.

Wrapping attacks live on second assertions, second signatures, moved signatures and doubled ids; differences between
parsers live on definitions, comments and processing instructions. None of these has a use here, so none is admitted.
"""

import base64
import binascii
import re

from lxml import etree

from apps.accounts.errors import SamlError

MAX_RESPONSE_BYTES = 256_000
MAX_METADATA_BYTES = 1_000_000
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
DS = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
NAMES = {"samlp": SAMLP, "saml": SAML, "ds": DS}
XML_ID = "{http://www.w3.org/XML/1998/namespace}id"
DEFINITION = re.compile(rb"<!(?!\[CDATA\[)(?!--)")
SIGNATURES = {
    *(f"http://www.w3.org/2001/04/xmldsig-more#rsa-sha{size}" for size in (256, 384, 512)),
    *(f"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha{size}" for size in (256, 384, 512)),
}
DIGESTS = {
    "http://www.w3.org/2001/04/xmlenc#sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512",
}
TRANSFORMS = [f"{DS}enveloped-signature", EXCLUSIVE]


def parse(data: bytes, *, max_bytes: int) -> etree._Element:
    """Return the root element.

    Raises:
        SamlError: too large, not UTF-8, not XML, or with a document type or entities.
    """
    if len(data) > max_bytes:
        raise SamlError("too_large", "The XML document is too large.")
    data = data.removeprefix(b"\xef\xbb\xbf").strip()
    try:
        data.decode()
    except UnicodeDecodeError:
        raise SamlError("not_xml", "The XML document is not in UTF-8.") from None
    if DEFINITION.search(data):
        raise SamlError("doctype", "The XML document brings a document type along, which is refused.")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False, recover=False
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise SamlError("not_xml", "That is not well-formed XML.") from None
    if root.getroottree().docinfo.doctype:
        raise SamlError("doctype", "The XML document brings a document type along, which is refused.")
    return root


def decoded(text: str) -> bytes:
    """Return what the browser posted, out of its base64.

    Raises:
        SamlError: not base64, or larger than any answer.
    """
    if len(text) > MAX_RESPONSE_BYTES * 4 // 3 + 100:
        raise SamlError("too_large", "The answer of your identity provider is too large.")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise SamlError("not_xml", "The answer of your identity provider cannot be read.") from None


def parse_response(data: bytes) -> etree._Element:
    """Return a response of the one shape that is admitted; nothing in it is verified yet.

    One Response with one Assertion directly inside, signed within itself; the response may be signed too.

    Raises:
        SamlError: any other shape, an encrypted part, a comment, or a signature method that is not strong.
    """
    root = parse(data, max_bytes=MAX_RESPONSE_BYTES)
    outside = [*root.itersiblings(preceding=True), *root.itersiblings()]
    if outside or any(not isinstance(node.tag, str) for node in root.iter()):
        raise SamlError("comment", "The answer holds comments or instructions, which are refused.")
    if root.tag != f"{{{SAMLP}}}Response":
        raise SamlError("shape", "That is not a SAML response.")
    if root.xpath("//*[local-name() = 'EncryptedAssertion' or local-name() = 'EncryptedID']"):
        raise SamlError("encrypted", "Encrypted assertions are not read here; have the provider send signed ones.")
    _check_ids(root)
    signatures = root.findall(f".//{{{DS}}}Signature")
    for signature in signatures:
        _check_signature(signature)
    assertions = root.xpath("//*[local-name() = 'Assertion']")
    if not assertions and not root.xpath(
        "samlp:Status/samlp:StatusCode[contains(@Value, 'Success')]", namespaces=NAMES
    ):
        raise SamlError("declined", "Your identity provider declined the sign-in.")
    if [node.getparent() for node in assertions] != [root] or assertions[0].tag != f"{{{SAML}}}Assertion":
        raise SamlError("shape", "The answer must hold exactly one assertion.")
    parents = [signature.getparent() for signature in signatures]
    if assertions[0] not in parents:
        raise SamlError("unsigned", "The assertion is not signed.")
    if len(parents) != len(set(parents)) or not set(parents) <= {root, assertions[0]}:
        raise SamlError("shape", "The answer has a signature in a place where none belongs.")
    return root


def _check_ids(root: etree._Element) -> None:
    """Ids are how signatures find what they sign: each may exist once, in one spelling."""
    ids = [value for node in root.iter() for name, value in node.attrib.items() if name in ("ID", "Id", "id", XML_ID)]
    if len(ids) != len(set(ids)) or root.xpath("//@*[name() = 'xml:id']"):
        raise SamlError("shape", "The answer uses an id twice.")


def _check_signature(signature: etree._Element) -> None:
    """A signature covers its parent, whole, by strong algorithms, and holds nothing besides."""
    method = signature.xpath("ds:SignedInfo/ds:SignatureMethod/@Algorithm", namespaces=NAMES)
    digests = signature.xpath(".//ds:DigestMethod/@Algorithm", namespaces=NAMES)
    if len(method) != 1 or method[0] not in SIGNATURES or len(digests) != 1 or digests[0] not in DIGESTS:
        raise SamlError("weak", "The answer is signed with an algorithm that is not accepted (SHA-256 or stronger is).")
    references = signature.xpath(".//ds:Reference", namespaces=NAMES)
    canonical = signature.xpath("ds:SignedInfo/ds:CanonicalizationMethod/@Algorithm", namespaces=NAMES)
    transforms = signature.xpath("ds:SignedInfo/ds:Reference/ds:Transforms/ds:Transform/@Algorithm", namespaces=NAMES)
    parent = signature.getparent()
    own = None if parent is None else parent.get("ID")
    is_whole = len(references) == 1 and own and references[0].get("URI") == f"#{own}"
    if (
        not is_whole
        or canonical != [EXCLUSIVE]
        or transforms != TRANSFORMS
        or signature.xpath("ds:Object", namespaces=NAMES)
    ):
        raise SamlError("shape", "The signature does not cover the whole of what it stands in.")
