"""The installation's own signature, Ed25519: who holds the public key can check it anywhere, offline.

Keys are files with 32 bytes in base64. The public file may hold several, one a line, so that what an older key signed can
still be checked; the private key lies only where certificates are made.
"""

import base64
import binascii
import contextlib
import fcntl
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings

from apps.vault.errors import NoSigningKeyError
from apps.vault.key_files import PRIVATE_MODE, PUBLIC_MODE, write_key_file


def create_signing_key(private: Path, public: Path) -> str:
    """Write a new pair of files; the public key joins those that are there. Return the public key.

    Raises:
        FileExistsError: there is a private key already.
    """
    private.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with private.with_name(f"{private.name}.lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # two processes that start at once agree on the first one's pair
        if private.exists():
            raise FileExistsError(str(private))
        key = Ed25519PrivateKey.generate()
        made = _text(key.public_key().public_bytes_raw())
        known = public.read_text() if public.exists() else ""
        write_key_file(public, f"{made}\n{known}", PUBLIC_MODE)  # first: nothing is signed that cannot be checked
        write_key_file(private, _text(key.private_bytes_raw()) + "\n", PRIVATE_MODE)
    return made


def can_sign() -> bool:
    """Say whether this process has the private key."""
    _ensure()
    path = settings.OMNI_CERTIFICATE_KEY_FILE
    return bool(path) and Path(path).exists()


def sign(purpose: str, content: bytes) -> tuple[str, str]:
    """Return the public key and the signature, both in base64; ``purpose`` must be said again to check it.

    Raises:
        NoSigningKeyError: this process has no private key, or not one whose public key is known.
    """
    if not can_sign():
        raise NoSigningKeyError("OMNI_CERTIFICATE_KEY_FILE names no key; see docs/runbooks/erase-a-tenant.md")
    seed = _bytes(Path(settings.OMNI_CERTIFICATE_KEY_FILE).read_text().strip())
    if seed is None:
        raise NoSigningKeyError("OMNI_CERTIFICATE_KEY_FILE holds no Ed25519 key")
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public = _text(key.public_key().public_bytes_raw())
    if public not in trusted_keys():
        raise NoSigningKeyError("OMNI_CERTIFICATE_PUBLIC_KEY_FILE does not name the key that would sign")
    return public, _text(key.sign(_framed(purpose, content)))


def is_signed(purpose: str, content: bytes, *, signature: str, by: str) -> bool:
    """Say whether the signature is that key's; whether the key is trusted is another question."""
    key, signed = _bytes(by), _bytes(signature, length=64)
    if key is None or signed is None:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signed, _framed(purpose, content))
    except (InvalidSignature, ValueError):
        return False
    return True


def trusted_keys() -> tuple[str, ...]:
    """Return the public keys that this installation has signed with, the present one first; none where no file is named."""
    _ensure()
    path = settings.OMNI_CERTIFICATE_PUBLIC_KEY_FILE
    return read_public_keys(Path(path)) if path and Path(path).exists() else ()


def read_public_keys(path: Path) -> tuple[str, ...]:
    """Return the keys of a public file, one a line; what is no key is left out.

    Raises:
        OSError: it cannot be read.
    """
    lines = path.read_text(errors="replace").split()
    return tuple(line for line in lines if is_public_key(line))


def is_public_key(text: str) -> bool:
    return _bytes(text) is not None


def _ensure() -> None:
    """Generate the pair when it is missing, in local set-ups only."""
    if not settings.OMNI_IS_LOCAL:
        return
    private = Path(settings.OMNI_CERTIFICATE_KEY_FILE)
    if not private.exists():
        with contextlib.suppress(FileExistsError):
            create_signing_key(private, Path(settings.OMNI_CERTIFICATE_PUBLIC_KEY_FILE))


def _framed(purpose: str, content: bytes) -> bytes:
    return f"omni {purpose}\n".encode() + content


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(text: str, *, length: int = 32) -> bytes | None:
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if len(found) == length and _text(found) == text else None
