"""Keys are rotated while everything goes on; a rotation that is killed is taken up where it stopped."""

import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
from django.apps import apps
from django.conf import settings as configured
from django.core.management import call_command
from django.db import models, transaction
from psycopg import sql
from pytest_django import Settings

from apps.accounts.models import IdentityProvider
from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.retention.rotating import finish_due_rotations, finish_tenant_key, rotate_master_key, rotate_tenant_key
from apps.tenants.binding import bound
from apps.tenants.types import TenantRef
from apps.vault import services as vault
from apps.vault.errors import KeyDestroyedError, RotationError, SealError
from apps.vault.models import TenantKey, TimedKey
from tests.databases import ADMIN_URL, admin_url

LATER = timedelta(minutes=10)
NEW_MASTER = "another-test-only-master-key-0123456789"
SEALED_OTHERWISE = {("connections", "sealed_credential"), ("connections", "pending_credential"), ("queries", "sealed")}
"""sealed to the worker's key, and under a timed key"""


@pytest.fixture
def provider(acme: TenantRef) -> IdentityProvider:
    row = uuid4()
    sealed = vault.seal(b"client secret", table="accounts_identityprovider", row=row, column="client_secret")
    return IdentityProvider.objects.create(
        id=row, slug="okta", name="Okta", issuer="https://idp.example", client_id="omni", sealed_client_secret=sealed
    )


def secret_of(provider: IdentityProvider) -> bytes:
    provider.refresh_from_db()
    sealed = bytes(provider.sealed_client_secret)
    return vault.open_sealed(sealed, table="accounts_identityprovider", row=provider.pk, column="client_secret")


def test_every_sealed_column_says_how_it_is_sealed() -> None:
    declared = {(column.model._meta.app_label, column.field) for column in vault.sealed_columns()}
    found = {
        (model._meta.app_label, field.name)
        for model in apps.get_models()
        for field in model._meta.local_fields
        if isinstance(field, models.BinaryField) and ("sealed" in field.name or field.name == "pending_credential")
    }
    assert found - declared == SEALED_OTHERWISE
    assert ("vault", "wrapped") in declared


def test_a_tenant_key_is_rotated_and_the_old_one_destroyed(provider: IdentityProvider, now: datetime) -> None:
    timed = vault.timed_key_for(now + timedelta(minutes=30), now=now)
    kept = vault.seal_timed(b"an answer", key=timed, context=b"c")
    before, hashed, mask = bytes(provider.sealed_client_secret), vault.keyed_hash("cache", b"x"), vault.mask_key()
    state = rotate_tenant_key(by=SYSTEM, now=now)
    assert state.left == 0
    assert secret_of(provider) == b"client secret"
    assert bytes(provider.sealed_client_secret)[:5] != before[:5]
    with pytest.raises(RotationError):
        finish_tenant_key(by=SYSTEM, now=now)
    assert finish_tenant_key(by=SYSTEM, now=now + LATER)
    assert not finish_tenant_key(by=SYSTEM, now=now + LATER)
    assert secret_of(provider) == b"client secret"
    assert vault.open_timed(kept, key_id=timed.id, context=b"c", now=now) == b"an answer"
    assert (vault.keyed_hash("cache", b"x"), vault.mask_key()) == (hashed, mask)
    with pytest.raises(SealError):
        vault.open_sealed(before, table="accounts_identityprovider", row=provider.pk, column="client_secret")
    assert [bytes(row.wrapped) for row in TenantKey.objects.exclude(destroyed_at=None)] == [b"", b""]
    verbs = set(AuditEvent.objects.filter(verb__startswith="retention.").values_list("verb", flat=True))
    assert verbs == {"retention.key_rotation_begun", "retention.values_resealed", "retention.key_rotated"}


def test_what_is_written_under_the_old_key_meanwhile_is_not_lost(provider: IdentityProvider, now: datetime) -> None:
    with transaction.atomic(), vault.key_at_hand():
        vault.keyed_hash("cache", b"x")  # reads the old key, and keeps it at hand
        rotate_tenant_key(by=SYSTEM, now=now)
        assert secret_of(provider) == b"client secret"  # sealed by the new one
        late = vault.seal(b"late", table="accounts_identityprovider", row=provider.pk, column="client_secret")
        IdentityProvider.objects.filter(pk=provider.pk).update(sealed_client_secret=late)
    assert finish_due_rotations(now=now) == 0
    assert finish_due_rotations(now=now + LATER) == 1
    assert secret_of(provider) == b"late"


def test_a_rotation_that_was_begun_twice_has_two_keys_only(provider: IdentityProvider, now: datetime) -> None:
    for _ in range(3):
        rotate_tenant_key(by=SYSTEM, now=now)
    assert TenantKey.objects.count() == 2
    assert secret_of(provider) == b"client secret"


def test_a_destroyed_key_is_not_rotated_back_to_life(provider: IdentityProvider, now: datetime) -> None:
    vault.destroy_tenant_keys(now=now)
    assert finish_due_rotations(now=now + LATER) == 0
    with pytest.raises(KeyDestroyedError):
        rotate_tenant_key(by=SYSTEM, now=now)


def test_the_master_key_is_rotated_tenant_by_tenant(
    provider: IdentityProvider, globex: TenantRef, settings: Settings, now: datetime
) -> None:
    old = settings.OMNI_MASTER_KEY
    settings.OMNI_MASTER_KEY, settings.OMNI_MASTER_KEY_PREVIOUS = NEW_MASTER, old
    assert secret_of(provider) == b"client secret"  # both open
    assert rotate_master_key(now=now) == {"acme": 1, "globex": 1}
    assert rotate_master_key(now=now) == {"acme": 0, "globex": 0}
    settings.OMNI_MASTER_KEY_PREVIOUS = ""
    assert secret_of(provider) == b"client secret"
    settings.OMNI_MASTER_KEY = old
    with pytest.raises(SealError):
        secret_of(provider)


def test_the_master_keys_command_wants_the_old_key() -> None:
    with pytest.raises(Exception, match="OMNI_MASTER_KEY_PREVIOUS"):
        call_command("rotate_master_key")


def command(*words: str, **environment: str) -> "subprocess.Popen[bytes]":
    """Start one of our commands as a process of its own on this test's database."""
    name = configured.DATABASES["default"]["NAME"]

    def url(alias: str) -> str:
        own = configured.DATABASES[alias]
        return f"postgresql://{own['USER']}@/{name}?host={own['HOST']}"

    env = os.environ | {
        "OMNI_DATABASE_URL": url("default"), "OMNI_DATABASE_OWNER_URL": url("owner"),
        "DJANGO_SETTINGS_MODULE": "omni.settings.test", "PYTHONWARNINGS": "ignore", **environment,
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "manage.py", *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def kill_when_it_waits(process: "subprocess.Popen[bytes]", blocker: int) -> None:
    """Kill the process without warning as soon as its session waits for ours."""
    deadline = time.monotonic() + 90
    with psycopg.connect(ADMIN_URL, autocommit=True) as admin:
        while time.monotonic() < deadline and process.poll() is None:
            asked = admin.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))", (blocker,)
            )
            if (asked.fetchone() or (0,))[0]:
                break
            time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    output, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL, output.decode()


def test_a_master_key_rotation_that_is_killed_is_taken_up(
    provider: IdentityProvider, globex: TenantRef, settings: Settings, now: datetime
) -> None:
    keys = {"OMNI_MASTER_KEY": NEW_MASTER, "OMNI_MASTER_KEY_PREVIOUS": settings.OMNI_MASTER_KEY}
    with psycopg.connect(admin_url(configured.DATABASES["default"]["NAME"])) as lock:
        lock.execute("SELECT 1 FROM vault_tenantkey WHERE tenant_id = %s FOR UPDATE", (globex.id,))
        kill_when_it_waits(command("rotate_master_key", **keys), lock.info.backend_pid)
    settings.OMNI_MASTER_KEY, settings.OMNI_MASTER_KEY_PREVIOUS = (
        keys["OMNI_MASTER_KEY"],
        keys["OMNI_MASTER_KEY_PREVIOUS"],
    )
    assert secret_of(provider) == b"client secret"
    with bound(globex.id):
        vault.keyed_hash("cache", b"x")
    assert rotate_master_key(now=now) == {"acme": 0, "globex": 1}


def test_a_tenant_key_rotation_that_is_killed_is_taken_up(
    provider: IdentityProvider, settings: Settings, now: datetime
) -> None:
    timed = vault.timed_key_for(now + timedelta(minutes=30), now=now)
    table = sql.Identifier("vault_timedkey")
    with psycopg.connect(admin_url(configured.DATABASES["default"]["NAME"])) as lock:
        lock.execute(sql.SQL("SELECT 1 FROM {} WHERE id = %s FOR UPDATE").format(table), (timed.id,))
        kill_when_it_waits(command("rotate_tenant_key", "acme", "--no-wait"), lock.info.backend_pid)
    assert TenantKey.objects.count() == 2
    assert vault.left_to_reseal() >= 1
    assert secret_of(provider) == b"client secret"
    assert vault.seal_timed(b"x", key=timed, context=b"")
    assert rotate_tenant_key(by=SYSTEM, now=now).left == 0
    assert finish_tenant_key(by=SYSTEM, now=now + LATER)
    assert secret_of(provider) == b"client secret"
    assert TimedKey.objects.count() == 1
