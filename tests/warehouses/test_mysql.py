"""MariaDB alone: what its session refuses, what its server is asked to stop, whom a password is given to."""

import threading
import time
from contextlib import closing
from dataclasses import replace

import pymysql
import pytest

from apps.warehouses.errors import WarehouseError
from apps.warehouses.mysql import MySQLWarehouse, connect_parameters, is_reading
from apps.warehouses.targets import Allowed
from apps.warehouses.types import Limits, Target
from tests.warehouses.conftest import AMPLE, Rows
from tests.warehouses.samples import LOCAL, PASSWORD

PUBLIC = Target("mysql", "8.8.8.8", None, "sales", "reader")
HARMFUL = [
    "SELECT 1 INTO OUTFILE '/tmp/stolen'", "SELECT * FROM orders INTO DUMPFILE '/tmp/stolen'", "SELECT 1 INTO @x",
    "SELECT LOAD_FILE('/etc/passwd')", "SELECT load_file ('/etc/passwd')", "SELECT 1 /*! INTO OUTFILE '/tmp/stolen' */",
    "SELECT 1 /*M! INTO OUTFILE '/tmp/stolen' */", "SELECT 1 /*!50000 UNION SELECT 2 */", "SELECT 1 -- '\nINTO OUTFILE '/tmp/x' -- '",
    "SELECT 1 # '\nINTO OUTFILE '/tmp/x' -- '", 'SELECT 1 -- "\nINTO OUTFILE \'/tmp/x\' -- "', "SELECT 1 --\t`\nINTO OUTFILE '/tmp/x' -- `",
    "SELECT '\\'' INTO OUTFILE '/tmp/x'", "SELECT '''' INTO OUTFILE '/tmp/x'", 'SELECT "\\" INTO OUTFILE \'/tmp/x\' -- "',
    "SELECT 1; KILL 1", "KILL 1", "KILL QUERY 1", "SET GLOBAL max_connections = 1", "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE orders",
    "CALL sys.execute_prepared_stmt('SELECT 1')", "SET STATEMENT max_statement_time = 0 FOR SELECT 1", "START TRANSACTION READ WRITE",
    "ROLLBACK", "HANDLER orders OPEN", "DO SLEEP(1)", "LOCK TABLES orders WRITE", "FLUSH TABLES", "SHOW GRANTS",
    "WITH x AS (SELECT 1) DELETE FROM orders", "BEGIN NOT ATOMIC DELETE FROM orders; END",
]  # fmt: skip


@pytest.mark.parametrize("statement", HARMFUL)
def test_a_statement_that_writes_reads_files_or_ends_others_is_refused(
    stall: MySQLWarehouse, statement: str, rows: Rows
) -> None:
    with pytest.raises(WarehouseError):
        stall.execute(statement, (), AMPLE)
    assert rows(stall, "SELECT count(*) AS n FROM orders") == [{"n": 3}]


def test_harmless_texts_that_look_like_harm_are_read(stall: MySQLWarehouse, rows: Rows) -> None:
    for text in ("into outfile", "-- load_file", "# /* x */"):
        assert rows(stall, f"SELECT '{text}' AS \"/* into */\"") == [{"/* into */": text}]
    assert is_reading("(SELECT 'it''s \\' into' AS `--`) UNION SELECT \"into\" FROM t")


def test_a_quoted_name_of_a_function_is_no_way_to_files(stall: MySQLWarehouse) -> None:
    with pytest.raises(WarehouseError):
        stall.execute("SELECT `Load_File`('/etc/passwd') AS x", (), AMPLE)


def test_a_list_of_many_values_is_whole(stall: MySQLWarehouse, rows: Rows) -> None:
    parts = " UNION ALL ".join(f"SELECT REPEAT('{letter}', 800000) AS x" for letter in "ab")
    assert rows(stall, f"SELECT LENGTH(GROUP_CONCAT(x)) AS n FROM ({parts}) AS t") == [{"n": 1_600_001}]


def running(market: Target) -> list[str]:
    """Return the statements that the server runs for our user."""
    with (
        closing(
            pymysql.connect(host=market.host, port=market.port or 3306, user=market.username, password=PASSWORD)
        ) as other,
        other.cursor() as cursor,
    ):
        cursor.execute(
            "SELECT info FROM information_schema.processlist WHERE info IS NOT NULL AND id <> CONNECTION_ID()"
        )
        return [str(info) for (info,) in cursor.fetchall()]


@pytest.mark.parametrize("statement", ["SELECT SLEEP(60) AS x", "SELECT BENCHMARK(10000000000, MD5('x')) AS x"])
def test_a_statement_that_is_cancelled_or_too_slow_is_gone_at_the_server(market: Target, statement: str) -> None:
    for how, limits in (("timed_out", Limits(10, 1000, 1)), ("cancelled", AMPLE)):
        with closing(MySQLWarehouse(market, PASSWORD, allowed=LOCAL)) as source:
            canceller = threading.Timer(0.5, source.cancel)
            if how == "cancelled":
                canceller.start()
            with pytest.raises(WarehouseError) as caught:
                source.execute(statement, (), limits)
            assert caught.value.code == how
        deadline = time.monotonic() + 10
        while any(statement in text for text in running(market)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not any(statement in text for text in running(market))


def test_a_public_address_is_reached_over_verified_tls_only() -> None:
    parameters, place = connect_parameters(PUBLIC, PASSWORD, Allowed())
    assert (parameters["ssl"].check_hostname, place.address, parameters["local_infile"]) == (True, "8.8.8.8", False)
    for mode in ("disable", "require", "verify-ca"):
        with pytest.raises(WarehouseError):
            connect_parameters(replace(PUBLIC, options=(("sslmode", mode),)), PASSWORD, LOCAL)


@pytest.mark.parametrize(
    "name", ["local_infile", "init_command", "read_default_file", "unix_socket", "ssl_ca", "password"]
)
def test_an_option_off_the_list_is_refused_without_its_value(name: str) -> None:
    with pytest.raises(WarehouseError) as caught:
        connect_parameters(replace(PUBLIC, options=((name, "canary"),)), PASSWORD, Allowed())
    assert (caught.value.code, "canary" in str(caught.value)) == ("refused_target", False)
