"""What is sealed opens in its place, for its tenant, in its time, in the process that may; and nowhere else."""

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from uuid import uuid4

import pytest
from django.conf import settings as configured
from pytest_django import Settings

from apps.tenants.binding import bound
from apps.tenants.types import TenantRef
from apps.vault import services as vault
from apps.vault.errors import ExpiredKeyError, KeyDestroyedError, NoWorkerKeyError, SealError
from apps.vault.models import TenantKey, TimedKey

PLACE = {"table": "accounts_identityprovider", "row": "1", "column": "client_secret"}


def test_a_secret_opens_in_its_place_only(acme: TenantRef, globex: TenantRef) -> None:
    sealed = vault.seal(b"canary", **PLACE)
    assert vault.open_sealed(sealed, **PLACE) == b"canary"
    for moved in ({"row": "2"}, {"column": "other"}, {"table": "other"}):
        with pytest.raises(SealError):
            vault.open_sealed(sealed, **(PLACE | moved))
    with bound(globex.id), pytest.raises(SealError):
        vault.open_sealed(sealed, **PLACE)


def test_a_changed_secret_does_not_open(acme: TenantRef) -> None:
    sealed = bytearray(vault.seal(b"canary", **PLACE))
    sealed[-1] ^= 1
    with pytest.raises(SealError):
        vault.open_sealed(bytes(sealed), **PLACE)


def test_destroying_the_tenant_key_destroys_what_it_sealed(acme: TenantRef, now: datetime) -> None:
    sealed = vault.seal(b"canary", **PLACE)
    vault.destroy_tenant_keys(now=now)
    with pytest.raises(KeyDestroyedError):
        vault.open_sealed(sealed, **PLACE)


def test_another_master_key_opens_nothing(acme: TenantRef, settings: Settings) -> None:
    sealed = vault.seal(b"canary", **PLACE)
    wrapped = bytes(TenantKey.objects.get().wrapped)
    TenantKey.objects.update(wrapped=wrapped[:-1] + bytes([wrapped[-1] ^ 1]))
    with pytest.raises(SealError):
        vault.open_sealed(sealed, **PLACE)


def test_keyed_hashes_differ_between_tenants_and_purposes(acme: TenantRef, globex: TenantRef) -> None:
    ours = vault.keyed_hash("cache", b"x")
    assert ours == vault.keyed_hash("cache", b"x")
    assert ours != vault.keyed_hash("other", b"x")
    with bound(globex.id):
        assert vault.keyed_hash("cache", b"x") != ours


def test_temporary_data_opens_until_its_slot_ends(acme: TenantRef, now: datetime) -> None:
    key = vault.timed_key_for(now + timedelta(hours=1), now=now)
    sealed = vault.seal_timed(b"canary", key=key, context=b"c")
    just_before = key.slot_end - timedelta(seconds=1)
    assert vault.open_timed(sealed, key_id=key.id, context=b"c", now=just_before) == b"canary"
    with pytest.raises(ExpiredKeyError):
        vault.open_timed(sealed, key_id=key.id, context=b"c", now=key.slot_end)
    with pytest.raises(SealError):
        vault.open_timed(sealed, key_id=key.id, context=b"d", now=now)


def test_a_slot_never_ends_before_what_it_holds_and_one_slot_has_one_key(acme: TenantRef, now: datetime) -> None:
    for minutes in range(0, 180, 7):
        expires_at = now + timedelta(minutes=minutes, seconds=1)
        key = vault.timed_key_for(expires_at, now=now)
        assert expires_at <= key.slot_end <= expires_at + timedelta(seconds=configured.OMNI_CACHE_SLOT_S)
        assert vault.timed_key_for(expires_at, now=now) == key


def test_a_slot_does_not_end_within_the_second_in_which_its_data_expires(acme: TenantRef) -> None:
    start = datetime(2026, 1, 1, 12, tzinfo=UTC)
    for micros in (0, 1, 500_000):
        expires_at = start + timedelta(hours=2, microseconds=micros)
        assert expires_at <= vault.timed_key_for(expires_at, now=start).slot_end


def test_a_destroyed_timed_key_opens_nothing_even_if_the_clock_is_turned_back(acme: TenantRef, now: datetime) -> None:
    key = vault.timed_key_for(now + timedelta(hours=1), now=now)
    sealed = vault.seal_timed(b"canary", key=key, context=b"c")
    assert vault.destroy_expired_keys(now=now) == 0
    assert vault.destroy_expired_keys(now=key.slot_end) == 1
    assert not TimedKey.objects.exists()
    with pytest.raises(ExpiredKeyError):
        vault.open_timed(sealed, key_id=key.id, context=b"c", now=now)


def test_another_tenant_cannot_use_a_timed_key(acme: TenantRef, globex: TenantRef, now: datetime) -> None:
    key = vault.timed_key_for(now + timedelta(hours=1), now=now)
    sealed = vault.seal_timed(b"canary", key=key, context=b"c")
    with bound(globex.id), pytest.raises(ExpiredKeyError):
        vault.open_timed(sealed, key_id=key.id, context=b"c", now=now)


def test_a_credential_opens_in_a_worker_for_its_target_only(acme: TenantRef, settings: Settings) -> None:
    target, other = str(uuid4()).encode(), str(uuid4()).encode()
    sealed = vault.seal_for_worker(b"canary", context=target)
    assert b"canary" not in sealed
    assert vault.open_for_worker(sealed, context=target) == b"canary"
    with pytest.raises(SealError):
        vault.open_for_worker(sealed, context=other)
    settings.OMNI_IS_WORKER = False
    with pytest.raises(NoWorkerKeyError):
        vault.open_for_worker(sealed, context=target)


def test_processes_that_start_at_once_agree_on_one_pair(tmp_path: Path, settings: Settings) -> None:
    """Half of one pair beside half of another would open nothing that was sealed, for ever."""
    for turn in range(10):
        private, public = tmp_path / f"{turn}" / "private", tmp_path / f"{turn}" / "public"
        settings.OMNI_WORKER_PRIVATE_KEY_FILE, settings.OMNI_WORKER_PUBLIC_KEY_FILE = str(private), str(public)
        together = Barrier(8)

        def start(together: Barrier = together) -> None:
            together.wait()
            vault.ensure_worker_keys()

        with ThreadPoolExecutor(8) as pool:
            for found in [pool.submit(start) for _ in range(8)]:
                found.result()
        sealed = vault.seal_for_worker(b"secret", context=b"there")
        assert vault.open_for_worker(sealed, context=b"there") == b"secret"


def test_the_private_key_file_is_for_its_owner_only(acme: TenantRef) -> None:
    vault.seal_for_worker(b"x", context=b"y")
    assert stat.S_IMODE(Path(configured.OMNI_WORKER_PRIVATE_KEY_FILE).stat().st_mode) == 0o600
