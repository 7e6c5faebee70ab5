"""Every table of the database, read from the catalogue by an account of its own: locked to its tenant, or named here.

A new table fails these tests until its migration ends with ``Isolate()``; a table that belongs to no tenant is named in
``apps.tenants.controls`` with the reason. A unique index or a number that tenants share is named below.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.core.management import call_command

from apps.tenants.controls import EMPTY_TABLES, PLATFORM_TABLES
from apps.tenants.isolation import drop_lone_keys
from apps.tenants.managers import TenantManager
from apps.tenants.models import TenantOwnedModel
from tests import databases
from tests.environment import WORKER

RULE = "(tenant_id = (NULLIF(current_setting('omni.tenant_id'::text, true), ''::text))::uuid)"
POLICIES = {("r", RULE, None), ("a", None, RULE), ("w", RULE, RULE), ("d", RULE, None)}
SHARED_UNIQUE = {
    "accounts_apitoken.digest": "hash of 256 random bits of ours; nobody chooses it",
    "accounts_scimtoken.digest": "hash of 256 random bits of ours; nobody chooses it",
    "accounts_recoverylink.digest": "hash of 256 random bits of ours; nobody chooses it",
    "accounts_usersession.digest": "hash of 165 random bits of ours; nobody chooses it",
}
"""Unique over all tenants. Everything else is unique within one, or a random UUID of ours."""
COUNTED = {
    name: "a library's base class numbers its rows; the number is shown nowhere"
    for app, model in (
        ("dashboards", "dashboard"),
        ("dashboards", "folder"),
        ("datamodels", "dataset"),
        ("datamodels", "datamodel"),
        ("connections", "connection"),
    )
    for name in (f"{app}_{model}userpermission", f"{app}_{model}grouppermission")
}
"""Tables numbered over all tenants: how fast the number grows says how busy all of them are together."""
NOT_OWNED = {
    "tenants.Tenant": "names the tenants",
    "accounts.ServiceAccount": "a proxy of the tenant's own users",
    "tenants.SignInSettings": "a proxy of the tenant: the bound tenant's own row",
    "tenants.TenantDomain": "host names, read before a tenant is known",
    "tenants.Tombstone": "ids of tenants that were erased; only the owner writes it",
    "retention.ErasureRequest": "a tenant that is being erased; only the owner reads it",
    "access.GenericUserPermission": "a library insists on it; a constraint keeps it empty",
    "access.GenericGroupPermission": "a library insists on it; a constraint keeps it empty",
}

TABLES = "SELECT oid, relname, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relkind IN ('r', 'p', 'f', 'm', 'v') AND relnamespace = 'public'::regnamespace ORDER BY 2"
RULES = """SELECT polcmd::text, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid), polpermissive, polroles
  FROM pg_policy WHERE polrelid = %s"""
COLUMNS = (
    "SELECT attname FROM pg_attribute WHERE attrelid = %s AND attnum = ANY (%s) ORDER BY array_position(%s, attnum)"
)
FOREIGN = "SELECT conname, conkey, confrelid, confkey FROM pg_constraint WHERE contype = 'f' AND conrelid = %s"
UNIQUE = """SELECT i.relname, x.indkey::smallint[], x.indisprimary FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
  WHERE x.indisunique AND x.indrelid = %s"""

Catalogue = psycopg.Connection[Any]


@pytest.fixture
def catalogue() -> Iterator[Catalogue]:
    """The test's own eyes: a superuser's connection."""
    with psycopg.connect(databases.admin_url(f"omni_test_{WORKER}"), autocommit=True) as connection:
        yield connection


def owned(catalogue: Catalogue) -> dict[str, int]:
    """Return name → oid of every table that is not named as the platform's or a library's."""
    rows = catalogue.execute(TABLES).fetchall()
    return {name: oid for oid, name, *_ in rows if name not in PLATFORM_TABLES | EMPTY_TABLES}


def columns(catalogue: Catalogue, table: int, numbers: list[int]) -> list[str]:
    return [name for (name,) in catalogue.execute(COLUMNS, (table, numbers, numbers))]


def test_every_table_is_a_tenants_or_named_with_its_reason(catalogue: Catalogue) -> None:
    ours = {model._meta.db_table for model in apps.get_models() if issubclass(model, TenantOwnedModel)}
    tables = owned(catalogue)
    assert len(tables) > 40
    assert ours <= set(tables)
    for name, oid in tables.items():
        found = catalogue.execute(
            "SELECT attnotnull FROM pg_attribute WHERE attrelid = %s AND attname = 'tenant_id'", (oid,)
        ).fetchone()
        assert found == (True,), f"{name} has no tenant: end its migration with Isolate(), or name it with a reason"
    present = {name for _, name, *_ in catalogue.execute(TABLES)}
    assert present >= PLATFORM_TABLES.keys() | EMPTY_TABLES.keys(), "a table is named that no longer exists"
    assert all(len(reason) > 10 for reason in (PLATFORM_TABLES | EMPTY_TABLES | SHARED_UNIQUE | COUNTED).values())


def test_every_tenants_table_is_forced_behind_one_policy_per_command(catalogue: Catalogue) -> None:
    tables = owned(catalogue)
    for oid, name, is_on, is_forced in catalogue.execute(TABLES).fetchall():
        if name not in tables:
            continue
        assert (is_on, is_forced) == (True, True), name
        rules = catalogue.execute(RULES, (oid,)).fetchall()
        assert {tuple(rule[:3]) for rule in rules} == POLICIES, name
        assert len(rules) == 4
        assert all(is_permissive and roles == [0] for *_, is_permissive, roles in rules), name


def test_every_reference_between_tenants_tables_carries_the_tenant_and_no_other_stands_beside_it(
    catalogue: Catalogue,
) -> None:
    tables = owned(catalogue)
    names = {oid: name for name, oid in tables.items()}
    count = 0
    for table, oid in tables.items():
        for key, local, target, remote in catalogue.execute(FOREIGN, (oid,)).fetchall():
            if target not in names:
                continue
            count += 1
            assert columns(catalogue, oid, local)[0] == "tenant_id", f"{table}.{key}"
            assert columns(catalogue, target, remote)[0] == "tenant_id", f"{table}.{key}"
    assert count > 40


def test_nothing_is_taken_across_tenants(catalogue: Catalogue) -> None:
    """A unique index that knows no tenant would say "already taken" of another tenant's row."""
    tables = owned(catalogue)
    for table, oid in tables.items():
        keyed = {
            columns(catalogue, oid, local)[1] for _, local, *_ in catalogue.execute(FOREIGN, (oid,)) if len(local) == 2
        }
        for index, numbers, is_primary in catalogue.execute(UNIQUE, (oid,)).fetchall():
            names = columns(catalogue, oid, numbers)
            kind = catalogue.execute(
                "SELECT atttypid::regtype::text FROM pg_attribute WHERE attrelid = %s AND attname = %s", (oid, names[0])
            ).fetchone()
            is_random = is_primary and names == ["id"] and kind == ("uuid",)
            is_named = f"{table}.{names[0]}" in SHARED_UNIQUE or (is_primary and table in COUNTED)
            assert "tenant_id" in names or keyed & {*names} or is_random or is_named, f"{table}: {index}"


def test_every_model_is_a_tenants_or_named_with_its_reason() -> None:
    for model in apps.get_models(include_auto_created=True):
        label = model._meta.label
        if not model.__module__.startswith("apps.") or label in NOT_OWNED:
            continue
        names = {field.name for field in model._meta.local_fields}
        assert "tenant" in names, f"{label} has no tenant: derive it from TenantOwnedModel, or name it with a reason"
        if not label.endswith("Permission"):  # guardian's managers serve its own functions; the database locks the rows
            assert isinstance(model._default_manager, TenantManager), label
            assert isinstance(model._base_manager, TenantManager) or not model._meta.base_manager_name, label


def test_migrating_again_leaves_no_key_that_tells_an_id_of_another_tenant_from_none(catalogue: Catalogue) -> None:
    catalogue.execute(
        "ALTER TABLE dashboards_tile ADD CONSTRAINT lone FOREIGN KEY (dashboard_id) REFERENCES dashboards_dashboard (id)"
    )
    call_command("migrate", verbosity=0)
    assert catalogue.execute("SELECT 1 FROM pg_constraint WHERE conname = 'lone'").fetchone() is None
    from django.db import connections

    assert drop_lone_keys(connections["owner"]) == 0
