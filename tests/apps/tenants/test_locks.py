"""The three locks on tenancy, each on its own, each with its positive control."""

import threading
from collections.abc import Callable
from uuid import uuid4

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django_scopes import ScopeError

from apps.accounts.models import GroupMembership, User, UserGroup
from apps.tenants.binding import bound, bound_tenant_id, current_tenant_id, unbound
from apps.tenants.errors import NoTenantBoundError
from apps.tenants.types import TenantRef

COUNT = "SELECT count(*) FROM accounts_user"


def raw(statement: str, parameters: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def test_a_scoped_manager_raises_when_nothing_is_bound(acme: TenantRef, ann: User) -> None:
    assert User.objects.count() == 1
    with unbound(), pytest.raises(ScopeError):
        User.objects.count()


def test_raw_sql_sees_the_bound_tenants_rows_only(acme: TenantRef, globex: TenantRef, ann: User) -> None:
    assert raw(COUNT) == [(1,)]
    with bound(globex.id):
        assert raw(COUNT) == [(0,)]
    with unbound():
        assert raw(COUNT) == [(0,)]
    assert raw(COUNT) == [(1,)]


def test_raw_sql_cannot_write_into_another_tenant(acme: TenantRef, globex: TenantRef) -> None:
    insert = (
        "INSERT INTO accounts_usergroup (id, tenant_id, name, description, origin, external_id, claim_value, created_at, "
        "updated_at) VALUES (%s, %s, 'x', '', 'administrator', '', '', now(), now())"
    )
    raw(insert, (uuid4(), acme.id))
    with pytest.raises(ProgrammingError, match="row-level security"):
        raw(insert, (uuid4(), globex.id))


def test_raw_sql_cannot_move_a_row_to_another_tenant(acme: TenantRef, globex: TenantRef, ann: User) -> None:
    raw("UPDATE accounts_user SET name = 'Ann' WHERE id = %s", (ann.id,))
    with pytest.raises(ProgrammingError, match="row-level security"):
        raw("UPDATE accounts_user SET tenant_id = %s WHERE id = %s", (globex.id, ann.id))


def test_raw_sql_changes_and_deletes_nothing_of_another_tenant(acme: TenantRef, globex: TenantRef, ann: User) -> None:
    with bound(globex.id):
        assert raw("UPDATE accounts_user SET name = 'taken over' RETURNING id") == []
        assert raw("DELETE FROM accounts_user RETURNING id") == []
    assert User.objects.get().name == "Ann"


def test_a_foreign_key_cannot_point_into_another_tenant(
    acme: TenantRef, globex: TenantRef, ann: User, make_person: Callable[..., User]
) -> None:
    with bound(globex.id):
        hers = UserGroup.objects.create(name="Analysts")
    ours = UserGroup.objects.create(name="Analysts")
    GroupMembership.objects.create(user=ann, group=ours)
    with pytest.raises(IntegrityError):
        GroupMembership.objects.create(user=ann, group_id=hers.pk)


def test_a_row_without_tenant_is_refused_by_the_database(acme: TenantRef) -> None:
    with unbound(), pytest.raises((IntegrityError, ProgrammingError)):
        UserGroup(name="nobody's").save(force_insert=True)


def test_the_binding_reaches_a_transaction_that_is_already_open(acme: TenantRef, globex: TenantRef, ann: User) -> None:
    with transaction.atomic():
        assert raw(COUNT) == [(1,)]
        with bound(globex.id):
            assert raw(COUNT) == [(0,)]
        assert raw(COUNT) == [(1,)]


def test_a_rolled_back_savepoint_does_not_leave_another_tenants_binding(
    acme: TenantRef, globex: TenantRef, ann: User
) -> None:
    with transaction.atomic():
        with pytest.raises(ProgrammingError), transaction.atomic(), bound(globex.id):
            raw("SELECT no_such_column FROM accounts_user")
        assert raw(COUNT) == [(1,)]


def test_nothing_stays_on_the_connection_after_the_transaction(acme: TenantRef, ann: User) -> None:
    assert raw(COUNT) == [(1,)]
    with unbound():
        assert raw("SELECT coalesce(current_setting('omni.tenant_id', true), '')") == [("",)]


def test_a_thread_inherits_no_tenant(acme: TenantRef) -> None:
    seen: list[object] = []
    thread = threading.Thread(target=lambda: seen.append(current_tenant_id()))
    thread.start()
    thread.join()
    assert seen == [None]
    assert bound_tenant_id() == acme.id


def test_asking_for_the_bound_tenant_raises_without_one() -> None:
    with pytest.raises(NoTenantBoundError):
        bound_tenant_id()


@pytest.mark.parametrize(
    "statement",
    [
        "SET ROLE omni_owner",
        "SET SESSION AUTHORIZATION postgres",
        "ALTER TABLE accounts_user DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE accounts_user NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY tenant_select ON accounts_user",
        "CREATE TABLE mine (id int)",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "TRUNCATE accounts_user",
        "COPY accounts_user TO '/tmp/users'",
    ],
)
def test_the_runtime_role_cannot_step_around_the_policies(acme: TenantRef, statement: str) -> None:
    with pytest.raises(ProgrammingError):
        raw(statement)


def test_switching_row_security_off_makes_statements_fail_instead_of_showing_everything(
    acme: TenantRef, ann: User
) -> None:
    with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
        raw("SET LOCAL row_security = off")
        raw(COUNT)
