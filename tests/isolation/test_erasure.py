"""A tenant with a row in every table is erased: nothing is left under its id, and nobody gets in any more."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import redis
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings
from psycopg import sql

from apps.access.services import grant_permission
from apps.audit.types import SYSTEM
from apps.retention.erasure.catalogue import read_catalogue
from apps.support.models import StaffRequestReference
from apps.tenants.binding import bound, unbound
from tests import databases
from tests.environment import WORKER
from tests.isolation.houses import CANARY, House, World, world
from tests.isolation.ledger import TABLES

STATISTICS = """SELECT count(*) FROM pg_stats WHERE schemaname = 'public'
 AND (strpos(most_common_vals::text, %(text)s) > 0 OR strpos(histogram_bounds::text, %(text)s) > 0)"""

SAMPLED_KEYS = """SELECT attstattarget FROM pg_attribute WHERE attname = 'wrapped'
 AND attrelid IN ('vault_tenantkey'::regclass, 'vault_timedkey'::regclass)"""


@dataclass(repr=False)
class Erased:
    """What was there before, and what is there after."""

    houses: World
    folder: Path
    tenant_id: str
    before: dict[str, int]
    mentions_before: dict[str, int]
    canaries_before: dict[str, int]
    sampled_before: int
    names_before: int
    others_before: dict[str, int]
    key: bytes
    files_with_key_before: list[str]
    files_with_canary_before: list[str]
    certificate: dict[str, Any]


def admin() -> "psycopg.Connection[Any]":
    return psycopg.connect(databases.admin_url(f"omni_test_{WORKER}"), autocommit=True)


def tables(connection: "psycopg.Connection[Any]", *, owned: bool) -> list[str]:
    if owned:
        return [name for (name,) in connection.execute(TABLES)]
    return [name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]


def counts(connection: "psycopg.Connection[Any]", tenant_id: object) -> dict[str, int]:
    """Return how many rows every table with a tenant_id column holds of one tenant."""
    parts = [
        sql.SQL("SELECT {label}, count(*) FROM {table} WHERE tenant_id = %(tenant)s").format(
            label=sql.Literal(name), table=sql.Identifier(name)
        )
        for name in tables(connection, owned=True)
    ]
    return dict(connection.execute(sql.SQL(" UNION ALL ").join(parts), {"tenant": tenant_id}).fetchall())


def mentions(connection: "psycopg.Connection[Any]", text: str) -> dict[str, int]:
    """Return how many rows of any table at all hold a text, in whichever column."""
    parts = [
        sql.SQL("SELECT {label}, count(*) FROM {table} t WHERE strpos(t::text, %(text)s) > 0").format(
            label=sql.Literal(name), table=sql.Identifier(name)
        )
        for name in tables(connection, owned=False)
    ]
    found = dict(connection.execute(sql.SQL(" UNION ALL ").join(parts), {"text": text}).fetchall())
    return {name: count for name, count in found.items() if count}


def sampled(connection: "psycopg.Connection[Any]", text: str) -> int:
    """Return how many columns' statistics hold a text: the planner keeps values of rows."""
    row = connection.execute(STATISTICS, {"text": text}).fetchone()
    return int(row[0]) if row else 0


def in_redis(text: str) -> list[bytes]:
    """Return the names in Redis that hold a text, in the name or in what is under it."""
    found = []
    with redis.Redis.from_url(settings.OMNI_REDIS_URL) as client:
        for name in client.scan_iter():
            if text.encode() in name or text.encode() in (client.dump(name) or b""):
                found.append(name)
    return found


def complete(house: House, connection: "psycopg.Connection[Any]") -> None:
    """Fill the tables that the house leaves empty, and one of a library's that has no tenant_id and points at a person."""
    with bound(house.tenant.id):
        for permission, obj in (("manage_connection", house.connection), ("manage_datamodel", house.data_model)):
            for holder in ({"user": house.person}, {"group": house.group}):
                grant_permission(permission=permission, obj=obj, by=SYSTEM, now=house.now, **holder)
        StaffRequestReference.objects.create(
            staff_id=house.person.pk, customer_tenant_id=house.tenant.id, customer_slug="acme", request_id=uuid4(),
            created_at=house.now,
        )  # fmt: skip
    connection.execute(
        'INSERT INTO account_emailaddress (email, verified, "primary", user_id) VALUES (%s, true, true, %s)',
        [f"{CANARY}@acme.example", house.person.pk],
    )


@contextmanager
def reading_for_long() -> Iterator[None]:
    """Have somebody read as the database was before, as a long report does: old versions of rows stay for them."""
    with admin() as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT pg_current_snapshot()")
        yield


def files_with(connection: "psycopg.Connection[Any]", text: bytes) -> list[str]:
    """Return the files of this database (its tables, not the log of writes) that hold a text."""
    connection.execute("CHECKPOINT")
    row = connection.execute("SELECT current_setting('data_directory'), oid FROM pg_database WHERE datname = current_database()").fetchone()  # fmt: skip
    assert row
    return [path.name for path in (Path(row[0]) / "base" / str(row[1])).iterdir() if text in path.read_bytes()]


def stored_key(connection: "psycopg.Connection[Any]", tenant_id: str) -> bytes:
    """Return the middle of the tenant's wrapped key as it is stored."""
    row = connection.execute("SELECT wrapped FROM vault_tenantkey WHERE tenant_id = %s", (tenant_id,)).fetchone()
    assert row
    return bytes(row[0])[40:120]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Files of tenants, tombstones and keys of this module's own: others share the state directory."""
    path = tmp_path_factory.mktemp("erasure")
    keys = {"OMNI_CERTIFICATE_KEY_FILE": str(path / "key"), "OMNI_CERTIFICATE_PUBLIC_KEY_FILE": str(path / "key.pub")}
    rates = dict.fromkeys(settings.OMNI_RATES, "1000000/minute")
    with override_settings(OMNI_DATA_DIR=path / "data", OMNI_TOMBSTONES=path / "tombstones", OMNI_RATES=rates, **keys):
        yield path


@pytest.fixture(scope="module")
def erased(django_db_setup: None, django_db_blocker: pytest.FixtureRequest, folder: Path) -> Iterator[Erased]:
    """Acme, which had one of everything, is erased; Globex, which has too, and the platform stay."""
    with django_db_blocker.unblock(), world() as houses, admin() as connection:  # type: ignore[attr-defined]  # a fixture of pytest-django without a type
        tenant_id = str(houses.acme.tenant.id)
        complete(houses.acme, connection)
        connection.execute("ANALYZE")
        before = (
            counts(connection, tenant_id), mentions(connection, tenant_id), mentions(connection, CANARY),
            sampled(connection, CANARY), len(in_redis(tenant_id)), counts(connection, houses.globex.tenant.id),
            stored_key(connection, tenant_id), files_with(connection, stored_key(connection, tenant_id)),
            files_with(connection, CANARY.encode()),
        )  # fmt: skip
        out = folder / "certificate.json"
        with unbound(), reading_for_long():
            call_command("erase_tenant", "acme", confirm="acme", certificate=out, by="Olga of operations")
        yield Erased(houses, folder, tenant_id, *before, json.loads(out.read_text()))


def test_every_table_of_a_tenant_had_a_row(erased: Erased) -> None:
    """The proof that follows says something of every table, the ones that are added next year too."""
    assert {name for name, count in erased.before.items() if not count} == set(), "give it a row in complete()"
    assert len(erased.before) > 50
    assert {table.name for table in read_catalogue().tables} >= erased.before.keys() - {"tenants_tenantdomain"}


@pytest.mark.usefixtures("erased")
def test_nothing_is_left_under_its_id(erased: Erased) -> None:
    with admin() as connection:
        assert {name for name, count in counts(connection, erased.tenant_id).items() if count} == set()
        assert mentions(connection, erased.tenant_id).keys() == {"tenants_tombstone", "audit_auditevent"}
        kept = connection.execute("SELECT DISTINCT verb, tenant_id::text FROM audit_auditevent WHERE strpos(audit_auditevent::text, %s) > 0", [erased.tenant_id])  # fmt: skip
        assert kept.fetchall() == [("retention.tenant_erased", str(erased.houses.platform.tenant.id))]
    assert len(erased.mentions_before) > 50


def test_the_canary_is_nowhere(erased: Erased) -> None:
    assert len(erased.canaries_before) > 20
    assert erased.sampled_before > 0, "the planner's statistics held it"
    with admin() as connection:
        assert mentions(connection, CANARY) == {}
        assert sampled(connection, CANARY) == 0


def test_redis_knows_nothing_of_it(erased: Erased) -> None:
    assert erased.names_before > 0
    assert in_redis(erased.tenant_id) == []
    for text in (CANARY, str(erased.houses.acme.connection.pk), str(erased.houses.acme.run.pk)):
        assert in_redis(text) == [], text
    assert in_redis(str(erased.houses.globex.tenant.id)) != []


def test_the_others_are_untouched(erased: Erased) -> None:
    with admin() as connection:
        after = counts(connection, erased.houses.globex.tenant.id)
    assert {name for name in after if after[name] != erased.others_before[name]} <= {"audit_auditevent"}


def test_its_files_are_gone(erased: Erased) -> None:
    assert not (erased.folder / "data" / "acme").exists()
    assert list((erased.folder / "data" / "globex").iterdir())


def test_the_certificate_counts_what_was_there(erased: Erased) -> None:
    content = erased.certificate["certificate"]
    written = {"audit_auditevent", "accounts_usersession"}  # also written to while it went on
    for name, count in erased.before.items():
        assert content["rows"][name] == count or (name in written and content["rows"][name] >= count), name
    assert content["tenant"] == {"id": erased.tenant_id, "slug": "acme"}
    assert content["requested_by"] == "Olga of operations"
    assert content["began_at"] <= content["keys_destroyed_at"] <= content["ended_at"]
    assert content["keys"]["tenant_keys"] == 1
    assert content["keys"]["timed_keys"] >= 1
    assert content["audit"]["was_intact"]
    assert content["audit"]["events"] > erased.before["audit_auditevent"]
    assert len(content["audit"]["head"]) == 64
    assert content["elsewhere"]["files"] == 1
    assert content["elsewhere"]["rows_of_ours"] == {"support_staffrequestreference.customer_tenant_id": 2}
    assert content["row_count"] == sum(content["rows"].values())


def test_no_file_of_the_database_holds_its_key(erased: Erased) -> None:
    """Tables of keys are written anew by the erasure itself, though somebody read all the while; old versions of other rows go with a full vacuum."""
    assert erased.files_with_key_before != []
    assert len(erased.files_with_canary_before) > 10
    with admin() as connection:
        assert files_with(connection, erased.key) == []
        assert connection.execute(SAMPLED_KEYS).fetchall() == [(0,), (0,)], "written anew, they are still not sampled"
        connection.execute("VACUUM FULL")
        assert files_with(connection, CANARY.encode()) == []
