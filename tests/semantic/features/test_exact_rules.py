"""Rules compare what they are given exactly: no value lets more rows through by a database's habits of conversion."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import duckdb
import psycopg
import pytest

from apps.semantic.compile import compile_query
from apps.semantic.compile.types import CompiledQuery
from apps.semantic.errors import MissingAttributeError, UnprovenSqlError
from apps.semantic.model.reading import read_model
from apps.semantic.query.reading import parse_query
from apps.semantic.verify import verify
from tests.semantic.features.engines import Engine, engine
from tests.semantic.features.store import TODAY, ask, everything, policy

ROWS = """
CREATE SCHEMA omni_exact;
CREATE TABLE omni_exact.things (id INT, name VARCHAR(20), number INT, price DECIMAL(8, 2), day DATE);
INSERT INTO omni_exact.things VALUES
  (1, 'acme', 5, 5, '2026-01-01'), (2, 'Acme ', 0, 0.5, '2026-01-02'), (3, 'ÁCME', 50, 1, NULL), (4, '5', NULL, 2, NULL),
  (5, '5x', 1, 3, NULL), (6, '05', 2, 4, NULL), (7, '', 3, NULL, NULL), (8, NULL, 4, 0, NULL)
"""
VIEW = """
schema: omni_exact
dimensions:
  id: {primary_key: true}
  name: {}
  number: {}
  price: {}
  day: {}
  told: {sql: CAST(name AS CHAR(20))}
  amount: {sql: "CAST(price AS DECIMAL(8, 2))"}
  born: {sql: CAST(day AS DATE)}
"""


@pytest.fixture(scope="module", params=["duckdb", "postgres", "mysql"])
def things(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with engine(request.param, "omni_exact") as found:
        found.rows(ROWS)
        yield found


def respelt(compiled: CompiledQuery, old: str, new: str) -> CompiledQuery:
    """Return a statement with one part of its text written in another way."""
    assert old in compiled.sql
    sql = compiled.sql.replace(old, new)
    return replace(compiled, sql=sql, shape=hashlib.sha256(sql.encode()).hexdigest())


def ids(things: Engine, topic: str = "base_view: things\n", *, more: str = "", **scope: Any) -> list[int] | None:
    """Return the rows that are let through; None where the question is refused, by us or by the database."""
    of = read_model({"things.view": VIEW + more, "Things.topic": topic}, dialect=things.dialect)
    rights = everything(of, "Things", **scope)
    try:
        compiled = compile_query(parse_query(ask("Things", "things.id")), model=of, scope=rights, today=TODAY)
        verify(compiled, model=of, scope=rights)
        return sorted(row[0] for row in things.rows(compiled.sql, list(compiled.parameters)))
    except (MissingAttributeError, psycopg.Error, duckdb.Error):
        return None


@pytest.mark.parametrize("place", ["row_policies", "topic_policies"])
@pytest.mark.parametrize(
    ("field", "value", "passing"),
    [
        ("name", "acme", [1]), ("name", "ACME", []), ("name", "5", [4]), ("name", "", [7]), ("name", 5, [4]), ("name", 0, []),
        ("name", False, []), ("name", True, []), ("name", 5.0, []), ("number", 5, [1]), ("number", 0, [2]), ("number", "5", [1]),
        ("number", 7, []), ("amount", 5, [1]), ("amount", 0.5, [2]), ("day", "2026-01-01", [1]), ("born", "2026-01-02", [2]),
        ("told", "acme", [1]), ("told", "5", [4]),
    ],
)  # fmt: skip
def test_a_policy_lets_nothing_through_by_a_conversion(things, place, field, value, passing):
    rule = policy(f"things.{field}", value)
    found = ids(things, **{place: {"things": (rule,)} if place == "row_policies" else (rule,)})
    # PostgreSQL does not compare a text with a number at all.
    is_refused = not passing or (things.dialect == "postgres" and (field, value) == ("name", 5))
    assert found == passing or (found is None and is_refused)


@pytest.mark.parametrize("value", [0.5, 5.0, True, False])
def test_a_value_that_a_column_may_spell_in_another_way_is_refused(value):
    of = read_model({"things.view": VIEW, "Things.topic": "base_view: things"}, dialect="mysql")
    rights = everything(of, "Things", row_policies={"things": (policy("things.price", value),)})
    with pytest.raises(MissingAttributeError, match="give the column a type"):
        compile_query(parse_query(ask("Things", "things.id")), model=of, scope=rights, today=TODAY)


@pytest.mark.parametrize(
    ("dialect", "exact", "loose"),
    [
        ("mysql", "CAST(CAST(`name` AS CHAR CHARACTER SET utf8mb4) AS BINARY)", "`name`"),
        ("mysql", "CAST(CAST(`name` AS CHAR CHARACTER SET utf8mb4) AS BINARY)", "CAST(`name` AS CHAR CHARACTER SET utf8mb4)"),
        ("duckdb", 'CAST("name" AS TEXT)', '"name"'),
    ],
)  # fmt: skip
def test_a_policy_that_is_compared_loosely_is_not_proven(dialect, exact, loose):
    of = read_model({"things.view": VIEW, "Things.topic": "base_view: things"}, dialect=dialect)
    rights = everything(of, "Things", row_policies={"things": (policy("things.name", 5),)})
    compiled = compile_query(parse_query(ask("Things", "things.id")), model=of, scope=rights, today=TODAY)
    verify(compiled, model=of, scope=rights)
    assert compiled.parameters == ("5",)
    with pytest.raises(UnprovenSqlError, match="another value"):
        verify(replace(compiled, parameters=(5,)), model=of, scope=rights)
    with pytest.raises(UnprovenSqlError, match="row policy is missing"):
        verify(respelt(compiled, exact, loose), model=of, scope=rights)
