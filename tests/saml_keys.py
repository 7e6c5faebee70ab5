"""Key pairs of SAML providers in tests."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

XMLSEC = "/usr/bin/xmlsec1"
"""the program that pysaml2 signs with"""


def make_pair(name: str, *, days: int = 365, bits: int = 2048) -> tuple[bytes, bytes]:
    """Return a private key and a certificate of its own, both PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return private, certificate.public_bytes(Encoding.PEM)


def write_pair(folder: Path, name: str) -> tuple[Path, Path]:
    """Write a pair into the folder once and return both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{name}.key", folder / f"{name}.crt"
    if not paths[0].exists():
        for path, text in zip(paths, make_pair(name), strict=True):
            path.write_bytes(text)
    return paths
