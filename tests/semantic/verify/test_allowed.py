"""What is no known kind of node stands nowhere, wherever it is and whatever it is called."""

import pytest

from apps.semantic.errors import UnprovenSqlError
from tests.semantic.verify.test_chosen_rows import FROM, proves
from tests.semantic.verify.test_labels import sales, shown, unsorted

HOLDS = "The text holds"
NUMBER = 'ROW_NUMBER() OVER (PARTITION BY "customers"."region", "orders"."id" ORDER BY "orders"."id")'
STRANGE = {
    "duckdb": ("COUNT(RANDOM())", "COUNT(CURRENT_TIMESTAMP)", "COUNT(CURRENT_USER)", "RANDOM()", "VERSION()", "COUNT(*) + RANK()", "SUM(1) OVER ()", "RANK() OVER (ORDER BY 1)",
               "PG_SLEEP(1)", "weekday_(1)", "COUNT(COLUMNS(*))", "SUM(1) IGNORE NULLS", "ROW_NUMBER() IGNORE NULLS", "LIST_VALUE(1)", "COUNT({'a': 1})", "COUNT([1])", "1 << 2"),
    "mysql": ("@@weekday", "@weekday", "COUNT(@@printf)", "SLEEP(1)", "COUNT(UUID())", "RAND()"),
    "postgres": ("PG_SLEEP(1)", "COUNT(RANDOM())", "CURRENT_SETTING('x')", "COUNT(CURRENT_USER)", "1::REGCLASS::TEXT || GETPGUSERNAME()"),
    "spark": ("UUID()", "COUNT(RAND())", "INPUT_FILE_NAME()", "REFLECT('a', 'b')"),
}  # fmt: skip


@pytest.mark.parametrize(("dialect", "what"), [(dialect, item) for dialect, items in STRANGE.items() for item in items])
def test_what_is_not_known_stands_in_no_answer(dialect, what):
    found = sales(dialect)
    found.proves(shown(found, "COUNT(*)"))
    found.refuses(shown(found, what), HOLDS)


@pytest.mark.parametrize(
    "star", ["COUNT(* EXCLUDE (amount))", "COUNT(* REPLACE (1 AS amount))", "COUNT(DISTINCT *)", "SUM(*)"]
)
def test_a_star_is_counted_as_it_is(star):
    found = sales()
    found.refuses(shown(found, star), None)


def test_rows_are_numbered_and_nothing_else_is_told_by_a_window():
    found = sales("duckdb", "customers.region", "orders.revenue", "items.sold")
    for other in (
        NUMBER.replace("ROW_NUMBER()", "RANK()"),
        NUMBER.replace("ROW_NUMBER()", "SUM(1)"),
        NUMBER.replace("ROW_NUMBER()", "LAG(1)"),
        "ROW_NUMBER() IGNORE NULLS",
        "RANK()",
    ):
        found.refuses(unsorted(found.changed((NUMBER, other))), HOLDS)


WINDOWS = {
    "ranks": "RANK() OVER (ORDER BY c.id)", "before": "LAG(c.id) OVER (ORDER BY c.id)", "sums": "SUM(c.id) OVER (PARTITION BY c.region ORDER BY c.id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
}  # fmt: skip
NO_WINDOWS = (
    "NTH_VALUE(c.id, 2) OVER (ORDER BY c.id)", "CUME_DIST() OVER (ORDER BY c.id)", "PERCENT_RANK() OVER (ORDER BY c.id)", "MEDIAN(c.id) OVER ()", "ANY_VALUE(c.id) OVER ()", "RANDOM() OVER ()",
    "RANK()", "LAG(c.id)", "SUM(c.id) OVER (PARTITION BY RANK())", "SUM(c.id) OVER (PARTITION BY LAG(c.id))", "SUM(c.id) OVER w", "LAG(c.id IGNORE NULLS) OVER (ORDER BY c.id)", "RANDOM()",
)  # fmt: skip


@pytest.mark.parametrize("name", WINDOWS)
def test_windows_of_known_functions_stand_in_a_text(name):
    proves(f"SELECT c.id AS id, {WINDOWS[name]} AS n {FROM}")


@pytest.mark.parametrize("window", NO_WINDOWS)
def test_no_other_windows_stand_in_a_text(window):
    with pytest.raises(UnprovenSqlError, match=HOLDS):
        proves(f"SELECT c.id AS id, {window} AS n {FROM}")


@pytest.mark.parametrize("number", ["1", "'0'", "0.0", "1 - 1"])
def test_an_offset_that_may_cut_something_off_stands_nowhere(number):
    with pytest.raises(UnprovenSqlError, match="The text holds Offset"):
        proves(f"SELECT c.id AS id {FROM} ORDER BY c.id OFFSET {number}")
