"""Take good SQL, spoil one thing, and it must be refused; the untouched statement passes."""

import hashlib
from dataclasses import replace

import pytest

from apps.semantic.compile import CompiledQuery, compile_query
from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import Condition
from apps.semantic.verify import verify
from tests.semantic import shop
from tests.semantic.shop import ALL, EVERYTHING, MASK_KEY, policy, query

SCOPE = replace(
    EVERYTHING,
    fields=ALL - {"orders.odd", "orders.customer_id", "customers.fee", "customers.double_fee", "customers.fees"},
    masked=frozenset(("customers.email",)),
    mask_key=MASK_KEY,
    row_policies={"customers": (policy("customers.region", "EU", "US"),), "orders": (policy("orders.id", 1, 2, 3, 4),)},
    topic_policies=(policy("countries.continent", "EUROPE", "AMERICA"),),
    max_rows=1000,
)
FIELDS = ("customers.email", "orders.created_at[month]", "orders.revenue")
ASKED = query(
    *FIELDS, filters={"orders.status": Condition("is", ("paid", "open"))}, timezone="Europe/Oslo",
)  # fmt: skip
DIALECTS = ("duckdb", "postgres")


def good(dialect: str = "duckdb") -> CompiledQuery:
    # What DuckDB may convert by itself stands around the chosen rows; a pattern does not.
    filters = {"orders.status": Condition("contains", ("paid", "open"))}
    question = query(*FIELDS, filters=filters, timezone="Europe/Oslo") if dialect == "duckdb" else ASKED
    return compile_query(question, model=shop.model(dialect), scope=SCOPE, today=shop.TODAY)


def check(compiled: CompiledQuery, scope=SCOPE) -> None:
    verify(compiled, model=shop.model(compiled.dialect), scope=scope)


def with_text(compiled: CompiledQuery, text: str, parameters: tuple[object, ...] | None = None) -> CompiledQuery:
    shape = hashlib.sha256(text.encode()).hexdigest()
    return replace(
        compiled, sql=text, shape=shape, parameters=compiled.parameters if parameters is None else parameters
    )


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_untouched_statement_is_proven(dialect):
    check(good(dialect))


SPOILED = {
    "row policy removed": (' WHERE "region" IN (?, ?)', "", 2),
    "row policy widened": ('WHERE "region" IN (?, ?)', 'WHERE "region" IN (?, ?) OR TRUE', 0),
    "row policy negated": ('WHERE "region" IN (?, ?)', 'WHERE NOT "region" IN (?, ?)', 0),
    "row policy on another column": ('WHERE "region" IN (?, ?)', 'WHERE "country" IN (?, ?)', 0),
    "row policy on another case": ('WHERE "region" IN (?, ?)', 'WHERE "Region" IN (?, ?)', 0),
    "row policy with a literal": ('WHERE "region" IN (?, ?)', "WHERE \"region\" IN (?, ?, 'ASIA')", 0),
    "row policy with other columns beside it": ('"region" IN (?, ?)', '"region" IN (?, ?) AND "fee" > 5', 0),
    "row policy moved out of the table": (
        ' WHERE "region" IN (?, ?)) AS "customers"', ') AS "customers"', 2,
    ),
    "topic policy removed": ('"countries"."continent" IN (?, ?) AND ', "", 2),
    "topic policy made optional": ('"continent" IN (?, ?) AND ', '"continent" IN (?, ?) OR ', 0),
    "mask removed": ('LEFT(SHA256(CAST(? AS TEXT) || CAST("email" AS TEXT)), 16) AS "masked email"', '"email" AS "masked email"', 1),
    "mask lengthened": ('AS TEXT)), 16)', 'AS TEXT)), 64)', 0),
    "mask without a key": ('CAST(? AS TEXT) || CAST("email"', '\'\' || CAST("email"', 1),
    "masked column beside its mask": ('"masked email" FROM', '"masked email", "email" FROM', 0),
    "forbidden column in a subquery": ('"masked email" FROM', '"masked email", "fee" FROM', 0),
    "forbidden column in the answer": ('SUM("orders"."amount")', 'SUM("orders"."100% s")', 0),
    "join key in the answer": ('SUM("orders"."amount")', 'SUM("orders"."customer_id")', 0),
    "join key in a filter": ('("orders"."status" LIKE', '("orders"."customer_id" LIKE', 0),
    "join key in the order": (" ORDER BY 2 ASC", ' ORDER BY "orders"."customer_id"', 0),
    "result column named after a forbidden field": ('AS "orders.revenue"', 'AS "orders.odd"', 0),
    "limit removed": (" LIMIT 1001", "", 0),
    "limit raised": (" LIMIT 1001", " LIMIT 1002", 0),
    "limit computed": (" LIMIT 1001", " LIMIT 1001 + 1", 0),
    "offset": (" LIMIT 1001", " LIMIT 1001 OFFSET 5", 0),
    "union": (" ORDER BY 2", ' UNION ALL SELECT * FROM "shop"."customers" ORDER BY 2', 0),
    "second statement": (" LIMIT 1001", ' LIMIT 1001; DROP TABLE "shop"."orders"', 0),
    "comment": (" LIMIT 1001", " LIMIT 1001 -- x", 0),
    "common table": ('SELECT "customers"."masked', 'WITH "orders" AS (SELECT 1) SELECT "customers"."masked', 0),
    "bare table": (
        'LEFT JOIN (SELECT "continent", "code" FROM "shop"."countries") AS "countries"',
        'LEFT JOIN "shop"."countries" AS "countries"', 0,
    ),
    "another table": ('FROM "shop"."countries"', 'FROM "shop"."items"', 0),
    "table of another schema": ('FROM "shop"."countries"', 'FROM "other"."countries"', 0),
    "table function": ('FROM "shop"."countries"', "FROM read_csv('/etc/passwd')", 0),
    "second table in a subquery": ('FROM "shop"."countries"', 'FROM "shop"."countries", "shop"."items"', 0),
    "star": ('SELECT "continent", "code" FROM', "SELECT * FROM", 0),
    "query in an expression": ('SUM("orders"."amount")', '(SELECT MAX("amount") FROM "shop"."orders")', 0),
    "function from nowhere": ('SUM("orders"."amount")', "getenv('HOME')", 0),
    "window": ('SUM("orders"."amount")', 'SUM(SUM("orders"."amount")) OVER ()', 0),
    "another join condition": ('ON "customers"."country" = "countries"."code"', "ON TRUE", 0),
    "inner join for a left one": ('LEFT JOIN (SELECT "continent"', 'JOIN (SELECT "continent"', 0),
    "lateral join": ('LEFT JOIN (SELECT "continent"', 'LEFT JOIN LATERAL (SELECT "continent"', 0),
    "sample": ('FROM "shop"."countries"', 'FROM "shop"."countries" TABLESAMPLE 50 PERCENT', 0),
    "distinct on": ('SELECT "customers"."masked', 'SELECT DISTINCT "customers"."masked', 0),
    "not a query": (None, 'DELETE FROM "shop"."orders"', 6),
    "not SQL": (None, "SELECT FROM WHERE (", 0),
}  # fmt: skip


@pytest.mark.parametrize("case", SPOILED)
def test_spoiled_text_is_refused(case):
    old, new, dropped = SPOILED[case]
    compiled = good()
    assert old is None or old in compiled.sql, "the case no longer fits the SQL"
    text = new if old is None else compiled.sql.replace(old, new)
    at_most = compiled.parameters[: len(compiled.parameters) - dropped]
    with pytest.raises(UnprovenSqlError):
        check(with_text(compiled, text, at_most))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_policy_and_mask_parameter_is_pinned_and_others_are_free(dialect):
    compiled = good(dialect)
    # False belongs to the topic's own filter, which is pinned as well.
    free = {"Europe/Oslo", "paid", "open", "%paid%", "%open%"}
    for index, value in enumerate(compiled.parameters):
        spoiled = (*compiled.parameters[:index], "ASIA", *compiled.parameters[index + 1 :])
        if value in free:
            check(replace(compiled, parameters=spoiled))
        else:
            with pytest.raises(UnprovenSqlError):
                check(replace(compiled, parameters=spoiled))


def test_swapped_parameters_are_refused():
    compiled = good()
    swapped = list(compiled.parameters)
    one, other = swapped.index("EU"), swapped.index("%paid%")
    swapped[one], swapped[other] = swapped[other], swapped[one]
    with pytest.raises(UnprovenSqlError):
        check(replace(compiled, parameters=tuple(swapped)))


def test_a_value_that_is_equal_but_of_another_type_is_refused():
    compiled = good()
    spoiled = tuple(True if value == 1 and value is not False else value for value in compiled.parameters)
    assert spoiled == compiled.parameters
    with pytest.raises(UnprovenSqlError):
        check(replace(compiled, parameters=spoiled))


@pytest.mark.parametrize("change", [lambda values: values[:-1], lambda values: (*values, "more")])
def test_another_number_of_parameters_is_refused(change):
    compiled = good()
    with pytest.raises(UnprovenSqlError):
        check(replace(compiled, parameters=change(compiled.parameters)))


def test_a_proof_is_not_carried_over_to_a_narrower_scope():
    compiled = good()
    check(compiled)
    narrower = [
        replace(SCOPE, fields=SCOPE.fields - {"orders.revenue"}),
        replace(SCOPE, fields=SCOPE.fields - {"orders.status", "orders.paid_revenue", "orders.paid_share"}),
        replace(SCOPE, masked=SCOPE.masked | {"orders.created_at"}),
        replace(SCOPE, row_policies={**SCOPE.row_policies, "countries": (policy("countries.code", "NO"),)}),
        replace(SCOPE, row_policies={**SCOPE.row_policies, "customers": (policy("customers.region", "EU", "ASIA"),)}),
        replace(SCOPE, topic_policies=(*SCOPE.topic_policies, policy("orders.status", "paid"))),
        replace(SCOPE, mask_key="f" * 32),
        replace(SCOPE, max_rows=10),
        replace(SCOPE, topic="Inner"),
    ]
    for scope in narrower:
        with pytest.raises(UnprovenSqlError):
            check(compiled, scope)


def test_a_column_that_only_a_measure_may_read_cannot_be_shown():
    scope = replace(EVERYTHING, fields=frozenset(("orders.direct_revenue", "orders.status")))
    compiled = compile_query(
        query("orders.status", "orders.direct_revenue"), model=shop.MODEL, scope=scope, today=shop.TODAY
    )
    verify(compiled, model=shop.MODEL, scope=scope)
    shown = with_text(compiled, compiled.sql.replace('SUM("orders"."amount")', '"orders"."amount"'))
    with pytest.raises(UnprovenSqlError):
        verify(shown, model=shop.MODEL, scope=scope)


def test_a_policy_without_values_must_be_false():
    scope = replace(EVERYTHING, row_policies={"orders": (policy("orders.status"),)})
    compiled = compile_query(query("orders.count"), model=shop.MODEL, scope=scope, today=shop.TODAY)
    verify(compiled, model=shop.MODEL, scope=scope)
    for change in ("WHERE TRUE", "", "WHERE NOT FALSE"):
        with pytest.raises(UnprovenSqlError):
            verify(with_text(compiled, compiled.sql.replace("WHERE FALSE", change)), model=shop.MODEL, scope=scope)


def test_a_single_percent_sign_is_refused_as_the_driver_would_misread_it():
    compiled = good("postgres")
    for old, new in ((" LIMIT 1001", " LIMIT 1001 % 5"), ("IN (%s, %s)", "IN (%s, %%s)"), ("%s", "%(a)s")):
        with pytest.raises(UnprovenSqlError):
            check(with_text(compiled, compiled.sql.replace(old, new)))


def test_a_shape_that_is_not_the_texts_is_refused():
    with pytest.raises(UnprovenSqlError):
        check(replace(good(), shape="0" * 64, sql=good().sql + " "))


def test_an_inner_join_cannot_be_left_out():
    scope = replace(EVERYTHING, topic="Inner")
    compiled = compile_query(query("orders.count", dataset="Inner"), model=shop.MODEL, scope=scope, today=shop.TODAY)
    verify(compiled, model=shop.MODEL, scope=scope)
    start, end = compiled.sql.index(" INNER JOIN"), compiled.sql.index(" ORDER BY")
    with pytest.raises(UnprovenSqlError):
        verify(with_text(compiled, compiled.sql[:start] + compiled.sql[end:]), model=shop.MODEL, scope=scope)
