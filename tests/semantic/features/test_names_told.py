"""What is told of the names and joins of an SQL view, against what the databases do: nothing that they take is a fault."""

import pytest

from apps.semantic.errors import ModelError
from tests.semantic.features.store import FILES, ask, everything, model
from tests.semantic.features.telling import compare, told

CUSTOMERS, ORDERS, ITEMS = "omni_store.customers AS c", "omni_store.orders AS o", "omni_store.items AS i"
BOTH = f"FROM {CUSTOMERS} JOIN {ORDERS} ON o.customer_id = c.id"
MONTHLY = "omni_store.monthly AS m"
NAMES = (
    f"SELECT id AS a {BOTH}", f"SELECT name AS a {BOTH}", f"SELECT id + 1 AS a {BOTH}", f"SELECT c.id AS a {BOTH} WHERE id = 1", f"SELECT c.id AS a {BOTH} WHERE status = 'paid'",
    f"SELECT c.id AS a FROM {CUSTOMERS} JOIN {ORDERS} ON customer_id = id", f"SELECT c.id AS a FROM {CUSTOMERS} JOIN {ORDERS} ON customer_id = c.id",
    f"SELECT c.id AS a FROM {CUSTOMERS} JOIN omni_store.customers AS d ON d.id = c.id WHERE region = 'EU'",
    f"SELECT c.id AS a, c.id AS id {BOTH} ORDER BY id", f"SELECT c.id AS a, c.id AS id {BOTH} ORDER BY (id) DESC", f"SELECT c.id AS a, c.id AS id {BOTH} ORDER BY id + 1",
    f"SELECT c.id AS a {BOTH} ORDER BY id", f"SELECT DISTINCT c.id AS id, 1 AS a {BOTH} ORDER BY id", f"SELECT c.id AS a, COUNT(*) AS id {BOTH} GROUP BY c.id ORDER BY id",
    f"SELECT c.id AS id, COUNT(*) AS a {BOTH} GROUP BY id", f"SELECT c.id + 1 AS id, COUNT(*) AS a {BOTH} GROUP BY (id)", f"SELECT c.id AS id, COUNT(*) AS a {BOTH} GROUP BY id + 1",
    f"SELECT c.id AS a, COUNT(*) AS n {BOTH} GROUP BY id", f"SELECT c.id AS a, COUNT(*) AS id {BOTH} GROUP BY id",
    f"SELECT c.id AS id, COUNT(*) AS a {BOTH} GROUP BY c.id HAVING id > 1", f"SELECT c.id AS id, COUNT(*) AS a {BOTH} GROUP BY c.id HAVING MAX(id) > 1",
    f"SELECT c.id AS a, COUNT(*) AS n {BOTH} GROUP BY c.id HAVING id > 1", f"SELECT c.id AS a, COUNT(*) AS n {BOTH} GROUP BY c.id HAVING ABS(id) > 1",
    f"SELECT c.id AS a, COUNT(*) AS id {BOTH} GROUP BY c.id HAVING id > 1", f"SELECT c.id + 1 AS a, COUNT(*) AS n {BOTH} GROUP BY c.id + 1 HAVING id > 1",
    f"SELECT c.id AS a, o.id AS b {BOTH} GROUP BY c.id, o.id HAVING id > 1", f"SELECT c.id AS a, o.id AS id {BOTH} GROUP BY c.id, o.id HAVING id > 1",
    f"SELECT c.region AS a, COUNT(*) AS n {BOTH} GROUP BY c.region HAVING id > 1", f"SELECT MIN(c.id) AS id, 1 AS a {BOTH} HAVING id > 0",
    f"SELECT ROW_NUMBER() OVER (ORDER BY id) AS a {BOTH}", f"SELECT c.id AS id, COUNT(*) OVER (PARTITION BY id) AS a {BOTH}",
    f"SELECT c.id AS id, ROW_NUMBER() OVER (ORDER BY (id) DESC) AS a {BOTH}", f"SELECT c.id AS id, ROW_NUMBER() OVER (ORDER BY id + 1) AS a {BOTH}",
    f"SELECT c.id AS id, SUM(id) OVER (ORDER BY c.id) AS a {BOTH}", f"SELECT c.id AS id, id AS a {BOTH}", f"SELECT MAX(c.id) AS id, 1 AS a {BOTH} ORDER BY MAX(id)",
    f"SELECT c.id AS a FROM {CUSTOMERS} WHERE EXISTS (SELECT 1 FROM {ORDERS} WHERE id = 1)", f"SELECT c.id AS a FROM {CUSTOMERS} WHERE EXISTS (SELECT 1 {BOTH} WHERE id = 1)",
    f"SELECT c.id AS a {BOTH} WHERE EXISTS (SELECT 1 FROM {ITEMS} WHERE i.order_id = id)", f"SELECT c.id AS a {BOTH} WHERE EXISTS (SELECT 1 FROM {MONTHLY} WHERE m.count = id)",
    f"SELECT c.id AS a {BOTH} WHERE c.id IN (SELECT id FROM {ITEMS})", f"SELECT c.id AS a {BOTH} WHERE c.id IN (SELECT id FROM {MONTHLY})",
    f"SELECT c.id AS id, 1 AS a {BOTH} ORDER BY (SELECT MAX(m.count) FROM {MONTHLY} WHERE m.count = id)",
    f"SELECT x.a AS a FROM (SELECT id AS a {BOTH}) AS x", f"WITH x AS (SELECT c.id AS id {BOTH}) SELECT id AS a FROM x", f"WITH x AS (SELECT c.id AS id {BOTH}) SELECT id AS a FROM x, {ORDERS}",
    f"SELECT c.id AS a FROM {CUSTOMERS} UNION ALL SELECT id {BOTH}", f"SELECT c.id AS id, 1 AS a FROM {CUSTOMERS} UNION ALL SELECT o.id, 2 FROM {ORDERS} ORDER BY id",
)  # fmt: skip
NAMES += tuple(f"SELECT c.id AS a FROM {CUSTOMERS} WHERE c.id IN ({text})" for text in (
    f"SELECT MAX(o.id) AS region FROM {ORDERS} GROUP BY region", f"SELECT RANK() OVER (ORDER BY o.id) AS manager_id FROM {ORDERS} GROUP BY o.id HAVING manager_id = 1",
))  # fmt: skip
CONDITIONS = (
    f"SELECT c.id AS a FROM {CUSTOMERS} JOIN {ORDERS} ON customer_id = c.id JOIN omni_store.tickets AS t ON t.customer_id = c.id",
    f"SELECT c.id AS a FROM {CUSTOMERS} JOIN {ORDERS} ON customer_id = c.id JOIN omni_store.tickets AS t ON customer_id = c.id",
    f"SELECT c.id AS a FROM {CUSTOMERS} JOIN {ORDERS} ON i.order_id = o.id JOIN {ITEMS} ON i.order_id = o.id", f"SELECT c.id AS a FROM {CUSTOMERS} JOIN {ORDERS} ON sku = 'x' JOIN {ITEMS} ON i.order_id = o.id",
    f"SELECT c.id AS a FROM {CUSTOMERS}, {ORDERS} JOIN {ITEMS} ON i.order_id = c.id", f"SELECT c.id AS a FROM {CUSTOMERS}, {ORDERS} LEFT JOIN {ITEMS} ON i.order_id = c.id",
    f"SELECT c.id AS a FROM {CUSTOMERS}, {ORDERS} JOIN {ITEMS} ON sku = region", f"SELECT c.id AS a FROM {CUSTOMERS}, {ORDERS} JOIN {ITEMS} ON order_id = o.id",
    f"SELECT c.id AS a FROM {CUSTOMERS} CROSS JOIN {ORDERS} JOIN {ITEMS} ON i.order_id = c.id", f"SELECT c.id AS a FROM {ORDERS}, {CUSTOMERS} JOIN {MONTHLY} ON m.count = id",
    f"SELECT c.id AS a FROM {CUSTOMERS} JOIN {ORDERS} ON EXISTS (SELECT 1 FROM {MONTHLY} WHERE m.count = customer_id) JOIN omni_store.tickets AS t ON t.customer_id = c.id",
    f"SELECT c.id AS a FROM {CUSTOMERS} JOIN {ORDERS} ON EXISTS (SELECT 1 FROM {MONTHLY} WHERE m.count = i.id) JOIN {ITEMS} ON i.order_id = o.id",
    f"SELECT c.id AS a FROM {CUSTOMERS} JOIN {ORDERS} ON EXISTS (SELECT 1 FROM {MONTHLY} WHERE m.count = id)",
)  # fmt: skip
FULL = f"SELECT c.id AS a FROM {CUSTOMERS} FULL JOIN {ORDERS} ON"
FULL_JOINS = (
    *(f"{FULL} {text}" for text in (
        "c.id = o.customer_id", "c.id > o.customer_id", "c.id = o.customer_id AND c.id > o.id", "c.id = o.customer_id AND c.region = 'EU'", "customer_id = c.id",
        "c.id = o.customer_id OR c.id = o.id", "(c.id = o.customer_id AND c.id > 1) OR (c.id = o.customer_id AND o.id > 1)", "TRUE", "1 = 1", "1 = 2", "c.region = 'EU'",
        "c.id = 1 AND o.customer_id = 1", "c.id = c.id", "c.id + o.id = o.customer_id", "c.id + 1 = o.customer_id * 2", "NOT c.id <> o.customer_id",
        "NOT (c.id <> o.customer_id OR c.id > 1)", "NOT (c.id <> o.customer_id AND c.id > 1)", "c.id IN (o.customer_id)", "c.id IN (o.customer_id, o.id)",
        "(c.id = o.customer_id) = TRUE", "c.id = NULL", "c.id > o.id AND FALSE", "c.id > o.id OR TRUE", "c.id > o.id AND 1 = 1", "c.name LIKE o.status", "status = name",
        "c.id BETWEEN o.customer_id AND o.customer_id", "CAST(o.ordered_at AS DATE) = c.born", "c.id IS NULL", "c.id > o.id + NULL", "CASE WHEN TRUE THEN c.id = o.id END",
        "EXISTS (SELECT 1 FROM omni_store.items AS i WHERE i.order_id = o.id)", "c.id = (SELECT MAX(i.id) FROM omni_store.items AS i WHERE i.order_id = o.id)",
        "c.id > o.id WHERE o.id > 1", f"c.id > o.id JOIN {ITEMS} ON i.order_id = o.id", f"c.id > o.id LEFT JOIN {ITEMS} ON i.order_id = o.id", f"c.id > o.id CROSS JOIN {ITEMS}",
        "c.id > o.id GROUP BY c.id HAVING c.id > 1", "c.id > o.id LIMIT 1", f"c.id > o.id UNION ALL SELECT c.id FROM {CUSTOMERS}",
        f"c.id = o.customer_id FULL JOIN {ITEMS} ON i.order_id > o.id", f"c.id > o.customer_id FULL JOIN {ITEMS} ON i.order_id = o.id", f"c.id = o.customer_id FULL JOIN {ITEMS} ON i.order_id = o.id + c.id",
        f"c.id > o.id RIGHT JOIN {ITEMS} ON i.order_id = o.id",
    )),
    f"SELECT x.a AS a FROM ({FULL} c.id > o.id) AS x", f"SELECT x.a AS a FROM ({FULL} c.id > o.id) AS x WHERE x.a > 1", f"SELECT x.a AS a FROM ({FULL} c.id > o.id) AS x JOIN {CUSTOMERS} ON c.id = x.a",
    f"SELECT c.id AS a FROM {CUSTOMERS} FULL JOIN (SELECT 1 AS b FROM {ORDERS}) AS x ON c.id = x.b", f"SELECT c.id AS a FROM {CUSTOMERS}, {ORDERS} FULL JOIN {ITEMS} ON i.order_id = o.id",
    f"SELECT c.id AS a {BOTH} FULL JOIN {ITEMS} ON i.order_id + c.id = o.id",
)  # fmt: skip


@pytest.mark.parametrize("sql", [*NAMES, *CONDITIONS, *FULL_JOINS])
def test_a_fault_is_what_the_database_refuses(store, sql):
    compare(store, sql)


def test_a_name_of_several_columns_is_told_with_what_has_it():
    assert told(f"SELECT id AS a {BOTH}", "duckdb") == [
        "v.view:1:6: “id” is a column of several tables here (c, o): write the table before it"
    ]


def test_a_name_is_of_the_tables_whose_views_describe_it(store):
    """A question reads no other columns, so the name is clear though two tables have it."""
    orders = (
        FILES["orders.view"]
        .replace("  shipped_at: {timeframes: [raw, date]}\n", "")
        .replace("${shipped_at}", "${ordered_at}")
    )
    view = f"sql: SELECT shipped_at AS a FROM {ORDERS} JOIN omni_store.orders AS p ON p.id = o.id\ndimensions: {{a: {{}}}}\n"
    with pytest.raises(ModelError, match="no column of what is read here"):
        model(store.engine.dialect, **{"orders.view": orders, "v.view": view})
    customers = FILES["customers.view"].replace("  region: {}\n", "  region: {sql: name}\n")
    flat = f"sql: SELECT region AS a FROM {CUSTOMERS} JOIN omni_store.flat AS f ON f.region = 'EU'\ndimensions: {{a: {{}}}}\n"
    of = model(store.engine.dialect, **{"customers.view": customers, "v.view": flat, "V.topic": "base_view: v"})
    assert store.ask(ask("V", "v.a"), everything(of, "V"), of) == [("EU",)]


def test_names_that_differ_in_capitals_are_two_where_the_database_tells_them_apart(store):
    store.engine.rows(
        "CREATE TABLE omni_store.capitals (\"ID\" INT, word VARCHAR(9));\nINSERT INTO omni_store.capitals VALUES (1, 'x')"
    )
    capitals = "schema: omni_store\ndimensions: {big: {sql: '\"ID\"'}, word: {}}\n"
    view = f"sql: SELECT id AS a FROM {CUSTOMERS} JOIN omni_store.capitals AS k ON k.word = 'x' WHERE c.id = 1\ndimensions: {{a: {{}}}}\n"
    files = {"capitals.view": capitals, "v.view": view, "V.topic": "base_view: v"}
    if store.engine.dialect != "postgres":
        with pytest.raises(ModelError, match="several tables"):
            model(store.engine.dialect, **files)
        return
    of = model("postgres", **files)
    assert store.ask(ask("V", "v.a"), everything(of, "V"), of) == [(1,)]
