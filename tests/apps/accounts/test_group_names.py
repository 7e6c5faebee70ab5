"""Names of groups are one of a kind within a tenant, in the database too."""

from importlib import import_module
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import IntegrityError, transaction

from apps.accounts.models import UserGroup
from apps.tenants.binding import bound
from apps.tenants.types import TenantRef
from tests import databases
from tests.environment import WORKER

INDEX = "accounts_group_name_alike"


@pytest.mark.parametrize(("name", "other"), [("Sales", "sales"), ("CAFE\u0301", "caf\u00e9"), ("Sales", "Sales")])
def test_the_database_takes_no_second_group_of_a_name_of_one_tenant(
    acme: TenantRef, globex: TenantRef, name: str, other: str
) -> None:
    UserGroup.objects.create(name=name)
    with pytest.raises(IntegrityError), transaction.atomic():
        UserGroup.objects.create(name=other)
    UserGroup.objects.create(name=f"{other} too")
    with bound(globex.id):
        UserGroup.objects.create(name=other)


def test_a_namesake_that_gets_a_name_of_its_own_is_one_of_a_kind(acme: TenantRef) -> None:
    group = UserGroup.objects.create(name="sales", namesake=1)
    group.full_clean(exclude=["tenant"])
    assert group.namesake == 1
    group.name = "Sellers"
    group.full_clean(exclude=["tenant"])
    group.save()
    assert UserGroup.objects.get().namesake == 0


def test_groups_that_were_alike_keep_their_names_and_ids(acme: TenantRef) -> None:
    """What the migration does, on a table as it was before: without the constraint, with namesakes."""
    number = import_module("apps.accounts.migrations.0009_group_names").NUMBER_NAMESAKES
    one, other = uuid4(), uuid4()
    groups = [(one, "Sales", 0), (one, "sales", 1), (one, "SALES", 2), (one, "Other", 0), (other, "sales", 0)]
    with psycopg.connect(databases.admin_url(f"omni_test_{WORKER}"), autocommit=True) as owner:
        definition = owner.execute("SELECT indexdef FROM pg_indexes WHERE indexname = %s", [INDEX]).fetchone()
        owner.execute("CREATE TEMPORARY TABLE accounts_usergroup (LIKE public.accounts_usergroup)")
        for place, (tenant_id, name, _) in enumerate(groups):
            owner.execute(
                "INSERT INTO accounts_usergroup (id, tenant_id, name, namesake, description, origin, external_id, claim_value,"
                " created_at, updated_at) VALUES (%s, %s, %s, 0, '', 'scim', '', '', to_timestamp(%s), now())",
                [UUID(int=place), tenant_id, name, place],
            )
        make_unique = str(definition and definition[0]).replace("public.", "pg_temp.")
        with pytest.raises(psycopg.errors.UniqueViolation):
            owner.execute(make_unique)
        owner.execute(number)
        owner.execute(make_unique)
        found = owner.execute("SELECT tenant_id, name, namesake FROM accounts_usergroup ORDER BY id").fetchall()
        assert found == groups
        forced = owner.execute("SELECT relforcerowsecurity FROM pg_class WHERE oid = 'accounts_usergroup'::regclass")
        assert forced.fetchone() == (True,)
