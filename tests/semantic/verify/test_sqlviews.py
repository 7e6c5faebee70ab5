"""An SQL view is the model's text; what its tables let out is what their views let out, under the same names."""

from dataclasses import replace

import pytest
from sqlglot import exp

from apps.semantic.errors import UnprovenSqlError
from tests.semantic.features.store import FILES, MASK_KEY, everything, model, policy
from tests.semantic.verify.hand import Statement, statement

MASK = 'LEFT(SHA256(CAST(:2: AS TEXT) || CAST("email" AS TEXT)), 16) AS "email"'
MORE = "A subquery has more parts."
NOT_THE_TEXT = "An SQL view is not the model's."
POLICIES = {
    "orders": (policy("orders.status", "paid", "open"),),
    "customers": (policy("customers.region", "EU"),),
}
OF_EU = """
sql: SELECT o.amount AS size FROM omni_store.orders AS o JOIN omni_store.customers c ON c.id = o.customer_id
  WHERE c.region = {{omni_attributes.region}} AND o.status IN ({{omni_attributes.states}})
dimensions: {size: {sql: CAST(size AS INT)}}
measures: {total: {aggregate_type: sum, sql: "${size}"}}
"""


def big() -> Statement:
    of = model()
    rights = replace(
        everything(of, "Big"), masked=frozenset(("customers.mail", "customers.email")), row_policies=POLICIES,
        mask_key=MASK_KEY,
    )  # fmt: skip
    return statement({"dataset": "Big", "fields": ["big_orders.mail", "big_orders.total"]}, of, rights)


def of_eu(dialect: str = "duckdb") -> Statement:
    of = model(dialect, **{"big_orders.view": OF_EU})
    rights = everything(of, "Big", attributes={"region": ("EU",), "states": ("paid", "open")})
    return statement({"dataset": "Big", "fields": ["big_orders.total"]}, of, rights)


REFUSED = {
    "a renamed column": ('AS "o"', 'AS "o"("customer_id", "id", "amount")', "A subquery renames its columns."),
    "a column twice": ('"customer_id", "amount"', '"customer_id", "amount", "amount"', "A subquery has two columns"),
    "a column in other letters too": ('"customer_id", "amount"', '"AMOUNT", "customer_id", "amount"', "A subquery has two"),
    "a value for a column": ('"customer_id", "amount"', '"customer_id", 50 AS "amount"', "A value has the name of a column."),
    "an expression for a column": ('"customer_id", "amount"', '"customer_id", "id" * 9 AS "amount"', "Something else than"),
    "a column without quotes": ('SELECT "id", "customer_id"', 'SELECT id, "customer_id"', "A column's name is not plain."),
    "a column of a named table": ('SELECT "id", "customer_id"', 'SELECT "orders"."id", "customer_id"', "A column's name is not"),
    "a column of no dimension": ('"customer_id", "amount"', '"customer_id", "amount", "secret"', "A column leaves its table"),
    "a masked column": (MASK, '"email"', "A column leaves its table that may not."),
    "a masked column for a mask": (MASK, '"email" AS "email"', "Something leaves a table that is neither column nor mask."),
    "a mask of another name": (MASK, MASK.replace('AS "email"', 'AS "region"'), "Something else than a column leaves"),
    "rows told apart": ('SELECT "id", "customer_id"', 'SELECT DISTINCT "id", "customer_id"', MORE),
    "rows in an order": ('IN (:0:, :1:))', 'IN (:0:, :1:) ORDER BY "id")', MORE),
    "fewer rows": ('IN (:0:, :1:))', "IN (:0:, :1:) LIMIT 5)", MORE),
    "rows put together": ('"region" IN (:3:))', '"region" IN (:3:) GROUP BY 1, 2)', MORE),
    "a table beside": ('FROM "omni_store"."orders"', 'FROM "omni_store"."orders" CROSS JOIN "omni_store"."items"', MORE),
    "a sample": ('IN (:0:, :1:)) AS "o"', 'IN (:0:, :1:)) AS "o" TABLESAMPLE 50 PERCENT', "The text holds TableSample"),
    "another name": ('AS "o" JOIN', 'AS "c" JOIN', "A table of an SQL view has another name."),
    "another table": ('FROM "omni_store"."orders"', 'FROM "omni_store"."items"', "A table is not its view's."),
    "no policy": (' WHERE "region" IN (:3:)', "", "A table is filtered by something else than its row policies."),
    "another policy": ('"region" IN (:3:)', '"name" IN (:3:)', "A row policy is missing."),
    "a table as it is": (
        '(SELECT "id", "customer_id", "amount" FROM "omni_store"."orders" WHERE "status" IN (:0:, :1:)) AS "o"',
        '"omni_store"."orders" AS "o"', "An SQL view reads other tables than the model says.",
    ),
    "another condition": ("o.amount >= 50", "o.amount >= 5", NOT_THE_TEXT),
    "a second condition": ("o.amount >= 50", "o.amount >= 50 OR TRUE", NOT_THE_TEXT),
    "a column of its own": ("c.email AS mail", "o.amount AS mail", NOT_THE_TEXT),
    "a query inside": ("o.amount >= 50", "o.amount >= (SELECT 50)", "A condition may fail"),
    "a join of another kind": (" JOIN (SELECT", " LEFT JOIN (SELECT", NOT_THE_TEXT),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_the_models_is_refused(case):
    old, new, why = REFUSED[case]
    found = big()
    found.refuses(found.changed((old, new)), why)


def test_a_table_of_which_nothing_is_read_gives_rows():
    text = "sql: SELECT 1 AS one FROM omni_store.orders AS o\ndimensions: {one: {}}\nmeasures: {count: {aggregate_type: count}}"
    of = model(**{"big_orders.view": text})
    found = statement({"dataset": "Big", "fields": ["big_orders.count"]}, of, everything(of, "Big"))
    assert '1 AS "any row"' in found.text
    found.refuses(found.changed(('1 AS "any row"', '1 AS "amount"')), "A value has the name of a column.")


TEXTS = {
    "a table without another name": "SELECT amount AS size FROM omni_store.orders WHERE amount > 5",
    "a query inside": "SELECT x.size FROM (SELECT o.amount AS size FROM omni_store.orders AS o WHERE o.amount > 5) AS x",
    "queries under one another": "SELECT amount AS size FROM omni_store.orders WHERE amount > 5 "
    "UNION ALL SELECT price AS size FROM omni_store.items WHERE price > 5",
}  # fmt: skip


@pytest.mark.parametrize("case", TEXTS)
def test_a_text_may_read_its_tables_in_any_way(case):
    view = f"sql: {TEXTS[case]}\ndimensions: {{size: {{}}}}\nmeasures: {{total: {{aggregate_type: sum, sql: '${{size}}'}}}}"
    of = model(**{"big_orders.view": view})
    rights = everything(of, "Big", row_policies=POLICIES)
    found = statement({"dataset": "Big", "fields": ["big_orders.total"]}, of, rights)
    assert '"status" IN (:0:, :1:)' in found.text
    found.refuses(found.changed((" > 5", " > 4")), NOT_THE_TEXT)
    found.refuses(found.changed((' WHERE "status" IN (:0:, :1:)', "")), "A table is filtered by something else")


def test_a_column_of_a_table_that_nobody_governs_is_not_read():
    found = big()
    source = found.model.views["big_orders"].sql_source
    assert source is not None
    for governed in ("nowhere", "customer_facts"):
        tables = {**source.tables, "omni_store.orders": governed}
        view = replace(found.model.views["big_orders"], sql_source=replace(source, tables=tables))
        other = replace(found, model=replace(found.model, views={**found.model.views, "big_orders": view}))
        with pytest.raises(UnprovenSqlError, match="no view governs"):
            other.proves(found.text)


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "mysql", "spark"])
def test_attributes_in_the_text_are_the_persons(dialect):
    found = of_eu(dialect)
    assert found.compiled.parameters == ("EU", "paid", "open")
    why = "A row policy is bound to another value than the scope's."
    found.refuses(found.changed((":0:", ":'US':")), why)
    found.refuses(found.changed((":1:", ":'lost':")), why)
    found.refuses(found.changed((":2:", ":2:, :'lost':")), NOT_THE_TEXT)
    found.refuses(found.changed((":0:", "'EU'")), NOT_THE_TEXT)


@pytest.mark.parametrize(
    "attributes", [{}, {"region": ("EU",)}, {"region": ("EU",), "states": ()}, {"region": ("EU", "US"), "states": ("x",)}]
)  # fmt: skip
def test_a_text_needs_the_attributes_that_it_names(attributes):
    found = of_eu()
    other = replace(found, rights=replace(found.rights, attributes=attributes))
    with pytest.raises(UnprovenSqlError, match="A rule needs a user attribute that the scope does not have"):
        other.proves(found.text)


def test_a_list_of_one_is_a_list():
    of = model(**{"big_orders.view": OF_EU})
    rights = everything(of, "Big", attributes={"region": ("EU",), "states": ("paid",)})
    found = statement({"dataset": "Big", "fields": ["big_orders.total"]}, of, rights)
    assert found.compiled.parameters == ("EU", "paid")


def test_a_column_is_masked_for_all_texts_that_read_it():
    # The address is masked as "mail"; that an expression over it is not masked opens nothing.
    view = FILES["customers.view"].replace("measures:", '  short: {sql: "LEFT(EMAIL, 3)"}\nmeasures:', 1)
    of = model(**{"customers.view": view})
    rights = replace(everything(of, "Big"), masked=frozenset(("customers.mail",)), mask_key=MASK_KEY)
    found = statement({"dataset": "Big", "fields": ["big_orders.mail", "big_orders.total"]}, of, rights)
    mask = MASK.replace(":2:", ":0:")
    for column in ('"email"', '"EMAIL"'):
        found.refuses(found.changed((mask, column)), "A column leaves its table that may not.")


def test_a_column_of_its_tables_name_is_not_the_whole_row():
    customers = FILES["customers.view"].replace("dimensions:\n", "dimensions:\n  customers: {}\n", 1)
    big_view = FILES["big_orders.view"].replace("c.email AS mail", "c.customers AS mail")
    of = model(**{"customers.view": customers, "big_orders.view": big_view})
    found = statement({"dataset": "Big", "fields": ["big_orders.mail"]}, of, everything(of, "Big"))
    found.refuses(found.changed((' AS "physical table"', "")), "A column has the name of its table.")


@pytest.mark.parametrize(
    "condition", ["COALESCE(c.region, {{omni_attributes.r}}) = 'EU'", "{{omni_attributes.r}} IN ('EU')"]
)
def test_several_values_stand_in_a_list_only(condition):
    view = OF_EU.replace("c.region = {{omni_attributes.region}}", condition)
    of = model(**{"big_orders.view": view})
    rights = everything(of, "Big", attributes={"r": ("EU",), "states": ("paid",)})
    found = statement({"dataset": "Big", "fields": ["big_orders.total"]}, of, rights)
    several = replace(found, rights=replace(rights, attributes={"r": ("EU", "US"), "states": ("paid",)}))
    with pytest.raises(UnprovenSqlError, match="A rule needs a user attribute that the scope does not have"):
        several.proves(found.text)


def test_a_text_holds_no_filter_of_the_query():
    found = of_eu()
    view = found.model.views["big_orders"]
    assert view.sql_source is not None
    tree = view.sql_source.tree.copy()
    node = next(node for node in tree.find_all(exp.Placeholder) if node.name == "omni_attributes.region")
    node.set("this", "filters.big_orders.region.value")
    changed = replace(view, sql_source=replace(view.sql_source, tree=tree))
    other = replace(found, model=replace(found.model, views={**found.model.views, "big_orders": changed}))
    with pytest.raises(UnprovenSqlError, match="An SQL view with a filter in it cannot be proven"):
        other.proves(found.text)
