"""SELECTs over a data set's tables and around them: their parts, joins, rules, names, and what they are ordered by."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import SemanticModel
from tests.semantic.features.store import FILES, everything, model, policy
from tests.semantic.verify.hand import Statement, statement
from tests.semantic.verify.test_labels import CLOSED, sales

PART = "The SELECT has an unexpected part."
HIDDEN = "An answer is ordered by what it does not show."
EITHER = "A name in an order may be another column's."
KIND = "A join is of another kind."
OTHER_TOP = "A ranking keeps other values than the question or the model asks for."
OTHER_ON = "A join condition is not the model's."


def apart(dialect: str = "duckdb") -> Statement:
    """Return a statement around a SELECT that numbers its rows: amounts leave that one confined."""
    return sales(dialect, "customers.region", "orders.revenue", "items.sold")


def of_files(question: Mapping[str, Any], rights: Mapping[str, Any] | None = None, **files: str) -> Statement:
    of: SemanticModel = model("duckdb", **files)
    whole = everything(of, question["dataset"], **(rights or {}))
    return statement(question, of, replace(whole, fields=whole.fields - CLOSED))


INNER = ') AS "joined rows"'


@pytest.mark.parametrize("order", ["2 DESC", "(2)", "1, 2", '"c2"', '"orders"."amount"'])
def test_rows_are_not_chosen_by_what_is_not_shown(order):
    found = apart()
    found.proves(found.changed((INNER, f' ORDER BY 1, "d1" LIMIT 5{INNER}')))
    found.refuses(found.changed((INNER, f" ORDER BY {order} LIMIT 5{INNER}")), HIDDEN)


@pytest.mark.parametrize(
    ("order", "why"),
    [(":=2:", "what may be a number"), ("ALL", "what may be a number"), ("(:=2:)", "what may be a number"),
     ("0", "that it does not have"), ("77", "that it does not have"), ("1.5", "that it does not have"),
     ("'x'", "that it does not have")],
)  # fmt: skip
def test_an_answer_is_ordered_by_its_columns_only(order, why):
    found = apart()
    found.refuses(found.changed((INNER, f" ORDER BY {order} LIMIT 5{INNER}")), why)
    if order != "ALL":
        found.refuses(found.changed((" GROUP BY 1", f" GROUP BY {order}")), why)


def test_rows_are_not_put_together_by_what_is_not_shown():
    found = apart()
    found.refuses(found.changed((INNER, f" GROUP BY 1, 2{INNER}")), HIDDEN)
    found.proves(found.changed((INNER, f" GROUP BY 1{INNER}")))


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "mysql", "spark"])
def test_a_name_in_an_expression_may_be_a_tables_column(dialect):
    # PostgreSQL and MySQL order by the table's amount here, not by the one that is shown.
    found = apart(dialect)
    for alias in ("amount", "AMOUNT") if dialect != "postgres" else ("amount",):
        more = f', 1 AS "{alias}" FROM (SELECT "amount"'
        start = [(' FROM (SELECT "amount"', more)]
        found.proves(found.changed(*start, (INNER, f' ORDER BY "{alias}" LIMIT 5{INNER}')))
        inside = f'ROW_NUMBER() OVER (ORDER BY "{alias}")'
        for order in (f'-"{alias}"', f'"{alias}" + 0', f'CASE WHEN "{alias}" IS NULL THEN 1 ELSE 0 END', inside):
            found.refuses(found.changed(*start, (INNER, f" ORDER BY {order} LIMIT 5{INNER}")), EITHER)
    other = [(' FROM (SELECT "amount"', ', 1 AS "one" FROM (SELECT "amount"')]
    found.proves(found.changed(*other, (INNER, f' ORDER BY -"one" LIMIT 5{INNER}')))
    found.refuses(found.changed(*other, (INNER, f" ORDER BY one LIMIT 5{INNER}")), EITHER)
    found.refuses(found.changed(*other, (INNER, f' ORDER BY "two" LIMIT 5{INNER}')), HIDDEN)


def test_columns_of_an_answer_have_names_of_their_own():
    own = "A column has no name of its own."
    found = apart()
    twice = ' FROM (SELECT "amount"'
    # DuckDB finds the amount under either name.
    for more in ('1 AS "c2"', '1 AS "C2"', "1", '"orders"."status" || \'\''):
        found.refuses(found.changed((twice, f", {more}{twice}")), own)
    for more in ('1 AS "x"', '"customers"."region"'):
        found.proves(found.changed((twice, f", {more}{twice}")))
    other = apart("postgres")
    other.proves(other.changed((twice, f', 1 AS "C2"{twice}')))


PARTS = {
    "distinct": ("SELECT ", "SELECT DISTINCT "),
    "an offset": (" LIMIT 1001", " LIMIT 1001 OFFSET 5"),
    "a window's name": (" ORDER BY", " WINDOW w AS (ORDER BY 1) ORDER BY"),
    "a qualify": (" ORDER BY", " QUALIFY TRUE ORDER BY"),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_select_has_no_other_parts(part):
    found = sales()
    old, new = PARTS[part]
    with pytest.raises(UnprovenSqlError):
        found.proves(found.changed((old, new)))
    found.proves(found.text)


def test_a_select_inside_has_no_other_parts():
    found = apart()
    found.refuses(found.changed(('(SELECT "customers"."region"', '(SELECT DISTINCT "customers"."region"')), PART)
    start, end = found.text.index(" FROM (SELECT"), found.text.index(INNER)
    inner = 'SELECT 1 AS "d1", 1 AS "c2", 1 AS "c3", 1 AS "c4"'
    text = f"{found.text[:start]} FROM ({inner}{found.text[end:]}"
    found.refuses(text, "A SELECT reads nothing.")
    for bare in (f" FROM (({found.text[start + 7 : end]}){INNER}", ' FROM ("omni_store"."orders") AS "joined rows"'):
        with pytest.raises(UnprovenSqlError):
            found.proves(found.text[:start] + bare + found.text[end + len(INNER) :])


def test_an_answer_is_read_as_it_is():
    found = apart()
    found.refuses(found.changed((INNER, f'{INNER}("d1", "c3", "c2")')), "A subquery renames its columns.")
    joined = f'{INNER} CROSS JOIN (SELECT 1 AS "x") AS "x x"'
    found.refuses(found.changed((INNER, joined)), "An answer is joined with something.")
    where = f'{INNER} WHERE "joined rows"."{{}}" = 1'
    found.proves(found.changed((INNER, where.format("d1"))))
    found.refuses(
        found.changed((INNER, where.format("c2"))), "A column is used in a way that no permitted field uses it."
    )
    found.refuses(found.changed((INNER, where.format("x"))), "A column is read that no table gives.")


def test_answers_are_put_together_row_by_row():
    of = model()
    whole = everything(of, "Sales")
    question = {
        "dataset": "Sales", "fields": ["customers.region", "orders.revenue"],
        "compare": {"field": "orders.ordered_at", "offset": "1 year"},
    }  # fmt: skip
    found = statement(question, of, replace(whole, fields=whole.fields - CLOSED))
    for other in (" UNION SELECT", " UNION ALL BY NAME SELECT"):
        found.refuses(found.changed((" UNION ALL SELECT", other)), "Answers are put together in another way.")
    for other in (" EXCEPT SELECT", " INTERSECT SELECT"):
        found.refuses(found.changed((" UNION ALL SELECT", other)), "which governed SQL never does")
    more = found.changed((' AS "m1", NULL', ' AS "m1", 1 AS "more", NULL'))
    found.refuses(more, "Answers of different width are put together.")
    # What one of them confines stays confined.
    amount = 'SUM(CAST("orders"."amount" AS INT)) AS "p1"'
    found.refuses(found.changed((amount, amount.replace("SUM", "ABS"))), "A column is used in a way")
    ordered = found.changed((') AS "stitched parts"', ' ORDER BY 1 LIMIT 5) AS "stitched parts"'))
    found.refuses(ordered, "Answers are put together in another way.")


def test_a_topic_joins_what_it_joins_as_it_does():
    found = sales()
    on = ' ON "orders"."customer_id" = "customers"."id"'
    items = ' LEFT JOIN (SELECT "name" FROM "omni_store"."customers") AS "{}" ON TRUE'
    for name in ("tickets", "nobody", "orders"):
        found.refuses(
            found.changed((on, on + items.format(name))), "A table is joined that the data set does not join."
        )
    start, end = found.text.index(" LEFT JOIN"), found.text.index(on) + len(on)
    found.refuses(found.changed((on, on + found.text[start:end])), "A table is read twice.")
    found.refuses(found.changed((on, "")), OTHER_ON)
    found.refuses(found.changed((on, ' ON "orders"."customer_id" = "customers"."id" AND TRUE')), OTHER_ON)
    found.refuses(found.changed((on, ' ON "customers"."id" = "orders"."customer_id"')), OTHER_ON)
    for other in (" JOIN (SELECT", " RIGHT JOIN (SELECT", " LEFT SEMI JOIN (SELECT", " NATURAL LEFT JOIN (SELECT"):
        found.refuses(found.changed((" LEFT JOIN (SELECT", other)), KIND)
    found.refuses(found.changed((on, ' USING ("id")')), KIND)
    table = '(SELECT "region", "id" FROM "omni_store"."customers") AS "customers"'
    assert table in found.text
    found.refuses(found.changed((table, '"omni_store"."customers" AS "customers"')), "A table is joined that the")


@pytest.mark.parametrize("kind", ["inner", "full", "right", "cross"])
def test_a_join_that_decides_about_rows_is_made_as_the_model_says(kind):
    on = "" if kind == "cross" else ', on_sql: "${orders.customer_id} = ${customers.id}"'
    changed = FILES["relationships"].replace(
        ', reversible: true,\n   on_sql: "${orders.customer_id} = ${customers.id}"', f", join_type: {kind}{on}"
    )
    assert changed != FILES["relationships"]
    found = of_files({"dataset": "Guarded", "fields": ["orders.status", "orders.count"]}, None, relationships=changed,
                     **{"Guarded.topic": "base_view: orders\njoins: {customers: {}}", "People.topic": "base_view: customers"})  # fmt: skip
    start, end = found.text.index(f" {kind.upper()} "), found.text.index(INNER if kind == "cross" else " GROUP BY")
    found.refuses(found.text[:start] + found.text[end:], "A join that decides about rows is missing.")
    found.refuses(found.changed((f" {kind.upper()} ", " LEFT ")), KIND)
    if kind == "cross":
        text = f"{found.text[:end]} ON TRUE{found.text[end:]}"
        found.refuses(text, "A join has a condition that the model does not give it.")
    else:
        found.refuses(f"{found.text[:start]} CROSS{found.text[start + len(kind) + 1 : end]}{found.text[end:]}", KIND)


def test_a_joined_answer_is_joined_plainly():
    found = ranked()
    join = ' LEFT JOIN (SELECT "customers"."name" AS "value"'
    for other in (" RIGHT JOIN", " FULL JOIN", " CROSS JOIN", " LEFT SEMI JOIN"):
        found.refuses(found.changed((join, join.replace(" LEFT JOIN", other))), KIND)
    found.refuses(found.changed((join, join.replace(" LEFT", " INNER"))), OTHER_TOP)
    alias = ') AS "top orders.best_customers"'
    found.refuses(found.changed((alias, f'{alias}("value", "kept", "by")')), "A subquery renames its columns.")
    start = found.text.index(join)
    end = found.text.index(" GROUP BY", found.text.index(alias))
    found.refuses(found.text[:end] + found.text[start:end] + found.text[end:], "A table is read twice.")
    on = '"customers"."name" IS NOT DISTINCT FROM "top orders.best_customers"."value"'
    for other in ('"orders"."amount" = 5', '"orders"."secret" = 5', f"CASE WHEN 1 = 0 THEN {on} END"):
        found.refuses(found.changed((on, other)), OTHER_TOP)
    never = on.replace('"customers"."name"', 'CASE WHEN "orders"."amount" = 5 THEN "customers"."name" END')
    found.refuses(found.changed((on, never)), OTHER_TOP)


def ranked() -> Statement:
    return sales("duckdb", "orders.best_customers", "orders.revenue", closed=CLOSED - {"orders.best_customers"})


GUARDED = {"dataset": "Guarded", "fields": ["customers.region", "orders.revenue"]}
GUARD = """
base_view: orders
joins: {customers: {}}
always_where_sql: "${customers.region} = {{omni_attributes.region}} AND ${amount} > 20"
always_where_filters: {status: {not: [lost]}, ordered_at: {on_or_after: '2020-01-01'}}
"""
AMOUNT = 'CAST("orders"."amount" AS INT)'


def guarded(**question: object) -> Statement:
    rights = {"attributes": {"region": ("EU",)}, "topic_policies": (policy("customers.name", "Ola", "Joe"),)}
    return of_files(GUARDED | question, rights, **{"Guarded.topic": GUARD})


RULES = {
    "a policy": ('"customers"."name" IN (:0:, :1:) AND ', "A row policy is missing."),
    "a rule's part": (f" AND {AMOUNT} > 20", "A rule of the data set is missing."),
    "a filter": ('NOT COALESCE("orders"."status" IN (:3:), FALSE)', "A filter of the data set is missing."),
    "a filter on dates": ('"orders"."ordered_at" >=', "A filter of the data set is missing."),
}


@pytest.mark.parametrize("case", RULES)
def test_each_rule_of_a_topic_is_there(case):
    found = guarded()
    rule, why = RULES[case]
    if case == "a filter on dates":
        start = found.text.index(rule)
        text = found.text[:start] + "TRUE" + found.text[found.text.index(" GROUP BY", start) :]
    else:
        text = found.changed((rule, "TRUE" if case == "a filter" else ""))
    found.refuses(text, why)


def test_what_is_a_rules_stays_in_it():
    found = guarded()
    for clause in (f"{AMOUNT} > 20", f"{AMOUNT} > 21"):
        found.refuses(found.changed((" GROUP BY", f" AND {clause} GROUP BY")), "A column is used in a way")
    # A reader's own filter on what they may see stands beside it, but not where it chooses the rows on which the rule may fail.
    own = (" GROUP BY", ' AND CAST("customers"."region" AS TEXT) = :2: GROUP BY')
    found.refuses(found.changed(own), "A question chooses on which hidden rows")
    around = guarded(filters={"customers.region": {"contains": "E"}})
    assert '"chosen rows" WHERE ("chosen rows"."column' in around.text
    around.proves(around.text)


def test_a_rules_attribute_is_the_persons():
    found = guarded()
    found.refuses(found.changed((":2:", ":'US':")), "A row policy is bound to another value than the scope's.")
    found.refuses(found.changed((":2:", "'EU'")), "A rule of the data set is missing.")
    found.refuses(found.changed((":3:", ":'paid':")), "A row policy is bound to another value than the scope's.")


def test_a_rules_tables_are_joined():
    rights = {"topic_policies": (policy("customers.name", "Ola"),)}
    found = of_files({"dataset": "Sales", "fields": ["orders.status", "orders.revenue"]}, rights)
    start, end = found.text.index(" LEFT JOIN"), found.text.index(" WHERE")
    found.refuses(found.text[:start] + found.text[end:], "A column is read that no table gives.")


UNJOINED = {
    "a rule": 'always_where_sql: "${customers.region} = {{omni_attributes.region}}"',
    "a filter": "always_where_filters: {customers.region: {is: [EU]}}",
    "a filter on dates": "always_where_filters: {customers.born: {on_or_after: '1990-01-01'}}",
}


@pytest.mark.parametrize("case", UNJOINED)
def test_a_topics_own_rules_read_tables_that_are_joined(case):
    topic = f"base_view: orders\njoins: {{customers: {{}}}}\n{UNJOINED[case]}"
    question = {"dataset": "Guarded", "fields": ["orders.status", "orders.count"]}
    found = of_files(question, {"attributes": {"region": ("EU",)}}, **{"Guarded.topic": topic})
    start, end = found.text.index(" LEFT JOIN"), found.text.index(" WHERE")
    found.refuses(found.text[:start] + found.text[end:], "A column is read that no table gives.")


def test_a_table_is_joined_to_one_that_is_there():
    found = sales("duckdb", "managers.region", "orders.revenue")
    start, end = found.text.index(" LEFT JOIN"), found.text.rindex(" LEFT JOIN")
    assert start < end
    found.refuses(found.text[:start] + found.text[end:], "A column is read that no table gives.")


def test_what_a_join_demands_holds_once_it_is_made():
    changed = FILES["relationships"].replace(
        "reversible: true,\n   on_sql", "reversible: true, where_sql: \"${customers.name} <> 'x'\",\n   on_sql"
    )
    found = of_files(GUARDED | {"dataset": "Sales"}, None, relationships=changed)
    assert changed != FILES["relationships"]
    found.refuses(found.changed((' WHERE "customers"."name" <> \'x\'', "")), "A rule of the data set is missing.")
    plain = of_files({"dataset": "Sales", "fields": ["orders.status", "orders.count"]}, None, relationships=changed)
    assert " JOIN " not in plain.text
