"""The whole statement: one plain SELECT in a known dialect, its limit, its values, its result columns, its queries."""

import hashlib
from dataclasses import replace

import pytest

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.scope import AccessScope
from apps.semantic.verify import verify
from apps.semantic.verify.permits import is_local, permit_of
from tests.semantic.features.store import FILES, MASK_KEY, everything, model, policy
from tests.semantic.shop import dimension
from tests.semantic.verify.hand import Statement, statement

DIALECTS = ("duckdb", "postgres", "mysql", "spark")
LIMIT = " LIMIT 1001"
NO_LIMIT = "There is no plain LIMIT."
ONE_SELECT = "The text is not one SELECT."
COUNTED = "The driver would count the placeholders differently."
PERCENT = "A percent sign is neither doubled nor a placeholder."


def orders(dialect: str = "duckdb", **files: str) -> Statement:
    of = model(dialect, **files)
    rights = replace(
        everything(of, "Sales"), row_policies={"orders": (policy("orders.status", "paid"),)}, mask_key=MASK_KEY
    )
    return statement({"dataset": "Sales", "fields": ["orders.status", "orders.count"]}, of, rights)


@pytest.mark.parametrize(
    ("limit", "why"),
    [("", NO_LIMIT), (" LIMIT ALL", NO_LIMIT), (" LIMIT '1001'", NO_LIMIT), (" LIMIT 1001.0", NO_LIMIT),
     (" LIMIT 1e3", NO_LIMIT), (" LIMIT 1000 + 1", NO_LIMIT), (" LIMIT (1001)", NO_LIMIT), (" LIMIT :=1001:", NO_LIMIT),
     (" LIMIT NULL", NO_LIMIT), (" LIMIT 1001 OFFSET 1", "which governed SQL never does"),
     (" FETCH FIRST 1001 ROWS ONLY", "which governed SQL never does"),
     (" LIMIT 50%", "which governed SQL never does"), (" LIMIT 0", "The LIMIT is beyond the scope's."),
     (" LIMIT 1", "The LIMIT is beyond the scope's."), (" LIMIT 50002", "The LIMIT is beyond the scope's."),
     (" LIMIT 1002", "The limit in the text is not the one promised."),
     (" LIMIT 1000", "The limit in the text is not the one promised.")],
)  # fmt: skip
def test_the_limit_is_a_number_within_the_scopes(limit, why):
    found = orders()
    found.refuses(found.changed((LIMIT, limit)), why)


def test_the_limit_is_the_one_promised_and_within_the_rights():
    found = orders()
    for limit in (2, 50_001):
        other = replace(found, compiled=replace(found.compiled, row_limit=limit - 1))
        other.proves(found.changed((LIMIT, f" LIMIT {limit}")))
        with pytest.raises(UnprovenSqlError, match="is not the one promised"):
            found.proves(found.changed((LIMIT, f" LIMIT {limit}")))
    narrow = replace(found, rights=replace(found.rights, max_rows=999))
    with pytest.raises(UnprovenSqlError, match="The LIMIT is beyond the scope's"):
        narrow.proves(found.text)
    replace(found, rights=replace(found.rights, max_rows=1000)).proves(found.text)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("change", "why"),
    [(lambda text: f"({text})", ONE_SELECT), (lambda text: f"{text}; {text}", ONE_SELECT), (lambda text: "SELECT", None),
     (lambda text: f"{text}; DROP TABLE x", ONE_SELECT), (lambda text: "", ONE_SELECT), (lambda text: f"{text})", None),
     (lambda text: f"{text} UNION ALL {text}", None), (lambda text: f"EXPLAIN {text}", None),
     (lambda text: 'DELETE FROM "omni_store"."orders"', ONE_SELECT), (lambda text: f"{text} 'x", None),
     (lambda text: f"{text} -- x", "not part of the query"), (lambda text: f"/* x */ {text}", "not part of the query"),
     (lambda text: text.replace(" FROM ", " /* x */ FROM ", 1), "not part of the query"),
     (lambda text: f"WITH x AS ({text}) {text}", None), (lambda text: "SELECT " + "(" * 5000 + "1" + ")" * 5000, None)],
    ids=range(15),
)  # fmt: skip
def test_a_text_is_one_select(dialect, change, why):
    found = orders(dialect)
    found.proves(found.text)
    with pytest.raises(UnprovenSqlError, match=why):
        found.proves(change(found.text))


def status_of(dialect: str) -> str:
    """Return a column as what may be compared beside a policy: to DuckDB only a text for sure."""
    return 'CAST("orders"."status" AS TEXT)' if dialect == "duckdb" else '"orders"."status"'


@pytest.mark.parametrize("mark", ["--", "#", "/*", "{", "*/", "}"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_begins_a_comment_may_stand_in_a_text(dialect, mark):
    found = orders(dialect)
    start = found.text.index(" GROUP BY")
    found.proves(f"{found.text[:start]} WHERE {status_of(dialect)} <> '{mark} x'{found.text[start:]}")


def test_what_mysql_reads_otherwise_is_refused():
    found = orders("mysql")
    start = found.text.index(" GROUP BY")

    def filtered(condition: str) -> str:
        return f"{found.text[:start]} WHERE {condition}{found.text[start:]}"

    found.proves(filtered('"orders"."status" = \'x\''))
    found.refuses(filtered("(\"orders\".\"status\" || 'x') = 'x'"), "Two bars mean one thing or another.")
    doubled = found.written(filtered('"orders"."status" = \'x\''))
    text = doubled.sql.replace("'x'", '"x"')
    with pytest.raises(UnprovenSqlError, match="A text stands in double quotes"):
        verify(
            replace(doubled, sql=text, shape=hashlib.sha256(text.encode()).hexdigest()), model=found.model,
            scope=found.rights,
        )  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
def test_placeholders_are_counted_as_the_driver_counts_them(dialect):
    found = orders(dialect)
    start = found.text.index(" GROUP BY")

    def filtered(text: str) -> str:
        return f"{found.text[:start]} WHERE {status_of(dialect)} <> '{text}'{found.text[start:]}"

    if dialect in ("duckdb", "spark"):
        for text in ("?", "what? 'no''", "%s", "%", "%(a)s"):
            found.proves(filtered(text.replace("'", "''" if dialect == "duckdb" else "\\'")))
        return
    found.proves(filtered("100%% sure?"))
    found.refuses(filtered("%s"), COUNTED)
    for text in ("%", "%d", "%(a)s", "100% sure", "%%%"):
        found.refuses(filtered(text), PERCENT)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", [":name", ":1", "$1", "@x", "@@version", "$name"])
def test_a_placeholder_has_no_name(dialect, name):
    found = orders(dialect)
    start = found.text.index(" GROUP BY")
    text = f'{found.text[:start]} WHERE "orders"."status" = {name}{found.text[start:]}'
    found.refuses(text, None)
    if name == ":name":
        found.refuses(text, "A placeholder has a name.")


def test_a_dialect_is_one_of_three():
    found = orders()
    for dialect in ("sqlite", "", "snowflake", "DuckDB"):
        with pytest.raises(UnprovenSqlError, match="The dialect is unknown"):
            verify(replace(found.compiled, dialect=dialect), model=found.model, scope=found.rights)


def test_a_shape_is_that_of_its_text():
    found = orders()
    with pytest.raises(UnprovenSqlError, match="The shape is not that of the text"):
        verify(replace(found.compiled, shape="0" * 64), model=found.model, scope=found.rights)


def test_there_are_as_many_values_as_placeholders():
    found = orders()
    for values in ((), ("paid", "paid")):
        with pytest.raises(UnprovenSqlError, match="not as many values as placeholders"):
            verify(replace(found.compiled, parameters=values), model=found.model, scope=found.rights)


def test_a_value_is_equal_and_of_the_same_type():
    of = model()
    rights = replace(everything(of, "Sales"), row_policies={"orders": (policy("orders.customer_id", 1),)})
    found = statement({"dataset": "Sales", "fields": ["orders.status"]}, of, rights)
    for value in ("True", "1.0", "2"):
        found.refuses(found.changed((":0:", f":={value}:")), "A row policy is bound to another value than the scope's.")


def test_result_columns_are_permitted_fields():
    found = orders()
    for name in ("orders.secret", "secret", "orders", "orders.count.x", "[orders.count]", "ORDERS.COUNT"):
        found.refuses(found.changed(('AS "orders.count"', f'AS "{name}"')), "A result column is not a permitted field.")
    found.proves(found.changed(('AS "orders.count"', 'AS "orders.count[previous]"')))
    narrow = replace(found, rights=replace(found.rights, fields=found.rights.fields - {"orders.count"}))
    with pytest.raises(UnprovenSqlError, match="A result column is not a permitted field"):
        narrow.proves(found.text)


@pytest.mark.parametrize(
    "query", ["(SELECT 1)", '(SELECT "status" FROM "omni_store"."orders")', "(SELECT 1 UNION ALL SELECT 2)"]
)
def test_there_is_no_query_but_those_that_are_proven(query):
    found = orders()
    beside = "There is a query where none belongs."
    found.refuses(
        found.changed(('COUNT(*) AS "orders.count"', f'{query} AS "orders.count"')), None if "FROM" in query else beside
    )
    for clause in (f" HAVING COUNT(*) IN {query} ORDER BY", f" ORDER BY {query},"):
        found.refuses(found.changed((" ORDER BY", clause)), None if "FROM" in query else beside)
    found.refuses(found.changed((LIMIT, f" LIMIT {query}")), beside)


@pytest.mark.parametrize(
    "what",
    ["COUNT(*) OVER ()", "RANK() OVER (ORDER BY 1)", "FIRST(1)", "COUNT(\"orders\".*)", "COUNT(* EXCLUDE (\"status\"))",
     "GETENV('HOME')", "pg_read_file('x')", "RANDOM()", "CURRENT_USER", "\"evil\".\"COUNT\"(1)", "ARRAY[1]", "x -> x", "~ROW_NUMBER()", "COALESCE(*)", "COUNT(CURRENT_USER)", "@@WEEKDAY",
     "CURRENT_TIMESTAMP", "COLUMNS('x')", "{'a': 1}"],
)  # fmt: skip
def test_what_governed_sql_never_holds_is_refused(what):
    found = orders()
    count = 'COUNT(*) AS "orders.count"'
    found.refuses(found.changed((count, f'{what} AS "orders.count"')), None)
    found.proves(found.changed((count, 'ROW_NUMBER() OVER (ORDER BY 1) AS "orders.count"')))
    found.proves(found.changed((count, 'COUNT(*) + DAYOFYEAR(CURRENT_DATE) AS "orders.count"')))


ROLLED = {"dataset": "Flat", "fields": ["flat.ordered_at[year]", "flat.revenue"]}


def test_a_rollup_answers_for_the_view_that_it_rolls_up():
    of = model()
    found = statement(
        ROLLED, of, replace(everything(of, "Flat"), row_policies={"flat": (policy("flat.region", "EU"),)})
    )
    assert found.compiled.rollup == "monthly"
    found.proves(found.text)
    other = "A rollup is of another view."
    for rollup, rights in (
        ("orders", found.rights), ("nowhere", found.rights), ("", found.rights),
        ("monthly", replace(found.rights, topic="Sales")), ("monthly", replace(found.rights, topic="Nowhere")),
        ("monthly", replace(found.rights, topic="Both")),
    ):  # fmt: skip
        with pytest.raises(UnprovenSqlError, match=other):
            verify(replace(found.compiled, rollup=rollup), model=of, scope=rights)
    with pytest.raises(UnprovenSqlError, match="A table is not its view's"):
        verify(replace(found.compiled, rollup=None), model=of, scope=found.rights)


def test_rights_are_for_a_data_set_and_fields_that_there_are():
    of = model()
    scope = everything(of, "Sales")
    assert permit_of(of, scope, "duckdb").offered
    with pytest.raises(UnprovenSqlError, match="The scope is for a data set that the model does not have"):
        permit_of(of, AccessScope("Nowhere", frozenset()), "duckdb")
    for changed in (
        replace(scope, row_policies={"orders": (policy("orders.secret", 1),)}), replace(scope, masked=frozenset(("x.y",))),
        replace(scope, topic_policies=(policy("orders.revenue", 1),)),
    ):  # fmt: skip
        with pytest.raises(UnprovenSqlError, match="which the model does not have"):
            permit_of(of, changed, "duckdb")


def test_a_mask_stands_inside_one_table():
    of = model()
    views = {**of.views}

    def local(text: str) -> bool:
        return is_local(dimension("orders", "x", text), replace(of, views=views))

    assert local("status")
    assert local("${orders.amount} * 2")
    assert not local("${customers.region}")
    assert not local("${orders.nothing}")
    assert not local("${orders.mine}")
    assert not local("${orders.amount} + ${orders.mine}")


def test_a_measures_aggregate_is_opened_by_what_rests_on_it():
    # A measure over the median opens the median; another aggregate stays closed.
    orders_view = FILES["orders.view"] + '  twice: {sql: "${orders.p90} * 2"}\n  top: {sql: "MAX(${amount})"}\n'
    of = model(**{"orders.view": orders_view})
    amount = 'CAST("orders"."amount" AS INT)'
    for field, opened, closed in (("orders.twice", "MEDIAN", "MAX"), ("orders.top", "MAX", "MEDIAN")):
        rights = replace(everything(of, "Sales"), fields=frozenset((field, "orders.revenue")))
        found = statement({"dataset": "Sales", "fields": ["orders.revenue"]}, of, rights)
        found.proves(found.changed((f"SUM({amount})", f"{opened}({amount})")))
        found.refuses(found.changed((f"SUM({amount})", f"{closed}({amount})"), (" ORDER BY 1 DESC", "")),
                      "A column is used in a way that no permitted field uses it.")  # fmt: skip


def test_without_a_key_of_masks_an_empty_text_is_a_value_like_others():
    found = orders()
    start = found.text.index(" GROUP BY")
    filtered = f'{found.text[:start]} WHERE CAST("orders"."status" AS TEXT) <> :\'\':{found.text[start:]}'
    replace(found, rights=replace(found.rights, mask_key="")).proves(filtered)
    found.proves(filtered)
