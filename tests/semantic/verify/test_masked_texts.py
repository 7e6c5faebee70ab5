"""A mask that is a text is used as one: the proof follows it through an SQL view's text, and through an expression."""

from dataclasses import replace

import pytest

from apps.semantic.errors import UnprovenSqlError
from tests.semantic.features.store import FILES, MASK_KEY, everything, model
from tests.semantic.features.test_texts_in_sql_views import CUSTOMERS, FINE, MASKED, TAKEN
from tests.semantic.verify.hand import statement
from tests.semantic.verify.test_chosen_rows import proves

FROM = "FROM omni_store.customers AS c"
OF_IT = "SELECT c.limit_ AS y {0}"
OF_NONE = "SELECT c.id AS y {0}"
CAST = "SELECT CAST(q.y AS INT) AS id FROM ({0}) AS q"
TAKEN_TOO = {
    "first of a union": CAST.format(f"{OF_IT} UNION ALL {OF_NONE}"),
    "second of a union": CAST.format(f"{OF_NONE} UNION ALL {OF_IT}"),
    "of a joined table": "SELECT CAST(c.limit_ AS INT) AS id FROM omni_store.orders AS o JOIN omni_store.customers AS c ON c.id = o.customer_id",
    "of a joined query": "SELECT CAST(q.y AS INT) AS id FROM omni_store.orders AS o CROSS JOIN (" + OF_IT + ") AS q",
    "one of two": CAST.format("SELECT COALESCE(c.limit_, c.region) AS y {0}"),
    "the other of two": CAST.format("SELECT COALESCE(c.region, c.limit_) AS y {0}"),
    "without its table": "SELECT CAST(limit_ AS INT) AS id FROM omni_store.customers",
    "an output in an order": "SELECT c.limit_ AS id {0} ORDER BY CAST(id AS INT)",
    "in an order": "SELECT c.id AS id {0} ORDER BY CAST(c.limit_ AS INT)",
    "of another row": CAST.format("SELECT LAG(c.limit_) OVER (ORDER BY c.id) AS y {0}"),
    "a number for another row": "SELECT LAG(c.limit_, 1, 0) OVER (ORDER BY c.id) AS id {0}",
    "listed": CAST.format("SELECT STRING_AGG(DISTINCT c.limit_, ',') AS y {0}"),
    "the greatest of some": CAST.format("SELECT MAX(c.limit_) FILTER (WHERE c.id > 1) AS y {0}"),
    "in brackets": CAST.format("SELECT (c.limit_) AS y {0}"),
    "of a query around": "SELECT (SELECT CAST(c.limit_ AS INT) FROM omni_store.orders AS o LIMIT 1) AS id {0}",
    "as a part of a query": CAST.format("SELECT (SELECT c.limit_ FROM omni_store.orders AS o LIMIT 1) AS y {0}"),
    "to choose by a number": "SELECT CASE c.limit_ WHEN 100 THEN 'a' END AS id {0}",
    "a condition": "SELECT CASE WHEN c.limit_ THEN 'a' END AS id {0}",
    "beside a negative number": "SELECT COALESCE(c.limit_, -1) AS id {0}",
    "beside what is no text": "SELECT COALESCE(c.limit_, CAST(c.id AS INT)) AS id {0}",
    "what it is not": "SELECT NULLIF(c.limit_, 100) AS id {0}",
    "a length": "SELECT LENGTH(c.limit_) AS id {0}",
    "summed over rows": "SELECT SUM(c.limit_) OVER (ORDER BY c.id) AS id {0}",
}  # fmt: skip
FINE_TOO = {
    "a query of another column": "SELECT CAST((SELECT MAX(d.id) FROM omni_store.customers AS d) AS INT) AS id, c.limit_ AS y {0}",
    "another column of its name": "SELECT CAST(o.limit_ AS INT) AS id FROM (SELECT o.id AS limit_ FROM omni_store.orders AS o) AS o",
    "a text for another row": "SELECT LAG(c.limit_, 1, 'none') OVER (ORDER BY c.id) AS id {0}",
    "counted over rows": "SELECT COUNT(c.limit_) OVER (ORDER BY c.id) * 2 AS id {0}",
    "a part of a window": "SELECT q.y * 2 AS id FROM (SELECT COUNT(*) OVER (PARTITION BY c.email) AS y {0}) AS q",
    "is there one": "SELECT CASE WHEN EXISTS (SELECT c.limit_ FROM omni_store.orders AS o) THEN 1 ELSE 0 END AS id {0}",
    "chosen by a text": "SELECT CASE c.limit_ WHEN '100' THEN 1 ELSE 0 END AS id {0}",
    "compared with a text": "SELECT CASE WHEN c.limit_ > CAST(c.id AS TEXT) THEN 1 ELSE 0 END AS id {0}",
}  # fmt: skip


@pytest.mark.parametrize("name", [*TAKEN, *TAKEN_TOO])
def test_a_mask_in_a_text_is_taken_for_no_other_type(name):
    sql = {**TAKEN, **TAKEN_TOO}[name].format(FROM, int="INT", text="TEXT")
    proves(sql, frozenset(), customers=CUSTOMERS)
    with pytest.raises(UnprovenSqlError, match="A masked text"):
        proves(sql, MASKED, customers=CUSTOMERS)


@pytest.mark.parametrize("name", [*FINE, *FINE_TOO])
def test_a_mask_in_a_text_is_used_as_it_is(name):
    proves(
        {**FINE, **FINE_TOO}[name].format(FROM, int="INT", text="TEXT"),
        MASKED | {"customers.mail", "customers.email"},
        customers=CUSTOMERS,
    )


IT = '"customers"."masked lim"'
TEXTS = (
    f"UPPER({IT})", f"CAST({IT} AS TEXT)", f"COALESCE({IT}, 'none')", f"CASE WHEN {IT} = '100' THEN 1 ELSE 0 END", f"CONCAT({IT}, '!')",
    f"CASE WHEN 1 = 1 THEN {IT} ELSE 'none' END", f"IF(1 = 1, {IT}, 'none')",
    f"CASE WHEN {IT} IS NULL THEN 1 END", f"CASE {IT} WHEN '1' THEN 1 END", f"CASE WHEN {IT} IN ('1', '2') THEN 1 END",
)  # fmt: skip
OTHERS = (
    f"CAST({IT} AS INT)", f"{IT} + 1", f"COALESCE({IT}, 0)", f"CASE WHEN {IT} = 100 THEN 1 END", f"CASE {IT} WHEN 100 THEN 1 END",
    f"CASE 100 WHEN {IT} THEN 1 END", f"CASE WHEN {IT} IN ('1', 2) THEN 1 END", f"CASE WHEN 1 = 1 THEN {IT} ELSE 0 END",
    f"CASE WHEN 1 = 1 THEN 0 ELSE {IT} END", f"UPPER(CAST({IT} AS INT))", f"ABS({IT})", f"NULLIF({IT}, -1)",
    f"IF({IT}, 1, 2)", f"IF(1 = 1, {IT}, 0)", *(f"COALESCE({IT}, 1 {sign} 1)" for sign in ("+", "-", "*", "/", "//", "%")),
    f"CASE WHEN {IT} THEN 1 END", f"CASE WHEN {IT} > CAST(1 AS INT) THEN 1 END",
)  # fmt: skip


def test_a_mask_in_an_expression_is_a_text():
    view = FILES["customers.view"].replace(
        "  credit:", "  lim: {sql: limit_, mask: redact, mask_unless_access_grants: [sees_mail]}\n  credit:", 1
    )
    of = model(**{"customers.view": view})
    rights = replace(everything(of, "People"), masked=frozenset(("customers.lim",)), mask_key=MASK_KEY)
    found = statement({"dataset": "People", "fields": ["customers.lim"]}, of, rights)
    assert IT in found.text, found.text
    for text in TEXTS:
        found.proves(found.changed((f"{IT} AS", f"{text} AS")))
    for text in OTHERS:
        found.refuses(found.changed((f"{IT} AS", f"{text} AS")), "A masked text")
