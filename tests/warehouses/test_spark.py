"""Spark alone: what is refused before it is sent, what its session refuses, and what ends at the server."""

import json
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from apps.warehouses.errors import WarehouseError
from apps.warehouses.opening import open_warehouse
from apps.warehouses.spark_text import framed, is_reading
from apps.warehouses.targets import Allowed
from apps.warehouses.types import Limits, PooledWarehouse, Target
from tests.spark import Owner, why_not
from tests.warehouses.conftest import AMPLE, Rows
from tests.warehouses.dialects import DIALECTS
from tests.warehouses.rogues import wait_until
from tests.warehouses.samples import LOCAL, PASSWORD

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is a Spark")
TRANSFORM = "SELECT TRANSFORM(id) USING 'touch {mark}; cat' AS (x string) FROM orders"
HARMFUL = [
    "INSERT INTO orders VALUES (9, 'DK', 1)", "WITH x AS (SELECT 9, 'DK', 1) INSERT INTO orders SELECT * FROM x",
    "FROM orders INSERT INTO orders SELECT *", "CREATE TABLE stolen AS SELECT 1 AS x", "DROP TABLE orders", "TRUNCATE TABLE orders",
    "INSERT OVERWRITE DIRECTORY '{mark}' USING csv SELECT 1", "SET spark.sql.runSQLOnFiles = true", "ADD FILE '/etc/passwd'",
    "REFRESH TABLE orders", "CREATE FUNCTION f AS 'x'", "CACHE TABLE orders", "EXECUTE IMMEDIATE 'DROP TABLE orders'",
    "BEGIN DROP TABLE orders; END", "USE default", "SHOW TABLES", "DESCRIBE orders", "EXPLAIN SELECT 1", "CALL x()",
    "SELECT 1); DROP TABLE orders; (SELECT 1", "SELECT 1) INSERT INTO orders (SELECT 9, 'DK', 1", "(SELECT 1); (DROP TABLE orders)",
    TRANSFORM, TRANSFORM.replace("TRANSFORM(id)", "TRANSFORM (id)").replace("USING", "using\n"), f"SELECT * FROM ({TRANSFORM}) t",
    "SELECT * FROM (FROM orders MAP id USING 'touch {mark}; cat' AS x) t", "SELECT * FROM (FROM orders REDUCE id USING 'touch {mark}; cat' AS x) t",
    "SELECT reflect('java.lang.System', 'getProperty', 'user.home')", "SELECT JAVA_METHOD ('java.lang.System', 'getenv', 'HOME')",
    "SELECT `Reflect`('java.lang.System', 'getenv', 'HOME')", "SELECT try_reflect\n('java.lang.System', 'getenv', 'HOME')",
    "SELECT builtin.reflect('java.lang.System', 'getenv', 'HOME')", "SELECT system.builtin.`java_method` ('java.lang.System', 'getenv', 'HOME')",
    "SELECT 'a\\'' AS x, reflect('java.lang.System', 'getenv', 'HOME') AS y, '' AS z", "SELECT \"'\" AS x, reflect('java.lang.System', 'getenv', 'HOME'), \"'\"",
    "SELECT r'\\' AS x, reflect('java.lang.System', 'getenv', 'HOME'), r'\\'", "SELECT /* ' */ reflect('java.lang.System', 'getenv', 'HOME') /* ' */",
    "SELECT reflect/**/('java.lang.System', 'getenv', 'HOME')", "SELECT 1 -- '\n, reflect('java.lang.System', 'getenv', 'HOME') -- '",
    "SELECT * FROM csv.`/etc/passwd`", "SELECT * FROM text.`/etc/passwd`", "SELECT * FROM `binaryFile`.`/etc/passwd`",
    "SELECT * FROM IDENTIFIER('text.`/etc/passwd`')", "SELECT * FROM read_files('/etc/passwd')", "SELECT * FROM parquet.`file:{mark}`",
    "SELECT * FROM orders WITH ('path' = '/etc')", "SELECT from_avro(X'00', '', map('avroSchemaUrl', 'file:/etc/passwd'))",
    "SELECT from_protobuf(X'00', 'm', '/etc/passwd')", "SELECT from_xml('<a/>', 'a int', map('rowValidationXSDPath', '/etc/passwd'))",
    "SELECT _metadata.file_path FROM orders", "SELECT `_Metadata` FROM orders",
    "SELECT ai_query('m', 'x')", "SELECT `ai_gen`('x')", "SELECT secret('a', 'b')", "SELECT 'a", "SELECT `a", "SELECT 1; SELECT 2", "SELECT '\0'",
]  # fmt: skip


@pytest.mark.parametrize("statement", HARMFUL)
def test_a_statement_that_writes_runs_code_or_reads_files_is_refused(
    press: PooledWarehouse, statement: str, rows: Rows, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    with pytest.raises(WarehouseError) as caught:
        press.execute(statement.replace("{mark}", str(mark)), (), AMPLE)
    assert caught.value.code == "query_failed"
    assert rows(press, "SELECT count(*) AS n FROM orders") == [{"n": 3}]
    assert [table.name for table in press.catalog()] == ["orders"]
    assert not mark.exists()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO orders VALUES (9, 'DK', 1)", "WITH x AS (SELECT 9, 'DK', 1) INSERT INTO orders SELECT * FROM x",
        "FROM orders INSERT INTO orders SELECT *", "SELECT 1); DROP TABLE orders; (SELECT 1", "DROP TABLE orders",
        "SELECT 1) INSERT INTO orders (SELECT 9, 'DK', 1", "EXECUTE IMMEDIATE 'DROP TABLE orders'", "SET x = 1", "BEGIN DROP TABLE orders; END",
        "SELECT 1\n) ; INSERT INTO orders VALUES (9, 'DK', 1) --",
    ],
)  # fmt: skip
def test_the_frame_alone_keeps_the_server_from_writing(
    plant: Target, press: PooledWarehouse, statement: str, rows: Rows
) -> None:
    """As if nothing had looked at the text before."""
    with closing(Owner(plant.port or 0)) as owner:
        owner.tell("USE sales")
        with pytest.raises(Exception, match="PARSE_SYNTAX_ERROR"):
            owner.tell(framed(statement))
    assert rows(press, "SELECT count(*) AS n FROM orders") == [{"n": 3}]


def test_harmless_texts_that_look_like_harm_are_read(press: PooledWarehouse, rows: Rows) -> None:
    for text in ("-- reflect(", "/* x */", "USING x", "${env:HOME}", "a; b", "WITH ("):
        assert rows(press, f"SELECT '{text}' AS `reflect`") == [{"reflect": text}]
        assert rows(press, "SELECT ? AS `a-- b`", text) == [{"a-- b": text}]
    assert is_reading("(SELECT 'it''s \\' --' AS `/*`) UNION SELECT \"reflect(\" FROM t JOIN u USING (id)")
    assert rows(press, "WITH x AS (SELECT 1 AS a) SELECT transform(array(1, 2), i -> i + a) AS y FROM x") == [
        {"y": "[2, 3]"}
    ]


def test_values_of_each_kind_are_bound(press: PooledWarehouse, rows: Rows) -> None:
    values = ("it's \\ ?", 7, 2**40, 1.5, True, None, 2**64)
    (found,) = rows(press, "SELECT ? AS a, ? AS b, ? AS c, ? AS d, ? AS e, ? AS f, ? AS g", *values)
    assert tuple(found.values()) == values


def test_intervals_of_the_standard_and_nested_values_become_text(press: PooledWarehouse, rows: Rows) -> None:
    statement = (
        "SELECT interval '1-2' year to month AS months, interval '-3 04:05:06.5' day to second AS days, NULL AS nothing, "
        "CAST(NULL AS interval month) AS none, map('k', array(1, NULL)) AS map, named_struct('a', X'ff', 'b', date '2020-01-01') AS struct"
    )
    assert rows(press, statement) == [
        {"months": "P1Y2M", "days": "P-3DT-4H-5M-6.5S", "nothing": None, "none": None, "map": '{"k": [1, null]}',
         "struct": '{"a": "ff", "b": "2020-01-01"}'}
    ]  # fmt: skip


def test_a_variant_is_refused_with_a_word_of_advice(press: PooledWarehouse, rows: Rows) -> None:
    with pytest.raises(WarehouseError, match="to_json"):
        press.execute("""SELECT array(parse_json('{"a": 1}')) AS x""", (), AMPLE)
    assert rows(press, """SELECT to_json(parse_json('{"a": 1.5}')) AS x""") == [{"x": '{"a":1.5}'}]


def test_a_sum_that_overflows_is_an_error_and_clocks_are_those_of_utc(press: PooledWarehouse, rows: Rows) -> None:
    with pytest.raises(WarehouseError):
        press.execute("SELECT 9223372036854775807 + 1 AS x", (), AMPLE)
    assert rows(press, "SELECT CAST(timestamp '2026-07-01 12:00:00+02:00' AS string) AS x") == [
        {"x": "2026-07-01 10:00:00"}
    ]


def test_a_text_is_told_from_another_whatever_the_collation_of_its_column(press: PooledWarehouse, rows: Rows) -> None:
    table = "(SELECT 'EU' COLLATE UTF8_LCASE AS s) AS t"
    assert rows(press, f"SELECT count(*) AS n FROM {table} WHERE s IN (?)", "eu") == [{"n": 1}]
    for value, count in (("eu", 0), ("EU", 1)):  # as rules of rows are written
        assert rows(press, f"SELECT count(*) AS n FROM {table} WHERE CAST(s AS STRING) IN (?)", value) == [{"n": count}]


def answers(target: Target, patience_s: int) -> bool:
    """Say whether the server, which does one thing at a time, has time for us."""
    with closing(open_warehouse(target, None, allowed=LOCAL)) as other:
        try:
            other.execute("SELECT count(*) AS n FROM orders", (), Limits(10, 1000, patience_s))
        except WarehouseError:
            return False
        return True


@pytest.mark.parametrize("how", ["timed_out", "cancelled", "left"])
def test_a_statement_that_is_stopped_is_gone_at_the_server(plant: Target, how: str) -> None:
    endless = DIALECTS["spark"].endless
    limits = Limits(10, 1000, 4) if how == "timed_out" else AMPLE
    seen: list[bool] = []

    def watch() -> None:
        time.sleep(1)
        seen.append(answers(plant, 1))
        if how == "cancelled":
            source.cancel()
        elif how == "left":
            source.close()

    with closing(open_warehouse(plant, None, allowed=LOCAL)) as source:
        watcher = threading.Thread(target=watch)
        watcher.start()
        with pytest.raises(WarehouseError) as caught:
            source.execute(endless, (), limits)
        watcher.join()
        assert (
            caught.value.code == how or how == "left"
        )  # then it is whichever comes first: the end of line or statement
        assert not source.is_usable
    assert seen == [False]  # it was really running
    assert answers(plant, 15)


def test_a_statement_of_a_worker_that_died_ends_at_the_server(plant: Target) -> None:
    fields = json.dumps(asdict(plant) | {"data_dir": ""})
    reader = [sys.executable, "-m", "tests.warehouses.reading", fields, "", DIALECTS["spark"].endless]
    with subprocess.Popen(reader, stderr=subprocess.DEVNULL) as worker:
        assert wait_until(lambda: not answers(plant, 1), 30)
        assert worker.poll() is None
        worker.kill()
    assert not answers(plant, 1)  # the end of the line alone stops nothing
    assert answers(plant, 40)


def test_a_session_is_lent_again_only_as_long_as_its_settings_hold(plant: Target) -> None:
    with closing(open_warehouse(plant, None, allowed=LOCAL)) as source:
        assert source.is_usable
        source.check()
        assert source.is_usable
    assert not source.is_usable
    with closing(Owner(plant.port or 0)) as owner, closing(open_warehouse(plant, None, allowed=LOCAL)) as source:
        owner.session, owner.user = source._line._session, "reader"  # type: ignore[attr-defined]  # somebody meddles with it
        owner.tell("SET spark.sql.runSQLOnFiles = true")
        assert not source.is_usable


def test_a_schema_that_is_not_there_is_said_to_be_missing(plant: Target) -> None:
    for database in ("nowhere", "spark_catalog.nowhere"):
        with pytest.raises(WarehouseError) as caught:
            open_warehouse(replace(plant, database=database), None, allowed=LOCAL)
        assert (caught.value.code, "no database" in caught.value.hint) == ("unreachable", True)


def test_names_are_looked_up_in_the_schema_of_the_connection(plant: Target, rows: Rows) -> None:
    with closing(open_warehouse(replace(plant, database="spark_catalog"), None, allowed=LOCAL)) as source:
        assert rows(source, "SELECT count(*) AS n FROM sales.orders") == [{"n": 3}]
        with pytest.raises(WarehouseError):
            source.execute("SELECT count(*) AS n FROM orders", (), AMPLE)


def test_a_token_goes_over_tls_only() -> None:
    nearby = Target("spark", "127.0.0.1", 1, "", "reader")
    with pytest.raises(WarehouseError) as caught:
        open_warehouse(nearby, PASSWORD, allowed=LOCAL)
    assert caught.value.code == "unsafe_sign_in"


def test_a_public_address_is_reached_over_verified_tls_only() -> None:
    public = Target("spark", "8.8.8.8", None, "", "reader", (("sslmode", "disable"),))
    with pytest.raises(WarehouseError) as caught:
        open_warehouse(public, None, allowed=Allowed(("*local*",)))
    assert caught.value.code == "refused_target"


@pytest.mark.parametrize(
    "name", ["token", "use_ssl", "user_agent", "x-databricks-cluster-id", "sslrootcert", "session_id"]
)
def test_an_option_off_the_list_is_refused_without_its_value(name: str) -> None:
    with pytest.raises(WarehouseError) as caught:
        open_warehouse(Target("spark", "127.0.0.1", 1, "", "reader", ((name, "canary"),)), None, allowed=LOCAL)
    assert (caught.value.code, "canary" in str(caught.value)) == ("refused_target", False)
