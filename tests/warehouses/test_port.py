"""What every adapter promises, asked of each of them."""

import logging
import re
import threading
import time
from decimal import Decimal

import pyarrow as pa
import pytest

from apps.warehouses.duckdb import DuckDBWarehouse
from apps.warehouses.errors import MESSAGES, WarehouseError
from apps.warehouses.mysql import MySQLWarehouse
from apps.warehouses.types import Limits, Warehouse
from tests.warehouses import dialects
from tests.warehouses.conftest import AMPLE, Rows
from tests.warehouses.samples import PASSWORD, STORED

ENDLESS = (
    "SELECT count(*) FROM generate_series(1, 30000000) a(i), generate_series(1, 30000000) b(j) WHERE a.i + b.j < 0"
)
NUMBERS = "SELECT i FROM generate_series(1, 100000) t(i)"
SERIES = re.compile(r"generate_series\(1, (\d+)\)( \w+\((\w+)\))?")


def is_spark(source: Warehouse) -> bool:
    return dialects.of(source) is dialects.DIALECTS["spark"]


def native(source: Warehouse, statement: str) -> str:
    """Return a statement over numbered rows as this source writes it; MariaDB has tables of numbers."""
    if is_spark(source):
        return SERIES.sub(lambda found: f"range(1, {found[1]} + 1) {found[2] or ''}", statement)
    if not isinstance(source, MySQLWarehouse):
        return statement
    return SERIES.sub(lambda found: f"(SELECT seq AS {found[3] or 'n'} FROM seq_1_to_{found[1]}) AS {found[3] or 'n'}_", statement).replace("a.i + b.j", "i + j")  # fmt: skip


def code_of(source: Warehouse, statement: str, *parameters: object, limits: Limits = AMPLE) -> str:
    with pytest.raises(WarehouseError) as caught:
        source.execute(statement, parameters, limits)  # type: ignore[arg-type]  # looser than the type on purpose
    return caught.value.code


def placeholder(source: Warehouse) -> str:
    return dialects.of(source).placeholder


def test_a_select_comes_back_with_its_names_and_values(source: Warehouse, rows: Rows) -> None:
    statement = f"SELECT id, amount AS total FROM orders WHERE country = {placeholder(source)} ORDER BY id"
    assert rows(source, statement, "NO") == [
        {"id": 1, "total": Decimal("100.10")},
        {"id": 2, "total": Decimal("50.05")},
    ]


def test_an_answer_without_rows_has_its_columns_and_their_types(source: Warehouse) -> None:
    table = source.execute("SELECT id, country, amount FROM orders WHERE id < 0", (), AMPLE).table
    assert table.num_rows == 0
    assert table.column_names == ["id", "country", "amount"]
    assert [pa.types.is_int32(table.schema[0].type), pa.types.is_string(table.schema[1].type)] == [True, True]
    assert pa.types.is_decimal(table.schema[2].type)


def test_a_value_is_bound_and_never_text_of_the_statement(source: Warehouse, rows: Rows) -> None:
    statement = f"SELECT count(*) AS n FROM orders WHERE country = {placeholder(source)}"
    assert rows(source, statement, "x' OR '1'='1") == [{"n": 0}]
    assert rows(source, statement, "NO") == [{"n": 2}]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO orders VALUES (9, 'DK', 1)",
        "DELETE FROM orders",
        "CREATE TABLE stolen AS SELECT * FROM orders",
        "DROP TABLE orders",
        "SELECT 1; DELETE FROM orders",
        "SELECT 1; SELECT 2",
        "COPY orders TO '/tmp/stolen.csv'",
        "",
    ],
)
def test_only_one_reading_statement_runs(source: Warehouse, statement: str, rows: Rows) -> None:
    assert code_of(source, statement) in ("query_failed", "not_there")
    assert rows(source, "SELECT count(*) AS n FROM orders") == [{"n": 3}]


OVERFLOWS = "SELECT id + 9223372036854775000 + 9223372036854775000 AS n FROM orders"


def test_a_failure_says_whether_it_was_a_value_or_a_name(source: Warehouse, rows: Rows) -> None:
    """Its person can do something about the one, its data team about the other."""
    if is_spark(source):
        pytest.skip("Spark answers NULL for such a value, and names neither table nor column by a code")
    assert code_of(source, native(source, OVERFLOWS)) == "bad_value"
    assert code_of(source, "SELECT 1 AS n FROM not_there") == "not_there"
    assert code_of(source, "SELECT orders.not_there FROM orders") == "not_there"
    assert code_of(source, "SELECT 1 AS n FROM orders WHERE") == "query_failed"
    assert rows(source, "SELECT count(*) AS n FROM orders") == [{"n": 3}]


def test_rows_beyond_the_limit_are_cut_and_said_so(source: Warehouse) -> None:
    cut = source.execute(native(source, NUMBERS), (), Limits(500, AMPLE.max_bytes, 20))
    assert (cut.table.num_rows, cut.is_truncated) == (500, True)
    whole = source.execute(native(source, f"{NUMBERS} LIMIT 500"), (), Limits(500, AMPLE.max_bytes, 20))
    assert (whole.table.num_rows, whole.is_truncated) == (500, False)


def test_the_session_answers_again_after_a_cut(source: Warehouse, rows: Rows) -> None:
    source.execute(native(source, NUMBERS), (), Limits(10, AMPLE.max_bytes, 20))
    assert rows(source, "SELECT count(*) AS n FROM orders") == [{"n": 3}]


def test_an_answer_of_too_many_bytes_is_refused(source: Warehouse) -> None:
    wide = native(source, "SELECT repeat('x', 10000) AS x FROM generate_series(1, 20000)")
    assert code_of(source, wide, limits=Limits(100_000, 1_000_000, 20)) == "too_large"
    assert source.execute(f"{wide} LIMIT 50", (), Limits(100_000, 1_000_000, 20)).table.num_rows == 50


def test_a_statement_that_takes_too_long_is_stopped_at_the_source(source: Warehouse) -> None:
    begun = time.monotonic()
    assert code_of(source, native(source, ENDLESS), limits=Limits(10, 1000, 1)) == "timed_out"
    assert time.monotonic() - begun < 5


def test_another_thread_cancels(source: Warehouse) -> None:
    canceller = threading.Timer(0.3, source.cancel)
    canceller.start()
    begun = time.monotonic()
    assert code_of(source, native(source, ENDLESS)) == "cancelled"
    assert time.monotonic() - begun < 5
    canceller.join()


def test_a_cancel_that_comes_before_the_statement_is_not_lost(source: Warehouse) -> None:
    source.cancel()
    assert code_of(source, native(source, ENDLESS)) == "cancelled"


def test_the_catalogue_lists_tables_with_their_columns(source: Warehouse) -> None:
    (orders,) = [table for table in source.catalog() if table.name == "orders"]
    assert [column.name for column in orders.columns] == ["id", "country", "amount"]
    assert [column.position for column in orders.columns] == [1, 2, 3]


def test_the_catalogue_tells_what_is_stored_from_what_is_worked_out(source: Warehouse) -> None:
    found = {table.name: table.is_stored for table in source.catalog()}
    assert found == {name: name in STORED for name in found}
    assert found["orders"]
    assert not found["shares"]


def test_a_failure_names_no_host_no_secret_no_statement_and_no_value(
    source: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    value = (
        "EXTRACTVALUE('<a/>', 'canary_value(')" if isinstance(source, MySQLWarehouse) else "CAST('canary_value' AS int)"
    )
    for statement, code in (("SELECT canary_column FROM orders", "not_there"), (f"SELECT {value}", "bad_value")):
        # MySQL has one number for whatever its functions dislike, Spark for all.
        is_plain = is_spark(source) or (isinstance(source, MySQLWarehouse) and code == "bad_value")
        with pytest.raises(WarehouseError) as caught:
            source.execute(statement, (), AMPLE)
        assert str(caught.value) == MESSAGES["query_failed" if is_plain else code]
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert "canary" not in caplog.text + repr(source)
    assert PASSWORD not in caplog.text + repr(source) + repr(vars(source))


def test_it_says_which_rights_are_too_many(source: Warehouse) -> None:
    found = {right.code: str(right) for right in source.rights()}
    if isinstance(source, DuckDBWarehouse):
        assert found == {}
    else:
        assert {"writes", "creates"} <= set(found)  # the samples' readers may do everything with their table
        assert "may change the data of" in found["writes"]
        assert "superuser" not in found
