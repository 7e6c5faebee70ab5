"""A row policy on what a derived view answers comes after its query has read the rows that it hides: told where these get into others."""

import pytest

from tests.semantic.features.store import model

POLICY = "access_filters: [{field: %s, user_attribute: region}]\n"
SAYS = "this row policy chooses among what “v” answers, which %s of rows that it hides as well: give it to the views beneath"
READ = "FROM omni_store.customers AS c"


def told(view: str, **files: str) -> list[str]:
    found = model(**{"v.view": view, **files})
    return [str(item) for item in found.warnings if "this row policy" in item.message]


def sql_view(sql: str, *, rule: str = POLICY % "region") -> str:
    return f'sql: "{sql}"\n{rule}dimensions: {{id: {{}}, region: {{}}}}\n'


@pytest.mark.parametrize(
    ("sql", "does"),
    [
        (f"SELECT c.id AS id, c.region AS region, LAG(c.name) OVER (ORDER BY c.id) AS other {READ}", "has windows over others"),
        (f"SELECT c.id AS id, c.region AS region, RANK() OVER (PARTITION BY c.name ORDER BY c.id) AS place {READ}", "has windows over others"),
        (f"SELECT x.id AS id, x.r AS region FROM (SELECT c.id AS id, c.region AS r, COUNT(*) OVER () AS n {READ}) AS x", "has windows over others"),
        (f"SELECT c.id AS id, c.region AS region {READ} ORDER BY c.id LIMIT 3", "keeps some only"),
        (f"SELECT c.id AS id, c.region AS region, t.n AS n {READ} CROSS JOIN (SELECT COUNT(*) AS n FROM omni_store.orders) AS t", "holds sums and the like"),
        (f"SELECT c.id AS id, c.region AS region, RANK() OVER (PARTITION BY c.region ORDER BY c.id) AS place {READ}", ""),
        (f"SELECT x.id AS id, x.r AS region FROM (SELECT c.id AS id, c.region AS r, COUNT(*) OVER (PARTITION BY c.region) AS n {READ}) AS x", ""),
        (f"SELECT MIN(c.id) AS id, c.region AS region, COUNT(*) AS n {READ} GROUP BY c.region", ""),
        (f"SELECT MIN(c.id) AS id, c.region AS region, COUNT(*) AS n {READ} GROUP BY 2", ""),
        (f"SELECT c.id AS id, c.region AS region {READ} WHERE EXISTS (SELECT 1 FROM omni_store.orders AS o WHERE o.customer_id = c.id)", ""),
    ],
)  # fmt: skip
def test_of_an_sql_view(sql, does):
    for view, files in (
        (sql_view(sql), {}),
        (sql_view(sql, rule=""), {"V.topic": "base_view: v\n" + POLICY % "v.region"}),
    ):
        found = told(view, **files)
        assert [item.partition("warning: ")[2] for item in found] == ([SAYS % does] if does else [])
    assert told(sql_view(sql, rule="")) == []


@pytest.mark.parametrize(
    ("rest", "does"),
    [
        ("", ""),
        ("  sorts: [{field: customers.id}]\n  limit: 3\n", "keeps some only"),
        (", orders.best_customers: best", "keeps some only"),
        (", customers.lifetime: life", "holds sums and the like"),
    ],
)
def test_of_a_query_view(rest, does):
    fields, more = (rest, "") if rest.startswith(",") else ("", rest)
    view = (
        f"query:\n  topic: Sales\n  fields: {{customers.id: id, customers.region: region, orders.revenue: n{fields}}}\n{more}"
        f"{POLICY % 'region'}dimensions: {{id: {{}}, region: {{}}}}\n"
    )
    assert [item.partition("warning: ")[2] for item in told(view)] == ([SAYS % does] if does else [])
