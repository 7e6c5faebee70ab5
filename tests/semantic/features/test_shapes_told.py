"""What is told of the shape of an SQL view, against what the databases do: nothing that they take is a fault."""

import json

import duckdb
import psycopg
import pymysql
import pytest

from apps.semantic.errors import ModelError
from tests.semantic.features.store import ask, everything, model

CUSTOMERS, ORDERS = "omni_store.customers AS c", "omni_store.orders AS o"
COUNTED = f"SELECT o.status AS a, COUNT(*) AS n FROM {ORDERS}"
SHAPES = (
    f"{COUNTED} GROUP BY o.status HAVING n > 1", f"{COUNTED} GROUP BY o.status HAVING COUNT(*) > 1", f"{COUNTED} GROUP BY 1",
    f"{COUNTED} GROUP BY 3", f"{COUNTED} GROUP BY ALL", COUNTED, f"{COUNTED} GROUP BY o.amount", f"{COUNTED} GROUP BY status",
    f"SELECT o.status AS a, o.amount AS n FROM {ORDERS} ORDER BY n LIMIT 2", f"SELECT o.status AS a, o.amount AS n FROM {ORDERS} ORDER BY (n) LIMIT 2",
    f"SELECT o.status AS a, o.amount AS n FROM {ORDERS} ORDER BY n + 1 LIMIT 2", f"SELECT o.status AS a FROM {ORDERS} ORDER BY 2",
    f"SELECT o.status AS a FROM {ORDERS} ORDER BY o.amount + 1 LIMIT 2", f"SELECT o.amount + 1 AS a, COUNT(*) AS n FROM {ORDERS} GROUP BY o.amount + 1",
    f"SELECT UPPER(o.status) AS a, COUNT(*) AS n FROM {ORDERS} GROUP BY a", f"SELECT UPPER(o.status) AS a, COUNT(*) AS n FROM {ORDERS} GROUP BY LOWER(a)",
    f"SELECT UPPER(o.status) AS a, COUNT(*) AS n FROM {ORDERS} GROUP BY o.status", f"SELECT LOWER(UPPER(o.status)) AS a FROM {ORDERS} GROUP BY UPPER(o.status)",
    f"SELECT o.status AS a FROM {ORDERS} WHERE COUNT(*) > 1", f"SELECT o.status AS a, SUM(COUNT(*)) AS n FROM {ORDERS} GROUP BY o.status",
    f"SELECT o.status AS a, SUM(COUNT(*)) OVER () AS n FROM {ORDERS} GROUP BY o.status", f"SELECT o.status AS a FROM {ORDERS} GROUP BY o.status, COUNT(*)",
    f"SELECT o.status AS a, RANK() OVER (ORDER BY SUM(o.amount)) AS n FROM {ORDERS} GROUP BY o.status",
    f"SELECT o.status AS a, RANK() OVER (ORDER BY o.amount) AS n FROM {ORDERS} GROUP BY o.status",
    f"SELECT o.id AS a FROM {ORDERS} WHERE ROW_NUMBER() OVER (ORDER BY o.id) = 1",
    f"SELECT LAG(o.amount, 1, 0) OVER (ORDER BY o.id) AS a FROM {ORDERS}", f"SELECT LAG(o.amount, 1) OVER (ORDER BY o.id) AS a FROM {ORDERS}",
    f"SELECT (SELECT c.id, c.name FROM {CUSTOMERS} LIMIT 1) AS a FROM {ORDERS}", f"SELECT (SELECT MAX(c.id) FROM {CUSTOMERS}) AS a FROM {ORDERS}",
    f"SELECT o.id AS a FROM {ORDERS} WHERE o.id IN (SELECT c.id, c.name FROM {CUSTOMERS})", f"SELECT o.id AS a FROM {ORDERS} WHERE o.id IN (SELECT c.id FROM {CUSTOMERS})",
    f"SELECT o.id AS a FROM {ORDERS} WHERE o.id IN (SELECT c.id FROM {CUSTOMERS} ORDER BY c.id LIMIT 2)",
    f"SELECT o.id AS a FROM {ORDERS} WHERE EXISTS (SELECT c.id, c.name FROM {CUSTOMERS})",
    f"SELECT c.id AS a FROM {CUSTOMERS} WHERE EXISTS (SELECT x.i FROM (SELECT o.id AS i FROM {ORDERS} WHERE o.customer_id = c.id) AS x)",
    f"SELECT c.name AS a FROM {CUSTOMERS} UNION ALL SELECT o.status FROM {ORDERS} ORDER BY a",
    f"SELECT c.name AS a FROM {CUSTOMERS} UNION ALL SELECT o.status FROM {ORDERS} ORDER BY 1",
    f"SELECT c.name AS a FROM {CUSTOMERS} UNION ALL SELECT o.status FROM {ORDERS} ORDER BY UPPER(a)",
    f"SELECT DISTINCT o.status AS a FROM {ORDERS} ORDER BY o.amount", f"SELECT DISTINCT o.status AS a FROM {ORDERS} ORDER BY o.status",
    f"SELECT DISTINCT UPPER(o.status) AS a FROM {ORDERS} ORDER BY UPPER(o.status)", f"SELECT o.id AS a FROM {ORDERS} LEFT JOIN {CUSTOMERS}",
    f"SELECT o.id AS a FROM {ORDERS} CROSS JOIN {CUSTOMERS}", f"SELECT MAX(o.amount) AS a FROM {ORDERS} HAVING MAX(o.amount) > 1",
    f"SELECT CASE WHEN o.status = 'paid' THEN MAX(o.amount) ELSE 0 END AS a FROM {ORDERS} GROUP BY o.status", f"SELECT 1 AS a FROM {ORDERS} GROUP BY o.status",
    f"SELECT DATE_DIFF('day', o.ordered_at, o.shipped_at) AS a FROM {ORDERS}", f"SELECT o.status || '' AS a, COUNT(*) AS n FROM {ORDERS} GROUP BY o.status",
)  # fmt: skip
WRITTEN_OTHERWISE = ("DATE_DIFF",)
"""what is written in another way for MySQL and MariaDB, which do not take it as it stands"""
SOME_SERVERS = ("1, 0)", "x.i", "||")
"""what MySQL takes and MariaDB does not, or the other way round, or in one mode alone"""
REFUSALS = (duckdb.Error, psycopg.Error, pymysql.Error)


def told(sql: str, dialect: str) -> list[str]:
    view = f"sql: {json.dumps(sql)}\ndimensions: {{a: {{}}}}\nmeasures: {{count: {{aggregate_type: count}}}}\n"
    try:
        model(dialect, **{"v.view": view, "V.topic": "base_view: v"})
    except ModelError as error:
        return [str(item) for item in error.problems]
    return []


@pytest.mark.parametrize("sql", SHAPES)
def test_a_fault_is_what_the_database_refuses(store, sql):
    dialect = store.engine.dialect
    found = told(sql, dialect)
    assert all(text.startswith("v.view:1:6: ") for text in found)
    try:
        by_hand = len(store.engine.rows(sql))
    except REFUSALS:
        assert found or (dialect in ("mysql", "spark") and any(text in sql for text in WRITTEN_OTHERWISE))
        return
    if any(text in sql for text in SOME_SERVERS) and dialect == "mysql":
        return
    assert not found
    view = f"sql: {json.dumps(sql)}\ndimensions: {{a: {{}}}}\nmeasures: {{count: {{aggregate_type: count}}}}\n"
    of = model(dialect, **{"v.view": view, "V.topic": "base_view: v"})
    assert store.ask(ask("V", "v.count"), everything(of, "V"), of) == [(by_hand,)]
