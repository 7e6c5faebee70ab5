"""An SQL view that a reader let through all the same: the proof follows its columns by itself."""

from dataclasses import replace

import pytest
import sqlglot
from sqlglot import exp

from apps.semantic.compile import compile_query
from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import SqlSource, table_text
from apps.semantic.query.reading import parse_query
from apps.semantic.verify import verify
from tests.semantic.features.store import TODAY, ask, everything, model
from tests.semantic.model.test_followed import CUSTOMERS, FOLLOWED, LOST, ORDERS

GOVERNORS = {"omni_store.customers": "customers", "omni_store.orders": "orders"}
FILES = {"view.view": f"sql: SELECT c.id AS a FROM {CUSTOMERS}\ndimensions: {{a: {{}}}}", "V.topic": "base_view: view"}


def verified(sql: str, dialect: str, **view: object) -> None:
    of = model(dialect, **FILES)
    tree = sqlglot.parse_one(sql, read=dialect)
    assert isinstance(tree, exp.Query)
    source = SqlSource(tree, {text: GOVERNORS.get(text, "") for text in map(table_text, tree.find_all(exp.Table))})
    of = replace(of, views={**of.views, "view": replace(of.views["view"], sql_source=source, **view)})
    rights = everything(of, "V")
    compiled = compile_query(parse_query(ask("V", "view.a")), model=of, scope=rights, today=TODAY)
    verify(compiled, model=of, scope=rights)


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "mysql"])
@pytest.mark.parametrize(
    "sql", [sql for sql in LOST if '"' not in sql and "JOIN omni_store.orders AS o ON o.id = c.id)" not in sql]
)
def test_a_text_whose_columns_cannot_be_followed_is_not_proven(sql: str, dialect: str) -> None:
    if "SEMI JOIN" in sql and dialect != "duckdb":
        verified(sql, dialect)  # it is written as EXISTS there, whose columns can be followed
        return
    with pytest.raises(UnprovenSqlError):
        verified(sql, dialect)


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "mysql"])
@pytest.mark.parametrize("sql", FOLLOWED)
def test_a_text_whose_columns_can_be_followed_is_proven(sql: str, dialect: str) -> None:
    verified(sql, dialect)


def test_a_text_that_names_queries_is_not_proven() -> None:
    """Whoever reads a model puts them where they are read; a query that is named could pass for a table."""
    with pytest.raises(UnprovenSqlError, match=r"The text holds (With|CTE)"):
        verified(f"WITH customers AS (SELECT c.id AS id FROM {CUSTOMERS}) SELECT c.id AS a FROM {CUSTOMERS}", "duckdb")


def test_a_name_that_is_no_column_of_a_derived_view_does_not_leave_it() -> None:
    of = model("duckdb", **FILES)
    whole = replace(of.views["view"].dimensions["a"], sql=exp.Column(this=exp.to_identifier("view query", quoted=True)))
    with pytest.raises(UnprovenSqlError, match="read by another name than its columns have"):
        verified(f"SELECT c.id AS a FROM {CUSTOMERS}", "duckdb", dimensions={"a": whole})
    assert ORDERS
