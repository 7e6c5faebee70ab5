"""What leaves a table: columns that may, masks, and nothing that rules around the table would take for a column."""

from dataclasses import replace

import pytest

from tests.semantic.features.store import FILES, MASK_KEY, everything, model, policy
from tests.semantic.verify.hand import TICKED, Statement, statement

DIALECTS = ("duckdb", "postgres", "mysql", "spark")
MASKED = frozenset(("customers.mail", "customers.email"))
TWICE = "A subquery has two columns of one name."
TAKEN = "What is no column has the name of one."


def sales(dialect: str = "duckdb", *fields: str) -> Statement:
    of = model(dialect)
    rights = replace(
        everything(of, "Sales"), masked=MASKED, topic_policies=(policy("customers.name", "Ola", "Kari"),),
        row_policies={"customers": (policy("customers.region", "EU"),)}, mask_key=MASK_KEY,
    )  # fmt: skip
    asked = fields or ("customers.mail", "orders.revenue")
    return statement({"dataset": "Sales", "fields": [*asked]}, of, rights)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_fixed_value_does_not_stand_in_for_a_column_of_a_rule(dialect):
    # The data set's policy on the name would hold for everyone.
    found = sales(dialect, "orders.revenue")
    start = found.text.index("(SELECT", found.text.index("LEFT JOIN"))
    for name in ("name", "id"):
        text = found.text[:start] + found.text[start:].replace(f'"{name}"', f"'Ola' AS \"{name}\"", 1)
        found.refuses(text, TAKEN)
        found.proves(text.replace(f"'Ola' AS \"{name}\"", f'"{name}", \'Ola\' AS "any {name}"'))


@pytest.mark.parametrize("dialect", ["duckdb", "mysql"])
def test_a_fixed_value_does_not_stand_in_under_a_name_in_other_letters(dialect):
    found = sales(dialect)
    start = found.text.index("(SELECT", found.text.index("LEFT JOIN"))
    found.refuses(found.text[:start] + found.text[start:].replace('"name"', '\'Ola\' AS "NAME", "name"', 1), TAKEN)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_mask_does_not_stand_in_for_a_column_of_a_rule(dialect):
    view = FILES["customers.view"].replace("  name: {}\n", '  name: {sql: "\\"full name\\""}\n')
    assert view != FILES["customers.view"]
    view = view.replace('"\\"', "'\"").replace('\\""', "\"'") if dialect not in TICKED else view.replace('\\"', "`")
    of = model(dialect, **{"customers.view": view})
    rights = replace(
        everything(of, "Sales"), masked=MASKED, mask_key=MASK_KEY, topic_policies=(policy("customers.name", "Ola"),)
    )
    found = statement({"dataset": "Sales", "fields": ["customers.mail", "orders.revenue"]}, of, rights)
    found.refuses(found.changed(('"full name", ', ""), (' AS "masked mail"', ' AS "full name"')), TAKEN)
    found.proves(found.changed(('"masked mail"', '"masked male"')))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_two_columns_have_two_names(dialect):
    found = sales(dialect)
    found.refuses(found.changed(('SELECT "amount"', 'SELECT "amount", "amount"')), TWICE)


def test_two_columns_have_two_names_though_letters_differ():
    of = model("duckdb", **{"items.view": FILES["items.view"].replace("sku: {}", "sku: {}, other: {sql: '\"SKU\"'}")})
    rights = everything(of, "Sales")
    found = statement({"dataset": "Sales", "fields": ["items.sku", "items.count"]}, of, rights)
    found.refuses(found.changed(('SELECT "sku"', 'SELECT "SKU", "sku"')), TWICE)
    of = replace(of, dialect="postgres")
    found = statement({"dataset": "Sales", "fields": ["items.sku", "items.count"]}, of, rights)
    found.proves(found.changed(('SELECT "sku"', 'SELECT "SKU", "sku"')))


@pytest.mark.parametrize("dialect", ["duckdb", "mysql", "postgres"])
def test_another_spelling_is_the_column_only_where_the_database_says_so(dialect):
    view = FILES["customers.view"].replace("  region: {}\n", "  region: {}\n  other: {sql: '\"Region\"'}\n", 1)
    if dialect in TICKED:
        view = view.replace("""'"Region"'""", '"`Region`"')
    of = model(dialect, **{"customers.view": view})
    found = statement({"dataset": "People", "fields": ["customers.region"]}, of, everything(of, "People"))
    other = found.text.replace('"customers"."region" AS', '"customers"."Region" AS')
    assert other != found.text
    if dialect == "postgres":
        found.refuses(other, None)
    else:
        found.proves(other)
    found.refuses(found.text.replace('"customers"."region" AS', '"customers"."REGION" AS'), None)
    if dialect != "postgres":
        found.refuses(found.text.replace('(SELECT "region"', '(SELECT "region", "Region"'), TWICE)
