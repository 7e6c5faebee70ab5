"""What the values of every source are in Arrow: the same kinds everywhere."""

import math
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from apps.warehouses.types import Warehouse
from tests.warehouses import dialects
from tests.warehouses.conftest import AMPLE

WIDE = Decimal("12345678901234567890123456789012345.678")
CASES: dict[str, tuple[str, object]] = {
    "integer": ("integer", 7),
    "big integer": ("integer", 2**63 - 1),
    "boolean": ("boolean", True),
    "text": ("text", "grün 🜂"),
    "float": ("float", 1.5),
    "infinity": ("float", -math.inf),
    "decimal": ("decimal", Decimal("12.50")),
    "negative decimal": ("decimal", Decimal("-12.50")),
    "wide decimal": ("decimal", WIDE),
    "date": ("date", date(2026, 2, 28)),
    "timestamp": ("timestamp", datetime(2026, 2, 28, 23, 59, 1, 500_000)),  # noqa: DTZ001  (without a zone on purpose)
    "moment": ("moment", datetime(2026, 2, 28, 21, 59, tzinfo=UTC)),
    "time": ("text", "12:30:00.25"),
    "interval": ("text", "P1Y2M3DT4H5M6.5S"),
    "negative interval": ("text", "P-1MT-1H-30M"),
    "array": ("text", '["a", null]'),
    "json": ("text", '{"a": [1, 0.12345678901234567890]}'),
    "uuid": ("text", "6f9619ff-8b86-d011-b42d-00cf4fc964ff"),
    "bytes": ("text", "ff00"),
    "no decimal": ("decimal", None),
    "no date": ("date", None),
    "no text": ("text", None),
    "no number": ("integer", None),
    "no moment": ("moment", None),
}


def kind_of(column: pa.DataType) -> str:
    checks = {
        "boolean": pa.types.is_boolean, "integer": pa.types.is_integer, "float": pa.types.is_floating,
        "decimal": pa.types.is_decimal128, "date": pa.types.is_date32, "text": pa.types.is_string,
        "moment": pa.timestamp("us", "UTC").equals, "timestamp": pa.timestamp("us").equals,
    }  # fmt: skip
    return next((name for name, fits in checks.items() if fits(column)), str(column))


def one(source: Warehouse, case: str) -> tuple[str, object]:
    """Ask for one value in both ways, which agree; return its kind and itself."""
    expression = dialects.of(source).values[case]
    if expression is None:
        pytest.skip("this source has no such values")
    statement = f"SELECT {expression} AS x"
    table = source.execute(statement, (), AMPLE).table
    with source.stream(statement, (), AMPLE) as answer:
        streamed = pa.Table.from_batches(list(answer), answer.schema)
    values = table.column("x").to_pylist()
    assert kind_of(streamed.schema[0].type) == kind_of(table.schema[0].type)
    assert str(streamed.column("x").to_pylist()) == str(values) or streamed.column("x").to_pylist() == values
    return kind_of(table.schema[0].type), values[0]


@pytest.mark.parametrize("case", CASES)
def test_a_value_is_the_same_in_every_source(source: Warehouse, case: str) -> None:
    kind, value = one(source, case)
    if isinstance(value, str) and case == "time":
        value = value.rstrip("0")
    assert (kind, value) == CASES[case]


def test_what_is_not_a_number_stays_that(source: Warehouse) -> None:
    kind, value = one(source, "not a number")
    assert kind == "float"
    assert isinstance(value, float)
    assert math.isnan(value)


def test_a_huge_integer_is_never_another_number(source: Warehouse) -> None:
    _, value = one(source, "huge integer")
    statement = f"SELECT {dialects.of(source).values['huge integer']} AS x"
    exact = int("".join(letter for letter in statement.split(":", maxsplit=1)[0] if letter.isdigit()))
    assert isinstance(value, int | float | Decimal)
    assert float(value) == float(exact)


def test_every_type_has_its_column_when_there_is_no_row(source: Warehouse) -> None:
    known = {case: text for case, text in dialects.of(source).values.items() if text is not None and case in CASES}
    columns = ", ".join(f"{text} AS c{number}" for number, text in enumerate(known.values()))
    statement = f"SELECT * FROM (SELECT {columns}) t WHERE c0 < 0"
    with source.stream(statement, (), AMPLE) as answer:
        assert sum(batch.num_rows for batch in answer) == 0
    for schema in (answer.schema, source.execute(statement, (), AMPLE).table.schema):
        assert [kind_of(kind) for kind in schema.types] == [CASES[case][0] for case in known]
