"""By what a query view is ordered, grouped and cut off is read as the database reads it: each spelling that means something else is refused."""

import pytest

from apps.semantic.verify.answers import KEYS, LIMIT, ORDER
from tests.semantic.verify.test_asked import FEW, LAST, QUERY, REVENUE, viewed

GAPS = "CASE WHEN {} IS NULL THEN 1 ELSE 0 END"
STATUS, REGION = '"orders"."status"', '"customers"."region"'
NO_STATUS, NO_REGION = GAPS.format(STATUS), GAPS.format(REGION)
SWAPPED = QUERY.replace(
    "orders.status: status, customers.region: region", "orders.status: region, customers.region: status"
)


def ordered(dialect, query=QUERY):
    """Return a statement over a query view with a limit, and its order."""
    found = viewed(FEW, dialect, query=query)
    start = found.text.index(" ORDER BY ") + len(" ORDER BY ")
    return found, found.text[start : found.text.index(" LIMIT 2")]


MEANT = {
    "duckdb": ("3 DESC, 1, 2", '"revenue" DESC, "status", "region"', f"{REVENUE} DESC, {STATUS}, ({REGION})", f"3 DESC, {NO_STATUS}, {STATUS}, 2",
               f"3 DESC, {GAPS.format(f'({STATUS})')}, {STATUS}, 2", "3 DESC NULLS LAST, 1 ASC NULLS LAST, 2"),
    "mysql": (f"3 DESC, {NO_STATUS}, {STATUS}, {NO_REGION}, {REGION}",),
}  # fmt: skip
NOT_MEANT = {
    "duckdb": (
        "3 DESC, 2, 1", "3 DESC, 1", "3 DESC", "3 DESC, 1, 2, 4", "3 DESC, 1, 2, 1", "1, 2", "3, 1, 2", "'3' DESC, 1, 2", "3.0 DESC, 1, 2",
        '"status" DESC, 1, 2', '"number" DESC, 1, 2', f"{STATUS} DESC, 1, 2", "COUNT(*) DESC, 1, 2", f"3 DESC, UPPER({STATUS}), 2",
        "3 DESC, 1 NULLS FIRST, 2", f"3 DESC, {NO_STATUS} DESC, {STATUS}, 2", f"3 DESC, {NO_STATUS}, {STATUS} DESC, 2", f"3 DESC, {NO_STATUS}, 2",
        f"3 DESC, 1, {NO_STATUS}, 2", f"3 DESC, 1, 2, {NO_STATUS}", f"3 DESC, {NO_STATUS}, {REGION}, {STATUS}",
        "3 DESC WITH FILL, 1, 2",
    ),
    "mysql": (
        f"3 DESC, {NO_STATUS}, {STATUS}, {REGION}", f"3 DESC, {STATUS}, {NO_REGION}, {REGION}", f"3 DESC, {NO_REGION}, {STATUS}, {NO_REGION}, {REGION}",
        f"3 DESC, {NO_REGION}, {NO_STATUS}, {STATUS}, {NO_REGION}, {REGION}", f"{NO_REGION}, 3 DESC, {NO_STATUS}, {STATUS}, {NO_REGION}, {REGION}",
        f"3 DESC, {NO_STATUS}, {STATUS}, {NO_REGION}, {REGION}, {NO_REGION}",
        *(f"3 DESC, {gaps}, {STATUS}, {NO_REGION}, {REGION}" for gaps in (
            NO_STATUS.replace("THEN 1", "THEN 0"), NO_STATUS.replace("THEN 1", "THEN 2"), NO_STATUS.replace("ELSE 0", "ELSE 1"), NO_STATUS.replace(" ELSE 0", ""),
            NO_STATUS.replace("CASE", f"CASE {STATUS}"), NO_STATUS.replace(" ELSE", " WHEN 1 = 1 THEN 2 ELSE"), NO_STATUS.replace("NULL", "TRUE"),
            NO_STATUS.replace("IS NULL", "= NULL"), NO_STATUS.replace(" IS NULL", ""), NO_STATUS.replace(STATUS, REGION), f"{STATUS} IS NULL",
            f"NOT {NO_STATUS}",
        )),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("dialect", "other"), [(name, item) for name, items in MEANT.items() for item in items])
def test_an_order_is_what_the_model_says_in_any_spelling(dialect, other):
    found, order = ordered(dialect)
    found.proves(found.changed((f"ORDER BY {order} LIMIT 2", f"ORDER BY {other} LIMIT 2")))


@pytest.mark.parametrize(("dialect", "other"), [(name, item) for name, items in NOT_MEANT.items() for item in items])
def test_another_order_is_refused(dialect, other):
    found, order = ordered(dialect)
    why = None if "'3'" in other or "3.0" in other or "WITH FILL" in other else ORDER
    found.refuses(found.changed((f"ORDER BY {order} LIMIT 2", f"ORDER BY {other} LIMIT 2")), why)


def test_a_tables_column_is_not_the_output_of_its_name():
    found, order = ordered("duckdb", SWAPPED)
    found.proves(found.changed((f"ORDER BY {order}", f"ORDER BY 3 DESC, {STATUS}, {REGION}")))
    found.refuses(found.changed((f"ORDER BY {order}", f"ORDER BY 3 DESC, {REGION}, {STATUS}")), ORDER)
    found.refuses(found.changed((f"ORDER BY {order}", 'ORDER BY 3 DESC, "status", "region"')), ORDER)


def test_what_is_the_same_in_every_row_may_be_left_out_of_an_order():
    wanted = QUERY.replace("customers.region: region", "orders.is_wanted: region")
    found, order = ordered("duckdb", wanted)
    assert f'{STATUS} AS "status", TRUE AS' in found.text
    found.proves(found.changed((order, "3 DESC, 1 ASC")))
    found.refuses(found.changed((order, "3 DESC, 2 ASC")), ORDER)


@pytest.mark.parametrize(
    "other",
    [
        "LIMIT 3",
        "LIMIT '2'",
        "LIMIT 2.0",
        "LIMIT :=2:",
        "LIMIT 1 + 1",
        "LIMIT 2 OFFSET 1",
        "LIMIT 2 BY 1",
        "",
        "FETCH FIRST 2 ROWS ONLY",
    ],
)
def test_another_limit_is_refused(other):
    found, _ = ordered("duckdb")
    found.refuses(
        found.changed((" LIMIT 2", f" {other}")), LIMIT if other in ("LIMIT 3", "LIMIT 2.0", "LIMIT '2'", "") else None
    )


def test_groups_are_those_of_the_model_in_any_spelling():
    found = viewed("")
    for keys in ("2, 1", f"{STATUS}, ({REGION})", f"1, {STATUS}, 2"):
        found.proves(found.changed((f" GROUP BY 1, 2{LAST}", f" GROUP BY {keys}{LAST}")))
    for keys in ("1, 2, 3", "1", "2", "1, 2, 'x'", "1, 2, 9", '1, 2, "orders"."amount"', f"1, UPPER({REGION})", "1, 2 WITH TOTALS", "ALL",
                 "ROLLUP (1, 2)", "GROUPING SETS ((1, 2))", '1, "number"'):  # fmt: skip
        found.refuses(found.changed((f" GROUP BY 1, 2{LAST}", f" GROUP BY {keys}{LAST}")), None)
    swapped = viewed("", query=SWAPPED)
    swapped.refuses(swapped.changed((f" GROUP BY 1, 2{LAST}", f" GROUP BY {REGION}, 2{LAST}")), KEYS)


def test_a_view_without_dimensions_has_one_group():
    whole = QUERY.replace("orders.status: status, customers.region: region, ", "")
    fields = "dimensions: {revenue: {}, number: {}}\nmeasures: {count: {aggregate_type: count}}\n"
    found = viewed(
        "",
        query=whole,
        question={"dataset": "V", "fields": ["v.count"]},
        **{"v.query.view": whole.lstrip("\n") + fields},
    )
    found.refuses(found.changed((LAST, f' GROUP BY "orders"."amount"{LAST}')), KEYS)
