"""What an SQL view may read: the tables that views govern, and of them the columns that may be seen alone."""

from dataclasses import replace

import pytest

from apps.semantic.errors import ModelError, UnknownFieldError, UnprovenSqlError
from apps.semantic.model.reading import read_model
from apps.semantic.model.types import SqlSource
from tests.semantic.features.store import FILES, ask, everything, model, policy

MAILS = ask("Big", "big_orders.mail")
MAILS_OF_ALL = {"ola@x.no", "kari@x.no", "joe@x.us"}


def over(store, sql, **changes):
    view = f"sql: {sql}\ndimensions: {{mail: {{}}}}\nmeasures: {{count: {{aggregate_type: count}}}}\n"
    return model(store.engine.dialect, **{"big_orders.view": view} | changes)


def test_a_table_goes_by_its_own_name_where_the_text_gives_it_no_other(store):
    of = over(store, "SELECT customers.name AS mail FROM omni_store.customers WHERE customers.id = 3")
    assert store.ask(MAILS, everything(of, "Big"), of) == [("Joe",)]


def test_a_table_of_which_no_column_is_read_gives_its_rows(store):
    of = over(store, "SELECT o.status AS mail FROM omni_store.orders AS o CROSS JOIN omni_store.customers AS c")
    assert store.ask(ask("Big", "big_orders.count"), everything(of, "Big"), of) == [(24,)]


@pytest.mark.parametrize("governor", [None, "nowhere", "customer_facts"])
def test_a_table_that_no_table_view_governs_is_not_read(store, governor):
    of = store.model
    source = of.views["big_orders"].sql_source
    tables = {name: view for name, view in source.tables.items() if view != "orders"}
    changed = SqlSource(source.tree, tables | ({"omni_store.orders": governor} if governor else {}))
    other = replace(of, views={**of.views, "big_orders": replace(of.views["big_orders"], sql_source=changed)})
    assert len(store.ask(MAILS, everything(of, "Big"), of)) == 2
    with pytest.raises(UnprovenSqlError, match="reads a table that no view governs"):
        store.ask(MAILS, everything(other, "Big"), other)


@pytest.mark.parametrize("column", ["email", "EMAIL"])
def test_a_column_inside_a_masked_expression_is_not_read_alone(store, column):
    """Names that differ in the case of letters alone are one column to MySQL."""
    lines = [line for line in FILES["customers.view"].splitlines() if not line.strip().startswith(("email:", "mail:"))]
    lines[lines.index("dimensions:")] += f"""
  mail: {{sql: {column}, reads_in_clear: true}}
  loud: {{sql: UPPER(email), mask_unless_access_grants: [sees_mail]}}"""
    text = f"SELECT c.{column} AS mail FROM omni_store.customers AS c"
    of = over(store, text, **{"customers.view": "\n".join(lines)})
    assert {value for (value,) in store.ask(MAILS, everything(of, "Big"), of) if value} == MAILS_OF_ALL
    sql, _ = store.text(MAILS, everything(of, "Big"), of)
    assert f'(SELECT "{column}" FROM' in sql.replace("`", '"').replace('"email"', f'"{column}"')
    for question in (MAILS, ask("Big", "big_orders.count")):
        with pytest.raises(UnknownFieldError, match=question["fields"][0]):
            store.text(question, everything(of, "Big", masked=frozenset(("customers.loud",))), of)


def test_a_column_of_another_table_is_not_closed_with_one_of_its_name(store):
    customers = FILES["customers.view"].replace(
        "dimensions:\n", "dimensions:\n  near: {sql: UPPER(status), mask_unless_access_grants: [sees_mail]}\n", 1
    )
    text = "SELECT o.status AS mail FROM omni_store.orders AS o INNER JOIN omni_store.customers AS c ON o.customer_id = c.id"
    of = over(store, text, **{"customers.view": customers})
    scope = everything(of, "Big", masked=frozenset(("customers.near",)))
    assert {mail for (mail,) in store.ask(MAILS, scope, of)} == {"paid", "open", None}


def test_a_masked_column_is_not_read_in_clear_under_another_spelling(store):
    """What ``contact`` shows of itself it does not show to an SQL view: its column is masked there."""
    more = "dimensions:\n  contact: {sql: EMAIL, reads_in_clear: true}\n"
    of = over(
        store, "SELECT c.EMAIL AS mail FROM omni_store.customers AS c",
        **{"customers.view": FILES["customers.view"].replace("dimensions:\n", more, 1)},
    )  # fmt: skip
    masked = everything(of, "Big", masked=frozenset(("customers.mail", "customers.email")))
    assert {value for (value,) in store.ask(MAILS, everything(of, "Big"), of) if value} == MAILS_OF_ALL
    text = store.text(MAILS, masked, of)[0].replace("`", '"')
    assert '(SELECT "EMAIL"' not in text
    shown = {value for (value,) in store.ask(MAILS, masked, of) if value}
    assert len(shown) == len(MAILS_OF_ALL)
    assert shown.isdisjoint(MAILS_OF_ALL)


def test_another_name_of_a_view_that_rests_on_a_query_reads_that_query(store):
    joined = """
- {join_from_view: orders, join_to_view: customer_facts, join_to_view_as: buyers, relationship_type: many_to_one,
   on_sql: "${orders.customer_id} = ${buyers.customer_id}"}
"""
    of = model(
        store.engine.dialect,
        **{
            "relationships": FILES["relationships"] + joined,
            "Sales.topic": "base_view: orders\njoins: {customers: {}, buyers: {}}",
        },
    )
    assert store.ask(ask("Sales", "buyers.best"), everything(of, "Sales"), of) == [(520,)]


def test_what_is_made_of_a_masked_column_is_told_as_masked(store):
    """Whoever reads an answer learns which of its values stand for others; what is counted is a number all the same."""
    sql = "SELECT UPPER(c.email) AS mail, c.name AS who FROM omni_store.customers AS c"
    view = f"sql: {sql}\ndimensions: {{mail: {{}}, who: {{}}, whose: {{sql: '${{mail}}'}}}}\nmeasures: {{people: {{aggregate_type: count_distinct, sql: '${{mail}}'}}}}\n"
    of = model(store.engine.dialect, **{"big_orders.view": view})
    question = ask("Big", "big_orders.mail", "big_orders.who", "big_orders.whose", "big_orders.people")
    for masked, expected in ((frozenset(("customers.mail",)), [True, False, True, False]), (frozenset(), [False] * 4)):
        found = store.compiled(question, everything(of, "Big", masked=masked), of)
        assert [column.is_masked for column in found.columns] == expected


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT C.name AS mail FROM omni_store.customers AS C WHERE C.id = 3",
        'SELECT "C".name AS mail FROM omni_store.customers AS "C" WHERE "C".id = 3',
        "SELECT customers.name AS mail FROM omni_store.customers WHERE customers.id = 3",
        "SELECT Q.name AS mail FROM (SELECT C.name AS name, C.id AS id FROM omni_store.customers AS C) AS Q WHERE Q.id = 3",
        "SELECT C.name AS mail FROM omni_store.orders O JOIN omni_store.customers C ON C.id = O.customer_id WHERE C.id = 3",
    ],
)
def test_names_of_what_is_read_may_have_capitals(store, sql):
    of = over(store, sql.replace("'", "''"))
    assert set(store.ask(MAILS, everything(of, "Big"), of)) == {("Joe",)}


def test_a_tables_own_name_may_have_capitals(store):
    if store.engine.dialect == "mysql":
        pytest.skip("names of tables are told apart by their letters' cases")
    of = over(store, "SELECT Customers.name AS mail FROM omni_store.Customers WHERE CUSTOMERS.id = 3")
    assert store.ask(MAILS, everything(of, "Big"), of) == [("Joe",)]
    hidden = over(store, "SELECT C.email AS mail FROM omni_store.customers AS C")
    masked = everything(hidden, "Big", masked=frozenset(("customers.mail", "customers.email")))
    assert {mail for (mail,) in store.ask(MAILS, masked, hidden)}.isdisjoint(MAILS_OF_ALL)


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT x.n AS mail FROM (SELECT 'all' AS n) AS x", 1),
        (
            "SELECT x.n AS mail FROM (SELECT 'all' AS n UNION ALL SELECT 'none' AS n) AS x CROSS JOIN omni_store.orders AS o",
            12,
        ),
        ("SELECT 'all' AS mail", 1),
    ],
)
def test_a_query_that_reads_nothing_gives_its_values(store, sql, rows):
    of = over(store, sql)
    assert store.ask(ask("Big", "big_orders.count"), everything(of, "Big"), of) == [(rows,)]
    rights = everything(of, "Big", row_policies={"orders": (policy("orders.status", "paid"),)})
    held = {12: 6}.get(rows, rows)
    assert store.ask(ask("Big", "big_orders.count"), rights, of) == [(held,)]


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "mysql", "spark"])
def test_what_a_reader_chooses_stands_in_no_sql_view(dialect):
    view = 'sql: "SELECT id, kin AS more FROM orders WHERE kin = %s"\ndimensions: {id: {}, more: {}}\nfilters: {x: {type: number}}\n'
    orders = "dimensions: {id: {primary_key: true}, kin: {}}\n"
    with pytest.raises(ModelError) as caught:
        read_model({"v.view": view % "{{filters.v.x.value}}", "orders.view": orders}, dialect=dialect)
    assert "v.view:1:6: values of filters stand in dimensions, not in SQL views" in map(str, caught.value.problems)
    assert read_model({"v.view": view % "{{omni_attributes.n}}", "orders.view": orders}, dialect=dialect).views["v"]


def test_a_window_shows_a_row_of_what_the_views_own_policy_hides_and_none_of_what_one_beneath_does(store):
    sql = "SELECT c.id AS id, c.region AS region, LAG(c.name) OVER (ORDER BY c.id DESC) AS other FROM omni_store.customers AS c"
    view = f'sql: "{sql}"\ndimensions: {{id: {{}}, region: {{}}, other: {{}}}}\n'
    of = model(store.engine.dialect, **{"v.view": view, "V.topic": "base_view: v\n"})
    asked = ask("V", "v.id", "v.other", sorts=[{"field": "v.id"}])
    found = {
        name: store.ask(asked, everything(of, "V", row_policies={name: (policy(f"{name}.region", "EU"),)}), of)
        for name in ("v", "customers")
    }
    assert found == {"v": [(1, "Kari"), (2, "Joe")], "customers": [(1, "Kari"), (2, None)]}
