"""The bound tenant's key: seals secrets to their row and column, derives keyed hashes."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import tink
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.db import connection, transaction
from tink import aead, secret_key_access

from apps.tenants.binding import bound_tenant_id
from apps.vault import master
from apps.vault.errors import KeyDestroyedError, SealError
from apps.vault.models import TenantKey

aead.register()
_at_hand: ContextVar[dict[UUID, "OpenKey"] | None] = ContextVar("omni_key_at_hand", default=None)


@dataclass(frozen=True, slots=True)
class OpenKey:
    """An unwrapped tenant key; never printed, never stored."""

    cipher: aead.Aead = field(repr=False)
    derivation_secret: bytes = field(repr=False)

    def derived(self, purpose: str) -> bytes:
        """Return 32 bytes that only this tenant and purpose have."""
        return HKDF(hashes.SHA256(), length=32, salt=b"omni", info=purpose.encode()).derive(self.derivation_secret)


def context_of(tenant_id: UUID, version: int) -> bytes:
    """Return what a keyset is wrapped with."""
    return f"tenant keyset {tenant_id} {version}".encode()


def _associated(table: str, row: UUID | str, column: str) -> bytes:
    return json.dumps([str(bound_tenant_id()), table, str(row), column]).encode()


@transaction.atomic
def create_tenant_keys(*, now: datetime) -> None:
    """Create the bound tenant's key; a tenant that has one keeps it."""
    if TenantKey.objects.exists():
        return
    handle = tink.new_keyset_handle(aead.aead_key_templates.AES256_GCM)
    keyset = tink.json_proto_keyset_format.serialize(handle, secret_key_access.TOKEN)
    wrapped = master.wrap(keyset.encode(), context=context_of(bound_tenant_id(), 1))
    TenantKey.objects.create(version=1, wrapped=wrapped, created_at=now)


@transaction.atomic
def destroy_tenant_keys(*, now: datetime) -> None:
    """Destroy the bound tenant's key: everything sealed under it is gone for good."""
    TenantKey.objects.update(wrapped=b"", destroyed_at=now)


@lru_cache(maxsize=512)
def _unwrapped(tenant_id: UUID, version: int, wrapped: bytes) -> OpenKey:
    found = read_keyset(master.unwrap(wrapped, context=context_of(tenant_id, version)))
    handle = tink.json_proto_keyset_format.parse(found.keyset, secret_key_access.TOKEN)
    return OpenKey(handle.primitive(aead.Aead), found.derivation_secret)


@dataclass(frozen=True, slots=True)
class Keyset:
    """What is wrapped: Tink's keyset as JSON, and the secret that hashes and masks are derived from.

    The secret is kept when keys are rotated, so that pseudonyms and cached answers stay what they were.
    """

    keyset: str = field(repr=False)
    derivation_secret: bytes = field(repr=False)

    def as_bytes(self) -> bytes:
        return json.dumps({"keyset": self.keyset, "derivation": self.derivation_secret.hex()}).encode()


def read_keyset(opened: bytes) -> Keyset:
    """Read an unwrapped keyset; a first one is Tink's JSON alone, and its secret is derived from that."""
    found = json.loads(opened)
    if "derivation" in found:
        return Keyset(found["keyset"], bytes.fromhex(found["derivation"]))
    return Keyset(opened.decode(), hashlib.sha256(opened).digest())


@contextmanager
def key_at_hand() -> Iterator[None]:
    """Read the bound tenant's key once for the work of one transaction, at its first use."""
    token = _at_hand.set({})
    try:
        yield
    finally:
        _at_hand.reset(token)


KEY = """
  (SELECT json_build_array(k.version, encode(k.wrapped, 'hex')) FROM vault_tenantkey k
    WHERE k.tenant_id = %(tenant)s AND k.destroyed_at IS NULL ORDER BY k.version DESC LIMIT 1)"""
"""a column with the tenant's key, for statements of every request; :func:`hold_key` takes it"""


def hold_key(found: tuple[int, str] | None) -> None:
    """Take the bound tenant's key from a statement that has read :data:`KEY`, inside :func:`key_at_hand`."""
    held = _at_hand.get()
    if held is not None and found is not None:
        held[bound_tenant_id()] = _stored(bound_tenant_id(), found[0], found[1])


@lru_cache(maxsize=512)
def _stored(tenant_id: UUID, version: int, stored: str) -> OpenKey:
    field: Any = TenantKey._meta.get_field("wrapped")
    wrapped = field.from_db_value(bytes.fromhex(stored), None, connection)
    return _unwrapped(tenant_id, version, bytes(wrapped))


def tenant_key() -> OpenKey:
    """Return the bound tenant's key. The row is read each time, so that destruction bites at once.

    Raises:
        KeyDestroyedError: it was destroyed, or never made.
    """
    held, tenant_id = _at_hand.get(), bound_tenant_id()
    if held is None:
        return _read_key()
    if tenant_id not in held:
        held[tenant_id] = _read_key()
    return held[tenant_id]


def _read_key() -> OpenKey:
    row = TenantKey.objects.filter(destroyed_at=None).order_by("-version").first()
    if row is None:
        raise KeyDestroyedError("this tenant has no key")
    return _unwrapped(row.tenant_id, row.version, bytes(row.wrapped))


def seal(plaintext: bytes, *, table: str, row: UUID | str, column: str) -> bytes:
    """Seal a secret to its place: it opens for this tenant, table, row and column only."""
    return bytes(tenant_key().cipher.encrypt(plaintext, _associated(table, row, column)))


def open_sealed(ciphertext: bytes, *, table: str, row: UUID | str, column: str) -> bytes:
    """Open what :func:`seal` made.

    Raises:
        SealError: it was moved, changed, or is another tenant's.
        KeyDestroyedError: the tenant's key is gone.
    """
    return open_with_tenant_key(bytes(ciphertext), _associated(table, row, column))


def open_with_tenant_key(ciphertext: bytes, associated: bytes) -> bytes:
    """Open what the tenant key sealed with this associated data.

    A key read earlier in the transaction may be older than a rotation; then it is read again.

    Raises:
        SealError: it does not open here.
    """
    for read in (tenant_key, _read_key):
        try:
            return bytes(read().cipher.decrypt(ciphertext, associated))
        except tink.TinkError:
            continue
    raise SealError("the sealed value does not open in this place")


def keyed_hash(purpose: str, data: bytes) -> str:
    """Return a hex HMAC-SHA-256 that nobody without the tenant's key can compute or compare."""
    return hmac.new(tenant_key().derived(f"hash:{purpose}"), data, hashlib.sha256).hexdigest()


def mask_key() -> str:
    """Return the key of the tenant's masks, 64 hex digits, the same for the key's life."""
    return tenant_key().derived("mask").hex()
