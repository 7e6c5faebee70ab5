"""The demo's data: whole, typed, built once, and readable by its reader only."""

import os
from collections.abc import Iterator
from pathlib import Path

import duckdb
import psycopg
import pytest
from psycopg import sql

from apps.demo.sources import TPCH, SourceDatabase, build_skyline, load_tpch
from tests.environment import WORKER

ADMIN_URL = os.environ["OMNI_DATABASE_ADMIN_URL"]
DATABASE = f"tpch_{WORKER}"


@pytest.fixture(scope="module")
def tpch() -> Iterator[SourceDatabase]:
    yield load_tpch(ADMIN_URL, DATABASE, 0.01, with_mart=True)
    with psycopg.connect(ADMIN_URL, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(DATABASE)))
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(f"{DATABASE}_reader")))


def reader(source: SourceDatabase) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(
        host=source.host, dbname=source.database, user=source.username, password=source.password, autocommit=True
    )


def test_skyline_has_every_flight_with_its_types(tmp_path: Path) -> None:
    path = build_skyline(tmp_path / "skyline")
    with duckdb.connect(str(path), read_only=True) as connection:
        (row,) = connection.execute(
            "SELECT count(*), count(dep_time), min(time_hour)::varchar, typeof(any_value(time_hour)) FROM flights"
        ).fetchall()
        tables = connection.execute("SELECT table_name FROM information_schema.tables ORDER BY 1").fetchall()
        assert row == (336_776, 328_521, "2013-01-01 10:00:00", "TIMESTAMP")  # in UTC, as published
        assert [name for (name,) in tables] == ["airlines", "airports", "flights", "planes", "weather"]
        assert connection.execute("SELECT count(*) FROM planes WHERE tailnum = 'NA'").fetchone() == (0,)
    assert [item.name for item in path.parent.iterdir()] == ["skyline.duckdb"]


def test_skyline_is_built_once(tmp_path: Path) -> None:
    (tmp_path / "skyline.duckdb").write_bytes(b"kept")
    assert build_skyline(tmp_path).read_bytes() == b"kept"


def test_the_reader_reads_all_tables_and_writes_none(tpch: SourceDatabase) -> None:
    with reader(tpch) as connection:
        for table in TPCH:
            assert connection.execute(f"SELECT count(*) > 0 FROM {table}".encode()).fetchone() == (True,)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"DELETE FROM {table}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE mine (i int)")


def test_the_mart_holds_what_the_tables_say(tpch: SourceDatabase) -> None:
    with reader(tpch) as connection:
        mart = connection.execute("SELECT sum(revenue), sum(items) FROM sales_monthly").fetchone()
        assert (
            mart
            == connection.execute("SELECT sum(l_extendedprice * (1 - l_discount)), count(*) FROM lineitem").fetchone()
        )


def test_a_complete_database_is_kept_and_its_password_is_never_shown(tpch: SourceDatabase) -> None:
    with psycopg.connect(ADMIN_URL) as admin:
        before = admin.execute("SELECT oid FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
        again = load_tpch(ADMIN_URL, DATABASE, 0.01, with_mart=True, password=tpch.password)
        assert admin.execute("SELECT oid FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone() == before
    assert again.password not in repr(again)


def test_the_applications_role_cannot_enter_it(tpch: SourceDatabase) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(host=tpch.host, dbname=tpch.database, user="omni_app")
