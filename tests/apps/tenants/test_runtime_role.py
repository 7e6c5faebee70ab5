"""What somebody can do who gets raw SQL through to the application's own role, with Acme bound. Globex holds the canary."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import psycopg
import pytest
from django.db import IntegrityError, NotSupportedError, ProgrammingError, connection, transaction
from django.db.utils import DatabaseError

from apps.accounts.models import GroupMembership, User, UserGroup
from apps.tenants.binding import bound, unbound
from apps.tenants.models import Tenant, TenantDomain
from apps.tenants.runtime_role import findings
from apps.tenants.services import SIGN_IN_FIELDS, create_tenant
from apps.tenants.types import TenantRef
from tests import databases
from tests.environment import WORKER

CANARY = "canary-5be1"


def raw(statement: str, *parameters: object) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def gus(globex: TenantRef, make_person: Callable[..., User]) -> User:
    """A person of Globex with a canary for a name."""
    with bound(globex.id):
        return make_person("gus@globex.example", name=CANARY)


@pytest.fixture
def superuser() -> Iterator[psycopg.Connection]:
    with psycopg.connect(databases.admin_url(f"omni_test_{WORKER}"), autocommit=True) as found:
        yield found


STEPS_UP = [
    "SET ROLE omni_owner", "SET ROLE postgres", "SET ROLE pg_read_all_data", "SET SESSION AUTHORIZATION omni_owner",
    "GRANT omni_owner TO omni_app", "GRANT pg_read_all_data TO omni_app", "ALTER ROLE omni_app BYPASSRLS", "ALTER ROLE omni_app SUPERUSER",
    "ALTER ROLE omni_app SET omni.tenant_id = '00000000-0000-0000-0000-000000000001'", "ALTER ROLE omni_owner PASSWORD 'x'",
    "CREATE ROLE mine", "DROP OWNED BY omni_owner", "REASSIGN OWNED BY omni_owner TO omni_app",
    "ALTER TABLE accounts_user DISABLE ROW LEVEL SECURITY", "ALTER TABLE accounts_user NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE accounts_user OWNER TO omni_app", "CREATE POLICY mine ON accounts_user USING (true)",
    "ALTER POLICY tenant_select ON accounts_user USING (true)", "DROP POLICY tenant_select ON accounts_user",
    "TRUNCATE accounts_user", "LOCK TABLE accounts_user IN ACCESS EXCLUSIVE MODE NOWAIT; DROP TABLE accounts_user",
    "CREATE TABLE mine (id int)", "CREATE TEMPORARY TABLE mine (id int)", "CREATE TABLE mine AS SELECT 1", "SELECT 1 INTO TEMP mine",
    "CREATE SCHEMA mine", "CREATE VIEW mine AS SELECT * FROM accounts_user", "CREATE MATERIALIZED VIEW mine AS SELECT 1",
    "CREATE SEQUENCE mine", "CREATE TYPE mine AS (x int)", "CREATE INDEX mine ON accounts_user (name)",
    "CREATE STATISTICS mine ON name, email FROM accounts_user", "CREATE RULE mine AS ON SELECT TO accounts_user DO INSTEAD SELECT 1",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TRIGGER mine BEFORE INSERT ON accounts_user FOR EACH ROW EXECUTE FUNCTION datamodels_file_written()",
    "CREATE EXTENSION vector", "CREATE EXTENSION dblink", "CREATE EXTENSION postgres_fdw", "CREATE PUBLICATION mine FOR ALL TABLES",
    "CREATE SUBSCRIPTION mine CONNECTION 'x' PUBLICATION y", "CREATE SERVER mine FOREIGN DATA WRAPPER x", "CREATE EVENT TRIGGER mine ON ddl_command_end EXECUTE FUNCTION x()",
    "DO $$ BEGIN NULL; END $$", "DO LANGUAGE sql $$ SELECT 1 $$", "LOAD 'auto_explain'",
    "COPY (SELECT 1) TO '/tmp/omni-mine'", "COPY accounts_user FROM '/etc/passwd'", "COPY (SELECT 1) TO PROGRAM 'id'", "COPY accounts_usergroup FROM PROGRAM 'id'",
    "SELECT pg_read_file('/etc/passwd')", "SELECT pg_read_binary_file('PG_VERSION')", "SELECT pg_ls_dir('.')", "SELECT pg_ls_logdir()", "SELECT pg_stat_file('PG_VERSION')",
    "SELECT lo_import('/etc/passwd')", "SELECT lo_export(1, '/tmp/omni-mine')", "SELECT lo_creat(-1)", "SELECT lo_create(0)", "SELECT lo_from_bytea(0, 'x')",
    "SELECT lo_get(1)", "SELECT lo_put(1, 0, 'x')", "SELECT lo_open(1, 262144)",
    "SELECT query FROM pg_stat_activity", "SELECT pg_stat_get_activity(NULL)", "SELECT pg_stat_get_backend_activity(1)",
    "SELECT pg_terminate_backend(1)", "SELECT pg_cancel_backend(1)", "SELECT pg_reload_conf()", "SELECT pg_rotate_logfile()", "SELECT pg_switch_wal()",
    "SELECT pg_create_physical_replication_slot('mine')", "SELECT pg_create_logical_replication_slot('mine', 'pgoutput')", "SELECT pg_stat_reset()",
    "SELECT pg_logical_slot_get_changes('mine', NULL, NULL)", "SELECT * FROM pg_statistic", "SELECT * FROM pg_authid", "SELECT * FROM pg_shadow", "SELECT * FROM pg_user_mapping",
    "SELECT * FROM pg_hba_file_rules", "SELECT pg_current_logfile()", "SELECT setval('django_content_type_id_seq', 1)",
    "SET session_replication_role = replica", "SET LOCAL session_preload_libraries = 'x'", "SET LOCAL track_activities = off", "SET LOCAL log_statement = 'none'",
    "ALTER SYSTEM SET row_security = off", "ALTER DATABASE postgres SET row_security = off", "VACUUM FULL accounts_user; DROP TABLE accounts_user", "CLUSTER accounts_user; DROP TABLE accounts_user",
    "SECURITY LABEL ON TABLE accounts_user IS 'x'", "COMMENT ON TABLE accounts_user IS 'x'", "SELECT * FROM auth_group", "SELECT * FROM socialaccount_socialtoken",
    "DELETE FROM audit_auditevent", "UPDATE audit_auditevent SET verb = 'x'", "INSERT INTO django_content_type (app_label, model) VALUES ('x', 'y')",
    "UPDATE auth_permission SET name = 'x'", "DELETE FROM django_migrations",
]  # fmt: skip


@pytest.mark.parametrize("statement", STEPS_UP)
def test_no_statement_steps_up_or_around(acme: TenantRef, statement: str) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        raw(statement)
    assert raw("SELECT 1") == [(1,)]


READS = [
    "SELECT name FROM accounts_user", "TABLE accounts_user", "SELECT u FROM accounts_user u", "SELECT to_jsonb(u) FROM accounts_user u",
    "SELECT name FROM ONLY accounts_user", "SELECT name FROM accounts_user WHERE true OR tenant_id IS NOT NULL", "SELECT name FROM accounts_user FOR UPDATE",
    "SELECT query_to_xml('SELECT name FROM accounts_user', true, true, '')::text", "SELECT table_to_xml('accounts_user', true, true, '')::text",
    "SELECT schema_to_xml('public', true, true, '')::text", "SELECT name FROM accounts_user TABLESAMPLE SYSTEM (100)",
    "WITH x AS MATERIALIZED (SELECT name FROM accounts_user) SELECT * FROM x", "SELECT max(name) FROM accounts_user", "SELECT string_agg(name, ',') FROM accounts_user",
    "SELECT name FROM accounts_user WHERE ctid = '(0,1)' OR ctid = '(0,2)'", "SELECT (SELECT string_agg(u.name, ',') FROM accounts_user u)", "UPDATE accounts_user SET name = name RETURNING name",
    "SELECT most_common_vals::text, histogram_bounds::text FROM pg_stats WHERE tablename LIKE 'accounts_user%'", "SELECT most_common_vals::text FROM pg_stats_ext", "SELECT * FROM pg_stats_ext_exprs",
    "SELECT statement FROM pg_prepared_statements", "SELECT * FROM pg_cursors",
]  # fmt: skip


def shown(statement: str) -> str:
    """Return what a statement shows; a server that was built without XML shows that it was."""
    try:
        return str(raw(statement))
    except (ProgrammingError, NotSupportedError) as error:
        return str(error)


@pytest.mark.parametrize("statement", READS)
def test_no_way_of_reading_shows_another_tenants_row(
    acme: TenantRef, globex: TenantRef, gus: User, ann: User, superuser: psycopg.Connection, statement: str
) -> None:
    superuser.execute("ANALYZE accounts_user")
    assert CANARY not in shown(statement)
    with bound(globex.id):
        assert CANARY in str(raw("SELECT name FROM accounts_user"))


def test_copying_out_copies_the_tenants_rows(acme: TenantRef, gus: User, ann: User) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1")  # the transaction knows its tenant from its first statement on
        with cursor.cursor.copy("COPY accounts_user (name) TO STDOUT") as copy:
            text = b"".join(copy).decode()
    assert text.split() == ["Ann"]


@pytest.mark.parametrize(
    "condition",
    [
        "name::int = 1", "1 / (length(name) - 11) > 0", "name::xml IS NOT NULL", "(name || '{')::json IS NOT NULL",
        "to_date(name, name) > now()", "email::inet IS NOT NULL", "pg_notify(name, email) IS NOT NULL AND false",
    ],
)  # fmt: skip
def test_a_condition_that_stumbles_over_values_never_meets_another_tenants(
    acme: TenantRef, globex: TenantRef, gus: User, condition: str
) -> None:
    """Only functions that tell nothing may run before the policy; these all would speak of the canary."""
    assert raw(f"SELECT count(*) FROM accounts_user WHERE {condition}") == [(0,)]


def test_the_same_conditions_stumble_over_a_row_of_ones_own(globex: TenantRef, gus: User) -> None:
    with bound(globex.id), pytest.raises(DatabaseError, match=CANARY):
        raw("SELECT count(*) FROM accounts_user WHERE name::int = 1")


def test_a_prepared_statement_asks_anew_whose_it_is(acme: TenantRef, globex: TenantRef, ann: User, gus: User) -> None:
    raw("PREPARE names AS SELECT name FROM accounts_user")
    for _ in range(8):  # from the sixth time on the plan is kept
        assert raw("EXECUTE names") == [("Ann",)]
    with bound(globex.id):
        assert raw("EXECUTE names") == [(CANARY,)]
    with unbound():
        assert raw("EXECUTE names") == []


def test_nothing_is_taken_over_by_a_conflict(acme: TenantRef, globex: TenantRef, ann: User) -> None:
    with bound(globex.id):
        theirs = UserGroup.objects.create(name="Theirs")
    statement = (
        "INSERT INTO accounts_usergroup (id, tenant_id, name, description, origin, external_id, claim_value, created_at, "
        "updated_at) VALUES (%s, %s, 'mine', '', 'administrator', '', '', now(), now()) "
        "ON CONFLICT (id) DO UPDATE SET name = 'taken over', tenant_id = excluded.tenant_id"
    )
    raw(statement, uuid4(), acme.id)
    with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
        raw(statement, theirs.pk, acme.id)
    with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
        raw("MERGE INTO accounts_usergroup g USING (SELECT 1) x ON g.id = %s WHEN NOT MATCHED THEN "
            "INSERT (id, tenant_id, name, description, origin, external_id, claim_value, created_at, updated_at) "
            "VALUES (%s, %s, 'x', '', 'administrator', '', '', now(), now())", theirs.pk, uuid4(), globex.id)  # fmt: skip
    with bound(globex.id):
        assert UserGroup.objects.get().name == "Theirs"


def test_a_reference_to_another_tenants_row_fails_like_one_to_nothing(
    acme: TenantRef, globex: TenantRef, ann: User
) -> None:
    with bound(globex.id):
        theirs = UserGroup.objects.create(name="Theirs")
    told = []
    for group_id in (theirs.pk, uuid4()):
        with pytest.raises(IntegrityError) as caught, transaction.atomic():
            GroupMembership.objects.create(user=ann, group_id=group_id)
        told.append(str(caught.value).replace(str(group_id), "…"))
    assert told[0] == told[1]


def test_names_that_another_tenant_uses_are_free(acme: TenantRef, globex: TenantRef, ann: User) -> None:
    with bound(globex.id):
        UserGroup.objects.create(name="Analysts")
        User.objects.create(email=ann.email, issuer=ann.issuer, subject=ann.subject)
    UserGroup.objects.create(name="Analysts")
    with pytest.raises(IntegrityError), transaction.atomic():
        UserGroup.objects.create(name="Analysts")


def test_a_customers_request_cannot_say_who_a_tenant_is_or_whose_a_host_is(acme: TenantRef, globex: TenantRef) -> None:
    for statement in (
        "UPDATE tenants_tenantdomain SET tenant_id = %s WHERE host = 'globex.localhost'",
        "UPDATE tenants_tenantdomain SET host = 'www.localhost' WHERE tenant_id = %s",
        "INSERT INTO tenants_tenantdomain (id, tenant_id, host, is_primary) VALUES (gen_random_uuid(), %s, 'new.localhost', true)",
        "UPDATE tenants_tenant SET networks_people = '[\"203.0.113.0/24\"]' WHERE id <> %s",
        "INSERT INTO tenants_tenant (id, slug, name, kind, is_active, created_at) VALUES (%s, 'x', 'x', 'platform', true, now())",
    ):
        with pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
            raw(statement, acme.id)
    assert raw("DELETE FROM tenants_tenantdomain RETURNING 1") == raw("DELETE FROM tenants_tenant RETURNING 1") == []
    assert TenantDomain.objects.get(host="globex.localhost").tenant_id == globex.id
    assert create_tenant(slug="third", name="Third").domains.get().host == "third.localhost"


@pytest.mark.parametrize("name", [field.name for field in Tenant._meta.concrete_fields])
def test_of_its_own_row_a_request_writes_what_administrators_decide_and_nothing_else(
    acme: TenantRef, name: str
) -> None:
    before = Tenant.objects.get(pk=acme.id)

    def write() -> int:
        return Tenant.objects.filter(pk=acme.id).update(**{name: getattr(before, name)})

    if name in SIGN_IN_FIELDS:
        assert write() == 1
        return
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        write()
    with unbound(), pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        write()


def test_what_the_role_may_not_do_is_found_in_any_role_that_may(superuser: psycopg.Connection) -> None:
    role = f"probe_{WORKER}"
    superuser.execute(f"DROP ROLE IF EXISTS {role}")
    superuser.execute(f"CREATE ROLE {role} NOSUPERUSER")
    try:
        for grant, undo, words in (
            (f"GRANT omni_owner TO {role}", f"REVOKE omni_owner FROM {role}", "is a member of omni_owner"),
            (
                f"GRANT pg_read_server_files TO {role}",
                f"REVOKE pg_read_server_files FROM {role}",
                "has the powers of pg_read_server_files",
            ),
            (f"ALTER ROLE {role} BYPASSRLS", f"ALTER ROLE {role} NOBYPASSRLS", "bypasses row security"),
            (
                f"ALTER ROLE {role} SET omni.tenant_id = '7'",
                f"ALTER ROLE {role} RESET ALL",
                "is given settings of omni.tenant_id=7",
            ),
        ):
            assert words not in found_of(superuser, role)
            superuser.execute(grant)
            assert words in found_of(superuser, role)
            superuser.execute(undo)
    finally:
        superuser.execute(f"DROP ROLE {role}")


def found_of(superuser: psycopg.Connection, role: str) -> str:
    superuser.execute(f"SET SESSION AUTHORIZATION {role}")
    try:
        return "; ".join(findings(superuser.cursor()))
    finally:
        superuser.execute("RESET SESSION AUTHORIZATION")


def test_a_database_that_was_prepared_as_documented_is_as_shut_as_ours(superuser: psycopg.Connection) -> None:
    """The text that operators copy: run in a new database, it leaves the role nothing but reading and writing rows."""
    text = (databases.ROOT / "docs/settings.md").read_text().partition("```sql")[2].partition("```")[0]
    prepared = text.partition("\\c omni")[2]
    name = f"omni_prepared_{WORKER}"
    superuser.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    superuser.execute(f"CREATE DATABASE {name} OWNER omni_owner")
    superuser.execute(f"GRANT CONNECT ON DATABASE {name} TO omni_app")
    superuser.execute(f"REVOKE CONNECT, TEMPORARY ON DATABASE {name} FROM PUBLIC")
    try:
        with psycopg.connect(databases.admin_url(name), autocommit=True) as admin:
            assert "may call" in found_of(admin, "omni_app")
            admin.execute(prepared)
            assert found_of(admin, "omni_app") == ""
    finally:
        superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")
