"""``erase_tenant``: what it refuses, that it goes on wherever it was stopped, and what stays out of its reach."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import Client
from pytest_django import Settings

from apps.access.models import Role
from apps.accounts.models import UserGroup
from apps.audit.models import AuditEvent
from apps.datamodels.models import Dataset, ModelVersion
from apps.queries import flights
from apps.queries.models import QueryRun
from apps.retention.controls import CONTROLS
from apps.retention.erasure import deleting
from apps.retention.erasure.erasing import erase_tenant
from apps.retention.models import ErasureRequest
from apps.tenants import tombstones
from apps.tenants.binding import bound, unbound
from apps.tenants.models import Tenant, Tombstone
from apps.tenants.types import TenantRef
from apps.vault.errors import KeyDestroyedError
from apps.vault.services import seal, timed_key_for
from apps.vault.signing import create_signing_key
from tests import databases
from tests.apps.conftest import MakeTenant
from tests.apps.retention.conftest import Furnish
from tests.apps.vault.test_rotation import command, kill_when_it_waits
from tests.environment import WORKER
from tests.isolation.ledger import TABLES


def rows_of(tenant: TenantRef) -> dict[str, int]:
    """Return the tables that hold rows of a tenant, and how many."""
    with psycopg.connect(databases.admin_url(f"omni_test_{WORKER}"), autocommit=True) as admin:
        names = [name for (name,) in admin.execute(TABLES)]
        found = {
            name: admin.execute(f"SELECT count(*) FROM {name} WHERE tenant_id = %s", (tenant.id,)).fetchone()
            for name in names
        }
    return {name: row[0] for name, row in found.items() if row and row[0]}


def erase(slug: str, out: Path, **options: Any) -> dict[str, Any]:
    with unbound():
        call_command("erase_tenant", slug, **{"confirm": slug, "certificate": out} | options)
    found: dict[str, Any] = json.loads(out.read_text())["certificate"]
    return found


def is_served(tenant: TenantRef) -> bool:
    with unbound():
        return Client(headers={"host": tenant.host}).get("/accounts/sign-in/").status_code != 404


def broken() -> dict[str, str]:
    found = {control.id: control.check() for control in CONTROLS if control.promise == "P12"}
    return {name: result.figure for name, result in found.items() if not result.holds}


@contextmanager
def refusing(table: str, event: str) -> Iterator[None]:
    """Have the database refuse an event on a table: an erasure stops there, whatever it has done before."""
    with psycopg.connect(databases.admin_url(f"omni_test_{WORKER}"), autocommit=True) as owner:
        owner.execute("CREATE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'stop'; END $$")
        owner.execute(f"CREATE TRIGGER stop_here BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION stop_here()")
        try:
            yield
        finally:
            owner.execute("DROP FUNCTION stop_here() CASCADE")


@pytest.mark.parametrize(
    ("words", "options", "text", "code"),
    [
        (["acme"], {"confirm": "acme"}, "--certificate", 2),
        (["acme"], {"confirm": None}, "say --confirm acme", 2),
        (["acme"], {"confirm": "globex"}, "say --confirm acme", 2),
        (["acme"], {"confirm": "ACME"}, "say --confirm acme", 2),
        (["acme"], {"confirm": "acme "}, "say --confirm acme", 2),
        ([], {"confirm": None}, "name a tenant", 2),
        (["nobody"], {"confirm": "nobody"}, "no tenant 'nobody'", 1),
        (["platform"], {"confirm": "platform"}, "platform's own tenant", 1),
        (["acme"], {"again": ""}, "takes no tenant", 2),
    ],
)
def test_it_is_refused_with_one_line_and_nothing_has_changed(
    acme: TenantRef, globex: TenantRef, platform: TenantRef, own_folder: Path, words: list[str],
    options: dict[str, Any], text: str, code: int,
) -> None:  # fmt: skip
    before = {tenant.slug: rows_of(tenant) for tenant in (acme, globex, platform)}
    given = {"certificate": own_folder / "out.json"} | options
    if text == "--certificate":
        given["certificate"] = None
    if "again" in options:
        given |= {"certificate": None, "confirm": None}
    with unbound(), pytest.raises(CommandError) as refused:
        call_command("erase_tenant", *words, **given)
    assert text in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    assert refused.value.returncode == code
    assert {tenant.slug: rows_of(tenant) for tenant in (acme, globex, platform)} == before
    assert is_served(acme)
    assert tombstones.buried_ids() == frozenset()
    assert ErasureRequest.objects.using("owner").count() == 0
    assert not (own_folder / "out.json").exists()


def test_a_certificate_is_not_written_over_another(acme: TenantRef, own_folder: Path) -> None:
    (own_folder / "out.json").write_text("another")
    for out in (own_folder / "out.json", own_folder / "nowhere" / "out.json"):
        with pytest.raises(CommandError, match="nothing was done"):
            erase("acme", out)
    assert is_served(acme)
    assert (own_folder / "out.json").read_text() == "another"
    erase("acme", own_folder / "free.json")
    assert not is_served(acme)


def test_it_needs_the_owner_and_a_key(acme: TenantRef, own_folder: Path, settings: Settings) -> None:
    settings.OMNI_IS_LOCAL = False
    with pytest.raises(CommandError, match="OMNI_CERTIFICATE_KEY_FILE names no key"):
        erase("acme", own_folder / "out.json")
    assert is_served(acme)
    settings.OMNI_IS_LOCAL = True
    erase("acme", own_folder / "out.json")


def test_a_key_that_signs_nothing_that_could_be_checked_stops_it_before_it_begins(
    acme: TenantRef, own_folder: Path, settings: Settings
) -> None:
    create_signing_key(Path(settings.OMNI_CERTIFICATE_KEY_FILE), own_folder / "other")
    create_signing_key(own_folder / "another", Path(settings.OMNI_CERTIFICATE_PUBLIC_KEY_FILE))
    with pytest.raises(CommandError, match="does not name the key that would sign"):
        erase("acme", own_folder / "out.json")
    assert is_served(acme)


def test_a_tenant_that_was_stopped_already_can_be_erased(acme: TenantRef, own_folder: Path) -> None:
    Tenant.objects.using("owner").filter(pk=acme.id).update(is_active=False)
    erase("acme", own_folder / "out.json")
    assert rows_of(acme) == {}


def test_everything_is_erased_and_its_owner_is_told(
    acme: TenantRef, globex: TenantRef, platform: TenantRef, furnish: Furnish, own_folder: Path
) -> None:
    furnish(acme)
    furnish(globex)
    before, theirs = rows_of(acme), rows_of(globex)
    assert is_served(acme)
    content = erase("acme", own_folder / "out.json", by="Olga")
    assert rows_of(acme) == {}
    assert rows_of(globex) == theirs
    assert not is_served(acme)
    assert is_served(globex)
    assert content["rows"] | {"audit_auditevent": 0} == dict.fromkeys(content["rows"], 0) | before | {
        "tenants_tenant": 1, "audit_auditevent": 0,
    }  # fmt: skip
    assert content["rows"]["audit_auditevent"] == before["audit_auditevent"] + 1 == content["audit"]["events"]
    assert (own_folder / "out.json").stat().st_mode & 0o077 == 0
    assert not (own_folder / "data" / "acme").exists()
    assert (own_folder / "data" / "globex").exists()
    with bound(platform.id):
        event = AuditEvent.objects.get(verb="retention.tenant_erased")
    assert event.facts == {"tenant": str(acme.id), "certificate": content["id"], "rows": content["row_count"]}


def test_what_is_kept_names_nobody(acme: TenantRef, platform: TenantRef, furnish: Furnish, own_folder: Path) -> None:
    furnish(acme)
    erase("acme", own_folder / "out.json", by="Olga")
    stone = Tombstone.objects.get()
    kept = (own_folder / "tombstones").read_text() + json.dumps([str(stone.pk), str(stone.certificate_id)])
    assert str(acme.id) in kept
    for name in ("acme", "Acme", "Olga", "ann"):
        assert name not in kept
    assert ErasureRequest.objects.using("owner").count() == 0


STOPS = [
    ("vault_tenantkey", "UPDATE"), ("vault_timedkey", "DELETE"), ("accounts_groupmembership", "DELETE"),
    ("datamodels_datasetuserpermission", "DELETE"), ("datamodels_modelfile", "DELETE"), ("datamodels_datamodel", "DELETE"),
    ("dashboards_folder", "DELETE"), ("accounts_user", "DELETE"), ("audit_auditevent", "DELETE"), ("audit_auditevent", "INSERT"),
    ("tenants_tenantdomain", "DELETE"), ("tenants_tenant", "DELETE"), ("tenants_tenant", "UPDATE"), ("tenants_tombstone", "INSERT"),
    ("tenants_tombstone", "UPDATE"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "event"), STOPS)
def test_wherever_it_is_stopped_it_goes_on_and_counts_right(
    acme: TenantRef, furnish: Furnish, own_folder: Path, now: datetime, table: str, event: str
) -> None:
    furnish(acme)
    timed_key_for(now + timedelta(hours=1), now=now)
    before = rows_of(acme)
    with refusing(table, event):
        for _ in range(2):
            with pytest.raises(CommandError, match="run the same command again") as stopped:
                erase("acme", own_folder / "out.json")
            assert len(str(stopped.value).splitlines()) == 1
    assert not (own_folder / "out.json").exists()
    was_stopped = (table, event) not in {("tenants_tenant", "UPDATE"), ("tenants_tombstone", "INSERT")}
    assert is_served(acme) is not was_stopped
    content = erase("acme", own_folder / "out.json")
    assert rows_of(acme) == {}
    counted = {name: count for name, count in content["rows"].items() if count}
    assert counted.pop("audit_auditevent") >= before.pop("audit_auditevent") + 1
    assert counted == before | {"tenants_tenant": 1}
    assert content["keys"] == {"tenant_keys": 1, "timed_keys": 1}
    assert content["elsewhere"]["files"] == 1


def test_a_certificate_that_was_not_handed_out_is_handed_out_later_and_nobody_else_is_touched(
    acme: TenantRef, make_tenant: MakeTenant, own_folder: Path, now: datetime
) -> None:
    with unbound():
        request, certificate = erase_tenant("acme", by="Olga", now=now)
    successor = make_tenant("acme")
    assert erase("acme", own_folder / "out.json", by="Else")["id"] == str(request.pk)
    assert json.loads((own_folder / "out.json").read_text())["certificate"] == json.loads(certificate)["certificate"]
    assert is_served(successor)
    erase("acme", own_folder / "second.json")
    assert not is_served(successor)


def test_from_the_first_step_on_nothing_can_be_sealed_or_read(
    acme: TenantRef, furnish: Furnish, own_folder: Path
) -> None:
    furnish(acme)
    sealed = seal(b"secret", table="t", row="1", column="c")
    with refusing("accounts_user", "DELETE"), pytest.raises(CommandError):
        erase("acme", own_folder / "out.json")
    with pytest.raises(KeyDestroyedError):
        seal(b"secret", table="t", row="1", column="c")
    assert sealed
    assert broken() == {}
    Tombstone.objects.using("owner").update(began_at=Tombstone.objects.get().began_at - timedelta(hours=2))
    assert broken() == {"retention.erasures_end": "1 erasures begun and not ended"}
    erase("acme", own_folder / "out.json")
    assert broken() == {}


def test_large_tables_go_in_batches(
    acme: TenantRef, own_folder: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deleting, "BATCH_ROWS", 2)
    Role.objects.bulk_create([Role(name=f"r{number}", capabilities=[]) for number in range(7)])
    assert erase("acme", own_folder / "out.json")["rows"]["access_role"] == 7


def test_runs_are_cancelled_at_the_source(acme: TenantRef, furnish: Furnish, own_folder: Path, now: datetime) -> None:
    furnish(acme)
    run = QueryRun.objects.create(
        dataset=Dataset.objects.get(), model_version=ModelVersion.objects.get(), actor_label="Ann", cache_key="k",
        policy_fingerprint="f", sealed_query=b"x", created_at=now, expires_at=now + timedelta(minutes=5), state="running",
    )  # fmt: skip
    with refusing("queries_queryrun", "DELETE"), pytest.raises(CommandError):
        erase("acme", own_folder / "out.json")
    assert flights.is_asked_to_cancel(run.pk)
    run.refresh_from_db()
    assert run.state == "cancelled"
    erase("acme", own_folder / "out.json")
    assert not flights.is_asked_to_cancel(run.pk)


def test_a_row_that_is_written_meanwhile_is_not_left_over(acme: TenantRef, furnish: Furnish, own_folder: Path) -> None:
    """A request that was let in before the tenant was stopped writes after its table was emptied, before the end."""
    furnish(acme)
    with refusing("tenants_tenantdomain", "DELETE"), pytest.raises(CommandError):
        erase("acme", own_folder / "out.json")
    UserGroup.objects.create(name="Late")
    content = erase("acme", own_folder / "out.json")
    assert rows_of(acme) == {}
    assert content["rows"]["accounts_usergroup"] == 2
    with pytest.raises(DatabaseError):
        UserGroup.objects.create(name="Too late")


def test_a_transaction_that_is_open_at_the_end_is_waited_for_and_leaves_nothing(
    acme: TenantRef, furnish: Furnish, own_folder: Path
) -> None:
    """Its row is not to be seen yet when its table is emptied: without a lock on the tenant it would stay for ever."""
    furnish(acme)
    with transaction.atomic():
        UserGroup.objects.create(name="Open")
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # as the commit does: it looks whether its tenant is there
        erasing = process("acme", own_folder / "out.json", own_folder)
        wait_until_they_wait(connection.connection.info.backend_pid, 1)
        assert Tenant.objects.filter(pk=acme.id, is_active=False).exists()
    output, _ = erasing.communicate(timeout=120)
    assert erasing.returncode == 0, output.decode()
    assert rows_of(acme) == {}
    content = json.loads((own_folder / "out.json").read_text())["certificate"]
    assert content["rows"]["accounts_usergroup"] == 2


def test_a_transaction_that_ends_after_its_tenant_has_gone_fails(
    acme: TenantRef, furnish: Furnish, own_folder: Path
) -> None:
    furnish(acme)
    with pytest.raises(IntegrityError), transaction.atomic():
        UserGroup.objects.create(name="Open")
        erasing = process("acme", own_folder / "out.json", own_folder)
        output, _ = erasing.communicate(timeout=120)
        assert erasing.returncode == 0, output.decode()
    assert rows_of(acme) == {}


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit_auditevent", "UPDATE tenants_tenant SET is_active = false",
        "INSERT INTO tenants_tombstone (id, certificate_id, began_at) VALUES (gen_random_uuid(), gen_random_uuid(), now())",
        "DELETE FROM tenants_tombstone", "UPDATE tenants_tombstone SET ended_at = now()",
        "SELECT slug FROM retention_erasurerequest",
    ],
)  # fmt: skip
def test_the_role_that_serves_requests_cannot(acme: TenantRef, statement: str) -> None:
    with pytest.raises(DatabaseError, match="permission denied"), connection.cursor() as cursor:
        cursor.execute(statement)
    assert Tenant.objects.filter(is_active=True).count() == 1


def process(slug: str, out: Path, folder: Path) -> "subprocess.Popen[bytes]":
    """Start the command as a process of its own, with this test's files."""
    return command(
        "erase_tenant", slug, "--confirm", slug, "--certificate", str(out),
        OMNI_TOMBSTONES=str(folder / "tombstones"), OMNI_DATA_DIR=str(folder / "data"),
        OMNI_CERTIFICATE_KEY_FILE=str(folder / "certificate_key"),
        OMNI_CERTIFICATE_PUBLIC_KEY_FILE=str(folder / "certificate_public_key"),
    )  # fmt: skip


@pytest.mark.parametrize("table", ["accounts_user", "vault_tenantkey", "tenants_tenantdomain"])
def test_one_that_is_killed_is_taken_up(acme: TenantRef, furnish: Furnish, own_folder: Path, table: str) -> None:
    furnish(acme)
    before = rows_of(acme)
    with psycopg.connect(databases.admin_url(f"omni_test_{WORKER}")) as lock:
        lock.execute(f"SELECT 1 FROM {table} WHERE tenant_id = %s FOR UPDATE", (acme.id,))
        kill_when_it_waits(process("acme", own_folder / "out.json", own_folder), lock.info.backend_pid)
    assert not is_served(acme)
    assert rows_of(acme) != {}
    content = erase("acme", own_folder / "out.json")
    assert rows_of(acme) == {}
    counted = {name: count for name, count in content["rows"].items() if count} | {"audit_auditevent": 0}
    assert counted == before | {"tenants_tenant": 1, "audit_auditevent": 0}


def test_of_two_at_once_one_hands_out_the_certificate(acme: TenantRef, furnish: Furnish, own_folder: Path) -> None:
    furnish(acme)
    before = rows_of(acme)
    with psycopg.connect(databases.admin_url(f"omni_test_{WORKER}")) as lock:
        lock.execute("SELECT 1 FROM accounts_user WHERE tenant_id = %s FOR UPDATE", (acme.id,))
        both = [process("acme", own_folder / f"{number}.json", own_folder) for number in range(2)]
        wait_until_they_wait(lock.info.backend_pid, 1)
        time.sleep(3)
    outputs = [found.communicate(timeout=120)[0].decode() for found in both]
    assert rows_of(acme) == {}
    assert all("Traceback" not in output for output in outputs), outputs
    written = [path for number in range(2) if (path := own_folder / f"{number}.json").exists()]
    assert written, outputs
    contents = [json.loads(path.read_text())["certificate"] for path in written]
    assert {content["id"] for content in contents} == {contents[0]["id"]}
    counted = {name: count for name, count in contents[0]["rows"].items() if count} | {"audit_auditevent": 0}
    assert counted == before | {"tenants_tenant": 1, "audit_auditevent": 0}
    assert ErasureRequest.objects.using("owner").count() == 0


def wait_until_they_wait(blocker: int, most: int) -> None:
    """Wait until some session waits for ours."""
    with psycopg.connect(databases.ADMIN_URL, autocommit=True) as admin:
        for _ in range(600):
            row = admin.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))", (blocker,)
            ).fetchone()
            if row and row[0] >= most:
                return
            time.sleep(0.1)
    raise AssertionError("nobody waits")
