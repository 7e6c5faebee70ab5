"""No mask decides which rows an SQL view has: the proof sees it in the text by itself, whatever the reader has let through."""

from dataclasses import replace

import pytest
import sqlglot
from sqlglot import exp

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import SqlSource, table_text
from apps.semantic.verify import verify
from apps.semantic.verify.followed import CHOSEN
from tests.semantic.features.store import everything, model
from tests.semantic.features.test_chosen_rows import (
    BY_HASH,
    CHOSEN_ALIKE,
    CHOSEN_BY_MASKS,
    CUSTOMERS,
    FROM,
    MASKED,
    without_check,
)

ORDERS = "omni_store.orders AS o"
GOVERNORS = {"omni_store.customers": "customers", "omni_store.orders": "orders"}
ON = f"{FROM} JOIN {ORDERS} ON o.customer_id = c.id"
NAMED = {name: sql for name, sql in CHOSEN_BY_MASKS.items() if not sql.startswith("WITH")}
"""without queries that are named, which are put where their names are when a model is read"""


def over(sql, dialect="duckdb", customers=CUSTOMERS):
    """Return a model with an SQL view that nobody has looked at."""
    view = "sql: SELECT c.id AS id FROM omni_store.customers AS c\ndimensions: {id: {}}\nmeasures: {count: {aggregate_type: count}}\n"
    of = model(dialect, **{"customers.view": customers, "v.view": view, "V.topic": "base_view: v"})
    tree = sqlglot.parse_one(sql, read=dialect)
    source = SqlSource(tree, {text: GOVERNORS[text] for text in map(table_text, tree.find_all(exp.Table))})
    return replace(of, views={**of.views, "v": replace(of.views["v"], sql_source=source)})


def proves(sql, masked=MASKED, dialect="duckdb", customers=CUSTOMERS):
    of = over(sql, dialect, customers)
    scope = replace(everything(of, "V"), masked=masked)
    verify(without_check(of, scope), model=of, scope=scope)


def refuses(sql, masked=MASKED, dialect="duckdb", customers=CUSTOMERS):
    """Fail unless a text is proven for whoever sees values, and not for whoever sees masks."""
    proves(sql, frozenset(), dialect, customers)
    with pytest.raises(UnprovenSqlError, match=CHOSEN):
        proves(sql, masked, dialect, customers)


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "mysql"])
@pytest.mark.parametrize("name", NAMED)
def test_a_text_that_chooses_rows_by_masks_is_proven_only_for_whoever_sees_values(name, dialect):
    refuses(NAMED[name], dialect=dialect)


@pytest.mark.parametrize("name", BY_HASH)
def test_hashes_make_groups_but_where_texts_in_other_letters_are_the_same(name):
    proves(BY_HASH[name])
    refuses(BY_HASH[name], dialect="mysql")


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "mysql"])
@pytest.mark.parametrize("name", CHOSEN_ALIKE)
def test_a_text_whose_rows_are_the_same_for_all_is_proven(name, dialect):
    proves(CHOSEN_ALIKE[name], dialect=dialect)


SIDE = f"SELECT c.email AS id {FROM}"
REFUSED = {
    "part of a union": f"(SELECT c.id AS id, c.limit_ AS d {FROM} LIMIT 1) UNION ALL (SELECT c.id AS id, c.limit_ AS d {FROM} ORDER BY 2 LIMIT 1)",
    "union in order": f"{SIDE} UNION ALL SELECT x.email FROM omni_store.customers AS x ORDER BY 1 LIMIT 1",
    "union with gaps": f"SELECT DISTINCT q.id AS id FROM ({SIDE} UNION ALL SELECT x.name FROM omni_store.customers AS x) AS q",
    "hash of a hash": f"SELECT MAX(q.id) AS id FROM (SELECT c.id AS id, LEFT(c.email, 1) AS e {FROM}) AS q GROUP BY q.e",
    "all": f"SELECT c.limit_ AS id, MAX(c.id) AS d {FROM} GROUP BY ALL",
    "name of two": f"SELECT UPPER(c.email) AS region, MAX(c.id) AS id {FROM} GROUP BY region",
    "truth": f"SELECT c.id AS id {FROM} WHERE c.limit_ IS TRUE",
    "nothing": f"SELECT c.id AS id {FROM} WHERE c.email = NULL",
    "gaps of a choice": f"SELECT c.id AS id {FROM} WHERE NULLIF(c.email, 'ola@x.no') IS NULL",
    "window of an output": f"SELECT UPPER(c.email) AS e, c.id AS id {FROM} ORDER BY (e) LIMIT 1",
    "frame": f"SELECT c.id AS id, SUM(c.id) OVER (ORDER BY c.id, UPPER(c.email)) AS d {FROM}",
}  # fmt: skip
PROVEN = {
    "own name elsewhere": f"SELECT MAX(c.email) AS region, c.region AS id {FROM} GROUP BY c.region ORDER BY c.region LIMIT 2",
    "window without a part": f"SELECT id AS id, ROW_NUMBER() OVER (ORDER BY name) AS d {FROM.removesuffix(' AS c')}",
    "nothing read": f"SELECT x.n AS id {FROM} CROSS JOIN (SELECT 1 AS n) AS x",
    "hash of two": f"SELECT q.id AS id FROM ({SIDE} UNION ALL SELECT x.email FROM omni_store.customers AS x) AS q GROUP BY q.id",
    "ranges beside others": f"SELECT c.limit_ AS id {FROM} UNION ALL SELECT o.id FROM {ORDERS}",
    "number": f"SELECT c.region AS id {FROM} GROUP BY c.region, 'x' LIMIT 1",
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_no_other_clause_lets_masks_decide(name):
    refuses(REFUSED[name])


@pytest.mark.parametrize("name", PROVEN)
def test_masks_that_decide_nothing_are_let_through(name):
    proves(PROVEN[name])


LOST_TEXTS = {
    "more around its brackets": f"(SELECT c.id AS id, c.limit_ AS d {FROM}) ORDER BY d LIMIT 1",
    "columns renamed": f"SELECT x.id AS id FROM (SELECT c.email AS email, c.id AS id {FROM}) AS x(id, email) WHERE x.id > 'k'",
    "more parts than two": f"SELECT o.c.email AS id {ON}",
    "a row by the name of its table": f"SELECT o.id AS id FROM {ORDERS} WHERE EXISTS (SELECT 1 FROM omni_store.customers AS status WHERE status IS NULL)",
    "a column of the nearer table": f"SELECT o.id AS id FROM {ORDERS} WHERE EXISTS (SELECT 1 FROM omni_store.customers AS o WHERE o.status = 'x')",
    "an output by a table that is not there": f"SELECT c.region AS id, COUNT(*) AS n {FROM} GROUP BY c.region HAVING q.n > 1",
    "all that comes out": f"SELECT c.id AS id {FROM} ORDER BY ALL LIMIT 1",
    "an output of a column's name": f"SELECT CAST(c.limit_ AS INT) AS limit_, c.id AS id, ROW_NUMBER() OVER (ORDER BY limit_) AS d {FROM}",
    "a number that is a text": f"SELECT c.id AS id {FROM} LIMIT '1'",
    "less than nothing": f"SELECT c.id AS id {FROM} LIMIT 1 + 1",
    "rows after some": f"SELECT c.id AS id {FROM} ORDER BY c.id OFFSET 1",
    "rows by their values": f"SELECT DISTINCT ON (c.region) c.id AS id {FROM} ORDER BY c.region, c.email",
}  # fmt: skip


@pytest.mark.parametrize("name", LOST_TEXTS)
def test_a_text_that_cannot_be_followed_is_proven_for_nobody(name):
    for masked in (frozenset(), MASKED):
        with pytest.raises(UnprovenSqlError):
            proves(LOST_TEXTS[name], masked)


@pytest.mark.parametrize("mask", ["null", "{bucket: 50}", "hash", "redact"])
def test_a_column_is_masked_as_any_of_its_dimensions_may_be(mask):
    """Which of two masks stands in for it is not told apart: each may, so none may decide."""
    more = f"  gone: {{sql: limit_, mask: {mask}, mask_unless_access_grants: [sees_mail]}}\n"
    customers = CUSTOMERS.replace("  boss:", more + "  boss:", 1)
    seen = {"masked": MASKED | {"customers.gone"}, "customers": customers}
    gaps = f"SELECT c.id AS id {FROM} WHERE c.limit_ IS NULL"
    (refuses if mask == "null" else proves)(gaps, **seen)
    refuses(f"SELECT MAX(c.id) AS id {FROM} GROUP BY c.limit_", **seen)
    two = {**seen, "customers": customers.replace("mask: {bucket: 100}", "mask: hash", 1)}
    (proves if mask == "hash" else refuses)(f"SELECT MAX(c.id) AS id {FROM} GROUP BY c.limit_", **two)
