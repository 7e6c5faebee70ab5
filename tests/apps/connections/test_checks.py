"""What a check says: what is wrong, which rights are too many, how health was; schemas of any size, on time."""

import time
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from django.db import connection as database
from psycopg import sql

from apps.audit.models import AuditEvent
from apps.audit.types import SYSTEM
from apps.connections import checking
from apps.connections.checking import claim_due, save_catalog
from apps.connections.models import CatalogColumn, CatalogTable, Connection, ConnectionCheck
from apps.connections.services import check_now, save_connection
from apps.connections.tasks import refresh_schemas
from apps.tenants.binding import bound
from apps.tenants.types import TenantRef
from apps.warehouses.types import ColumnInfo, TableInfo, Target
from tests.warehouses.rogues import rogue
from tests.warehouses.samples import ADMIN_URL, PASSWORD


def test_a_check_names_the_rights_that_are_too_many(mill: Connection, target: Target, now: datetime) -> None:
    found = check_now(mill, by=SYSTEM, now=now)
    assert "The user may change the data of orders." in found.excess_rights
    assert "The user may create tables or schemas in schema public." in found.excess_rights
    reader = sql.Identifier(target.username)
    with psycopg.connect(ADMIN_URL, dbname=target.database, autocommit=True) as admin:
        for statement in (
            "REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON orders FROM {}", "REVOKE CREATE ON SCHEMA public FROM {}",
        ):  # fmt: skip
            admin.execute(sql.SQL(statement).format(reader))
        try:
            kept = [text for text in check_now(mill, by=SYSTEM, now=now).excess_rights if "other databases" not in text]
            assert kept == []
            admin.execute(sql.SQL("ALTER ROLE {} SUPERUSER").format(reader))
            assert any("is a superuser" in text for text in check_now(mill, by=SYSTEM, now=now).excess_rights)
        finally:
            admin.execute(sql.SQL("ALTER ROLE {} NOSUPERUSER").format(reader))
            admin.execute(sql.SQL("GRANT ALL ON orders TO {}").format(reader))
            admin.execute(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(reader))


def test_a_check_says_what_is_wrong(mill: Connection, now: datetime) -> None:
    def said(port: int) -> str:
        mill.host, mill.port, mill.options = "127.0.0.1", port, {"connect_timeout": 2}
        save_connection(mill, secret=PASSWORD, by=SYSTEM, now=now)
        return check_now(mill, by=SYSTEM, now=now).health_text

    assert "Nothing listens" in said(9)
    with rogue(lambda guest: guest.hang()) as server:
        assert "Nothing answered in time" in said(server.port)
    mill.host = "no-such-host.invalid"
    save_connection(mill, secret=PASSWORD, by=SYSTEM, now=now)
    assert "host name is not known" in check_now(mill, by=SYSTEM, now=now).health_text


def test_health_is_remembered_and_bounded(mill: Connection, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "KEPT_CHECKS", 3)
    for _ in range(4):
        check_now(mill, by=SYSTEM, now=now)
    mill.database = "no_such_database"
    save_connection(mill, secret=PASSWORD, by=SYSTEM, now=now)
    check_now(mill, by=SYSTEM, now=now)
    kept = list(ConnectionCheck.objects.filter(connection=mill).values_list("health", "tables_count"))
    assert kept == [("failed", 0), ("ok", 1), ("ok", 1)]


def test_relaxed_tls_is_recorded_and_asked_for_by_nobody(mill: Connection, now: datetime) -> None:
    assert not AuditEvent.objects.filter(verb="connections.tls_relaxed").exists()
    for mode, count in (("verify-full", 0), ("require", 1), ("require", 1), ("disable", 2)):
        mill.options = {"sslmode": mode}
        save_connection(mill, secret=None, by=SYSTEM, now=now)
        assert AuditEvent.objects.filter(verb="connections.tls_relaxed").count() == count
        assert mill.is_tls_relaxed is (mode != "verify-full")


def tables(count: int, columns: int = 10) -> list[TableInfo]:
    names = tuple(ColumnInfo(f"column_{number}", "integer", number, is_nullable=True) for number in range(columns))
    return [TableInfo("public", f"table_{number:05}", names) for number in range(count)]


def memory_mb(line: str) -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(text.split()[1] for text in status if text.startswith(line))) / 1024


def test_twenty_thousand_tables_are_kept_in_seconds_and_little_memory(shop: Connection, now: datetime) -> None:
    many = tables(20_000)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, begun = memory_mb("VmRSS"), time.monotonic()
    assert save_catalog(shop, many, now=now) == 20_000
    seconds, more_mb = time.monotonic() - begun, memory_mb("VmHWM") - before
    print(f"20,000 tables with 200,000 columns: {seconds:.1f} s, {more_mb:.0f} MB more")
    assert (CatalogTable.objects.count(), CatalogColumn.objects.count()) == (20_000, 200_000)
    assert more_mb < 150
    begun = time.monotonic()
    save_catalog(shop, many, now=now + timedelta(hours=1))
    print(f"again, unchanged: {time.monotonic() - begun:.1f} s")


def test_a_table_that_is_as_it_was_is_not_written_anew(shop: Connection, now: datetime) -> None:
    save_catalog(shop, tables(3), now=now)
    before = dict(CatalogTable.objects.values_list("name", "pk"))
    changed = [*tables(2), TableInfo("public", "table_00002", tables(1, 11)[0].columns), *tables(4)[3:]]
    later = now + timedelta(hours=1)
    save_catalog(shop, changed, now=later)
    after = dict(CatalogTable.objects.values_list("name", "pk"))
    assert {name for name, key in after.items() if before.get(name) == key} == {"table_00000", "table_00001"}
    assert CatalogColumn.objects.filter(table_id=after["table_00002"]).count() == 11
    assert set(CatalogTable.objects.values_list("seen_at", flat=True)) == {later}


def test_a_schema_is_read_on_time_once_and_tenant_by_tenant(
    mill: Connection, shop: Connection, globex: TenantRef, now: datetime
) -> None:
    mill.refresh_every_h = 6
    save_connection(mill, secret=None, by=SYSTEM, now=now)
    with bound(globex.id):
        theirs = Connection(name="theirs", dialect="duckdb", database="theirs.duckdb", refresh_every_h=1)
        save_connection(theirs, secret=None, by=SYSTEM, now=now)
    refresh_schemas.delay()
    assert Connection.objects.get(pk=mill.pk).health == "ok"
    assert Connection.objects.get(pk=shop.pk).health == "unknown"
    with bound(globex.id):
        assert Connection.objects.get(pk=theirs.pk).tables.count() == 1
    assert claim_due(now=now) == []
    assert claim_due(now=now + timedelta(hours=7)) == [mill.pk]
    assert claim_due(now=now + timedelta(hours=7)) == []
    database.close()
