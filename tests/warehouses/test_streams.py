"""Answers in batches: in constant memory, cut and counted, ended at the source when nobody reads on."""

import json
import subprocess
import sys
import threading
import time
from dataclasses import asdict

import pytest

from apps.warehouses.errors import WarehouseError
from apps.warehouses.types import Limits, Target, Warehouse
from tests.warehouses import dialects
from tests.warehouses.conftest import AMPLE, Rows
from tests.warehouses.samples import PASSWORD

LONG = Limits(max_rows=10_000_000, max_bytes=10 * 1024**3, timeout_s=120)


def numbers(source: Warehouse, count: int, columns: str = "i") -> str:
    return f"SELECT {columns} FROM {dialects.of(source).numbers.format(n=count)}"


def test_batches_hold_all_rows_in_order(source: Warehouse) -> None:
    with source.stream(numbers(source, 50_000), (), AMPLE) as answer:
        batches = list(answer)
    assert len(batches) > 3
    assert all(batch.schema == answer.schema for batch in batches)
    assert [value for batch in batches for value in batch.column(0).to_pylist()] == list(range(1, 50_001))
    assert not answer.is_truncated


def test_rows_beyond_the_limit_are_cut_and_said_so(source: Warehouse, rows: Rows) -> None:
    for count, is_cut in ((9_999, True), (10_000, False)):
        with source.stream(numbers(source, 10_000), (), Limits(count, AMPLE.max_bytes, 20)) as answer:
            assert sum(batch.num_rows for batch in answer) == count
        assert answer.is_truncated is is_cut
    assert rows(source, "SELECT count(*) AS n FROM orders") == [{"n": 3}]


def test_bytes_are_counted_over_the_whole_answer(source: Warehouse) -> None:
    wide = numbers(source, 20_000, dialects.of(source).wide + " AS x")
    with pytest.raises(WarehouseError) as caught, source.stream(wide, (), Limits(100_000, 5_000_000, 20)) as answer:
        for _ in answer:
            pass
    assert caught.value.code == "too_large"


def test_bytes_beyond_the_limit_are_cut_where_that_is_wanted_unless_no_row_fits(source: Warehouse) -> None:
    wide = numbers(source, 900, f"i AS n, {dialects.of(source).wide} AS t") + " ORDER BY n"
    for limit, most in ((500_000, 500), (10_000_000, 900)):
        limits = Limits(100_000, limit, 20, cuts_bytes=True)
        with source.stream(wide, (), limits) as answer:
            found = [n for batch in answer for n in batch.to_pydict()["n"]]
        whole = source.execute(wide, (), limits)
        assert found == list(range(1, len(found) + 1))
        assert 0 < len(found) <= most
        assert (answer.is_truncated, whole.is_truncated) == (limit == 500_000, limit == 500_000)
        assert whole.table.num_rows == len(found)
    with pytest.raises(WarehouseError, match="larger"):
        source.execute("SELECT repeat('x', 100000) AS t", (), Limits(10, 50_000, 20, cuts_bytes=True))


def test_no_batch_is_much_larger_than_a_megabyte(source: Warehouse) -> None:
    wide = numbers(source, 30_000, dialects.of(source).wide + " AS x")
    with source.stream(wide, (), AMPLE) as answer:
        assert max(batch.nbytes for batch in answer) < 10 * 1024 * 1024


def test_a_reader_who_leaves_early_ends_the_statement(source: Warehouse) -> None:
    begun = time.monotonic()
    with source.stream(numbers(source, 5_000_000), (), LONG) as answer:
        next(answer.batches)
    assert time.monotonic() - begun < 10


def test_a_readers_own_error_stays_its_own(source: Warehouse) -> None:
    with pytest.raises(ZeroDivisionError), source.stream(numbers(source, 100_000), (), LONG) as answer:
        for _ in answer:
            raise ZeroDivisionError


def test_a_reader_who_takes_too_long_is_told(source: Warehouse) -> None:
    with (
        pytest.raises(WarehouseError) as caught,
        source.stream(numbers(source, 3_000_000), (), Limits(10_000_000, 10**10, 1)) as answer,
    ):
        for _ in answer:
            time.sleep(0.2)
    assert caught.value.code == "timed_out"


def test_another_thread_cancels_in_the_middle(source: Warehouse) -> None:
    is_reading = threading.Event()
    canceller = threading.Thread(target=lambda: (is_reading.wait(10), source.cancel()))
    canceller.start()
    with pytest.raises(WarehouseError) as caught, source.stream(numbers(source, 5_000_000), (), LONG) as answer:
        for _ in answer:
            is_reading.set()
            time.sleep(0.01)
    canceller.join()
    assert caught.value.code == "cancelled"


LONG_ROWS = 400_000


@pytest.mark.parametrize("name", ["file", "database", "market", "plant"])
def test_a_long_answer_flows_in_constant_memory(name: str, request: pytest.FixtureRequest) -> None:
    target: Target = request.getfixturevalue(name)
    dialect = dialects.DIALECTS[target.dialect]
    statement = f"SELECT i, {dialect.wide} AS x FROM {dialect.numbers.format(n=LONG_ROWS)}".replace("1000)", "100)")
    fields = json.dumps(asdict(target) | {"data_dir": str(target.data_dir or "")})
    done = subprocess.run(
        [sys.executable, "-m", "tests.warehouses.reading", fields, "" if name == "plant" else PASSWORD, statement],
        capture_output=True, check=True, text=True, timeout=120,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["rows"] == LONG_ROWS
    assert found["after"] - found["before"] < 40  # the answer is larger than that
    assert found["after"] < 150
