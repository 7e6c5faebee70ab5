"""A topic's own filters and conditions on groups, whatever they are made of: the reader's own do not stand in for them."""

from dataclasses import replace
from typing import Any

import pytest

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import Condition, FieldFilter
from apps.semantic.verify.permits import permit_of
from tests.semantic.features.store import FILES, everything, model
from tests.semantic.verify.hand import Statement, statement

DIALECTS = ("duckdb", "postgres", "mysql", "spark")
BOUND = "A row policy is bound to another value than the scope's."
NO_FILTER = "A filter of the data set is missing."
NO_GROUPS = "A condition of the data set on groups is missing."
ORDERS = FILES["orders.view"].replace(
    "filters:\n  wanted",
    """\
  is_big: {sql: "${amount} > 20"}
  shown_at: {sql: "CASE WHEN ${status} = {{omni_attributes.region}} THEN ${shipped_at} END", timeframes: [raw, date, month]}
  sent_at: {sql: "CASE WHEN ${status} = 'paid' THEN ${shipped_at} END", timeframes: [raw, date, month]}
  best_days: {sql: "${ordered_at}", timeframes: [raw, date, month], dynamic_top_n: {n: 1, by: revenue, else: the rest}}
filters:
  wanted""",
).rstrip() + """
  last_ordered: {aggregate_type: max, sql: "${ordered_at}"}
  last_born: {aggregate_type: max, sql: "${customers.born}"}
  own: {sql: "COUNT(CASE WHEN ${mine} THEN 1 END)"}
"""  # fmt: skip
ALL = frozenset(("customers.region", "orders.count"))
QUESTION = {"dataset": "Guarded", "fields": ["customers.region", "orders.count"]}


def guarded(rule: str, dialect: str = "duckdb", **more: Any) -> Statement:
    topic = f"base_view: orders\njoins: {{customers: {{}}}}\n{rule}"
    of = model(dialect, **{"Guarded.topic": topic, "orders.view": ORDERS})
    rights = replace(everything(of, "Guarded", attributes={"region": ("EU",)}), fields=ALL)
    return statement(QUESTION | more, of, rights)


STATUS, AMOUNT = '"orders"."status"', 'CAST("orders"."amount" AS INT)'
BIG, EU = f"({AMOUNT} > 20)", '("customers"."region" = :0:)'
# The condition, how it is written, how it must not be, and a value that it must not have.
FILTERS = {
    "like": ("status: {sql_like: p!%}", f"{STATUS} LIKE :0: ESCAPE '!'", f"{STATUS} LIKE :0:", "p%"),
    "whatever the case": (
        "status: {is: [PAID, 3, null], case_insensitive: true}",
        f"LOWER({STATUS}) IN (:0:, :1:) OR LOWER({STATUS}) IS NULL", f"{STATUS} IN (:0:, :1:) OR LOWER({STATUS}) IS NULL", "PAID",
    ),
    "in any case": (
        "status: {not_contains: A_, case_insensitive: true}", f"NOT COALESCE((LOWER({STATUS}) LIKE :0: ESCAPE '!'), FALSE)",
        f"(LOWER({STATUS}) LIKE :0: ESCAPE '!')", "%A!_%",
    ),
    "a number has no case": ("amount: {is: 3, case_insensitive: true}", f"{AMOUNT} IN (:0:)", f"{AMOUNT} > :0:", 4),
    "falsey": ("is_big: {is: falsey}", f"{BIG} IN (:0:) OR {BIG} IS NULL", f"{BIG} IS NULL OR {BIG} IN (:0:)", True),
    "false": ("is_big: {is: [false, null]}", f"{BIG} IN (:0:) OR {BIG} IS NULL", f"{BIG} IN (:0:)", True),
    "a text": ("status: {is: falsey}", f"{STATUS} IN (:0:)", f"NOT {STATUS} IN (:0:)", "lost"),
    "an attribute": ("mine: {is: true}", f"{EU} IN (:1:)", f"{EU} IN (:1:, :1:)", "US"),
    "parts": (
        "status: {not: {or: [{is: [x, y]}, {sql_like: p%}, {is: z}]}}", f"{STATUS} IN (:0:, :1:) OR", f"{STATUS} IS NULL OR", "z",
    ),
    "parts of an attribute": (
        "mine: {or: [{not: true}, {is: null}]}", f"OR {EU.replace('0', '2')} IS NULL", f"AND {EU.replace('0', '2')} IS NULL", "US",
    ),
    "twice": (
        "amount: {and: [{not: 3}, {not: 4}]}", f"NOT COALESCE({AMOUNT} IN (:0:), FALSE)", "TRUE", 4,
    ),
    "a text or a time": (
        "status: {or: [{is: paid}, {before: 2020-01-01}]}", f"{STATUS} < CAST(:1: AS TIMESTAMP)", f"{STATUS} > CAST(:1: AS TIMESTAMP)",
        "lost",
    ),
    "two times": (
        "ordered_at: {and: [{before: 2030-01-01}, {before: 2031-01-01}]}", '"orders"."ordered_at" < CAST(:1: AS TIMESTAMP)', "TRUE", None,
    ),
    "a time has no case": (
        "ordered_at: {before: 2030-01-01, case_insensitive: true}", '"orders"."ordered_at" <', '"orders"."ordered_at" >', None,
    ),
    "a day": ("customers.born: {is: [null, 2026-01-01]}", "IS NULL", "IS NULL OR TRUE", None),
    "a ranking's days": ("'best_days[month]': {on_or_after: 2020-01-01}", ">= CAST(:", "<= CAST(:", None),
    "a ranking's name": ("best_days: {is: '2020-01-01'}", '"orders"."ordered_at" IN (:0:)', "TRUE", "2021-01-01"),
}  # fmt: skip


def other(found: Statement, value: object) -> str:
    mark = f":'{value}':" if isinstance(value, str) else f":={value!r}:"
    return found.changed((":0:", mark))


@pytest.mark.parametrize("case", FILTERS)
def test_a_topics_own_filter_is_proven_by_its_operator_and_values(case):
    condition, written, spoiled, value = FILTERS[case]
    found = guarded(f"always_where_filters: {{{condition}}}")
    found.refuses(found.changed((written, spoiled)), NO_FILTER)
    if value is not None:
        found.refuses(other(found, value), BOUND)


@pytest.mark.parametrize("dialect", ["postgres", "mysql"])
@pytest.mark.parametrize("case", ["like", "whatever the case", "falsey", "parts of an attribute", "a text or a time"])
def test_it_is_proven_on_every_database(case, dialect):
    rule = f"always_where_filters: {{{FILTERS[case][0]}}}"
    found = guarded(rule, dialect)
    where = found.text.index(" WHERE (") if " WHERE (" in found.text else found.text.rindex(" WHERE ")
    stop = next(found.text.index(end, where) for end in (" OFFSET 0", " GROUP BY") if end in found.text[where:])
    found.refuses(found.text[:where] + found.text[stop:], NO_FILTER)


def test_a_months_name_has_a_case():
    found = guarded("always_where_filters: {'orders.ordered_at[month_name]': {is: JANUARY, case_insensitive: true}}")
    assert found.compiled.parameters == ("january",)
    found.refuses(other(found, "march"), BOUND)


def test_what_the_reader_asks_of_the_same_field_does_not_stand_in_for_it():
    for condition in ("sql_like: p%", "is: PAID, case_insensitive: true", "or: [{is: paid}, {before: 2020-01-01}]"):
        found = guarded(f"always_where_filters: {{status: {{{condition}}}}}")
        where = found.text.index(" WHERE ")
        for own in (f"{STATUS} IN (:'lost':)", f"NOT {STATUS} IS NULL"):
            text = f"{found.text[:where]} WHERE {own}{found.text[found.text.index(' GROUP BY', where) :]}"
            found.refuses(text, NO_FILTER)


GROUPS = {
    "not": ("count: {not: [77, 78]}", "NOT COALESCE(COUNT(*) IN (:0:, :1:), FALSE)", "COUNT(*) IN (:0:, :1:)", 5),
    "not more": (
        "revenue: {not_greater_than: 5}", f"NOT COALESCE(SUM({AMOUNT}) > :0:, FALSE)", f"NOT COALESCE(SUM({AMOUNT}) IN (:0:), FALSE)", 4,
    ),
    "not these": (
        "count: {not: {or: [{is: 3}, {greater_than: 9}]}}", "(COUNT(*) IN (:0:) OR COUNT(*) > :1:)", "(COUNT(*) IN (:0:))", 4,
    ),
    "a time": (
        "last_ordered: {before: 2030-01-01}", 'MAX("orders"."ordered_at") < ', 'MAX("orders"."ordered_at") > ', None,
    ),
    "a year": ("last_ordered: {is: '2026'}", 'MAX("orders"."ordered_at") >= ', 'MAX("orders"."ordered_at") <= ', None),
    "a day": ("last_born: {on_or_after: 1980-01-01}", ">= CAST(:0: AS DATE)", "<= CAST(:0: AS DATE)", "1900-01-01"),
    "a weekday": ("last_ordered: {day_of_week: [monday]}", " IN (:0:)", " > :0:", None),
    "an attribute within": ("own: {greater_than: 1}", " > :1:", " >= :1:", None),
    "a number has no case": ("revenue: {is: 5, case_insensitive: true}", f"SUM({AMOUNT}) IN (:0:)", f"SUM({AMOUNT}) > :0:", 4),
}  # fmt: skip


@pytest.mark.parametrize("case", GROUPS)
def test_a_condition_on_groups_is_proven_by_its_operator_and_values(case):
    condition, written, spoiled, value = GROUPS[case]
    found = guarded(f"always_having_filters: {{{condition}}}")
    found.refuses(found.changed((written, spoiled)), NO_GROUPS)
    if value is not None:
        found.refuses(other(found, value), BOUND)


def test_what_the_reader_asks_of_the_groups_does_not_stand_in_for_the_data_sets():
    found = guarded("always_having_filters: {last_ordered: {before: 2030-01-01}}")
    having = found.text.index(" HAVING ")
    rest = found.text[found.text.index(" ORDER BY", having) :]
    last = 'MAX("orders"."ordered_at")'
    for own in (f"NOT {last} IS NULL", f"{last} >= CAST(:'2020-01-01': AS TIMESTAMP)"):
        found.refuses(f"{found.text[:having]} HAVING {own}{rest}", NO_GROUPS)


def test_one_condition_is_not_two():
    found = guarded("always_having_filters: {last_ordered: {and: [{before: 2030-01-01}, {before: 2031-01-01}]}}")
    second = ' AND MAX("orders"."ordered_at") < CAST(:1: AS TIMESTAMP)'
    found.refuses(found.changed((second, "")), NO_GROUPS)


def test_a_date_that_rests_on_an_attribute_is_not_proven_as_any_attribute_would_fit():
    for rule in ("{before: 2030-01-01}", "{day_of_week: [monday]}"):
        guarded(f"always_where_filters: {{sent_at: {rule}}}")
        with pytest.raises(UnprovenSqlError, match="on a date that rests on a user attribute"):
            guarded(f"always_where_filters: {{shown_at: {rule}}}")


@pytest.mark.parametrize(
    ("field", "condition", "is_known"),
    [
        ("orders.count", Condition("greater_than", (1,)), True), ("orders.count", Condition("none", (1,)), False),
        ("orders.status", Condition("greater_than", (1,)), False), ("orders.none", Condition("greater_than", (1,)), False),
    ],
)  # fmt: skip
def test_a_condition_that_cannot_be_written_out_is_never_met(field, condition, is_known):
    of = model()
    topic = replace(of.topics["Sales"], always_having_filters=(FieldFilter(field, condition),))
    of = replace(of, topics={**of.topics, "Sales": topic})
    if is_known:
        assert permit_of(of, everything(of, "Sales"), "duckdb").groups.count == 1
        return
    with pytest.raises(UnprovenSqlError):
        permit_of(of, everything(of, "Sales"), "duckdb")


@pytest.mark.parametrize("field", ["orders.revenue", "orders.status", "orders.none"])
def test_conditions_on_groups_in_sql_are_on_measures(field):
    of = model(**{"Sales.topic": FILES["Sales.topic"].rstrip() + '\nalways_having_sql: "${orders.revenue} > 1"\n'})
    tree = of.topics["Sales"].always_having[0].copy()
    for node in tree.find_all(type(tree.this)):
        node.set("this", field)
    topic = replace(of.topics["Sales"], always_having=(tree,))
    of = replace(of, topics={**of.topics, "Sales": topic})
    if field == "orders.revenue":
        assert permit_of(of, everything(of, "Sales"), "duckdb").groups.count == 1
        return
    with pytest.raises(UnprovenSqlError, match="on no measure"):
        permit_of(of, everything(of, "Sales"), "duckdb")


def test_a_condition_on_groups_over_rows_that_were_joined_before_aggregates_them():
    of = model(
        **{
            "Sales.topic": FILES["Sales.topic"].rstrip()
            + "\nalways_having_filters: {orders.revenue: {greater_than: 5}}\n"
        }
    )
    question = {"dataset": "Sales", "fields": ["customers.region", "orders.revenue", "items.sold"]}
    found = statement(question, of, everything(of, "Sales"))
    aggregate = 'HAVING (SUM("joined rows"."c2") FILTER(WHERE "joined rows"."c3" = 1))'
    found.refuses(found.changed((aggregate, 'HAVING ("joined rows"."c2")')), NO_GROUPS)
