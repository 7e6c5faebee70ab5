"""DuckDB alone: the jail, what is switched off, sessions beside each other."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from apps.warehouses import duckdb as adapter
from apps.warehouses import duckdb_child
from apps.warehouses.duckdb import DuckDBWarehouse, file_of
from apps.warehouses.errors import WarehouseError
from apps.warehouses.pool import Pool
from apps.warehouses.types import Target
from tests.warehouses import dialects
from tests.warehouses.conftest import AMPLE, Rows
from tests.warehouses.samples import make_file

ENDLESS = dialects.DIALECTS["duckdb"].endless


def target(data_dir: Path, name: str) -> Target:
    return Target("duckdb", database=name, data_dir=data_dir)


@pytest.mark.parametrize(
    "name",
    [
        "../outside.duckdb",
        "/etc/passwd",
        "sub/../../outside.duckdb",
        "./shop.duckdb",
        "shop.db",
        "shop.duckdb\n",
        "shop.duckdb\x00.txt",
        ":memory:",
        "",
        "md:shop",
        "http://example.com/shop.duckdb",
        "postgres:host=localhost.duckdb",
        "~/shop.duckdb",
        "sh*p.duckdb",
        ".duckdb",
    ],
)
def test_a_name_that_leads_out_of_the_folder_is_refused(data_dir: Path, name: str) -> None:
    make_file(data_dir.parent / "outside.duckdb")
    with pytest.raises(WarehouseError) as caught:
        DuckDBWarehouse(target(data_dir, name), None)
    assert caught.value.code == "refused_target"
    assert str(data_dir) not in str(caught.value)


def test_a_link_out_of_the_folder_is_refused_and_one_inside_is_followed(data_dir: Path) -> None:
    make_file(data_dir.parent / "outside.duckdb")
    (data_dir / "escape.duckdb").symlink_to(data_dir.parent / "outside.duckdb")
    (data_dir / "away").symlink_to(data_dir.parent)
    (data_dir / "same.duckdb").symlink_to(data_dir / "shop.duckdb")
    for name in ("escape.duckdb", "away/outside.duckdb"):
        with pytest.raises(WarehouseError):
            file_of(target(data_dir, name))
    assert file_of(target(data_dir, "same.duckdb")) == (data_dir / "shop.duckdb").resolve()


def test_a_link_to_a_file_that_is_no_duckdb_file_is_refused(data_dir: Path) -> None:
    (data_dir / "notes.txt").write_text("private")
    (data_dir / "notes.duckdb").symlink_to(data_dir / "notes.txt")
    with pytest.raises(WarehouseError):
        file_of(target(data_dir, "notes.duckdb"))


def test_a_file_in_a_subfolder_opens(data_dir: Path, rows: Rows) -> None:
    make_file(data_dir / "sub" / "mill.duckdb")
    source = DuckDBWarehouse(target(data_dir, "sub/mill.duckdb"), None)
    assert rows(source, "SELECT count(*) AS n FROM orders") == [{"n": 3}]
    source.close()


@pytest.mark.parametrize("content", [b"", b"this is no database", b"\0" * 20_000])
def test_a_file_that_is_no_database_is_unreachable(data_dir: Path, content: bytes) -> None:
    (data_dir / "broken.duckdb").write_bytes(content)
    with pytest.raises(WarehouseError) as caught:
        DuckDBWarehouse(target(data_dir, "broken.duckdb"), None).check()
    assert caught.value.code == "unreachable"
    assert str(data_dir) not in str(caught.value)


def test_no_other_file_can_be_read(shop: DuckDBWarehouse, data_dir: Path) -> None:
    (data_dir / "secret.csv").write_text("a\ncanary\n")
    make_file(data_dir / "other.duckdb")
    for statement in (
        f"SELECT * FROM read_csv('{data_dir}/secret.csv')",
        f"SELECT * FROM '{data_dir}/secret.csv'",
        f"SELECT * FROM read_text('{data_dir}/secret.csv')",
        f"SELECT * FROM glob('{data_dir}/*')",
        "SELECT * FROM read_csv('https://example.com/x.csv')",
    ):
        with pytest.raises(WarehouseError) as caught:
            shop.execute(statement, (), AMPLE)
        assert caught.value.code == "query_failed"


@pytest.mark.parametrize(
    "statement",
    [
        "ATTACH 'other.duckdb' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET memory_limit = '64GB'",
        "SET enable_external_access = true",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "EXPLAIN SELECT 1",
        "EXPORT DATABASE '/tmp/x'",
    ],
)
def test_nothing_but_a_select_runs(shop: DuckDBWarehouse, statement: str) -> None:
    with pytest.raises(WarehouseError):
        shop.execute(statement, (), AMPLE)


def test_settings_are_capped_and_locked(shop: DuckDBWarehouse, rows: Rows) -> None:
    names = ("enable_external_access", "lock_configuration", "temp_directory", "threads", "TimeZone", "memory_limit")
    (found,) = rows(shop, f"SELECT {', '.join(f'current_setting({name!r}) AS {name}' for name in names)}")
    assert found.pop("memory_limit") == "488.2 MiB"
    assert found == {
        "enable_external_access": False,
        "lock_configuration": True,
        "temp_directory": "",
        "threads": 2,
        "TimeZone": "UTC",
    }


def test_the_process_itself_cannot_change_its_settings(data_dir: Path) -> None:
    with closing(duckdb_child.open_file(str(data_dir / "shop.duckdb"))) as connection:
        for statement in ("SET memory_limit = '64GB'", "SET enable_external_access = true", "RESET lock_configuration"):
            with pytest.raises(duckdb.Error):
                connection.execute(statement)
        canary = duckdb.sql("SELECT 42 AS x").to_arrow_table()
        assert canary.num_rows == 1
        with pytest.raises(duckdb.Error):
            connection.execute("SELECT * FROM canary")  # a variable of this process is no table


def test_the_process_has_nothing_of_ours(shop: DuckDBWarehouse, data_dir: Path) -> None:
    place = Path("/proc") / str(shop._child.pid)
    assert (place / "environ").read_bytes() == b""
    assert (place / "cwd").readlink() == Path("/")
    limits = {line[:26].strip(): line[26:].split()[0] for line in (place / "limits").read_text().splitlines()}
    assert (limits["Max core file size"], limits["Max file size"], limits["Max open files"]) == ("0", "0", "64")
    assert int(limits["Max address space"]) == duckdb_child.ADDRESS_SPACE
    opened = {str(link.readlink()) for link in (place / "fd").iterdir()}
    kinds = {name.partition(":")[0] for name in opened}
    assert kinds <= {"pipe", "/dev/null", str(data_dir / "shop.duckdb"), "anon_inode"}


def test_a_crash_is_said_clearly_and_hurts_nobody_else(shop: DuckDBWarehouse, file: Target, rows: Rows) -> None:
    killer = threading.Timer(0.3, os.kill, (shop._child.pid, signal.SIGSEGV))
    killer.start()
    with pytest.raises(WarehouseError) as caught:
        shop.execute(ENDLESS, (), AMPLE)
    killer.join()
    assert (caught.value.code, shop.is_usable) == ("crashed", False)
    with closing(DuckDBWarehouse(file, None)) as other:
        assert rows(other, "SELECT count(*) AS n FROM orders") == [{"n": 3}]


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [("FatalException", 1, b""), ("InternalException", 1, b""), ("BinderException", 0, b"query_failed")],
)
def test_a_process_whose_database_is_of_no_use_any_more_ends(error: str, status: int, said: bytes) -> None:
    """DuckDB refuses everything after an error of its own; it cannot be made to have one, so a stand-in for it does."""
    script = (
        "import sys, duckdb\nfrom apps.warehouses.duckdb_child import _serve\n"
        "class Driver:\n"
        f"    def extract_statements(self, sql): raise duckdb.{error}('of its own')\n"
        "_serve(Driver(), {'sql': 'SELECT 1', 'parameters': []}, sys.stdout.buffer)\n"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (found.returncode, found.stdout[5:]) == (status, said)


def test_a_query_that_is_cancelled_has_no_process_any_more(shop: DuckDBWarehouse) -> None:
    threading.Timer(0.3, shop.cancel).start()
    with pytest.raises(WarehouseError):
        shop.execute(ENDLESS, (), AMPLE)
    assert not (Path("/proc") / str(shop._child.pid) / "exe").exists()


def test_the_process_does_not_outlive_whoever_started_it(file: Target) -> None:
    program = (
        "import os, sys, threading; from pathlib import Path; from apps.warehouses.duckdb import DuckDBWarehouse as D;"
        "from apps.warehouses.types import *; d = D(Target('duckdb', database='shop.duckdb', data_dir=Path(sys.argv[1])),"
        " None); print(d._child.pid, flush=True); threading.Timer(0.5, os._exit, (0,)).start();"
        "d.execute(sys.argv[2], (), Limits(1, 1000, 60))"
    )
    command = [sys.executable, "-c", program, str(file.data_dir), ENDLESS]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    child = Path("/proc") / done.stdout.strip()
    deadline = time.monotonic() + 10
    while child.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not child.exists()


@pytest.mark.parametrize(
    "reply",
    [
        "w(b'B', b'no arrow')", "w(b'Z', b'')", "os.write(1, struct.pack('!cI', b'B', 2**32 - 1))", "os._exit(3)",
        "os.write(1, b'B')", "w(b'D', b'0')", "w(b'E', b'hunter2-canary')",
    ],
)  # fmt: skip
def test_a_process_that_has_been_taken_over_is_not_believed(
    file: Target, reply: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = (
        "import os, struct, sys\ndef w(k, b): os.write(1, struct.pack('!cI', k, len(b)) + b)\n"
        f"w(b'R', b'')\nos.read(0, 65536)\n{reply}\n"
    )
    monkeypatch.setattr(adapter, "PROGRAM", program)
    with closing(DuckDBWarehouse(file, None)) as source, pytest.raises(WarehouseError) as caught:
        source.execute("SELECT 1", (), AMPLE)
    assert caught.value.code in ("crashed", "query_failed")
    assert "canary" not in str(caught.value)


def test_a_file_that_was_replaced_needs_another_process(file: Target, data_dir: Path) -> None:
    pool = Pool()
    first = pool.take("shop", lambda: DuckDBWarehouse(file, None))
    pool.give_back("shop", first)
    assert pool.take("shop", lambda: DuckDBWarehouse(file, None)) is first
    pool.give_back("shop", first)
    make_file(data_dir / "shop.duckdb")
    second = pool.take("shop", lambda: DuckDBWarehouse(file, None))
    assert second is not first
    second.close()


def test_more_than_the_memory_allows_fails_and_writes_nothing(shop: DuckDBWarehouse, data_dir: Path) -> None:
    statement = "SELECT i, md5(i::varchar) AS m FROM range(20000000) t(i) ORDER BY m LIMIT 19999999"
    with pytest.raises(WarehouseError) as caught:
        shop.execute(statement, (), AMPLE)
    assert caught.value.code == "query_failed"
    assert [path.name for path in data_dir.iterdir()] == ["shop.duckdb"]


def test_two_sessions_work_beside_each_other(shop: DuckDBWarehouse, data_dir: Path, rows: Rows) -> None:
    other = DuckDBWarehouse(target(data_dir, "shop.duckdb"), None)
    other.cancel()
    assert rows(shop, "SELECT count(*) AS n FROM orders") == [{"n": 3}]
    other.close()
    assert rows(shop, "SELECT count(*) AS n FROM orders") == [{"n": 3}]


def test_times_are_in_utc_wherever_the_worker_is(shop: DuckDBWarehouse, rows: Rows) -> None:
    (found,) = rows(shop, "SELECT timestamptz '2026-02-28 23:59:00+02' AS t")
    assert found["t"] == datetime(2026, 2, 28, 21, 59, tzinfo=UTC)


def test_no_option_is_allowed(data_dir: Path) -> None:
    with pytest.raises(WarehouseError):
        DuckDBWarehouse(Target("duckdb", database="shop.duckdb", options=(("threads", "64"),), data_dir=data_dir), None)


SUMS = """
SELECT "totals"."value" FROM (SELECT "customer" FROM "paid" WHERE "status" IN (?)) AS "orders"
LEFT JOIN (SELECT "id", "manager" FROM "customers" WHERE "region" IN (?)) AS "customers" ON "orders"."customer" = "customers"."id"
LEFT JOIN (SELECT "id" FROM "customers" WHERE "region" IN (?)) AS "managers" ON "customers"."manager" = "managers"."id"
LEFT JOIN (
  SELECT "managers"."id" AS "grain", SUM(CAST("orders"."amount" AS INT)) AS "value"
  FROM (SELECT "amount", "customer" FROM "paid" WHERE "status" IN (?)) AS "orders"
  LEFT JOIN (SELECT "id", "manager" FROM "customers" WHERE "region" IN (?)) AS "customers" ON "orders"."customer" = "customers"."id"
  LEFT JOIN (SELECT "id" FROM "customers" WHERE "region" IN (?)) AS "managers" ON "customers"."manager" = "managers"."id"
  GROUP BY 1
) AS "totals" ON "managers"."id" IS NOT DISTINCT FROM "totals"."grain"
GROUP BY 1 ORDER BY 1
"""


def test_rows_without_a_grain_are_one_group_where_the_same_is_read_twice(data_dir: Path) -> None:
    """Of three paid orders one is under a manager, for 30; the other two are under none, for 600 together."""
    with duckdb.connect(str(data_dir / "grains.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE paid AS FROM (VALUES (1, 'paid', 100), (2, 'paid', 30), (3, 'paid', 500)) AS t (customer, status, amount)"
        )
        connection.execute("CREATE TABLE customers (id INT, manager INT, region VARCHAR)")
        connection.execute("INSERT INTO customers VALUES (1, NULL, 'EU'), (2, 1, 'EU'), (3, 1, 'US'), (4, 3, NULL)")
    with closing(DuckDBWarehouse(target(data_dir, "grains.duckdb"), None)) as warehouse:
        result = warehouse.execute(SUMS, ["paid", "EU", "EU", "paid", "EU", "EU"], AMPLE)
        assert result.table.column("value").to_pylist() == [30, 600]
