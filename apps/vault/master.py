"""The master key: wraps tenant keysets, and nothing else."""

import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from apps.vault.errors import SealError

NONCE_BYTES = 12


@lru_cache(maxsize=2)
def _cipher(master_key: str) -> AESGCM:
    derived = HKDF(hashes.SHA256(), length=32, salt=b"omni", info=b"tenant keysets").derive(master_key.encode())
    return AESGCM(derived)


def wrap(keyset: bytes, *, context: bytes) -> bytes:
    """Seal a keyset under the master key; ``context`` names whose it is."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + _cipher(settings.OMNI_MASTER_KEY).encrypt(nonce, keyset, context)


def unwrap(wrapped: bytes, *, context: bytes) -> bytes:
    """Open a keyset.

    Raises:
        SealError: another master key, another tenant, or damage.
    """
    try:
        return _cipher(settings.OMNI_MASTER_KEY).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], context)
    except InvalidTag:
        raise SealError("the keyset does not open with this master key") from None
