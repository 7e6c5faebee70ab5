"""A query view's own question is part of the model: its filters, groups, order and limit are proven as a topic's rules are."""

from dataclasses import replace

import pytest

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.verify import verify
from apps.semantic.verify.answers import BEYOND, COLUMNS, FILTER, KEYS, LIMIT, ORDER, OTHER
from tests.semantic.features.store import FILES, everything, model
from tests.semantic.verify.hand import Statement, statement

DIALECTS = ("duckdb", "postgres", "mysql", "spark")
QUERY = """
query:
  topic: Sales
  fields: {orders.status: status, customers.region: region, orders.revenue: revenue, orders.count: number}
"""
FIELDS = "dimensions: {status: {}, region: {}, revenue: {}, number: {}}\nmeasures: {count: {aggregate_type: count}}\n"
FEW = """
  filters: {customers.region: {is: EU}, orders.revenue: {greater_than: 4}}
  sorts: [{field: orders.revenue, desc: true}]
  limit: 2
"""
ASKED = {"dataset": "V", "fields": ["v.status", "v.count"]}
GROUP, LAST = " GROUP BY 1, 2", ') AS "view query"'
REVENUE = 'SUM(CAST("orders"."amount" AS INT))'


def viewed(more: str = FEW, dialect: str = "duckdb", question=ASKED, query: str = QUERY, **files: str) -> Statement:
    """Return a statement over a query view with more in its question."""
    of = model(dialect, **{"v.query.view": query + more.lstrip("\n") + FIELDS, "V.topic": "base_view: v"} | files)
    whole = everything(of, question["dataset"])
    nested = {name: replace(inner, nested=whole.nested) for name, inner in whole.nested.items()}
    return statement(question, of, replace(whole, nested=nested))


def alone(text: str) -> str:
    """Return what stands in the place of the view's table."""
    return text[text.index("(SELECT", text.index(" FROM (SELECT") + 10) + 1 : text.index(LAST)]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_query_view_without_its_filter_is_refused(dialect):
    found = viewed(dialect=dialect)
    where = ' WHERE "customers"."region" IN (:0:)'
    for changed, why in (("", FILTER), (' WHERE "customers"."region" IN (:0:) OR 1 = 1', FILTER), (where.replace("region", "name"), FILTER),
                         (f'{where} AND "orders"."status" = \'paid\'', BEYOND), (f"{where}{where.replace(' WHERE', ' AND')}", BEYOND)):  # fmt: skip
        found.refuses(found.changed((where, changed)), why)
    found.refuses(found.changed((":0:", ":'US':")), "bound to another value")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_query_view_without_its_condition_on_groups_is_refused(dialect):
    found = viewed(dialect=dialect)
    start = found.text.index(" HAVING ")
    having = found.text[start : found.text.index(" ORDER BY", start)]
    missing = "A condition of the data set on groups is missing."
    for changed, why in (("", missing), (having.replace(">", "<"), missing), (f"{having} AND COUNT(*) > 1", BEYOND)):
        found.refuses(found.changed((having, changed)), why)
    found.refuses(found.changed((":1:", ":=3:")), "bound to another value")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_query_view_is_cut_off_where_the_model_says_and_in_its_order(dialect):
    found = viewed(dialect=dialect)
    start = found.text.index(" ORDER BY")
    order = found.text[start : found.text.index(" LIMIT 2")]
    for changed in ("", " LIMIT 3", " LIMIT 1"):
        found.refuses(found.changed((" LIMIT 2", changed)), LIMIT)
    first, last = (order.replace(" DESC", ""), order.replace(" DESC", " ASC"))
    for changed in ("", first, last, order.partition(",")[0], " ORDER BY 4 DESC, 1, 2", " ORDER BY 1, 2, 3 DESC"):
        found.refuses(found.text.replace(order, changed, 1), ORDER)
    if dialect in ("duckdb", "postgres"):
        found.refuses(found.text.replace(order, order.replace(" DESC", " DESC NULLS FIRST"), 1), ORDER)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_query_view_is_grouped_by_its_dimensions(dialect):
    found = viewed("", dialect=dialect)
    found.refuses(found.changed((f"{GROUP}{LAST}", f" GROUP BY 1{LAST}")), KEYS)
    found.refuses(found.changed((f"{GROUP}{LAST}", LAST)), KEYS)
    found.refuses(found.changed((f"{GROUP}{LAST}", f'{GROUP}, "orders"."amount"{LAST}')), KEYS)
    key = '"customers"."region" AS "region"'
    for other in ('"customers"."name" AS "region"', '1 AS "region"', 'UPPER("customers"."region") AS "region"'):
        more = [('(SELECT "region", ', '(SELECT "name", "region", ')] if "name" in other else []
        found.refuses(found.changed((key, other), *more), KEYS)
    found.proves(found.changed((f"{GROUP}{LAST}", f' GROUP BY "orders"."status", "customers"."region"{LAST}')))


def test_a_query_view_shows_its_columns_and_no_others():
    found = viewed("")
    found.refuses(found.changed(('COUNT("orders"."id") AS "number"' if 'COUNT("orders"."id")' in found.text else 'COUNT(*) AS "number"', 'COUNT(*) AS "other"')), COLUMNS)  # fmt: skip
    found.refuses(found.changed((f'{REVENUE} AS "revenue"', 'COUNT("orders"."status") AS "revenue"')), COLUMNS)
    found.refuses(found.changed((LAST, f" LIMIT 1{LAST}")), LIMIT)
    found.refuses(found.changed((LAST, f" HAVING COUNT(*) > 1{LAST}")), BEYOND)


def test_a_query_view_is_no_answer_around_another():
    found = viewed()
    inner = alone(found.text)
    columns = ", ".join(f'"a b"."{name}" AS "{name}"' for name in ("status", "region", "revenue", "number"))
    found.refuses(found.changed((inner, f'SELECT {columns} FROM ({inner}) AS "a b"')), None)
    found.refuses(found.changed((inner, f"{inner} UNION ALL {inner}")), None)
    plain = viewed("")
    plain.refuses(plain.changed((alone(plain.text), f"{alone(plain.text)} UNION ALL {alone(plain.text)}")), OTHER)


def test_rows_told_apart_are_filtered_and_grouped_once():
    query = QUERY.replace("orders.count: number", "items.sold: number")
    found = viewed("  filters: {customers.region: {is: EU}}\n", query=query)
    rows = ') AS "joined rows"'
    where = ' WHERE "customers"."region" IN (:0:)'
    assert where + rows in found.text
    found.refuses(found.changed((where + rows, rows)), FILTER)
    found.refuses(found.changed((rows, f" LIMIT 5{rows}")), OTHER)
    found.refuses(found.changed((where + rows, f"{where} GROUP BY 1{rows}")), None)
    found.refuses(found.changed((rows, f'{rows} WHERE "joined rows"."d1" = \'paid\'')), OTHER)
    joined = found.text[found.text.index('SELECT "orders"."status" AS "d1"') : found.text.index(rows)]
    columns = ", ".join(f'"more rows"."{name}" AS "{name}"' for name in ("d1", "d2", "c3", "c4", "c5"))
    again = f'SELECT {columns} FROM ({joined}) AS "more rows" WHERE "more rows"."d1" = \'paid\''
    for other in (again, f"{joined} UNION ALL {joined}"):
        found.refuses(found.changed((joined, other)), OTHER)


def test_a_filter_that_a_measure_does_not_heed_is_in_each_that_does():
    query = QUERY.replace("orders.count: number", "orders.all_revenue: number")
    found = viewed("  filters: {orders.status: {not: lost}}\n", query=query)
    heeded = f'{REVENUE} FILTER(WHERE NOT COALESCE("orders"."status" IN (:0:), FALSE))'
    assert heeded in found.text
    found.refuses(found.changed((heeded, REVENUE)), FILTER)
    found.refuses(found.changed((":0:", ":'paid':")), "bound to another value")
    found.refuses(found.changed((heeded, heeded.replace("NOT COALESCE", "COALESCE"))), FILTER)


def test_calculations_are_the_models():
    more = "  calculations: {twice: {sql: revenue * 2}}\n"
    found = viewed(more)
    twice = '"calculated columns"."revenue" * 2 AS "twice"'
    for changed, why in (
        (twice.replace("2", "3"), COLUMNS), (twice.replace("revenue", "number"), COLUMNS), (twice.replace('"twice"', '"thrice"'), COLUMNS),
    ):  # fmt: skip
        found.refuses(found.changed((twice, changed)), why)
    calculated = ') AS "calculated columns"'
    found.refuses(found.changed((calculated, f"{calculated} LIMIT 1")), OTHER)
    found.refuses(found.changed((calculated, f" LIMIT 1{calculated}")), LIMIT)
    swapped = found.changed(
        ('"calculated columns"."revenue", ', '"calculated columns"."number" AS "revenue", '),
    )
    found.refuses(swapped, COLUMNS)
    found.refuses(found.changed((f", {twice}", "")), COLUMNS)
    inner = found.text[found.text.index('SELECT "orders"."status" AS') : found.text.index(calculated)]
    found.refuses(found.changed((inner, f"{inner} UNION ALL {inner}")), OTHER)
    whole = alone(found.text)
    found.refuses(found.changed((whole, f"{whole} UNION ALL {whole}")), OTHER)


def test_of_filters_alike_each_is_the_one_that_has_its_values():
    of, question, rights = taking_over(BOUND + "  filters: {orders.status: {is: paid}}\n")
    question["filters"] = {"orders.status": {"is": "open"}}
    found = statement(question, of, rights)
    own, taken = found.compiled.parameters[:2]
    assert own != taken
    both = '"orders"."status" IN (:0:) AND "orders"."status" IN (:1:)'
    # Another text, as what is known of one text holds for its first values.
    swapped = '("orders"."status" IN (:1:)) AND "orders"."status" IN (:0:)'
    found.proves(found.changed((both, swapped)))
    found.refuses(found.changed((both, swapped.replace("(:0:)", "(:1:)") + " AND 1 = 1")), FILTER)
    short = replace(found.written(found.changed((both, f"({both})"))), parameters=())
    with pytest.raises(UnprovenSqlError, match=FILTER):
        verify(short, model=of, scope=rights)


def test_a_dimension_that_is_cut_is_made_of_its_columns():
    found = viewed("", query=QUERY.replace("customers.region: region", '"orders.ordered_at[month]": region'))
    month = 'CAST(DATE_TRUNC(\'MONTH\', "orders"."ordered_at") AS DATE)'
    for other in ('CAST("orders"."amount" AS DATE)', "CAST('2026-01-01' AS DATE)"):
        found.refuses(found.changed((month, other)), KEYS)


def test_without_sorts_the_order_of_a_limit_is_that_of_every_answer():
    by_time = QUERY.replace("customers.region: region", '"orders.ordered_at[month]": region')
    for query, order in ((QUERY, "ORDER BY 3 DESC, 1 ASC, 2 ASC"), (by_time, "ORDER BY 2 ASC, 1 ASC")):
        found = viewed("  limit: 2\n", query=query)
        assert f"{order} LIMIT 2" in found.text
        for other in (
            "ORDER BY 1 ASC, 2 ASC",
            order.replace(" ASC", " DESC", 1),
            order.replace("ASC LIMIT", "DESC LIMIT"),
        ):
            if other != order:
                found.refuses(found.changed((f"{order} LIMIT 2", f"{other} LIMIT 2")), ORDER)


def test_a_query_view_within_a_query_view_is_proven_too():
    outer = "query: {topic: V, fields: {v.region: region, v.count: n}, filters: {v.status: {contains: paid}}}\ndimensions: {region: {}, n: {}}\n"
    files = {"w.query.view": outer, "W.topic": "base_view: w"}
    found = viewed(question={"dataset": "W", "fields": ["w.region"]}, **files)
    for where in (' WHERE ("v"."status" LIKE :2: ESCAPE \'!\')', ' WHERE "customers"."region" IN (:0:)'):
        assert where in found.text, found.text
        found.refuses(found.changed((where, "")), FILTER)
    found.refuses(found.changed((" LIMIT 2", "")), LIMIT)


BOUND = "  bind: {orders.status: orders.status}\n"
JOINED = """
- {join_from_view: orders, join_to_view: v, relationship_type: many_to_one, on_sql: "${orders.status} = ${v.status}"}
"""


def taking_over(rule: str, **rights):
    of = model(
        **{
            "v.query.view": QUERY.replace("topic: Sales", "base_view: orders").replace("customers.region: region, ", "") + rule + FIELDS.replace("region: {}, ", ""),
            "relationships": FILES["relationships"] + JOINED, "Taking.topic": "base_view: orders\njoins: {v: {}}",
        }
    )  # fmt: skip
    question = {"dataset": "Taking", "fields": ["v.revenue"], "filters": {"orders.status": {"is": "paid"}}}
    return of, question, everything(of, "Taking", **rights)


def test_a_query_view_takes_over_the_filters_that_the_model_says():
    of, question, rights = taking_over(BOUND)
    found = statement(question, of, rights)
    inner = ' WHERE "orders"."status" IN (:0:) GROUP BY 1) AS "view query"'
    assert inner in found.text, found.text
    found.proves(found.changed((inner, inner.replace(" IN (:0:)", " = 'open'"))))
    other = inner.replace('"orders"."status" IN', 'CAST("orders"."amount" AS INT) IN').replace(":0:", ":=5:")
    found.refuses(found.changed((inner, other)), BEYOND)
    hidden = replace(rights, masked=frozenset(("customers.mail",)), mask_key="k" * 32)
    verify(found.compiled, model=of, scope=hidden)
    of, question, rights = taking_over("")
    plain = statement(question, of, rights)
    plain.refuses(plain.changed((' GROUP BY 1) AS "view query"', inner)), BEYOND)


def test_a_query_view_takes_over_no_filter_on_what_is_masked_around_it():
    for rule in (BOUND, "  bind_all_filters: true\n"):
        of, question, rights = taking_over(rule)
        found = statement(question, of, rights)
        hidden = replace(rights, masked=frozenset(("orders.status",)), mask_key="k" * 32)
        with pytest.raises(UnprovenSqlError, match=BEYOND):
            verify(found.compiled, model=of, scope=hidden)
