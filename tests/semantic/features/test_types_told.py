"""What is told of types in expressions, against what the databases do: nothing that they take is a fault."""

import re

import duckdb
import psycopg
import pymysql
import pytest

from apps.semantic.errors import ModelError
from apps.semantic.model.reading import read_model
from tests.semantic.features.store import Store

KNOWN = {
    "n": "CAST(amount AS INT)", "t": "CAST(status AS VARCHAR(40))", "d": "CAST(ordered_at AS DATE)",
    "m": "CAST(ordered_at AS TIMESTAMP)", "b": "amount > 30",
}  # fmt: skip
ON_MYSQL = {"t": "CAST(status AS CHAR(40))", "m": "CAST(ordered_at AS DATETIME)", "n": "CAST(amount AS SIGNED)"}
REFUSED = (
    "${t} + 1", "${t} * 2", "-${t}", "${d} * 2", "${m} - 1", "${b} + 1", "${b} * 2", "${n} AND TRUE", "NOT ${n}", "${t} OR ${b}",
    "NOT ${t}", "${d} AND TRUE", "CASE WHEN ${n} THEN 1 END", "CASE WHEN ${t} THEN 1 END", "CASE WHEN ${b} THEN 1 ELSE 'a' END",
    "CASE WHEN ${b} THEN ${n} ELSE ${t} END", "CASE WHEN ${b} THEN ${d} ELSE ${n} END", "CASE WHEN ${b} THEN ${d} ELSE ${t} END",
    "CASE WHEN ${b} THEN ${b} ELSE ${n} END", "COALESCE(${n}, 'a')", "COALESCE(${n}, ${t})", "COALESCE(${d}, ${n})", "${d} > 5",
    "${d} = ${n}", "${m} > 5", "${d} IN (1)", "${d} BETWEEN 1 AND 2", "${t} IN (1)", "EXTRACT(YEAR FROM ${t})", "EXTRACT(YEAR FROM ${n})",
    "DATE_TRUNC('month', ${t})", "DATE_TRUNC('month', ${n})", "LOWER(${n})", "UPPER(${b})", "TRIM(${n})", "LENGTH(${n})", "SUBSTRING(${n}, 1, 2)",
    "ABS(${t})", "ROUND(${t}, 1)", "ROUND(${d})", "${n} LIKE 'a%'", "${d} LIKE 'a%'", "(${d} - ${d}) = 'x'", "${b} = 1", "${n} = TRUE", "${b} IN (0, 1)", "(${n} > 3) <> 0",
)  # fmt: skip
TAKEN = (
    "${n} + 1", "${d} + 1", "${d} - ${d}", "(${d} - ${d}) * 24", "${m} - ${d}", "${d} - INTERVAL '1' DAY", "${m} + INTERVAL '1' DAY",
    "${b} AND ${n} > 1", "NOT ${b}", "CASE WHEN ${b} THEN 'a' ELSE ${t} END", "CASE ${n} WHEN 1 THEN 'a' ELSE 'b' END",
    "CASE WHEN ${b} THEN ${d} ELSE ${m} END", "CASE WHEN ${b} THEN 1 ELSE 2.5 END", "CASE WHEN ${b} THEN ${n} ELSE NULL END",
    "COALESCE(${t}, 'none')", "COALESCE(${n}, 0)", "COALESCE(${n}, '0')", "COALESCE(${d}, '2020-01-01')", "${n} = '5'", "${d} > '2020-01-01'",
    "${m} >= ${d}", "${t} > 'a'", "${t} LIKE 'a%'", "${n} || 'a'", "${d} || 'a'", "NULLIF(${t}, '')", "LENGTH(LOWER(${t})) + 1",
    "EXTRACT(YEAR FROM ${d}) + 1", "ABS(${n} - 1)", "ROUND(${n} / 2, 1)", "CAST(${t} AS CHAR(3))", "(${n} > 1) = ${b}", "-(${d} - ${d})",
    "ABS(${d} - ${d})",
)  # fmt: skip
LEFT_TO_DATA = {"${t} OR ${b}", "NOT ${t}", "CASE WHEN ${t} THEN 1 END", "COALESCE(${n}, 'a')"}
"""what DuckDB takes as long as no row has another value"""


def columns(dialect: str) -> dict[str, str]:
    return KNOWN | (ON_MYSQL if dialect == "mysql" else {})


def told(sql: str, dialect: str) -> str:
    """Return ``fault``, ``warning`` or nothing, as a model with this dimension has it."""
    fields = "".join(f"  {name}: {{sql: '{text}'}}\n" for name, text in columns(dialect).items())
    quoted = sql.replace("'", "''")
    view = f"schema: omni_store\ntable_name: orders\ndimensions:\n  id: {{primary_key: true}}\n{fields}  x: {{sql: '{quoted}'}}\n"
    try:
        model = read_model({"odd.view": view}, dialect=dialect)
    except ModelError as error:
        faults = {(item.file, item.line) for item in error.problems if not item.is_warning}
        return "fault" if faults == {("odd.view", 10)} else f"faults elsewhere: {faults}"
    return "warning" if any(item.line == 10 for item in model.warnings) else ""


def is_taken(sql: str, store: Store) -> bool:
    known = columns(store.engine.dialect)
    plain = re.sub(r"\$\{(\w)\}", lambda match: f"({known[match[1]]})", sql)
    try:
        store.engine.rows(f"SELECT {plain} AS x FROM omni_store.orders")
    except (duckdb.Error, psycopg.Error, pymysql.Error):
        return False
    return True


@pytest.mark.parametrize("sql", [*REFUSED, *TAKEN])
def test_a_fault_is_what_the_database_refuses(store: Store, sql: str) -> None:
    says, taken = told(sql, store.engine.dialect), is_taken(sql, store)
    assert says in ("fault", "warning", "")
    if store.engine.dialect == "mysql" and "||" in sql:
        assert says == "fault"  # whatever it is: servers differ
    elif store.engine.dialect in ("mysql", "spark"):
        assert says != "fault" or not taken
    elif says == "fault":
        assert not taken or sql in LEFT_TO_DATA
    else:
        assert taken, f"{sql} is refused, and nothing says so"
