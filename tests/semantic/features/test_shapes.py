"""Questions whose SQL is more than one flat SELECT, each against SQL written by hand."""

from dataclasses import replace

import pytest

from apps.semantic.errors import (
    FanOutError,
    MalformedQueryError,
    MissingAttributeError,
    QueryError,
    UnknownDatasetError,
    UnknownFieldError,
)
from tests.semantic.features.store import FILES, ask, everything, model, policy


def test_two_joins_that_repeat_rows_leave_every_total_right(store):
    found = store.ask(
        ask("Sales", "orders.revenue", "items.sold", "payments.total", "customers.credits", "orders.count")
    )
    assert found == [(711, 650, 630, 425, 6)]
    by_status = store.ask(ask("Sales", "orders.status", "orders.revenue", "items.sold", "payments.total"))
    assert sorted(by_status, key=str) == sorted(
        [("paid", 630, 600, 630), ("open", 50, 50, None), ("lost", 11, None, None), (None, 20, None, None)], key=str
    )


def test_averages_and_expressions_over_repeated_rows_count_each_row_once(store):
    assert store.ask(ask("Sales", "items.sku", "orders.average", "items.count", sorts=[{"field": "items.sku"}])) == [
        ("x", 75, 2), ("y", 100, 1), ("z", 500, 1), (None, pytest.approx(61 / 3, abs=0.001), 0)
    ]  # fmt: skip


def test_measures_of_a_view_that_a_left_join_may_miss_pass_over_missing_rows(store):
    # Mia has no orders; "paid" makes 0 of nothing, but there is no order to make it of.
    found = dict(store.ask(ask("People", "customers.name", "orders.paid")))
    assert found == {"Ola": 100, "Kari": 30, "Joe": 500, "Mia": None}
    assert dict(store.ask(ask("People", "customers.name", "orders.count"))) == {"Ola": 2, "Kari": 1, "Joe": 2, "Mia": 0}


def test_a_level_of_detail_is_worked_out_at_its_own_grain(store):
    by_customer = store.ask(ask("Sales", "orders.id", "customers.lifetime", sorts=[{"field": "orders.id"}]))
    assert by_customer == [(1, 150), (2, 150), (3, 30), (4, 520), (5, 520), (6, 11)]
    assert store.ask(ask("Sales", "customers.region", "orders.per_customer", sorts=[{"field": "customers.region"}])) == [
        ("EU", 90), ("US", 520), (None, 11)
    ]  # fmt: skip


def test_a_level_of_detail_heeds_row_policies_and_filters(store):
    scope = everything(store.model, "Sales", row_policies={"orders": (policy("orders.status", "paid"),)})
    question = ask("Sales", "orders.id", "customers.lifetime", filters={"orders.id": {"is": [1]}})
    assert store.ask(question) == [(1, 100)]
    assert store.ask(ask("Sales", "orders.id", "customers.lifetime"), scope) == [(1, 100), (3, 30), (4, 500)]


def test_the_top_values_are_kept_and_the_rest_gathered(store):
    assert store.ask(ask("Sales", "orders.best_customers", "orders.revenue")) == [("Joe", 520), ("the rest", 191)]
    top = {"field": "customers.name", "n": 2, "by": "orders.revenue"}
    assert store.ask(ask("Sales", "customers.name", "orders.revenue", top=top)) == [
        ("Joe", 520),
        ("Ola", 150),
        ("Other", 41),
    ]
    assert store.ask(ask("Sales", "customers.name", "orders.revenue", top={**top, "others": None})) == [
        ("Joe", 520), ("Ola", 150)
    ]  # fmt: skip


def test_each_measure_has_its_value_of_a_year_before_beside_it(store):
    question = ask(
        "Sales", "orders.ordered_at[month]", "orders.revenue", compare={"field": "orders.ordered_at", "offset": "1 year"},
        filters={"orders.ordered_at": {"between_dates": ["2026-01-01", "2026-03-01"]}},
    )  # fmt: skip
    assert [(month.isoformat(), now, before) for month, now, before in store.ask(question)] == [
        ("2026-01-01", 30, 100), ("2026-02-01", 520, 50)
    ]  # fmt: skip


def test_a_measure_may_cancel_or_shift_the_querys_filter(store):
    question = ask("Sales", "orders.revenue", "orders.all_revenue", filters={"orders.status": {"is": "open"}})
    assert store.ask(question) == [(50, 711)]
    question = ask(
        "Sales", "orders.revenue", "orders.last_year",
        filters={"orders.ordered_at": {"between_dates": ["2026-01-01", "2026-03-01"]}},
    )  # fmt: skip
    assert store.ask(question) == [(550, 150)]


def test_topics_side_by_side_are_stitched_on_what_they_share(store):
    question = ask(
        "Both", "@_shared_dimensions_.region", "@Sales.orders.revenue", "@Tickets.tickets.minutes_spent",
        sorts=[{"field": "@_shared_dimensions_.region"}],
    )  # fmt: skip
    assert store.ask(question) == [("EU", 180, 30), ("US", 520, 5), (None, 11, None)]
    only = ask(
        "Both", "@Tickets.tickets.count", "@Sales.orders.count", filters={"@_shared_dimensions_.region": {"is": "EU"}}
    )
    assert store.ask(only) == [(2, 3)]


def test_each_part_of_a_composite_keeps_its_own_rights(store):
    scope = everything(store.model, "Both")
    eu = replace(scope.nested["Sales"], row_policies={"customers": (policy("customers.region", "EU"),)})
    scope = replace(scope, nested={**scope.nested, "Sales": eu})
    question = ask("Both", "@_shared_dimensions_.region", "@Sales.customers.credits", "@Tickets.tickets.minutes_spent")
    assert {region: rest for region, *rest in store.ask(question, scope)} == {
        "EU": [350, 30], "US": [None, 5], None: [None, None]
    }  # fmt: skip


def test_a_query_view_is_a_table_of_its_own_and_keeps_policies(store):
    assert store.ask(ask("Facts", "customer_facts.count", "customer_facts.best")) == [(4, 520)]
    assert store.ask(ask("Facts", "customer_facts.customer_id", "customer_facts.doubled"))[:1] == [(1, 300)]
    scope = everything(store.model, "Facts")
    paid = replace(scope.nested["__orders"], row_policies={"orders": (policy("orders.status", "paid"),)})
    scope = replace(scope, nested={**scope.nested, "__orders": paid})
    assert store.ask(ask("Facts", "customer_facts.count", "customer_facts.best"), scope) == [(3, 500)]


def test_an_sql_view_reads_its_tables_through_their_views(store):
    assert store.ask(ask("Big", "big_orders.count", "big_orders.total")) == [(3, 650)]
    scope = everything(store.model, "Big", row_policies={"customers": (policy("customers.region", "EU"),)})
    assert store.ask(ask("Big", "big_orders.count", "big_orders.total"), scope) == [(2, 150)]
    masked = everything(store.model, "Big", masked=frozenset(("customers.mail", "customers.email")))
    mails = {mail for (mail,) in store.ask(ask("Big", "big_orders.mail"), masked)}
    assert len(mails) == 2
    assert not any("@" in mail for mail in mails)


def test_a_rollup_answers_where_it_covers_the_question(store):
    sql, _ = store.text(ask("Flat", "flat.ordered_at[year]", "flat.revenue", "flat.mean"))
    assert "monthly" in sql
    assert [row[1] for row in store.ask(ask("Flat", "flat.ordered_at[year]", "flat.revenue"))] == [150, 561]
    for question in (
        ask("Flat", "flat.ordered_at[date]", "flat.revenue"),
        ask("Flat", "flat.status", "flat.revenue"),
        ask("Flat", "flat.revenue", filters={"flat.ordered_at": {"on_or_after": "2026-02-02"}}),
    ):
        assert "monthly" not in store.text(question)[0]
    held = everything(store.model, "Flat", row_policies={"flat": (policy("flat.region", "EU"),)})
    assert "monthly" in store.text(ask("Flat", "flat.revenue"), held)[0]
    assert store.ask(ask("Flat", "flat.revenue"), held) == [(180,)]
    missing = replace(held, row_policies={"flat": (policy("flat.status", "paid"),)})
    assert "monthly" not in store.text(ask("Flat", "flat.revenue"), missing)[0]


def test_rules_with_user_attributes_hold_for_everybody(store):
    norse = everything(store.model, "Guarded", attributes={"region": ("EU",)})
    assert store.ask(ask("Guarded", "orders.id"), norse) == [(1,), (2,), (3,)]
    with pytest.raises(MissingAttributeError):
        store.ask(ask("Guarded", "orders.id"))
    several = everything(store.model, "Guarded", attributes={"region": ("EU", "US")})
    with pytest.raises(MissingAttributeError):
        store.ask(ask("Guarded", "orders.id"), several)
    mine = everything(store.model, "Sales", attributes={"region": ("US",)})
    assert store.ask(ask("Sales", "orders.mine", "orders.count"), mine) == [(False, 3), (True, 2), (None, 1)]


def test_a_templated_filter_applies_the_querys_condition(store):
    question = ask("Sales", "orders.wanted_orders", filters={"orders.wanted": {"is": ["paid", "open"]}})
    assert store.ask(question) == [(4,)]
    assert store.ask(ask("Sales", "orders.wanted_orders")) == [(6,)]


def test_a_filter_only_field_is_asked_under_its_former_name(store):
    view = FILES["orders.view"].replace("wanted: {type: string}", "wanted: {type: string, aliases: [desired]}")
    of = model(store.engine.dialect, **{"orders.view": view})
    scope = everything(of, "Sales")
    for name in ("orders.wanted", "orders.desired"):
        found = store.ask(ask("Sales", "orders.wanted_orders", filters={name: {"is": ["open"]}}), scope, of)
        assert found == store.ask(ask("Sales", "orders.wanted_orders", filters={"orders.wanted": {"is": ["open"]}}))
        assert found != store.ask(ask("Sales", "orders.wanted_orders"))
    twice = {"orders.wanted": {"is": ["open"]}, "orders.desired": {"is": ["paid"]}}
    with pytest.raises(MalformedQueryError, match="under two names"):
        store.ask(ask("Sales", "orders.wanted_orders", filters=twice), scope, of)


def test_other_names_of_a_view_are_views_of_their_own(store):
    assert store.ask(ask("Sales", "customers.name", "managers.name", filters={"managers.name": {"not": None}})) == [
        ("Joe", "Ola"), ("Kari", "Ola")
    ]  # fmt: skip
    scope = everything(
        store.model, "Sales", row_policies={"customers": (policy("customers.region", "EU"),), "managers": (policy("managers.id", 9),)}
    )  # fmt: skip
    assert {row[1] for row in store.ask(ask("Sales", "customers.name", "managers.name"), scope)} == {None}


@pytest.mark.parametrize(
    ("kind", "rows"), [("inner", 4), ("always_left", 7), ("full_outer", 8), ("right_left", 5), ("cross", 30)]
)
def test_every_kind_of_join_keeps_its_rows(store, kind, rows):
    on = "" if kind == "cross" else ', on_sql: "${orders.id} = ${items.order_id}"'
    relationship = (
        f"- {{join_from_view: orders, join_to_view: items, relationship_type: one_to_many, join_type: {kind}{on}}}\n"
    )
    lines = f"base_view: orders\njoins: {{items: {{}}}}\nrelationships:\n  {relationship}"
    own = model(store.model.dialect, **{"Lines.topic": lines})
    if kind == "full_outer" and store.engine.dialect == "mysql":
        with pytest.raises(QueryError):
            store.ask(ask("Lines", "orders.id", "items.id"), of=own)
        return
    found = store.ask(ask("Lines", "orders.id", "items.id"), of=own)
    assert len(found) == rows
    orders = {"inner": 3, "always_left": 6, "full_outer": 6, "right_left": 3, "cross": 6}[kind]
    assert store.ask(ask("Lines", "orders.count", "items.count"), of=own) == [
        (orders, {"always_left": 4, "inner": 4}.get(kind, 5))
    ]


def test_groups_bins_and_durations_are_plain_dimensions(store):
    assert dict(store.ask(ask("People", "customers.area", "customers.count"))) == {
        "Europe": 2,
        "America": 1,
        "Elsewhere": 1,
    }
    assert dict(store.ask(ask("People", "customers.credit_band", "customers.count"))) == {
        "< 100": 1, ">= 100 and < 200": 1, ">= 200": 1, None: 1
    }  # fmt: skip
    found = store.ask(
        ask("Sales", "orders.id", "orders.delivery[days]", "orders.delivery[hours]", sorts=[{"field": "orders.id"}])
    )
    assert found == [(1, 1, 34), (2, None, None), (3, 0, 0), (4, 30, 720), (5, None, None), (6, 0, 1)]


def test_medians_percentiles_lists_and_own_keys(store):
    assert store.ask(ask("Sales", "orders.states", "customers.credits")) == [("lost, open, paid, paid, paid", 425)]
    if store.engine.dialect == "mysql":
        with pytest.raises(QueryError):
            store.ask(ask("Sales", "orders.p90"))
        return
    ninety, _, median = store.ask(ask("Sales", "orders.p90", "orders.per_status", "customers.median_credit"))[0]
    assert (ninety, median) == (pytest.approx(300), 100)


def test_conditions_on_several_fields_combine(store):
    either = {"or": [{"orders.status": {"is": "open"}}, {"orders.amount": {"greater_than": 400}}]}
    assert store.ask(ask("Sales", "orders.id", filters=either)) == [(2,), (4,)]
    neither = {"not": either}
    assert store.ask(ask("Sales", "orders.id", filters=neither)) == [(1,), (3,), (5,), (6,)]
    with pytest.raises(MalformedQueryError):
        store.ask(ask("Sales", "orders.id", filters={"or": [{"orders.id": {"is": 1}}, {"orders.count": {"is": 1}}]}))


def test_the_calendar_and_patterns_choose_rows(store):
    def ids(condition, field="orders.ordered_at"):
        return [row[0] for row in store.ask(ask("Sales", "orders.id", filters={field: condition}))]

    assert ids({"month_of_year": ["January", 3]}) == [1, 3, 6]
    assert ids({"day_of_week": "Saturday"}) == [6]
    assert ids({"hour_of_day": 23}) == [1, 3]
    assert ids({"not_quarter_of_year": 1}) == []
    assert ids({"is": "PAID", "case_insensitive": True}, "orders.status") == [1, 3, 4]
    assert ids({"sql_like": "%p_n"}, "orders.status") == [2]
    assert ids({"contains": "%"}, "orders.status") == []


def test_fiscal_periods_begin_after_the_models_offset(store):
    found = store.ask(ask("Sales", "orders.ordered_at[fiscal_year]", "orders.count"))
    assert found == [(2024, 2), (2025, 4)]


def test_rows_without_a_key_are_not_counted_twice(store):
    keyless = model(store.model.dialect, **{"orders.view": model_text("orders.view").replace("primary_key: true", "")})
    with pytest.raises(FanOutError):
        store.ask(ask("Sales", "items.sku", "orders.revenue"), of=keyless)
    assert store.ask(ask("Sales", "orders.revenue"), of=keyless) == [(711,)]


def model_text(name):
    from tests.semantic.features.store import FILES

    return FILES[name]


def test_a_forbidden_measure_cannot_rank(store):
    scope = everything(store.model, "Sales")
    without = replace(scope, fields=scope.fields - {"orders.revenue"})
    top = {"field": "customers.name", "n": 2, "by": "orders.revenue"}
    with pytest.raises(UnknownFieldError):
        store.ask(ask("Sales", "customers.name", top=top), without)


def test_names_of_months_follow_the_calendar(store):
    months = [row[0] for row in store.ask(ask("Sales", "orders.ordered_at[month_name]", "orders.count"))]
    assert months == ["January", "February", "March"]


@pytest.mark.parametrize("value", ["eu", "EU ", "Éu", "EU\\"])
def test_a_policys_text_is_meant_letter_by_letter(store, value):
    # MySQL's usual collations take all but the last for "EU".
    def asked(dataset, field, region, *, in_topic=False):
        rule = policy("customers.region", region)
        rights = {"topic_policies": (rule,)} if in_topic else {"row_policies": {"customers": (rule,)}}
        return store.ask(ask(dataset, field), everything(store.model, dataset, **rights))

    assert len(asked("People", "customers.name", "EU")) == len(asked("Tickets", "tickets.id", "EU", in_topic=True)) == 2
    assert asked("Big", "big_orders.count", "EU") == [(2,)]
    assert asked("People", "customers.name", value) == asked("Tickets", "tickets.id", value, in_topic=True) == []
    assert asked("Big", "big_orders.count", value) == [(0,)]


def test_a_schema_is_named_by_exactly_one_plain_name(store):
    header = FILES["model"] + "dynamic_schemas: {shard: {from_schema: omni_store, user_attribute: shard}}\n"
    of = model(
        store.engine.dialect, model=header, **{"customers.view": FILES["customers.view"].replace("omni_store", "shard")}
    )

    def asked(*shards):
        return store.ask(ask("People", "customers.count"), everything(of, "People", attributes={"shard": shards}), of)

    assert asked("omni_store") == [(4,)]
    for shards in ((), ("omni_store", "omni_store"), ("public.x",), ('x"y',), (1,), ("",)):
        with pytest.raises(MissingAttributeError):
            asked(*shards)


def test_without_time_a_rollup_answers_in_any_zone(store):
    def text(*fields):
        return store.text(ask("Flat", *fields, timezone="Europe/Oslo"))[0]

    assert "monthly" in text("flat.region", "flat.revenue")
    assert "monthly" not in text("flat.ordered_at[month]", "flat.revenue")


def test_moments_are_cut_as_the_readers_clock_shows_them(store):
    zone = "Europe/Oslo"
    if (
        store.engine.dialect == "mysql"
        and store.engine.rows(f"SELECT CONVERT_TZ(NOW(), '+00:00', '{zone}')")[0][0] is None
    ):
        pytest.skip("this MariaDB has no time zones: mysql_tzinfo_to_sql /usr/share/zoneinfo | mysql mysql")
    asked = ask("Sales", "orders.ordered_at[month]", "orders.ordered_at[hour_of_day]", "orders.revenue", timezone=zone)
    found = {(month.month, hour): revenue for month, hour, revenue in store.ask(asked)}
    assert found == {(2, 0): 100, (2, 9): 50, (1, 0): 30, (2, 1): 500, (2, 13): 20, (3, 13): 11}


def test_a_composite_refuses_what_it_cannot_put_side_by_side(store):
    measures = ["@_shared_dimensions_.region", "@Sales.orders.revenue"]
    for extra in (
        {"top": {"field": measures[0], "n": 1, "by": measures[1]}},
        {"compare": {"field": "@_shared_dimensions_.month", "offset": "1 year"}},
        {
            "filters": {
                "or": [{"@_shared_dimensions_.region": {"is": "EU"}}, {"@_shared_dimensions_.region": {"is": "US"}}]
            }
        },
    ):
        with pytest.raises(MalformedQueryError, match="for single data sets"):
            store.ask(ask("Both", *measures, **extra))
    with pytest.raises(UnknownDatasetError):
        store.ask(ask("Both", *measures), replace(everything(store.model, "Both"), topic="Sales"))
    assert len(store.ask(ask("Both", *measures))) == 3


def test_a_composites_own_rights_hold_whatever_its_parts_allow(store):
    region, revenue = "@_shared_dimensions_.region", "@Sales.orders.revenue"
    whole = everything(store.model, "Both")
    for hidden in (region, revenue):
        less = replace(whole, fields=whole.fields - {hidden})
        with pytest.raises(UnknownFieldError):
            store.ask(ask("Both", region, revenue), less)
    for missing in ("orders.revenue", "@Nothing.orders.revenue", "@Sales.orders.nothing"):
        with pytest.raises(UnknownFieldError):
            store.ask(ask("Both", region, missing))


def test_shared_dimensions_can_be_asked_for_alone(store):
    assert sorted(store.ask(ask("Both", "@_shared_dimensions_.region")), key=str) == [("EU",), ("US",), (None,)]


def test_the_calendar_refuses_what_is_no_day_of_it(store):
    for condition in (
        {"day_of_month": []},
        {"day_of_month": True},
        {"day_of_month": [32]},
        {"day_of_week": ["Someday"]},
    ):
        with pytest.raises(QueryError):
            store.ask(ask("Sales", "orders.count", filters={"orders.ordered_at": condition}))


def test_a_constant_is_not_summed_over_rows_that_a_join_missed(store):
    view = FILES["orders.view"].replace("measures:\n", 'measures:\n  ones: {aggregate_type: sum, sql: "1"}\n', 1)
    of = model(store.engine.dialect, **{"orders.view": view})
    assert of.measure("orders.ones") is not None
    found = dict(store.ask(ask("People", "customers.name", "orders.ones"), everything(of, "People"), of))
    assert found == {"Ola": 2, "Kari": 1, "Joe": 2, "Mia": None}
