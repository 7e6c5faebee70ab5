"""SQL views that name queries, number rows and ask whether there are some: the same rows as by hand, in the rules' bounds."""

from dataclasses import replace

import pytest

from tests.semantic.features.store import ask, everything, model, policy

CUSTOMERS, ORDERS = "omni_store.customers", "omni_store.orders"
TEXTS = {
    "last": f"WITH x AS (SELECT o.customer_id AS k, o.status AS s, ROW_NUMBER() OVER (PARTITION BY o.customer_id ORDER BY o.ordered_at DESC) AS n FROM {ORDERS} AS o) SELECT x.s AS a, x.k AS b FROM x WHERE x.n = 1",
    "chain": f"WITH s AS (SELECT o.customer_id AS k, SUM(o.amount) AS t FROM {ORDERS} AS o GROUP BY o.customer_id), big AS (SELECT s.k AS k, s.t AS t FROM s WHERE s.t > 40) SELECT c.email AS a, big.t AS b FROM {CUSTOMERS} AS c JOIN big ON big.k = c.id",
    "twice": f"WITH x AS (SELECT c.id AS id, c.region AS r FROM {CUSTOMERS} AS c) SELECT x.r AS a, y.id AS b FROM x JOIN x AS y ON x.id = y.id UNION ALL SELECT x.r, x.id FROM x",
    "within": f"SELECT c.email AS a, c.id AS b FROM {CUSTOMERS} AS c WHERE c.id IN (WITH z AS (SELECT o.customer_id AS i FROM {ORDERS} AS o) SELECT z.i FROM z)",
    "nearer": f"WITH x AS (SELECT c.id AS i FROM {CUSTOMERS} AS c) SELECT q.i AS a, q.i AS b FROM (WITH x AS (SELECT o.id AS i FROM {ORDERS} AS o) SELECT x.i AS i FROM x) AS q JOIN x ON x.i = q.i",
    "a table's name": f"WITH customers AS (SELECT o.status AS email, o.customer_id AS id FROM {ORDERS} AS o) SELECT customers.email AS a, customers.id AS b FROM customers",
    "brackets": f"WITH x AS ((SELECT c.id AS i, c.region AS r FROM {CUSTOMERS} AS c)) SELECT x.i AS a, x.r AS b FROM x",
    "exists star": f"SELECT c.email AS a, c.id AS b FROM {CUSTOMERS} AS c WHERE EXISTS (SELECT * FROM {ORDERS} AS o WHERE o.customer_id = c.id)",
    "exists masked": f"SELECT c.name AS a, c.id AS b FROM {CUSTOMERS} AS c WHERE EXISTS (SELECT x.email FROM {CUSTOMERS} AS x WHERE x.manager_id = c.id)",
    "exists": f"SELECT c.email AS a, c.id AS b FROM {CUSTOMERS} AS c WHERE EXISTS (SELECT 1 FROM {ORDERS} AS o WHERE o.customer_id = c.id)",
    "running": f"SELECT o.status AS a, SUM(o.amount) OVER (PARTITION BY o.customer_id ORDER BY o.id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS b FROM {ORDERS} AS o",
    "ranks": f"SELECT RANK() OVER (ORDER BY c.region) AS a, DENSE_RANK() OVER (ORDER BY c.region DESC) AS b FROM {CUSTOMERS} AS c WHERE NOT c.region IS NULL",
    "before": f"SELECT LAG(o.status, 1) OVER (ORDER BY o.id) AS a, LEAD(o.amount) OVER (ORDER BY o.id) AS b FROM {ORDERS} AS o",
    "shares": f"SELECT MIN(c.email) OVER (PARTITION BY c.region ORDER BY c.id) AS a, COUNT(*) OVER () AS b FROM {CUSTOMERS} AS c",
}  # fmt: skip
ROWS = ask("V", "v.a", "v.b", "v.count")


def over(dialect, name):
    view = (
        f"sql: |\n  {TEXTS[name]}\ndimensions: {{a: {{}}, b: {{}}}}\nmeasures: {{count: {{aggregate_type: count}}}}\n"
    )
    return model(dialect, **{"v.view": view, "V.topic": "base_view: v"})


def by_hand(store, text):
    return ordered(store.engine.rows(f"SELECT a, b, COUNT(*) FROM ({text}) AS x GROUP BY a, b"))


def ordered(rows):
    return sorted(rows, key=repr)


@pytest.mark.parametrize("name", TEXTS)
def test_the_rows_are_those_of_the_text(store, name):
    of = over(store.engine.dialect, name)
    assert ordered(store.ask(ROWS, everything(of, "V"), of)) == by_hand(store, TEXTS[name]) != []


@pytest.mark.parametrize("name", [name for name in TEXTS if CUSTOMERS in TEXTS[name]])
def test_row_policies_hold_in_each_query_that_reads_their_table(store, name):
    of = over(store.engine.dialect, name)
    reader = everything(of, "V", row_policies={"customers": (policy("customers.region", "EU"),)})
    inside = TEXTS[name].replace(f"{CUSTOMERS} AS c", f"(SELECT * FROM {CUSTOMERS} WHERE region = 'EU') AS c")
    assert ordered(store.ask(ROWS, reader, of)) == by_hand(store, inside)
    assert by_hand(store, inside) != by_hand(store, TEXTS[name])


@pytest.mark.parametrize("name", [name for name in TEXTS if "c.email" in TEXTS[name]])
def test_what_is_masked_comes_out_of_them_masked(store, name):
    of = over(store.engine.dialect, name)
    clear = everything(of, "V")
    masked = replace(clear, masked=frozenset(("customers.email", "customers.mail")))
    shown, hidden = ({row[0] for row in store.ask(ROWS, scope, of) if row[0]} for scope in (clear, masked))
    assert any("@" in value for value in shown)
    assert hidden
    assert not any("@" in value for value in hidden)
