"""Keys of time slots: what they seal dies on time, whether or not anything is swept."""

import json
import math
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from apps.tenants.binding import bound_tenant_id
from apps.vault.errors import ExpiredKeyError, SealError
from apps.vault.models import TimedKey
from apps.vault.tenant_keys import open_with_tenant_key, tenant_key
from apps.vault.types import TimedKeyRef

NONCE_BYTES = 12
TABLE = "vault_timedkey"


def slot_of(expires_at: datetime, *, now: datetime) -> tuple[datetime, datetime]:
    """Return start and end of the slot that ends no earlier than ``expires_at``; what lives shortly has short slots."""
    short_s = settings.OMNI_CACHE_SHORT_SLOT_S
    is_short = expires_at - now <= timedelta(seconds=10 * short_s)
    length = short_s if is_short else settings.OMNI_CACHE_SLOT_S
    end = -(-math.ceil(expires_at.timestamp()) // length) * length
    return datetime.fromtimestamp(end - length, UTC), datetime.fromtimestamp(end, UTC)


def _associated(tenant_id: UUID, row: UUID) -> bytes:
    return json.dumps([str(tenant_id), TABLE, str(row), "wrapped"]).encode()


def slot_end(expires_at: datetime, *, now: datetime) -> datetime:
    """Return when the slot ends in which data that expires then is kept."""
    return slot_of(expires_at, now=now)[1]


HeldKeys = dict[datetime, tuple[UUID, bytes]]
"""keys of slots by the slot's end, as they were read a moment ago: id and what is wrapped"""
TIMED_KEYS = """
  (SELECT json_agg(json_build_array(s.slot_end, s.id, encode(s.wrapped, 'hex'))) FROM vault_timedkey s
    WHERE s.tenant_id = %(tenant)s AND s.slot_end = ANY(%(ends)s::timestamptz[]))"""
"""a column with the bound tenant's keys of the slots that end then; :func:`held_keys` reads it"""


def held_keys(found: Sequence[tuple[str, str, str]] | None) -> HeldKeys:
    """Return the keys that a statement has read with :data:`TIMED_KEYS`."""
    return {datetime.fromisoformat(end): (UUID(key_id), bytes.fromhex(wrapped)) for end, key_id, wrapped in found or ()}


def timed_key_for(expires_at: datetime, *, now: datetime) -> TimedKeyRef:
    """Return the bound tenant's key for data that expires then; make it when it is the slot's first.

    Raises:
        ExpiredKeyError: the time is past.
    """
    found = _key_of_slot(expires_at, now)
    return TimedKeyRef(found.id, found.slot_end)


def _key_of_slot(expires_at: datetime, now: datetime) -> TimedKey:
    if expires_at <= now:
        raise ExpiredKeyError("the data would have expired already")
    start, end = slot_of(expires_at, now=now)
    found = TimedKey.objects.filter(slot_end=end).first()
    if found is None:
        row = uuid4()
        wrapped = tenant_key().cipher.encrypt(AESGCM.generate_key(256), _associated(bound_tenant_id(), row))
        TimedKey.objects.bulk_create(
            [TimedKey(id=row, slot_start=start, slot_end=end, wrapped=wrapped)], ignore_conflicts=True
        )
        found = TimedKey.objects.get(slot_end=end)  # another process may have been first
    return found


def _open_key(key_id: UUID) -> tuple[AESGCM, datetime]:
    row = TimedKey.objects.filter(pk=key_id).first()
    if row is None:
        raise ExpiredKeyError("the key of this time slot has been destroyed")
    return _cipher(key_id, bytes(row.wrapped)), row.slot_end


def _cipher(key_id: UUID, wrapped: bytes) -> AESGCM:
    if not wrapped:
        raise ExpiredKeyError("the key of this time slot has been destroyed")
    return AESGCM(open_with_tenant_key(wrapped, _associated(bound_tenant_id(), key_id)))


def _bound_context(context: bytes, key_id: UUID) -> bytes:
    return json.dumps([str(bound_tenant_id()), str(key_id)]).encode() + context


def seal_timed(plaintext: bytes, *, key: TimedKeyRef, context: bytes) -> bytes:
    """Seal temporary data; ``context`` must be given again to open it."""
    cipher, _ = _open_key(key.id)
    return _sealed(plaintext, cipher, key.id, context)


def seal_until(
    plaintext: bytes, expires_at: datetime, *, context: bytes, now: datetime, held: HeldKeys | None = None
) -> tuple[TimedKeyRef, bytes]:
    """Seal temporary data under the key for data that expires then; the key is read once, unless it is ``held``.

    Raises:
        ExpiredKeyError: the time is past, or the key was destroyed.
    """
    end = slot_end(expires_at, now=now)
    if held and end in held and expires_at > now:
        key_id, wrapped = held[end]
        return TimedKeyRef(key_id, end), _sealed(plaintext, _cipher(key_id, wrapped), key_id, context)
    found = _key_of_slot(expires_at, now)
    sealed = _sealed(plaintext, _cipher(found.id, bytes(found.wrapped)), found.id, context)
    return TimedKeyRef(found.id, found.slot_end), sealed


def _sealed(plaintext: bytes, cipher: AESGCM, key_id: UUID, context: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plaintext, _bound_context(context, key_id))


def open_timed(ciphertext: bytes, *, key_id: UUID, context: bytes, now: datetime) -> bytes:
    """Open temporary data.

    Raises:
        ExpiredKeyError: the slot is over or its key was destroyed.
        SealError: the data was moved or changed.
    """
    cipher, slot_end = _open_key(key_id)
    return _opened(ciphertext, cipher, key_id, context, slot_end, now)


def open_timed_under(
    wrapped: bytes | None, slot_end: datetime | None, ciphertext: bytes, *, key_id: UUID, context: bytes, now: datetime
) -> bytes:
    """As :func:`open_timed`, with the key's row (``wrapped``, ``slot_end``; None when there is none) read just before."""
    if slot_end is None:
        raise ExpiredKeyError("the key of this time slot has been destroyed")
    return _opened(ciphertext, _cipher(key_id, wrapped or b""), key_id, context, slot_end, now)


def _opened(
    ciphertext: bytes, cipher: AESGCM, key_id: UUID, context: bytes, slot_end: datetime, now: datetime
) -> bytes:
    if now >= slot_end:
        raise ExpiredKeyError("the time slot of this data is over")
    sealed = bytes(ciphertext)
    try:
        return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound_context(context, key_id))
    except InvalidTag:
        raise SealError("the temporary data does not open in this place") from None


def void_timed_keys() -> None:
    """Destroy the bound tenant's keys of all slots and leave their rows, for somebody who counts what is deleted."""
    TimedKey.objects.update(wrapped=b"")


def destroy_all_timed_keys() -> int:
    """Destroy the bound tenant's keys of all slots: nothing that was kept can be read any more. Return how many."""
    void_timed_keys()
    deleted, _ = TimedKey.objects.all().delete()
    return deleted


def destroy_expired_keys(*, now: datetime) -> int:
    """Destroy the bound tenant's keys of past slots; return how many."""
    expired = TimedKey.objects.filter(slot_end__lte=now)
    expired.update(wrapped=b"")  # the row's old version must not outlive the deletion in a page that is still read
    deleted, _ = expired.delete()
    return deleted
