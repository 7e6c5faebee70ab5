"""PostgreSQL alone: types, the read-only session, TLS, the pool."""

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from apps.warehouses.errors import WarehouseError
from apps.warehouses.pool import Pool
from apps.warehouses.postgres import PostgresWarehouse, connect_parameters
from apps.warehouses.targets import Allowed
from apps.warehouses.types import Limits, Target
from tests.warehouses.conftest import AMPLE, Rows
from tests.warehouses.samples import ADMIN_URL, LOCAL, PASSWORD

PUBLIC = Target("postgres", "8.8.8.8", None, "sales", "reader")


@contextmanager
def deaf_server(real: Target) -> Iterator[tuple[int, Callable[[], None]]]:
    """A server that passes everything on to the real one, until it is told to answer no more."""
    is_deaf, is_over = threading.Event(), threading.Event()

    def serve(client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(f"{real.host}/.s.PGSQL.5432")
            while not is_over.is_set():
                for ready in select.select([client, server], [], [], 0.05)[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    if not is_deaf.is_set():
                        (server if ready is client else client).sendall(data)

    def listen() -> None:
        while not is_over.is_set():
            if select.select([listener], [], [], 0.05)[0]:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=listen)
        thread.start()
        yield listener.getsockname()[1], is_deaf.set
        is_over.set()
        thread.join()


def column(source: PostgresWarehouse, expression: str) -> "pa.ChunkedArray[Any]":
    return source.execute(f"SELECT {expression} AS x", (), AMPLE).table.column("x")


@pytest.mark.parametrize(
    ("expression", "kind", "value"),
    [
        ("7::int2", pa.int16(), 7),
        ("-7::int4", pa.int32(), -7),
        ("9223372036854775807::int8", pa.int64(), 2**63 - 1),
        ("1.5::float8", pa.float64(), 1.5),
        ("1.5::float4", pa.float32(), 1.5),
        ("12.50::numeric(15,2)", pa.decimal128(38, 2), Decimal("12.50")),
        ("1.2345::numeric", pa.decimal128(38, 4), Decimal("1.2345")),
        ("null::numeric", pa.decimal128(38, 0), None),
        ("12300::numeric", pa.decimal128(38, 0), Decimal(12300)),
        ("true", pa.bool_(), True),
        ("'grün'::text", pa.string(), "grün"),
        ("'ab'::char(4)", pa.string(), "ab  "),
        ("date '2026-02-28'", pa.date32(), date(2026, 2, 28)),
        ("timestamp '2026-02-28 23:59:01.5'", pa.timestamp("us"), datetime(2026, 2, 28, 23, 59, 1, 500_000)),  # noqa: DTZ001  (without a zone on purpose)
        (
            "timestamptz '2026-02-28 23:59:00+02'",
            pa.timestamp("us", "UTC"),
            datetime(2026, 2, 28, 21, 59, tzinfo=UTC),
        ),
        ("null::text", pa.string(), None),
        ("null", pa.string(), None),
        ("time '12:30'", pa.string(), "12:30:00"),
        ("'6f9619ff-8b86-d011-b42d-00cf4fc964ff'::uuid", pa.string(), "6f9619ff-8b86-d011-b42d-00cf4fc964ff"),
        ("""'{"a": [1]}'::jsonb""", pa.string(), '{"a": [1]}'),
        ("array[1, 2]", pa.string(), "[1, 2]"),
        ("'\\xff00'::bytea", pa.string(), "ff00"),
        ("'NaN'::float8 = 'NaN'::float8", pa.bool_(), True),
    ],
)
def test_types_come_across(mill: PostgresWarehouse, expression: str, kind: pa.DataType, value: object) -> None:
    found = column(mill, expression)
    assert found.to_pylist() == [value]
    assert found.type == kind


def test_decimals_of_different_scale_in_different_chunks_keep_all_their_digits(mill: PostgresWarehouse) -> None:
    statement = "SELECT CASE WHEN i < 500 THEN i::numeric ELSE i + 0.125 END AS x FROM generate_series(0, 999) t(i)"
    found = mill.execute(statement, (), AMPLE).table.column("x")
    assert found.type == pa.decimal128(38, 3)
    assert (found[0].as_py(), found[999].as_py()) == (Decimal(0), Decimal("999.125"))
    assert found.num_chunks == 1


@pytest.mark.parametrize(("value", "found"), [(1.5, ["1e400"]), (0.1, ["0.1", "1e400"]), (float("inf"), [])])
def test_a_fraction_takes_no_column_for_doubles(mill: PostgresWarehouse, value: float, found: list[str]) -> None:
    """As a double it would fail on 1e400, which a policy may hide."""
    statement = "SELECT x::text AS x FROM (VALUES (0.1::numeric), (1e400::numeric)) AS t(x) WHERE x >= %s ORDER BY 1"
    assert [Decimal(text) for text in mill.execute(statement, (value,), AMPLE).table.column("x").to_pylist()] == [
        Decimal(text) for text in found
    ]
    assert mill.execute("SELECT 0.25::float8 = %s AS same", (0.25,), AMPLE).table.column("same").to_pylist() == [True]


@pytest.mark.parametrize("expression", ["'NaN'::numeric", "'Infinity'::numeric", "10::numeric ^ 60"])
def test_a_number_that_no_decimal_holds_becomes_a_float(mill: PostgresWarehouse, expression: str) -> None:
    statement = f"SELECT x FROM (SELECT 1.25::numeric UNION ALL SELECT {expression}) t(x)"
    found = mill.execute(statement, (), AMPLE).table.column("x")
    assert found.type == pa.float64()
    assert found[0].as_py() == 1.25


def test_a_function_cannot_make_the_session_writable(mill: PostgresWarehouse, database: Target, rows: Rows) -> None:
    with pytest.raises(WarehouseError):
        rows(mill, "SELECT set_config('transaction_read_only', 'off', true)")
    rows(
        mill,
        "SELECT set_config('default_transaction_read_only', 'off', false), set_config('timezone', 'Asia/Tokyo', false)",
    )
    found = rows(mill, "SELECT current_setting('default_transaction_read_only') AS r, current_setting('timezone') AS z")
    assert found == [{"r": "on", "z": "UTC"}]
    with pytest.raises(WarehouseError):
        rows(mill, "WITH gone AS (DELETE FROM orders RETURNING 1) SELECT count(*) FROM gone")
    with psycopg.connect(ADMIN_URL, dbname=database.database) as admin:
        assert admin.execute("SELECT count(*) FROM orders").fetchone() == (3,)


def test_the_reader_may_write_elsewhere_so_that_it_is_the_session_that_refuses(database: Target) -> None:
    with psycopg.connect(
        host=database.host, dbname=database.database, user=database.username, password=PASSWORD
    ) as connection:
        connection.execute("INSERT INTO orders VALUES (9, 'DK', 1)")
        connection.rollback()


def test_a_source_that_ignores_its_time_limit_and_every_cancel_is_cut_off(database: Target) -> None:
    with deaf_server(database) as (port, become_deaf):
        source = PostgresWarehouse(replace(database, host="127.0.0.1", port=port), PASSWORD, allowed=LOCAL)
        source.check()
        become_deaf()
        begun = time.monotonic()
        with pytest.raises(WarehouseError) as caught:
            source.execute("SELECT 1", (), Limits(10, 1000, 0))
        assert caught.value.code == "timed_out"
        assert time.monotonic() - begun < 15
        assert not source.is_usable


@pytest.mark.parametrize(("part", "value"), [("database", "no_such_database"), ("host", "/no/such/folder")])
def test_an_unreachable_database_says_so_and_no_more(database: Target, part: str, value: str) -> None:
    with pytest.raises(WarehouseError) as caught:
        PostgresWarehouse(replace(database, **{part: value}), PASSWORD, allowed=LOCAL)
    assert (caught.value.code, str(caught.value)) == ("unreachable", "The database cannot be reached.")


def test_an_unknown_role_is_a_refused_credential(database: Target) -> None:
    with pytest.raises(WarehouseError) as caught:
        PostgresWarehouse(replace(database, username="nobody_here"), PASSWORD, allowed=LOCAL)
    assert caught.value.code == "refused_credentials"
    assert "nobody_here" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"sslrootcert": "/etc/passwd"},
        {"sslkey": "/etc/passwd"},
        {"host": "127.0.0.1"},
        {"hostaddr": "127.0.0.1"},
        {"options": "-c log_min_messages=debug5"},
        {"service": "x"},
        {"passfile": "/tmp/x"},
        {"password": "hunter2-canary"},
        {"sslmode": "allow"},
        {"connect_timeout": "900"},
        {"connect_timeout": "-1"},
        {"application_name": "x' host='127.0.0.1"},
    ],
)
def test_an_option_off_the_list_is_refused_without_its_value(options: dict[str, str]) -> None:
    with pytest.raises(WarehouseError) as caught:
        connect_parameters(replace(PUBLIC, options=tuple(options.items())), PASSWORD, Allowed())
    assert caught.value.code == "refused_target"
    assert not any(value in str(caught.value) for value in options.values() if value not in ("x", "-1", "allow"))


def test_options_on_the_list_reach_the_driver() -> None:
    options = (("sslmode", "verify-full"), ("connect_timeout", "3"), ("application_name", "omni nightly"))
    found = connect_parameters(replace(PUBLIC, options=options), PASSWORD, Allowed())
    assert (found["connect_timeout"], found["application_name"]) == (3, "omni nightly")


def test_a_public_address_is_reached_over_verified_tls_only() -> None:
    found = connect_parameters(PUBLIC, PASSWORD, Allowed())
    assert (found["sslmode"], found["hostaddr"]) == ("verify-full", "8.8.8.8")
    assert found["sslrootcert"]
    for mode in ("disable", "prefer", "require", "verify-ca"):
        for allowed in (Allowed(), LOCAL):
            with pytest.raises(WarehouseError):
                connect_parameters(replace(PUBLIC, options=(("sslmode", mode),)), PASSWORD, allowed)


def test_a_network_that_the_operator_named_is_verified_by_default_and_may_be_told_otherwise() -> None:
    inside, allowed = replace(PUBLIC, host="10.1.2.3"), Allowed(("10.1.0.0/16",))
    assert connect_parameters(inside, PASSWORD, allowed)["sslmode"] == "verify-full"
    relaxed = replace(inside, options=(("sslmode", "require"),))
    assert connect_parameters(relaxed, PASSWORD, allowed)["sslmode"] == "require"


@pytest.mark.parametrize("part", ["database", "username"])
def test_a_missing_name_is_not_taken_from_this_process(part: str) -> None:
    with pytest.raises(WarehouseError):
        connect_parameters(replace(PUBLIC, **{part: ""}), PASSWORD, Allowed())


def test_a_session_given_back_is_lent_again(database: Target) -> None:
    pool, made = Pool(), []

    def make() -> PostgresWarehouse:
        made.append(PostgresWarehouse(database, PASSWORD, allowed=LOCAL))
        return made[-1]

    first = pool.take("orders 1", make)
    pool.give_back("orders 1", first)
    assert pool.take("orders 1", make) is first
    assert pool.take("orders 2", make) is not first
    for session in made:
        session.close()


def test_a_session_whose_server_hung_up_is_not_lent_again(database: Target) -> None:
    pool = Pool()
    first = pool.take("orders", lambda: PostgresWarehouse(database, PASSWORD, allowed=LOCAL))
    pool.give_back("orders", first)
    with psycopg.connect(ADMIN_URL, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s", (database.username,)
        )
    second = pool.take("orders", lambda: PostgresWarehouse(database, PASSWORD, allowed=LOCAL))
    assert second is not first
    second.check()
    second.close()


def test_a_cancelled_session_is_closed_when_it_is_given_back(mill: PostgresWarehouse) -> None:
    pool = Pool()
    mill.cancel()
    pool.give_back("orders", mill)
    with pytest.raises(WarehouseError):
        mill.check()
    assert not mill.is_usable


def test_the_pool_is_bounded_over_all_keys_and_in_time(database: Target) -> None:
    pool = Pool(max_idle=2, max_idle_s=0.2)
    sessions = [PostgresWarehouse(database, PASSWORD, allowed=LOCAL) for _ in range(3)]
    for number, session in enumerate(sessions):
        pool.give_back(number, session)
    assert [session.is_usable for session in sessions] == [False, True, True]
    pool.max_idle_s = 0
    last = pool.take("other", lambda: PostgresWarehouse(database, PASSWORD, allowed=LOCAL))
    assert [session.is_usable for session in sessions] == [False, False, False]
    last.close()


def test_a_wrong_password_is_refused_by_the_embedded_server(database: Target) -> None:
    PostgresWarehouse(database, PASSWORD, allowed=LOCAL).close()
    with pytest.raises(WarehouseError) as caught:
        PostgresWarehouse(database, "wrong", allowed=LOCAL)
    assert caught.value.code == "refused_credentials"
