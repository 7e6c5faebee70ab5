"""SQL views whose columns cannot be followed by their names: faults where the text stands."""

import pytest

from apps.semantic.errors import ModelError
from tests.semantic.features.store import FILES, model

CUSTOMERS = "omni_store.customers AS c"
ORDERS = "omni_store.orders AS o"
LOST = {
    f"SELECT c.id AS a FROM {CUSTOMERS}(id, mail)": "“c (…)” renames columns",
    f"SELECT x.a AS a FROM (SELECT c.id, c.email FROM {CUSTOMERS}) AS x(b, a)": "“x (…)” renames columns",
    f"SELECT id AS a FROM {CUSTOMERS} JOIN {ORDERS} USING (id)": "write joins with ON",
    f"SELECT c.id AS a FROM {CUSTOMERS} NATURAL JOIN {ORDERS}": "write joins with ON",
    f"SELECT c.id AS a FROM {CUSTOMERS} SEMI JOIN {ORDERS} ON o.id = c.id": "write joins with ON",
    f"SELECT c AS a FROM {CUSTOMERS}": "“c” would be whole rows",
    f"SELECT COUNT(c) AS a FROM {CUSTOMERS}": "“c” would be whole rows",
    f'SELECT "C" AS a FROM {CUSTOMERS}': "“c” would be whole rows",
    f"SELECT c.to_jsonb AS a FROM {CUSTOMERS}": "“c.to_jsonb” is no column that a view describes",
    f"SELECT c.id.email AS a FROM {CUSTOMERS}": "has more parts than table and column",
    f"SELECT o.email AS a FROM {CUSTOMERS}": "“o.email” names no table",
    f"SELECT UPPER(c.email) FROM {CUSTOMERS}": "each column needs a name",
    f"SELECT c.id AS a, c.email AS a FROM {CUSTOMERS}": "“a” is the name of two columns",
    f'SELECT c.id AS a, c.email AS "A" FROM {CUSTOMERS}': "“a” is the name of two columns",
    f"SELECT c.email AS e, UPPER(e) AS a FROM {CUSTOMERS}": "“e” is no column of what is read here",
    f"SELECT c.id AS a FROM {CUSTOMERS} UNION ALL BY NAME SELECT c.email AS a FROM {CUSTOMERS}": "go by their order",
    f"SELECT c.id AS a, c.name AS b FROM {CUSTOMERS} UNION ALL SELECT c.id AS a FROM {CUSTOMERS}": "as many columns",
    f"SELECT x.a AS a FROM (SELECT c.id AS a, MAX(c.email) FROM {CUSTOMERS} GROUP BY 1) AS x": "each column needs a name",
    f"SELECT a AS a FROM (SELECT c.id AS a FROM {CUSTOMERS})": "a query in FROM needs a name",
    f"SELECT c.id AS a FROM ({CUSTOMERS} JOIN {ORDERS} ON o.id = c.id)": "a query in FROM needs a name",
    f"SELECT c.id AS a FROM {CUSTOMERS} JOIN omni_store.orders AS C ON 1 = 1": "“c” is read twice",
    f"SELECT o.id AS a FROM {ORDERS} WHERE o.status IN (SELECT c FROM {CUSTOMERS})": "“c” would be whole rows",
    f"SELECT (SELECT o FROM {CUSTOMERS} LIMIT 1) AS a FROM {ORDERS}": "“o” would be whole rows",
    f"SELECT o.id AS a FROM {ORDERS} WHERE EXISTS (SELECT 1 FROM {CUSTOMERS} WHERE c IS NULL)": "“c” would be whole rows",
    f"SELECT COUNT(*) OVER (PARTITION BY c) AS a FROM {CUSTOMERS}": "“c” would be whole rows",
    f"SELECT c.id AS i, RANK() OVER (ORDER BY i) AS a FROM {CUSTOMERS}": "“i” may be a column or the output of that name",
    f"SELECT RANK() OVER w AS a FROM {CUSTOMERS} WINDOW w AS (ORDER BY c.id)": "an SQL view names no windows",
    f"SELECT RANK() AS a FROM {CUSTOMERS}": "“rank” is not allowed",
    f"WITH x(a) AS (SELECT c.id FROM {CUSTOMERS}) SELECT x.a AS a FROM x": "“x (…)” renames columns",
    f"WITH x AS (SELECT c.id AS a FROM {CUSTOMERS}) SELECT q.a AS a FROM x AS q(a)": "“q (…)” renames columns",
    f"WITH RECURSIVE x AS (SELECT c.id AS a FROM {CUSTOMERS} UNION ALL SELECT x.a FROM x) SELECT x.a AS a FROM x": "a query that reads itself",
    f"WITH x AS (SELECT c.id AS a FROM {CUSTOMERS}), x AS (SELECT o.id AS a FROM {ORDERS}) SELECT x.a AS a FROM x": "“x” is the name of two queries",
    f"WITH x AS (SELECT c.id AS a FROM {CUSTOMERS} LIMIT 2) SELECT x.a AS a FROM x JOIN x AS y ON x.a = y.a": "“x” has a LIMIT or numbers rows, and is read twice",
    f"WITH x AS (SELECT ROW_NUMBER() OVER (ORDER BY c.region) AS a FROM {CUSTOMERS}) SELECT x.a AS a FROM x JOIN x AS y ON x.a = y.a": "“x” has a LIMIT or numbers rows, and is read twice",
    f"WITH x AS (SELECT c.id FROM {CUSTOMERS}) SELECT x.email AS a FROM x": "“x.email” is no column",
    f"WITH x AS ((SELECT c.id AS a FROM {CUSTOMERS}) ORDER BY a LIMIT 1) SELECT x.a AS a FROM x": "“x” has more around its brackets",
    f"SELECT o.id AS a FROM {ORDERS} WHERE EXISTS (WITH z AS (SELECT c.id AS i FROM {CUSTOMERS} WHERE c.id = o.id) SELECT 1 FROM {ORDERS} WHERE o.id IN (SELECT z.i FROM z))": "“o.id” names no table that is read here",
    f"WITH z AS (SELECT o.id AS i FROM {ORDERS} WHERE region = 'EU') SELECT c.id AS a FROM {CUSTOMERS} WHERE c.id IN (SELECT z.i FROM z)": "“region” is no column of what is read here",
    f"SELECT c.email AS name, ROW_NUMBER() OVER (ORDER BY name) AS a FROM {CUSTOMERS}": "“name” may be a column or the output of that name",
    f"SELECT c.email AS name, COUNT(*) OVER (PARTITION BY UPPER(name)) AS a FROM {CUSTOMERS}": "“name” may be a column or the output of that name",
    f"SELECT c.email AS e, ROW_NUMBER() OVER (ORDER BY 1) AS a FROM {CUSTOMERS}": "a window has its rows in order by columns",
    f"SELECT c.id AS a FROM {CUSTOMERS} ORDER BY c.id LIMIT (SELECT COUNT(*) FROM {ORDERS})": "a LIMIT is a number",
    f"SELECT c.id AS a FROM {CUSTOMERS} UNION ALL SELECT o.id FROM {ORDERS} ORDER BY email": "“email” is no column of what is read here",
    f"SELECT c.id AS a FROM {CUSTOMERS} UNION ALL SELECT o.id FROM {ORDERS} ORDER BY c.email": "“c.email” names no table",
    f"WITH x AS (DELETE FROM {CUSTOMERS}) SELECT c.id AS a FROM {CUSTOMERS}": "“x” is no SELECT",
}
NOT_TAKEN = {
    f"SELECT COUNT(*) OVER (w) AS a FROM {CUSTOMERS} WINDOW w AS (ORDER BY c.id)": "an SQL view names no windows",
    f"SELECT c.id AS a FROM {CUSTOMERS} INTERSECT SELECT o.id FROM {ORDERS}": "INTERSECT is not taken in an SQL view: choose rows with WHERE EXISTS",
    f"SELECT x.a AS a FROM (SELECT c.id AS a FROM {CUSTOMERS} EXCEPT SELECT o.id FROM {ORDERS}) AS x": "EXCEPT is not taken in an SQL view",
    f"WITH x AS (SELECT c.id AS a FROM {CUSTOMERS} EXCEPT SELECT o.id FROM {ORDERS}) SELECT x.a AS a FROM x": "EXCEPT is not taken in an SQL view",
    f"SELECT c.id AS a FROM {CUSTOMERS} QUALIFY ROW_NUMBER() OVER (ORDER BY c.id) = 1": "QUALIFY is not taken in an SQL view",
    f"SELECT COUNT(*) FILTER (WHERE c.id > 1) OVER () AS a FROM {CUSTOMERS}": "FILTER (…) is not taken in an SQL view",
    f"SELECT COUNT(*) FILTER (WHERE c.id > 1) AS a FROM {CUSTOMERS}": "FILTER (…) is not taken in an SQL view",
}
"""what could be followed, or written so that it could, and is refused as it is written"""
FOLLOWED = (
    f"SELECT c.id AS a, UPPER(c.email) AS b FROM {CUSTOMERS}",
    "SELECT id AS a FROM omni_store.customers ORDER BY a, name LIMIT 3",
    f"SELECT c.id AS a FROM {CUSTOMERS}, {ORDERS} WHERE status = 'paid'",
    f"SELECT c.id AS a FROM {CUSTOMERS} UNION ALL SELECT MAX(o.id) FROM {ORDERS}",
    f"SELECT (SELECT MAX(o.id) FROM {ORDERS} WHERE o.customer_id = c.id) AS a FROM {CUSTOMERS}",
    f"SELECT x.a AS a FROM (SELECT c.id AS a FROM {CUSTOMERS}) AS x WHERE x.a IN (SELECT o.id FROM {ORDERS} WHERE o.id > x.a)",
    f"SELECT c.region AS a, COUNT(*) AS n FROM {CUSTOMERS} GROUP BY a HAVING n > 1",
    f"SELECT name AS name, ROW_NUMBER() OVER (ORDER BY name) AS a FROM {CUSTOMERS}",
    f"SELECT o.id AS a FROM {ORDERS} WHERE NOT EXISTS (SELECT 1 FROM {CUSTOMERS} WHERE c.id = o.customer_id)",
    f"SELECT SUM(o.amount) OVER (PARTITION BY o.status ORDER BY o.id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS a FROM {ORDERS}",
)
UNION = f"SELECT c.name AS a FROM {CUSTOMERS} UNION ALL SELECT o.status FROM {ORDERS}"
NAMED = f"WITH x AS (SELECT c.id AS a FROM {CUSTOMERS}), y AS (SELECT x.a AS a FROM x) SELECT y.a AS a FROM y"


NO_SELECT = {
    f"SELECT c.id /*+ all */ AS a FROM {CUSTOMERS}": "comments cannot stand in an SQL view",
    f"SELECT c.id AS a FROM {CUSTOMERS} -- all of them": "comments cannot stand in an SQL view",
    f"(SELECT c.id AS a FROM {CUSTOMERS})": "an SQL view is one SELECT",
    "DELETE FROM omni_store.customers": "an SQL view is one SELECT",
    "SELECT t.a AS a FROM read_csv('orders.csv') AS t": "a function cannot stand in the place of a table",
    f"SELECT c.id AS a FROM {CUSTOMERS} WHERE {{{{# customers.x.filter }}}} c.id {{{{/ customers.x.filter }}}}": "templated filters stand in dimensions",
    f"SELECT c.id AS a FROM {CUSTOMERS} WHERE EXISTS (SELECT 1 + lost FROM {ORDERS})": "“lost” is no column of what is read here",
    f"SELECT c.id AS a FROM {CUSTOMERS} WHERE EXISTS (SELECT o.id FROM {ORDERS} HAVING MAX(o.id) > 1)": "“o.id” stands neither in GROUP BY",
}  # fmt: skip


def faults(sql: str, more: str = "a: {}", dialect: str = "duckdb") -> list[str]:
    view = f"schema: omni_store\nsql: |\n  {sql}\ndimensions: {{{more}}}\n"
    try:
        model(dialect, **{"view.view": view})
    except ModelError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize(("sql", "says"), [*LOST.items(), *NOT_TAKEN.items(), *NO_SELECT.items()])
def test_what_cannot_be_followed_is_a_fault_where_the_text_stands(sql: str, says: str) -> None:
    assert [text for text in faults(sql) if not text.startswith("view.view:2:6: ")] == []
    assert says in faults(sql)[0]


@pytest.mark.parametrize("sql", FOLLOWED)
def test_what_can_be_followed_is_read(sql: str) -> None:
    assert faults(sql) == []


def test_queries_that_are_named_are_read_where_their_names_are() -> None:
    assert faults(NAMED) == faults(NAMED.replace("FROM y", "FROM Y AS y")) == []
    assert "“Y” is spelt otherwise where it is named" in faults(NAMED.replace("FROM y", 'FROM "Y" AS y'))[0]
    assert "“nowhere.y”" in faults(NAMED.replace("FROM y", "FROM nowhere.y"))[0]
    wide = ", ".join(f"c.id + {n} AS a{n}" for n in range(40))
    row = ", ".join(f"x.a{n} AS a{n}" for n in range(40))
    chain = "".join(f", x{k} AS (SELECT {row.replace('x.', f'x{k - 1}.')} FROM x{k - 1})" for k in range(1, 12))
    assert faults(f"WITH x0 AS (SELECT {wide} FROM {CUSTOMERS}){chain} SELECT x11.a0 AS a FROM x11") == []
    assert faults(f"SELECT c.id AS a FROM {CUSTOMERS} ORDER BY ALL LIMIT 1")[0].endswith(
        "name the columns that it is sorted by"
    )
    doubled = ", ".join(
        f"x{n} AS (SELECT a.a AS a FROM x{n - 1} AS a JOIN x{n - 1} AS b ON a.a = b.a)" for n in range(1, 20)
    )
    sql = f"WITH x0 AS (SELECT c.id AS a FROM {CUSTOMERS}), {doubled} SELECT x19.a AS a FROM x19"
    assert "read one another too often" in faults(sql)[0]


def test_a_table_that_no_view_describes_is_told_once() -> None:
    assert faults(f"SELECT x.a AS a FROM omni_store.nowhere AS x JOIN {CUSTOMERS} ON x.a = c.id") == [
        "view.view:2:6: no view describes the table “omni_store.nowhere”: an SQL view reads tables through the one view that governs them"
    ]


def test_a_field_reads_a_column_that_the_text_names() -> None:
    sql = f"SELECT c.id AS a FROM {CUSTOMERS}"
    assert faults(sql, "a: {}, b: {sql: '\"view query\"'}") == [
        "view.view:4:21: “view.b” reads “view query”, which is no column of the view's SQL"
    ]
    assert faults(sql, "a: {}, b: {sql: A + 1}") == []


def test_an_sql_view_is_followed_in_each_topic_that_has_its_tables_otherwise() -> None:
    view = f"sql: SELECT c.spot AS a FROM {CUSTOMERS}\ndimensions: {{a: {{}}}}\n"
    customers = FILES["customers.view"].replace("  manager_id: {}", "  manager_id: {}\n  spot: {}")
    files = {"view.view": view, "customers.view": customers, "V.topic": "base_view: view"}
    assert model("duckdb", **files).views["view"].sql_source is not None
    own = "base_view: view\nviews: {customers: {dimensions: {spot: {sql: region}}}}\n"
    with pytest.raises(
        ModelError, match=r"view\.view:1:6: as the topic “V” has it: “c\.spot” is no column that a view describes"
    ):
        model("duckdb", **files | {"V.topic": own})


@pytest.mark.parametrize(
    ("sql", "dialects", "says"),
    [
        ("SELECT o.id AS a FROM omni_store.orders AS O", ("mysql",), "“o” is spelt otherwise"),
        ("SELECT ORDERS.ID AS a FROM omni_store.orders", ("mysql",), "“ORDERS” is spelt otherwise"),
        ('SELECT "O".id AS a FROM omni_store.orders AS O', ("postgres",), "“O” is spelt otherwise"),
        ('SELECT o.id AS a FROM omni_store.orders AS "O"', ("postgres", "mysql"), "“o” is spelt otherwise"),
        (f"SELECT c.id AS a FROM {CUSTOMERS} FULL JOIN {ORDERS} ON o.id = c.id", ("mysql",), "has no FULL JOIN"),
        (f"{UNION} ORDER BY UPPER(a)", ("postgres",), "a UNION is sorted by its columns alone"),
        (f"{UNION} ORDER BY 1, a", (), ""),
    ],
)
def test_what_a_database_would_refuse_is_a_fault_there(sql: str, dialects: tuple[str, ...], says: str) -> None:
    for dialect in ("duckdb", "postgres", "mysql"):
        found = faults(sql, dialect=dialect)
        assert any(says in text for text in found) == (dialect in dialects), found
        assert bool(found) == (dialect in dialects)
