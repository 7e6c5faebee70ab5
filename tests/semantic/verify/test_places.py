"""What stands for a field in the place that the model gives it: other columns do not, whatever else is masked there."""

from dataclasses import replace

import pytest

from apps.semantic.verify.answers import COLUMNS, KEYS
from apps.semantic.verify.rankings import MISSING
from tests.semantic.features.store import FILES, MASK_KEY, everything, model
from tests.semantic.verify.hand import statement
from tests.semantic.verify.test_asked import FIELDS, QUERY, REVENUE
from tests.semantic.verify.test_tops import BEST

MAIL = frozenset(("customers.mail", "customers.email"))


def viewed(query=QUERY, masked=frozenset(), **files):
    """Return a statement over a query view that sees some dimensions masked beneath."""
    files = {
        "v.query.view": query + "required_access_grants: [sees_mail]\n" + FIELDS,
        "V.topic": "base_view: v",
    } | files
    of = model(**files)
    whole = everything(of, "V")
    sales = replace(whole.nested["Sales"], masked=frozenset(masked), mask_key=MASK_KEY, nested=whole.nested)
    return statement(
        {"dataset": "V", "fields": ["v.count"]}, of, replace(whole, nested={**whole.nested, "Sales": sales})
    )


@pytest.mark.parametrize("masked", [frozenset(), MAIL])
def test_a_measure_is_over_its_own_columns_whatever_else_is_masked(masked):
    found = viewed(masked=masked)
    for other in ('SUM("orders"."customer_id")', 'COUNT("orders"."amount")', "SUM(1)", '"orders"."amount"', "1"):
        found.refuses(
            found.changed((f'{REVENUE} AS "revenue"', f'{other} AS "revenue"')), None if "SUM" not in other else COLUMNS
        )
    found.proves(found.changed((f'{REVENUE} AS "revenue"', 'SUM("orders"."amount") AS "revenue"')))


def test_a_measure_of_what_is_masked_is_over_its_mask():
    query = QUERY.replace("orders.count: number", "customers.mails: number")
    mails = FILES["customers.view"].replace(
        "measures:\n", 'measures:\n  mails: {aggregate_type: count_distinct, sql: "${mail}"}\n', 1
    )
    found = viewed(query, MAIL, **{"customers.view": mails})
    assert 'COUNT(DISTINCT "customers"."masked mail")' in found.text, found.text
    found.refuses(found.changed(('COUNT(DISTINCT "customers"."masked mail")', 'SUM("customers"."masked mail")')), None)
    clear = viewed(query, **{"customers.view": mails})
    clear.refuses(clear.changed(('DISTINCT "customers"."email")', 'DISTINCT "customers"."region")')), COLUMNS)


def test_a_masked_key_is_made_of_its_columns():
    query = QUERY.replace("customers.region: region", "customers.email: region")
    found = viewed(query, MAIL)
    mask = '"customers"."masked email" AS "region"'
    assert mask in found.text, found.text
    found.refuses(found.changed((mask, '"orders"."amount" AS "region"')), KEYS)
    found.refuses(found.changed((mask, '"orders"."status" AS "region"')), KEYS)


def test_a_key_that_filters_of_the_question_stand_in_is_made_of_its_columns():
    found = viewed(QUERY.replace("customers.region: region", "orders.is_wanted: region"))
    found.proves(found.changed(('TRUE AS "region"', '"orders"."status" = \'paid\' AS "region"')))
    for other in ('"orders"."amount" > 5', 'CONCAT("orders"."status", "orders"."amount")'):
        found.refuses(found.changed(('TRUE AS "region"', f'{other} AS "region"')), KEYS)


def test_a_key_that_is_cut_of_what_is_the_same_in_every_row_reads_no_column():
    orders = FILES["orders.view"].replace(
        "  status: {}\n", "  status: {}\n  first: {sql: \"CAST('2026-01-31' AS DATE)\", timeframes: [date, month]}\n", 1
    )
    found = viewed(
        QUERY.replace("customers.region: region", '"orders.first[month]": region'), **{"orders.view": orders}
    )
    start = found.text.index("CAST(DATE_TRUNC")
    cut = found.text[start : found.text.index(' AS "region"')]
    found.refuses(found.changed((f'{cut} AS "region"', '"orders"."amount" AS "region"')), KEYS)


def test_a_key_per_detail_reads_what_it_is_made_of():
    query = QUERY.replace("customers.region: region", "customers.lifetime: region")
    found = viewed(query)
    shown = '"detail customers.lifetime"."value" AS "region"'
    for other in ('"orders"."status" AS "region"', '1 AS "region"'):
        found.refuses(found.changed((shown, other)), KEYS)


@pytest.mark.parametrize(
    "name", ["orders.delivery", "orders.delivery[days]", "orders.since", "orders.ordered_at[month]"]
)
def test_a_key_of_time_reads_its_columns_and_no_other(name):
    orders = FILES["orders.view"].replace("  status: {}\n", '  status: {}\n  since: {sql: "${ordered_at[month]}"}\n', 1)
    found = viewed(QUERY.replace("customers.region: region", f'"{name}": region'), **{"orders.view": orders})
    start = found.text.index('"orders"."status" AS "status", ') + len('"orders"."status" AS "status", ')
    shown = found.text[start : found.text.index(' AS "region"')]
    assert '_at"' in shown
    for other in ('"orders"."amount"', "CAST('2026-01-01' AS DATE)", f'COALESCE({shown}, "orders"."amount")'):
        found.refuses(found.changed((f'{shown} AS "region"', f'{other} AS "region"')), KEYS)


@pytest.mark.parametrize(
    ("name", "column"), [("orders.p90", "amount"), ("orders.states", "status"), ("orders.wanted_orders", "")]
)
def test_a_measure_of_another_kind_than_the_plain_ones_is_over_its_columns(name, column):
    found = viewed(QUERY.replace("orders.revenue: revenue", f"{name}: revenue"))
    start = found.text.index(' AS "region", ') + len(' AS "region", ')
    shown = found.text[start : found.text.index(' AS "revenue"')]
    found.refuses(found.changed((f'{shown} AS "revenue"', '1 AS "revenue"')), COLUMNS)
    if column:
        other = shown.replace(f'"orders"."{column}"', '"orders"."customer_id"')
        found.refuses(found.changed((shown, other)), COLUMNS)


def test_a_measure_of_what_is_gone_reads_nothing():
    query = QUERY.replace("orders.count: number", "customers.limits: number")
    customers = FILES["customers.view"].replace(
        "dimensions:\n", "dimensions:\n  gone: {sql: limit_, mask: null, mask_unless_access_grants: [sees_mail]}\n", 1
    )
    customers = customers.replace(
        "measures:\n", 'measures:\n  limits: {aggregate_type: count_distinct, sql: "${gone}"}\n', 1
    )
    found = viewed(query, {"customers.gone"}, **{"customers.view": customers})
    assert 'COUNT(DISTINCT "customers"."masked gone")' in found.text, found.text
    found.refuses(found.changed(("COUNT(DISTINCT", "SUM(DISTINCT")), COLUMNS)


def test_a_ranking_is_demanded_whatever_else_is_masked():
    of = model()
    rights = replace(everything(of, "Sales"), masked=MAIL, mask_key=MASK_KEY)
    found = statement(BEST, of, rights)
    end = found.text.index(" LIMIT 1)")
    order = found.text[found.text.rindex(" ORDER BY", 0, end) : end]
    found.refuses(found.changed((f"{order} LIMIT 1)", f"{order})")), MISSING)


def test_no_ranking_is_demanded_of_what_is_masked():
    of = model()
    found = statement(
        BEST, of, replace(everything(of, "Sales"), masked=frozenset(("customers.name",)), mask_key=MASK_KEY)
    )
    assert "LIMIT 1)" not in found.text
