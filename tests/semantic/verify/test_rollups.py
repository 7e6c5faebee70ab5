"""Statements over a rollup by hand: the proof takes nothing from it that the model's own words do not show to be sound."""

from dataclasses import replace

import pytest

from apps.semantic.compile import compile_query
from apps.semantic.errors import UnprovenSqlError
from apps.semantic.query.reading import parse_query
from apps.semantic.verify import verify
from tests.semantic.features.store import FILES, TODAY, ask, everything, model, policy
from tests.semantic.features.test_rollups import NOT_HELD, OF_ORDERS, ORDERS, ROLLED, said_to_hold
from tests.semantic.verify.hand import statement

LEAVES = "A column leaves its table that may not."
WRONGLY = "An aggregate of a rollup is put together wrongly."
FLAT = 'flat.region, "flat.ordered_at[month]", flat.revenue, flat.count'


def of_orders(field, **changes):
    """Return a statement over the rollup of orders, which is said to hold a field in its column ``region``."""
    of = said_to_hold(model(**{"orders.view": ORDERS, "of_orders.view": OF_ORDERS, **changes}), field, "region")
    rights = everything(of, "Sales", attributes={"region": ("EU",)})
    found = statement(ask("Sales", "orders.ordered_at[month]", "orders.revenue"), of, rights)
    assert found.compiled.rollup == "of_orders"
    return found


@pytest.mark.parametrize("name", NOT_HELD)
def test_a_column_that_is_said_to_hold_what_no_rollup_can_does_not_leave_it(name):
    found = of_orders(f"orders.{name}")
    with_column = ('SELECT "month", "revenue" FROM', 'SELECT "month", "revenue", "region" FROM')
    for value in ('"orders"."region"', 'SUM("orders"."region")', 'MAX("orders"."region")'):
        shown = ('SUM("orders"."revenue") AS "orders.revenue"', f'{value} AS "orders.revenue"')
        found.refuses(found.changed(with_column, shown), LEAVES)


def test_a_column_of_a_field_that_a_rollup_may_hold_leaves_it():
    found = of_orders("orders.status")
    with_column = ('SELECT "month", "revenue" FROM', 'SELECT "month", "revenue", "region" FROM')
    found.proves(found.changed(with_column))
    shown = ('SUM("orders"."revenue") AS "orders.revenue"', '"orders"."region" AS "orders.status"')
    found.proves(found.changed(with_column, shown))


def flat(view="", fields=FLAT, question=(), **rights):
    of = model(**{"flat.view": view or FILES["flat.view"], "monthly.view": ROLLED % fields})
    return statement(
        question or ask("Flat", "flat.region", "flat.revenue", "flat.count"), of, everything(of, "Flat", **rights)
    )


def test_what_is_held_is_put_together_by_the_one_aggregate_that_does():
    view = FILES["flat.view"].replace(
        "measures: {",
        'measures: {least: {aggregate_type: min, sql: "${amount}"}, most: {aggregate_type: max, sql: "${amount}"}, ',
    )
    fields = 'flat.region, "flat.ordered_at[month]", flat.least, flat.most'
    found = flat(view, fields, ask("Flat", "flat.region", "flat.least", "flat.most"))
    for right, column in (("MIN", "revenue"), ("MAX", "count")):
        for wrong in {"SUM", "COUNT", "AVG", "MIN", "MAX"} - {right}:
            value = f'"flat"."{column}")'
            found.refuses(found.changed((f"{right}({value}", f"{wrong}({value}")), WRONGLY)
    found = flat()
    for wrong in ('COUNT("flat"."count")', 'AVG("flat"."count")', 'COUNT(DISTINCT "flat"."count")',
                  'SUM("flat"."count" * 2)', 'SUM(DISTINCT "flat"."count")', 'COUNT("flat"."region")'):  # fmt: skip
        found.refuses(found.changed(('SUM("flat"."count")', wrong)), WRONGLY)
    found.refuses(found.changed(('COALESCE(SUM("flat"."count"), 0)', "COUNT(*)")), "The groups of a rollup are counted")


@pytest.mark.parametrize("kind", ["average", "count_distinct", "median", "list"])
def test_what_no_aggregate_puts_together_is_not_read(kind):
    view = FILES["flat.view"].replace(
        "measures: {", f'measures: {{odd: {{aggregate_type: {kind}, sql: "${{amount}}"}}, '
    )
    found = flat(
        view,
        'flat.region, "flat.ordered_at[month]", flat.revenue, flat.odd',
        ask("Flat", "flat.region", "flat.revenue"),
    )
    assert found.compiled.rollup == "monthly"
    changed = found.changed(
        ('"revenue" FROM', '"revenue", "count" FROM'), ('SUM("flat"."revenue")', 'AVG("flat"."count")')
    )
    found.refuses(changed, LEAVES)


def test_the_base_views_rules_hold_on_a_rollup_or_it_is_not_read():
    rows = {"flat": (policy("flat.region", "EU"),)}
    found = flat(row_policies=rows)
    found.refuses(found.changed((' WHERE "region" IN (:0:)', "")), "A table is filtered by something else")
    found = flat()
    for rule in (
        {"row_policies": {"flat": (policy("flat.status", "paid"),)}}, {"topic_policies": (policy("flat.ordered_at", "2026-01-01"),)},
        {"row_policies": {"flat": (policy("flat.ordered_at", "2026-01-01"),)}}, {"masked": frozenset(("flat.status",))},
    ):  # fmt: skip
        with pytest.raises(UnprovenSqlError, match=r"A rule is on what a rollup does not hold as it is\."):
            verify(found.compiled, model=found.model, scope=replace(found.rights, **rule))


def test_a_rollup_is_of_all_rows_of_a_table_without_rules_of_its_own():
    found = flat()
    holder, base = found.model.views["monthly"], found.model.views["flat"]
    query = model().views["customer_facts"].query_source
    twice = replace(holder.rollup, columns=(*holder.rollup.columns, ("flat.status", "REGION")))
    for changed, why in (
        ({"monthly": replace(holder, schema_attribute="shard")}, "A rollup is in another schema for others."),
        ({"flat": replace(base, query_source=query)}, "A rollup stands for rows with rules of their own."),
        ({"monthly": replace(holder, rollup=twice)}, "Two fields of a rollup have one column."),
    ):
        of = replace(found.model, views={**found.model.views, **changed})
        with pytest.raises(UnprovenSqlError, match=why):
            verify(found.compiled, model=of, scope=found.rights)
        compiled = compile_query(
            parse_query(ask("Flat", "flat.region")), model=found.model, scope=found.rights, today=TODAY
        )
        assert compiled.rollup == "monthly"
        if "schema" in why or "column" in why:
            compiled = compile_query(parse_query(ask("Flat", "flat.region")), model=of, scope=found.rights, today=TODAY)
            assert compiled.rollup is None


def test_a_join_is_made_as_the_model_says_or_a_rollup_is_not_read():
    rule = (
        "\n- {join_from_view: flat, join_to_view: customers, relationship_type: many_to_one, join_type: %s,"
        ' on_sql: "${flat.status} = ${customers.region}"}\n'
    )
    found = flat()
    for join_type, why in (
        ("inner", "cannot be joined as its base view is"),
        ("full", "keeps rows that a rollup does not"),
    ):
        of = model(**{"relationships": FILES["relationships"].rstrip() + rule % join_type,
                      "Flat.topic": "base_view: flat\njoins: {customers: {}}"})  # fmt: skip
        with pytest.raises(UnprovenSqlError, match=why):
            verify(found.compiled, model=of, scope=everything(of, "Flat"))
