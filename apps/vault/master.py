"""The master key: wraps tenant keysets, and nothing else. While it is rotated, the previous one opens as well."""

import os
import pickle
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from django.conf import settings
from django.core.signing import BadSignature
from django_cryptography.utils.crypto import FernetBytes, InvalidToken

from apps.vault.errors import SealError

NONCE_BYTES = 12
FIELD_SALT = b"django-cryptography"
FIELD_ITERATIONS = 30_000
"""salt and iterations of django-cryptography's own derivation, which existing rows were written with"""


@lru_cache(maxsize=4)
def _cipher(master_key: str) -> AESGCM:
    derived = HKDF(hashes.SHA256(), length=32, salt=b"omni", info=b"tenant keysets").derive(master_key.encode())
    return AESGCM(derived)


@lru_cache(maxsize=4)
def _field_cipher(master_key: str) -> FernetBytes:
    kdf = PBKDF2HMAC(hashes.SHA256(), length=32, salt=FIELD_SALT, iterations=FIELD_ITERATIONS)
    return FernetBytes(kdf.derive(master_key.encode()))


def _keys() -> list[str]:
    """Return the key that seals, and then the one that only opens while a rotation is under way."""
    return [key for key in (settings.OMNI_MASTER_KEY, settings.OMNI_MASTER_KEY_PREVIOUS) if key]


def wrap(keyset: bytes, *, context: bytes) -> bytes:
    """Seal a keyset under the master key; ``context`` names whose it is."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + _cipher(settings.OMNI_MASTER_KEY).encrypt(nonce, keyset, context)


def unwrap(wrapped: bytes, *, context: bytes) -> bytes:
    """Open a keyset.

    Raises:
        SealError: another master key, another tenant, or damage.
    """
    for key in _keys():
        found = _opened(key, wrapped, context)
        if found is not None:
            return found
    raise SealError("the keyset does not open with this master key")


def is_current(wrapped: bytes, *, context: bytes) -> bool:
    """Say whether a keyset is sealed under the master key itself, not the previous one."""
    return _opened(settings.OMNI_MASTER_KEY, wrapped, context) is not None


def _opened(key: str, wrapped: bytes, context: bytes) -> bytes | None:
    try:
        return _cipher(key).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], context)
    except InvalidTag:
        return None


class EitherKey:
    """What an encrypted field asks: seals under the master key, opens what it or the previous one has sealed."""

    def encrypt(self, data: bytes) -> bytes:
        return bytes(_field_cipher(settings.OMNI_MASTER_KEY).encrypt(data))

    def decrypt(self, data: bytes, ttl: int | None = None) -> bytes:
        """Open a field's value: pickled bytes. Another key's padding may fit by chance, what is in it does not.

        Raises:
            SealError: no key opens it.
        """
        for key in _keys():
            try:
                found = bytes(_field_cipher(key).decrypt(data, ttl))
            except (InvalidToken, BadSignature):
                continue
            if found[:1] == pickle.PROTO and found[-1:] == pickle.STOP:
                return found
        raise SealError("the encrypted field does not open with this master key")


def opened_by_either(field: Any) -> Any:
    """Return an encrypted field that also opens what the previous master key sealed."""
    field._fernet = EitherKey()
    return field
