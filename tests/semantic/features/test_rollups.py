"""A rollup answers as its base view would, or leaves the question to it."""

from dataclasses import replace

import pytest

from apps.semantic.compile import compile_query
from apps.semantic.errors import ModelError, UnknownFieldError, UnprovenSqlError
from apps.semantic.query.reading import parse_query
from apps.semantic.verify import verify
from tests.semantic.features.store import FILES, TODAY, ask, everything, model, policy

ROLLED = """
schema: omni_store
dimensions: {region: {}, month: {}, revenue: {}, count: {}}
materialized_query: {base_view: flat, fields: [%s]}
"""


def held(store, fields, **views):
    """Return the store's model with a rollup whose columns are said to hold some fields of ``flat``."""
    return model(store.engine.dialect, **{"monthly.view": ROLLED % fields}, **views)


def rollup_of(question, of, rights):
    compiled = compile_query(parse_query(question), model=of, scope=rights, today=TODAY)
    verify(compiled, model=of, scope=rights)
    return compiled.rollup


def test_a_rollup_counts_none_where_nothing_is_left(store):
    nowhere = ask("Flat", "flat.count", "flat.revenue", filters={"flat.region": {"is": "Mars"}})
    assert rollup_of(nowhere, store.model, everything(store.model, "Flat")) == "monthly"
    assert store.ask(nowhere) == [(0, None)]
    assert store.ask(ask("Flat", "flat.count")) == store.engine.rows("SELECT SUM(count) FROM omni_store.monthly")


def test_a_column_made_of_masked_values_keeps_a_rollup_from_those_who_see_masks(store):
    view = FILES["flat.view"].replace(
        "region: {}", 'region: {}, zone: {sql: "${region}", groups: [{filter: {is: [EU]}, name: Europe}]}'
    )
    view = view.replace("measures: {", "measures: {last: {aggregate_type: max, sql: \"${region}\"}, "
                        "of_europe: {aggregate_type: count, filters: {region: {is: EU}}}, ")  # fmt: skip
    for fields in ("flat.region, flat.zone, flat.revenue, flat.count", "flat.region, \"flat.ordered_at[month]\", flat.last, flat.count",
                   "flat.region, \"flat.ordered_at[month]\", flat.revenue, flat.of_europe"):  # fmt: skip
        of = held(store, fields, **{"flat.view": view})
        clear = everything(of, "Flat")
        masked = replace(clear, masked=frozenset(("flat.region",)))
        assert rollup_of(ask("Flat", "flat.region"), of, clear) == "monthly"
        assert rollup_of(ask("Flat", "flat.region"), of, masked) is None
        assert {region for (region,) in store.ask(ask("Flat", "flat.region"), masked, of)}.isdisjoint({"EU", "US"})
        for measure in ("flat.last", "flat.of_europe"):
            with pytest.raises(UnknownFieldError):
                store.ask(ask("Flat", measure), masked, of)
        compiled = compile_query(parse_query(ask("Flat", "flat.region")), model=of, scope=clear, today=TODAY)
        with pytest.raises(UnprovenSqlError, match="A rollup tells of what is masked"):
            verify(compiled, model=of, scope=masked)
    plain = replace(everything(store.model, "Flat"), masked=frozenset(("flat.region",)))
    assert rollup_of(ask("Flat", "flat.region", "flat.revenue"), store.model, plain) == "monthly"


def test_a_measure_that_moves_a_filter_is_not_taken_from_a_rollup(store):
    view = FILES["flat.view"].replace(
        "measures: {", "measures: {late: {aggregate_type: sum, sql: \"${amount}\", "
        "filters: {ordered_at: {date_offset_from_query: 1 month}}}, ",
    )  # fmt: skip
    of = held(store, 'flat.region, "flat.ordered_at[month]", flat.late, flat.count', **{"flat.view": view})
    rights = everything(of, "Flat")
    assert rollup_of(ask("Flat", "flat.region", "flat.count"), of, rights) == "monthly"
    assert rollup_of(ask("Flat", "flat.region", "flat.late"), of, rights) is None


def joined(store, join_type):
    """Return a model whose rollup lacks what its topic joins regions by."""
    rule = (
        "\n- {join_from_view: flat, join_to_view: customers, relationship_type: many_to_one, join_type: %s,"
        ' on_sql: "${flat.status} = ${customers.region}"}\n'
    )
    return model(
        store.engine.dialect, relationships=FILES["relationships"].rstrip() + rule % join_type,
        **{"Flat.topic": "base_view: flat\njoins: {customers: {}}"},
    )  # fmt: skip


def test_a_join_that_a_rollup_cannot_make_is_made_to_its_base_view(store):
    of = joined(store, "always_left")
    rights = everything(of, "Flat")
    assert rollup_of(ask("Flat", "flat.revenue"), of, rights) == "monthly"
    for question in (ask("Flat", "customers.region", "flat.revenue"), ask("Flat", "customers.count")):
        assert rollup_of(question, of, rights) is None
        assert store.ask(question, rights, of)
    ruled = replace(rights, topic_policies=(policy("customers.region", "EU"),))
    assert rollup_of(ask("Flat", "flat.revenue"), of, ruled) is None
    for join_type in ("inner", "right_left"):
        other = joined(store, join_type)
        assert rollup_of(ask("Flat", "flat.revenue"), other, everything(other, "Flat")) is None


def test_a_join_that_keeps_rows_without_the_base_view_is_made_to_the_view_itself(store):
    view = FILES["flat.view"].replace("region: {}", "region: {}, zone: {sql: \"COALESCE(${region}, 'none')\"}")
    rule = (
        "\n- {join_from_view: flat, join_to_view: customers, relationship_type: many_to_one, join_type: %s,"
        ' on_sql: "${flat.region} = ${customers.region}"}\n'
    )

    def with_join(join_type):
        return held(
            store, 'flat.region, "flat.ordered_at[month]", flat.zone, flat.count', relationships=FILES["relationships"].rstrip() + rule % join_type,
            **{"flat.view": view, "Flat.topic": "base_view: flat\njoins: {customers: {}}"},
        )  # fmt: skip

    for join_type, is_rolled in (("always_left", True), ("inner", True), ("right_left", False)):
        of = with_join(join_type)
        found = rollup_of(ask("Flat", "flat.zone", "customers.region"), of, everything(of, "Flat"))
        assert found == ("monthly" if is_rolled else None)
    question = ask("Flat", "flat.zone", filters={"flat.region": {"is": None}, "customers.region": {"is": "EU"}})
    only = replace(everything(of, "Flat"), row_policies={"flat": (policy("flat.region", "Mars"),)})
    assert store.ask(question, only, of) == [("none",)]


def test_a_rule_on_days_is_not_met_by_months(store):
    for topic, is_rolled in (
        ("base_view: flat\nalways_where_sql: \"${flat.region} <> 'US'\"", True),
        ("base_view: flat\nalways_where_sql: \"${flat.ordered_at} > '2026-01-20'\"", False),
    ):
        of = model(store.engine.dialect, **{"Flat.topic": topic})
        found = rollup_of(ask("Flat", "flat.revenue"), of, everything(of, "Flat"))
        assert found == ("monthly" if is_rolled else None)


def test_a_comparison_is_not_answered_from_periods(store):
    """The last of January is the first of February a day later; a period has no such day."""
    compare = {"field": "flat.ordered_at", "offset": "1 day"}
    question = ask("Flat", "flat.ordered_at[month]", "flat.revenue", compare=compare)
    assert "monthly" not in store.text(question)[0]
    assert [row[1:] for row in store.ask(question)] == [(100, None), (50, 150), (30, 30), (520, 520), (11, 11)]
    assert "monthly" in store.text(ask("Flat", "flat.ordered_at[month]", "flat.revenue"))[0]


def test_moments_as_they_are_do_not_come_from_periods(store):
    flat = FILES["flat.view"].replace("timeframes: [date,", "timeframes: [raw, date,")
    of = model(store.engine.dialect, **{"flat.view": flat})
    assert "monthly" in store.text(ask("Flat", "flat.ordered_at[month]"), everything(of, "Flat"), of)[0]
    found = store.ask(ask("Flat", "flat.ordered_at[raw]"), everything(of, "Flat"), of)
    assert len(found) == 6


ORDERS = (
    FILES["orders.view"]
    .replace("  mine:", '  place: {sql: "${customers.region}"}\n  whose: {sql: "${status}", order_by_field: customers.region}\n  mine:')
    .replace(
        "measures:\n",
        "measures:\n  american: {aggregate_type: sum, sql: \"CASE WHEN ${customers.region} = 'US' THEN ${amount} END\"}\n"
        '  of_americans: {aggregate_type: sum, sql: "${amount}", filters: {customers.region: {is: US}}}\n'
        '  of_mine: {aggregate_type: count, filters: {mine: {is: true}}}\n'
        '  wanted_amount: {aggregate_type: sum, sql: "${amount}", filters: {is_wanted: {not: null}}}\n'
        '  top_spent: {aggregate_type: max, sql: "${spent}"}\n',
    )
    .replace("  best_customers", '  spent: {sql: "${amount}", level_of_detail: {aggregate_type: sum, fixed: [orders.status]}}\n  best_customers')
)  # fmt: skip
OF_ORDERS = """
schema: omni_store
table_name: monthly
dimensions: {month: {}, revenue: {}, region: {}, count: {}}
materialized_query: {base_view: orders, fields: ["orders.ordered_at[month]", orders.revenue]}
"""
NOT_HELD = ("place", "whose", "american", "of_americans", "mine", "of_mine", "is_wanted", "wanted_amount", "spent",
            "top_spent", "best_customers")  # fmt: skip


def said_to_hold(of, field, column):
    """Return a model whose rollup of orders is said to hold a field more, whatever reading the model says of that."""
    holder = of.views["of_orders"]
    rollup = replace(holder.rollup, columns=(*holder.rollup.columns, (field, column)))
    return replace(of, views={**of.views, "of_orders": replace(holder, rollup=rollup)})


@pytest.mark.parametrize("name", NOT_HELD)
def test_what_rests_on_other_rows_or_on_who_asks_is_not_taken_from_a_rollup(store, name):
    plain = model(store.engine.dialect, **{"orders.view": ORDERS, "of_orders.view": OF_ORDERS})
    of = said_to_hold(plain, f"orders.{name}", "region")
    rights = everything(of, "Sales", attributes={"region": ("EU",)})
    assert rollup_of(ask("Sales", "orders.ordered_at[month]", "orders.revenue"), of, rights) == "of_orders"
    question = ask("Sales", f"orders.{name}", "orders.revenue", filters={"orders.wanted": {"is": "paid"}})
    assert rollup_of(question, of, rights) is None
    assert store.ask(question, rights, of) == store.ask(question, rights, plain)


def test_a_joined_views_policy_holds_though_a_rollup_has_its_values(store):
    plain = model(store.engine.dialect, **{"orders.view": ORDERS, "of_orders.view": OF_ORDERS})
    norse = everything(plain, "Sales", row_policies={"customers": (policy("customers.region", "EU"),)})
    for name, found in (("place", {"EU", None}), ("american", {None}), ("of_americans", {None})):
        of = said_to_hold(plain, f"orders.{name}", "region")
        assert {value for (value,) in store.ask(ask("Sales", f"orders.{name}"), norse, of)} == found


def test_what_is_aggregated_of_rows_is_not_aggregated_of_groups(store):
    """Another view may add up what the base view's rows say; in a rollup equal rows are one."""
    customers = FILES["customers.view"].replace(
        "lifetime:",
        'flats: {sql: "${flat.amount}", level_of_detail: {aggregate_type: sum, fixed: [customers.id]}}\n  lifetime:',
    )
    customers = customers.replace("measures:\n", 'measures:\n  spent: {aggregate_type: max, sql: "${flat.amount}"}\n')
    rule = (
        "\n- {join_from_view: flat, join_to_view: customers, relationship_type: many_to_one,"
        ' on_sql: "${flat.region} = ${customers.region}"}\n'
    )
    of = held(
        store, 'flat.region, "flat.ordered_at[month]", flat.amount, flat.count', **{
            "customers.view": customers, "relationships": FILES["relationships"].rstrip() + rule,
            "Flat.topic": "base_view: flat\njoins: {customers: {}}",
        },
    )  # fmt: skip
    rights = everything(of, "Flat")
    assert rollup_of(ask("Flat", "customers.region", "flat.amount", "flat.count"), of, rights) == "monthly"
    for field in ("customers.spent", "customers.flats"):
        assert rollup_of(ask("Flat", "customers.region", field), of, rights) is None


def test_a_rollup_keeps_the_order_of_its_values_or_leaves_the_question(store):
    view = FILES["flat.view"].replace("region: {}", "region: {order_by_field: status}")
    fields = 'flat.region, "flat.ordered_at[month]", flat.revenue, flat.count'
    of = held(store, fields, **{"flat.view": view})
    assert rollup_of(ask("Flat", "flat.region"), of, everything(of, "Flat")) is None
    of = held(store, fields.replace("flat.count", "flat.status"), **{"flat.view": view})
    assert rollup_of(ask("Flat", "flat.region"), of, everything(of, "Flat")) == "monthly"


def test_what_was_made_of_moments_is_of_the_zone_in_which_it_was_made(store):
    view = FILES["flat.view"].replace("region: {}", 'region: {}, since: {sql: "${ordered_at[month]}"}')
    of = held(store, "flat.region, flat.since, flat.revenue, flat.count", **{"flat.view": view})
    rights = everything(of, "Flat")
    assert rollup_of(ask("Flat", "flat.since"), of, rights) == "monthly"
    assert rollup_of(ask("Flat", "flat.since", timezone="Europe/Oslo"), of, rights) is None
    assert rollup_of(ask("Flat", "flat.region", timezone="Europe/Oslo"), of, rights) == "monthly"


def test_a_rollup_that_is_read_itself_shows_masks_and_still_answers_for_its_base_view(store):
    flat = FILES["flat.view"].replace("region: {}", "region: {mask_unless_access_grants: [sees_mail]}")
    of = held(
        store, 'flat.region, "flat.ordered_at[month]", flat.revenue, flat.count',
        **{"flat.view": flat, "Held.topic": "base_view: monthly"},
    )  # fmt: skip
    assert of.dimension("monthly.region").mask_unless_access_grants is not None
    clear = everything(of, "Held")
    masked = replace(clear, masked=frozenset(("monthly.region",)))
    shown = [
        {region for (region,) in store.ask(ask("Held", "monthly.region"), rights, of)} for rights in (clear, masked)
    ]
    assert "EU" in shown[0]
    assert shown[1].isdisjoint(shown[0] - {None})
    rights = replace(everything(of, "Flat"), masked=frozenset(("flat.region",)))
    assert rollup_of(ask("Flat", "flat.region", "flat.revenue"), of, rights) == "monthly"


@pytest.mark.parametrize("mask", ["redact", "'null'", "{keep_last: 1}"])
@pytest.mark.parametrize(
    "reads",
    [
        {"Held.topic": "base_view: monthly"},
        {"Held.topic": "base_view: other", "other.view": "table_name: monthly\ndimensions: {revenue: {}}\n"},
        {
            "Held.topic": "base_view: text",
            "text.view": "sql: SELECT m.revenue AS a FROM omni_store.monthly AS m\ndimensions: {a: {}}\n",
        },
    ],
    ids=["itself", "another view", "a text"],
)
def test_a_rollup_with_a_row_for_each_masked_value_is_not_read_itself(store, mask, reads):
    """Its rows say which values are the same, and how many there are; whoever may see them may read it."""
    flat = FILES["flat.view"].replace("region: {}", f"region: {{mask: {mask}, mask_unless_access_grants: [sees_mail]}}")
    fields = 'flat.region, "flat.ordered_at[month]", flat.revenue, flat.count'
    with pytest.raises(
        ModelError, match=r"“flat\.region” is masked for whoever lacks a grant, and “\w+” has a row for"
    ):
        held(store, fields, **{"flat.view": flat} | reads)
    topic = {"Held.topic": reads["Held.topic"] + "\nrequired_access_grants: [sees_mail]\n"}
    for files in (reads | topic, {}):
        assert "Flat" in held(store, fields, **{"flat.view": flat} | files).topics
