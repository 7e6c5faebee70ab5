"""The controls of all apps hold on a sound installation and fail on a broken one."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from psycopg import sql

from apps.accounts.models import User
from apps.support.models import SupportRequest
from apps.tenants import controls as isolation
from apps.tenants import runtime_role
from apps.tenants.binding import bound
from apps.tenants.services import SIGN_IN_FIELDS
from apps.tenants.types import Control, ControlResult, TenantRef
from apps.trust import services
from apps.trust.promises import PROMISES
from tests import databases
from tests.environment import WORKER


@contextmanager
def owner(change: str, undo: str) -> Iterator[None]:
    """Change the database behind the application's back, and change it back."""
    with psycopg.connect(databases.admin_url(f"omni_test_{WORKER}"), autocommit=True) as connection:
        connection.execute(sql.SQL(change))
        try:
            yield
        finally:
            connection.execute(sql.SQL(undo))


def broken(tenant: TenantRef) -> set[str]:
    return {check.control.id for check in services.run_controls(tenant) if not check.result.holds}


def by_id(control_id: str) -> Callable[[], ControlResult]:
    return next(control.check for control in isolation.CONTROLS if control.id == control_id)


@pytest.fixture
def leave_a_broken_row(acme: TenantRef, now: datetime) -> None:
    SupportRequest.objects.create(
        staff_id=acme.id, staff_label="Sam", reason="incident", reason_text="x", asked_minutes=5, state="approved",
        created_at=now, expires_at=now,
    )  # fmt: skip


def test_every_control_is_sound_and_named_once(acme: TenantRef) -> None:
    found = services.all_controls()
    names = [control.id for control in found]
    assert len(names) == len(set(names)) > 15
    assert {control.promise for control in found} <= {promise.number for promise in PROMISES}
    assert {
        "tenants.locked",
        "support.consent",
        "retention.purge_alive",
        "audit.chain",
        "vault.sealed_to_place",
    } <= set(names)


def test_the_isolation_controls_hold_on_the_migrated_database(acme: TenantRef, ann: User) -> None:
    assert {control.id: control.check() for control in isolation.CONTROLS if not control.check().holds} == {}


TABLE = "accounts_usergroup"
SETTINGS_ONLY = f"GRANT UPDATE ({', '.join(SIGN_IN_FIELDS)}) ON tenants_tenant TO omni_app"


@pytest.mark.parametrize(
    ("control_id", "change", "undo"),
    [
        ("tenants.locked", f"ALTER TABLE {TABLE} DISABLE ROW LEVEL SECURITY", f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY"),
        ("tenants.locked", f"ALTER TABLE {TABLE} NO FORCE ROW LEVEL SECURITY", f"ALTER TABLE {TABLE} FORCE ROW LEVEL SECURITY"),
        (
            "tenants.locked",
            f"CREATE POLICY extra ON {TABLE} FOR SELECT USING (true)",
            f"DROP POLICY extra ON {TABLE}",
        ),
        (
            "tenants.locked",
            f"ALTER POLICY tenant_insert ON {TABLE} RENAME TO tenant_other; ALTER POLICY tenant_other ON {TABLE} WITH CHECK (true)",
            f"ALTER POLICY tenant_other ON {TABLE} RENAME TO tenant_insert; ALTER POLICY tenant_insert ON {TABLE} "
            "WITH CHECK (tenant_id = NULLIF(current_setting('omni.tenant_id', true), '')::uuid)",
        ),
        ("tenants.locked", "CREATE TABLE forgotten (id int PRIMARY KEY)", "DROP TABLE forgotten"),
        ("tenants.locked", "CREATE TABLE forgotten (tenant_id uuid NOT NULL, id int PRIMARY KEY)", "DROP TABLE forgotten"),
        (
            "tenants.tied",
            f"CREATE TABLE loose (tenant_id uuid NOT NULL, id uuid PRIMARY KEY, group_id uuid REFERENCES {TABLE} (id))",
            "DROP TABLE loose",
        ),
        ("tenants.platform", "ALTER TABLE tenants_tenantdomain NO FORCE ROW LEVEL SECURITY", "ALTER TABLE tenants_tenantdomain FORCE ROW LEVEL SECURITY"),
        ("tenants.platform", "GRANT UPDATE ON tenants_tenant TO omni_app", "REVOKE UPDATE ON tenants_tenant FROM omni_app; " + SETTINGS_ONLY),
        ("tenants.platform", "GRANT UPDATE (slug) ON tenants_tenant TO omni_app", "REVOKE UPDATE (slug) ON tenants_tenant FROM omni_app"),
        ("tenants.platform", "GRANT UPDATE (codename) ON auth_permission TO omni_app", "REVOKE UPDATE (codename) ON auth_permission FROM omni_app"),
        ("tenants.platform", "GRANT INSERT ON auth_permission TO omni_app", "REVOKE INSERT ON auth_permission FROM omni_app"),
        ("tenants.role", "GRANT CREATE ON SCHEMA public TO omni_app", "REVOKE CREATE ON SCHEMA public FROM omni_app"),
        ("tenants.role", "GRANT TRUNCATE ON accounts_user TO omni_app", "REVOKE TRUNCATE ON accounts_user FROM omni_app"),
        ("tenants.role", "GRANT EXECUTE ON FUNCTION lo_from_bytea(oid, bytea) TO omni_app", "REVOKE EXECUTE ON FUNCTION lo_from_bytea(oid, bytea) FROM omni_app"),
        ("tenants.role", "GRANT EXECUTE ON FUNCTION pg_stat_get_activity(int) TO PUBLIC", "REVOKE EXECUTE ON FUNCTION pg_stat_get_activity(int) FROM PUBLIC"),
        ("tenants.role", "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO omni_app", "REVOKE EXECUTE ON FUNCTION pg_read_file(text) FROM omni_app"),
        ("tenants.role", "GRANT USAGE ON LANGUAGE plpgsql TO omni_app", "REVOKE USAGE ON LANGUAGE plpgsql FROM omni_app"),
        (
            "tenants.role",
            "CREATE FUNCTION around() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM accounts_user'; "
            "GRANT EXECUTE ON FUNCTION around() TO omni_app",
            "DROP FUNCTION around()",
        ),
        ("tenants.role", "CREATE VIEW everybody AS SELECT * FROM accounts_user; GRANT SELECT ON everybody TO omni_app", "DROP VIEW everybody"),
        ("tenants.role", "CREATE TABLE mine (id int PRIMARY KEY); ALTER TABLE mine OWNER TO omni_app", "DROP TABLE mine"),
        (
            "tenants.unbound",
            "ALTER TABLE vault_tenantkey DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE vault_tenantkey ENABLE ROW LEVEL SECURITY",
        ),
        ("tenants.empty", "GRANT INSERT ON account_emailaddress TO omni_app", "REVOKE INSERT ON account_emailaddress FROM omni_app"),
        (
            "tenants.empty",
            "GRANT SELECT ON auth_group TO omni_app; INSERT INTO auth_group (name) VALUES ('everybody')",
            "DELETE FROM auth_group; REVOKE SELECT ON auth_group FROM omni_app",
        ),
    ],
)  # fmt: skip
def test_an_isolation_control_sees_the_lock_that_was_lifted(
    acme: TenantRef, control_id: str, change: str, undo: str
) -> None:
    check = by_id(control_id)
    assert check().holds
    with owner(change, undo):
        found = check()
        assert not found.holds, found.figure
    assert check().holds


def test_the_question_about_the_role_sees_a_superuser(acme: TenantRef) -> None:
    with psycopg.connect(databases.admin_url(f"omni_test_{WORKER}")) as connection:
        found = connection.execute(runtime_role.ROLE).fetchone()
    assert found is not None
    assert found[:2] == (True, True)
    assert by_id("tenants.role")().holds


def test_a_control_that_cannot_be_carried_out_does_not_hold(acme: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble() -> ControlResult:
        raise ZeroDivisionError("secret detail")

    control = Control("trust.stumbling", "P1", "x", stumble)
    monkeypatch.setattr(isolation, "CONTROLS", (*isolation.CONTROLS, control))
    found = next(check for check in services.run_controls(acme) if check.control is control)
    assert not found.result.holds
    assert found.result.figure == "could not be checked: ZeroDivisionError"


def test_the_command_prints_every_control_and_ends_well(acme: TenantRef, capsys: pytest.CaptureFixture[str]) -> None:
    found = broken(acme) - {"vault.web_is_blind"}
    assert found == set()
    call_command("check_controls", "--tenant", "acme", "--json")
    rows = json.loads(capsys.readouterr().out)
    assert {row["control"] for row in rows} == {control.id for control in services.all_controls()}
    assert all(row["holds"] and row["figure"] and row["tenant"] == "acme" for row in rows)
    call_command("check_controls")
    assert "tenants.locked" in capsys.readouterr().out


@pytest.mark.usefixtures("leave_a_broken_row")
def test_the_command_fails_when_one_control_does_not_hold(
    acme: TenantRef, globex: TenantRef, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("check_controls", "--tenant", "globex")
    with pytest.raises(CommandError, match=r"1 of \d+ controls do not hold"):
        call_command("check_controls")
    assert [line.split()[3] for line in capsys.readouterr().out.splitlines() if line.startswith("FAILS")] == [
        "support.consent"
    ]


def test_the_command_names_an_unknown_tenant(acme: TenantRef) -> None:
    with pytest.raises(CommandError, match="no tenant 'nobody'"):
        call_command("check_controls", "--tenant", "nobody")


def browser(tenant: TenantRef, user: User | None = None) -> Client:
    client = Client(headers={"host": tenant.host})
    if user is not None:
        with bound(tenant.id):
            client.force_login(user, backend="apps.accounts.backends.IdentityBackend")
    return client


def test_the_page_shows_every_promise_and_is_honest_about_those_without_a_control(acme: TenantRef, ann: User) -> None:
    page = browser(acme, ann).get("/trust/")
    assert page.status_code == 200
    text = page.content.decode()
    assert all(promise.title in text for promise in PROMISES)
    unchecked = {promise.number for promise in PROMISES} - {control.promise for control in services.all_controls()}
    assert text.count("not built yet") == len(unchecked) > 0
    assert "does not hold" not in text


@pytest.mark.usefixtures("leave_a_broken_row")
def test_the_page_says_what_does_not_hold(acme: TenantRef, ann: User) -> None:
    text = browser(acme, ann).get("/trust/").content.decode()
    assert text.count('<span class="badge badge-bad">does not hold</span>') == 1
    assert "1 approvals without a name" in text


def test_the_page_is_for_people_of_the_tenant(
    acme: TenantRef, globex: TenantRef, platform: TenantRef, ann: User
) -> None:
    assert browser(acme).get("/trust/").status_code == 302
    assert browser(acme, ann).get("/trust/").status_code == 200
    foreign = browser(acme, ann)
    assert foreign.get("/trust/", headers={"host": globex.host}).status_code == 302
    assert foreign.get("/trust/", headers={"host": platform.host}).status_code == 302


def test_the_page_is_checked_anew_after_some_seconds(acme: TenantRef, now: datetime) -> None:
    first = services.recent_checks(acme, now=now)
    assert services.recent_checks(acme, now=now + services.REMEMBERED) is first
    assert services.recent_checks(acme, now=now + services.REMEMBERED + timedelta(seconds=1)) is not first
    assert services.recent_checks(acme, now=now - timedelta(hours=1)).at == now - timedelta(hours=1)
