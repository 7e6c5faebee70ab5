"""How far a column may go: keys into counts and between rows, amounts into aggregates, and names as they are written."""

from dataclasses import replace

import pytest

from tests.semantic.features.store import MASK_KEY, everything, model, policy
from tests.semantic.verify.hand import Statement, statement

DIALECTS = ("duckdb", "postgres", "mysql", "spark")
CLOSED = frozenset((
    "orders.id", "orders.amount", "orders.customer_id", "customers.id", "customers.lifetime", "orders.per_customer",
    "customers.median_credit", "managers.median_credit", "managers.lifetime", "orders.states", "orders.p90", "items.price",
    "orders.paid", "orders.per_status", "orders.best_customers", "managers.id", "customers.manager_id", "items.id",
    "payments.id", "items.order_id", "payments.order_id",
))  # fmt: skip
USED = "A column is used in a way that no permitted field uses it."
UNKNOWN = "A column is read that no table gives."
ANSWER = ' AS "orders.revenue"'


def sales(dialect: str = "duckdb", *fields: str, closed: frozenset[str] = CLOSED) -> Statement:
    of = model(dialect)
    whole = everything(of, "Sales")
    rights = replace(whole, fields=whole.fields - closed, mask_key=MASK_KEY)
    return statement({"dataset": "Sales", "fields": [*(fields or ("customers.region", "orders.revenue"))]}, of, rights)


def shown(found: Statement, what: str) -> str:
    """Return the statement with something else in the place of the revenue."""
    start = found.text.index("SUM(")
    return unsorted(found.text[:start] + what + found.text[found.text.index(ANSWER) :])


def unsorted(text: str) -> str:
    """Return a text without its order, which would be refused first."""
    return text[: text.rindex(" ORDER BY")] + text[text.rindex(" LIMIT") :]


KEY = '"customers"."id"'
COUNTS_OF_KEYS = {
    "a count": (f"COUNT({KEY})", True),
    "a count of different ones": (f"COUNT(DISTINCT {KEY})", True),
    "a count of texts": (f"COUNT(CAST({KEY} AS CHAR))", True),
    "a count in parentheses": (f"COUNT(({KEY}))", True),
    "a count of different ones but one": (f"COUNT(DISTINCT NULLIF({KEY}, 7))", False),
    "a count of those that are there": (f"COUNT(CASE WHEN NOT {KEY} IS NULL THEN 1 END)", True),
    "the key": (KEY, False),
    "a sum": (f"SUM({KEY})", False),
    "the least": (f"MIN({KEY})", False),
    "a count of all but one": (f"COUNT(NULLIF({KEY}, 7))", False),
    "a key that nothing is equal to": (f"NULLIF({KEY}, NULL)", False),
    "a count of one": (f"COUNT(CASE {KEY} WHEN 7 THEN 1 END)", False),
    "a count of one by comparison": (f"COUNT(CASE WHEN {KEY} = 7 THEN 1 END)", False),
    "a count of quotients": (f"COUNT(1 / ({KEY} - 7))", False),
    "whether it is a number": (f"COUNT(CASE WHEN {KEY} IS TRUE THEN 1 END)", False),
    "a sum of what is missing beside it": (f"SUM(CASE WHEN {KEY} IS NULL THEN {KEY} END)", False),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("case", COUNTS_OF_KEYS)
def test_a_key_is_counted_as_it_is(dialect, case):
    what, is_proven = COUNTS_OF_KEYS[case]
    found = sales(dialect)
    if is_proven:
        found.proves(shown(found, what))
    else:
        found.refuses(shown(found, what), USED)


def test_a_key_tells_rows_apart_in_row_numbers_only():
    found = sales("duckdb", "customers.region", "orders.revenue", "items.sold")
    number = 'ROW_NUMBER() OVER (PARTITION BY "customers"."region", "orders"."id" ORDER BY "orders"."id")'
    assert number in found.text
    for other in (
        'COUNT(*) OVER (PARTITION BY "orders"."id")',
        '"orders"."id"',
        'SUM(1) OVER (ORDER BY "orders"."id")',
    ):
        found.refuses(unsorted(found.changed((number, other))), "The text holds Window" if "OVER" in other else USED)
    for by in ('"orders"."id" = 7', 'CASE WHEN "orders"."id" > 7 THEN 1 END', '"orders"."id" IS TRUE'):
        one = f'ROW_NUMBER() OVER (PARTITION BY {by} ORDER BY "orders"."id")'
        found.refuses(unsorted(found.changed((number, one))), USED)
    # The number itself goes no further than an amount would.
    counted = 'SUM("joined rows"."c2") FILTER(WHERE "joined rows"."c3" = 1)'
    found.proves(found.changed((counted, 'SUM("joined rows"."c3")')))
    found.refuses(unsorted(found.changed((counted, '"joined rows"."c3"'))), USED)
    found.refuses(unsorted(found.changed((counted, 'MAX("joined rows"."c3")'))), USED)


AMOUNT = 'CAST("orders"."amount" AS INT)'


def test_an_amount_in_a_window_is_no_aggregate():
    found = sales("duckdb", "customers.region", "orders.revenue", "items.sold")
    number = 'ROW_NUMBER() OVER (PARTITION BY "customers"."region", "orders"."id" ORDER BY "orders"."id")'
    ranked = f"ROW_NUMBER() OVER (ORDER BY {AMOUNT})"
    counted = 'SUM("joined rows"."c2") FILTER(WHERE "joined rows"."c3" = 1)'
    found.proves(found.changed((number, ranked)))
    for shown_as in ('"joined rows"."c3"', 'MIN("joined rows"."c3")'):
        found.refuses(unsorted(found.changed((number, ranked), (counted, shown_as))), USED)
    plain = sales()
    plain.refuses(shown(plain, f"SUM({ranked})"), USED)
    plain.proves(shown(plain, "SUM(ROW_NUMBER() OVER (ORDER BY 1))"))


def test_an_amount_comes_out_of_aggregates_that_tell_no_single_value():
    found = sales()
    for what in (
        f"SUM({AMOUNT})",
        f"AVG({AMOUNT})",
        f"COUNT(DISTINCT {AMOUNT})",
        f"COUNT(*) FILTER(WHERE {AMOUNT} > 5)",
    ):
        found.proves(shown(found, what))
    for what in (
        AMOUNT, f"MIN({AMOUNT})", f"MAX({AMOUNT})", f"MEDIAN({AMOUNT})", f"STRING_AGG({AMOUNT}, ',')",
        f"QUANTILE_CONT({AMOUNT}, 0.5)", f"ABS({AMOUNT})", f"SUM(1) + {AMOUNT}",
        f"PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY {AMOUNT})", f"MAX(1) FILTER(WHERE {AMOUNT} > 5)",
    ):  # fmt: skip
        found.refuses(shown(found, what), USED)


@pytest.mark.parametrize(
    ("opened", "what"),
    [("customers.median_credit", "MEDIAN"), ("orders.p90", "MEDIAN"), ("orders.states", "STRING_AGG"),
     ("orders.p90", "MIN"), ("orders.states", "MEDIAN")],
)  # fmt: skip
def test_a_measure_opens_the_aggregate_that_it_is_made_with(opened, what):
    found = sales(closed=CLOSED - {opened})
    text = shown(found, f"{what}({AMOUNT}, ',')" if what == "STRING_AGG" else f"{what}({AMOUNT})")
    if (opened, what) in (("orders.p90", "MIN"), ("orders.states", "MEDIAN")):
        found.refuses(text, USED)
    else:
        found.proves(text)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_column_is_named_in_quotes(dialect):
    # Without them PostgreSQL reads "c2" where C2 is written.
    found = sales(dialect)
    for other in ('"customers".region', 'customers."region"', "customers.region"):
        found.refuses(found.changed(('"customers"."region" AS', f"{other} AS")), UNKNOWN)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_column_is_named_by_its_table_and_no_more(dialect):
    found = sales(dialect)
    for other in (
        '"omni_store"."customers"."region"',
        '"region"',
        '"orders"."region"',
        '"customers"."secret"',
        '"x"."region"',
    ):
        found.refuses(found.changed(('"customers"."region" AS', f"{other} AS")), UNKNOWN)


def test_a_rules_column_stands_in_its_rule_only():
    of = model()
    whole = everything(of, "Sales")
    rights = replace(
        whole, fields=whole.fields - CLOSED - {"customers.name"}, topic_policies=(policy("customers.name", "Ola"),)
    )
    found = statement({"dataset": "Sales", "fields": ["customers.region", "orders.revenue"]}, of, rights)
    for what in ('"customers"."name"', 'COUNT("customers"."name")', 'COUNT(DISTINCT "orders"."customer_id")'):
        found.refuses(shown(found, what), USED)
    for clause in (' AND "customers"."name" = \'Ola\'', ' AND "orders"."customer_id" IS NULL'):
        found.refuses(found.changed((" GROUP BY", f"{clause} GROUP BY")), USED)
    found.refuses(found.changed((" ORDER BY", ' HAVING MAX("customers"."name") > 1 ORDER BY')), USED)


def test_a_percentile_of_ordered_amounts_is_one_of_amounts():
    found = sales(closed=CLOSED - {"orders.p90"})
    found.proves(shown(found, f"PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY {AMOUNT})"))
    ordered = f"PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY 1) + {AMOUNT}"
    found.refuses(shown(found, ordered), USED)
