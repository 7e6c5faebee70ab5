"""Totals of questions that choose groups or top values, and the pages of composites."""

from dataclasses import replace

import pytest

from apps.semantic.compile import compile_query
from apps.semantic.errors import MalformedQueryError, ModelError, QueryError, UnknownFieldError, UnprovenSqlError
from apps.semantic.query.pivoting import pivot
from apps.semantic.query.reading import parse_query
from apps.semantic.query.totals import subtotals_of, total_of
from apps.semantic.query.writing import public_form
from apps.semantic.verify import verify
from tests.semantic.features.store import FILES, TODAY, everything, model, policy

SHARED = "@_shared_dimensions_.region"


def asked(dataset, *fields, **rest):
    return {"dataset": dataset, "fields": list(fields), **rest}


def total(question):
    return public_form(total_of(parse_query(question), model()))


def test_conditions_that_choose_groups_do_not_reach_a_total_whichever_way_they_are_written(store):
    few = {"or": [{"orders.revenue": {"greater_than": 100}}, {"orders.count": {"greater_than": 90}}]}
    question = asked("Sales", "orders.status", "orders.revenue", filters=few, totals=True)
    assert store.ask(question) == [("paid", 630)]
    assert store.ask(total(question)) == [(711,)]
    rows = asked(
        "Sales", "orders.status", "orders.revenue", filters={"not": {"orders.status": {"is": "paid"}}}, totals=True
    )
    assert store.ask(total(rows)) == [(81,)]


def test_a_total_under_top_values_without_the_rest_is_that_of_the_top_values(store):
    top = {"field": "orders.status", "n": 2, "by": "orders.revenue", "others": None}
    question = asked("Sales", "orders.status", "customers.region", "orders.revenue", top=top, totals=True)
    shown = store.ask(question)
    assert sum(row[2] for row in shown) == 680
    assert store.ask(total(question)) == [(680,)]
    subtotals = public_form(subtotals_of(parse_query(question | {"subtotals": ["customers.region"]}), model()))
    assert sorted(store.ask(subtotals), key=str) == [("EU", 180), ("US", 500)]
    assert store.ask(total(question | {"top": {**top, "others": "Other"}})) == [(711,)]


def test_top_values_of_a_dimension_that_is_not_shown_need_no_place_for_the_rest(store):
    top = {"field": "orders.status", "n": 1, "by": "orders.revenue", "others": None}
    assert store.ask(asked("Sales", "orders.revenue", top=top)) == [(630,)]
    with pytest.raises(MalformedQueryError):
        store.ask(asked("Sales", "orders.revenue", top={**top, "others": "Other"}))


def test_a_composite_refuses_what_it_would_have_to_pass_over_in_silence(store):
    fields = [SHARED, "@Sales.orders.revenue"]
    assert store.ask(asked("Both", *fields, filters={"@Sales.orders.status": {"is": "paid"}}))
    with pytest.raises(MalformedQueryError, match="Tickets"):
        store.ask(asked("Both", *fields, filters={"@Tickets.tickets.id": {"is": 1}}))
    assert store.ask(asked("Both", *fields, sorts=[{"field": fields[1]}]))
    with pytest.raises(MalformedQueryError):
        store.ask(asked("Both", *fields, sorts=[{"field": "@Sales.orders.count"}]))
    assert store.ask(asked("Both", *fields, pivots=[SHARED]))
    for name in ("pivots", "subtotals"):
        with pytest.raises(MalformedQueryError):
            store.ask(asked("Both", *fields, **{name: [fields[1]]}))


def test_with_pivots_the_limit_of_a_composite_is_one_of_the_cross_tables_rows(store):
    fields = [SHARED, "@Sales.orders.revenue"]
    assert len(store.ask(asked("Both", *fields, limit=1))) == 2  # one more, to see that there is more
    assert len(store.ask(asked("Both", *fields, limit=1, pivots=[SHARED]))) == 3


def test_months_by_name_come_as_the_year_has_them_also_where_answers_are_stitched_or_spread(store):
    month = "orders.ordered_at[month_name]"
    compare = {"field": "orders.ordered_at", "offset": "1 year"}
    shown = store.ask(asked("Sales", month, "orders.revenue", sorts=[{"field": month}], compare=compare))
    assert [row[0] for row in shown] == ["January", "February", "March"]
    rows = [("x", name, 1) for name in ("March", "January", None, "February")]
    table = pivot(("sku", month, "n"), rows, pivots=(month,), measures=("n",), limit=9)
    assert [column.values for column in table.columns[1:]] == [("January",), ("February",), ("March",), (None,)]


def test_a_dimension_that_is_sorted_by_another_is_so_too_where_answers_are_stitched(store):
    """By name Kari comes before Ola, and EU before US; by the least credit it is the other way round."""
    view = FILES["customers.view"].replace("  name: {}", "  name: {order_by_field: credit}").replace(
        "  region: {}", "  region: {order_by_field: credit}"
    )  # fmt: skip
    found = model(store.engine.dialect, **{"customers.view": view})
    compare = {"field": "orders.ordered_at", "offset": "1 year"}

    def answer(question, of, **rest):
        return [row[0] for row in store.ask(question, everything(of, question["dataset"], **rest), of)]

    compared = asked("Sales", "customers.name", "orders.revenue", sorts=[{"field": "customers.name"}], compare=compare)
    composed = asked("Both", SHARED, "@Sales.orders.revenue", sorts=[{"field": SHARED}])
    assert answer(compared, store.model) == ["Joe", "Kari", "Ola", None]
    assert answer(compared, found) == ["Joe", "Ola", "Kari", None]
    assert answer(composed, store.model) == ["EU", "US", None]
    assert answer(composed, found) == ["US", "EU", None]
    hidden = everything(found, "Sales")
    unsorted = replace(hidden, fields=hidden.fields - {"customers.credit"})
    assert [row[0] for row in store.ask(compared, unsorted, found)] == ["Joe", "Kari", "Ola", None]


def test_top_values_of_a_comparison_are_those_of_now_in_both_of_its_parts(store):
    # A year earlier there were as many orders that were open as were paid.
    filters = {"orders.ordered_at": {"between_dates": ["2026-01-01", "2027-01-01"]}}
    top = {"field": "orders.status", "n": 1, "by": "orders.count", "others": None}
    question = asked("Sales", "orders.status", "orders.revenue", filters=filters, top=top, totals=True,
                     compare={"field": "orders.ordered_at", "offset": "1 year"})  # fmt: skip
    assert store.ask(question) == [("paid", 530, 100)]
    assert store.ask(public_form(total_of(parse_query(question), store.model))) == [(530, 100)]
    gathered = {**question, "top": {**top, "others": "rest"}, "sorts": [{"field": "orders.revenue", "desc": True}]}
    assert store.ask(gathered) == [("paid", 530, 100), ("rest", 31, 50)]


def test_a_filter_under_a_former_name_is_cancelled_moved_and_compared_as_under_the_own_one(store):
    former = {"status": "state", "ordered_at": "placed_at"}
    renamed = FILES["orders.view"].replace("  status: {}", "  status: {aliases: [state]}").replace(
        "  ordered_at: {", "  ordered_at: {aliases: [placed_at], "
    )  # fmt: skip
    found = model(store.engine.dialect, **{"orders.view": renamed})
    whole = everything(found, "Sales")
    within = {"between_dates": ["2026-01-01", "2027-01-01"]}

    def answers(status, ordered_at):
        rows = store.ask(
            asked("Sales", "orders.revenue", "orders.all_revenue", filters={f"orders.{status}": {"is": "paid"}}),
            whole,
            found,
        )
        rows += store.ask(asked("Sales", "orders.last_year", filters={f"orders.{ordered_at}": within}), whole, found)
        return rows + store.ask(
            asked("Sales", "orders.revenue", compare={"field": f"orders.{ordered_at}", "offset": "1 year"},
                  filters={f"orders.{ordered_at}": within}), whole, found,
        )  # fmt: skip

    assert answers("status", "ordered_at") == [(630, 711), (150,), (561, 150)]
    assert answers(*former.values()) == answers(*former)


def test_top_values_are_not_ranked_by_a_measure_that_needs_a_masked_value(store):
    renamed = FILES["orders.view"].replace(
        "  revenue:", "  ola: {aggregate_type: count, filters: {customers.name: {is: Ola}}}\n  revenue:"
    )
    found = model(store.engine.dialect, **{"orders.view": renamed})
    question = asked("Sales", "customers.region", "orders.revenue",
                     top={"field": "customers.region", "n": 1, "by": "orders.ola", "others": None})  # fmt: skip
    assert store.ask(question, everything(found, "Sales"), found) == [("EU", 180)]
    with pytest.raises(UnknownFieldError):
        store.ask(question, everything(found, "Sales", masked=frozenset({"customers.name"})), found)


def test_a_query_view_takes_over_the_filters_that_its_topic_can_answer_and_no_others(store):
    facts = FILES["customer_facts.query.view"].replace(
        "base_view: orders", "base_view: orders\n  bind_all_filters: true"
    )
    joined = """
- {join_from_view: orders, join_to_view: customer_facts, relationship_type: many_to_one,
   on_sql: "${orders.customer_id} = ${customer_facts.customer_id}"}
"""
    view = FILES["orders.view"].replace(
        "  revenue:", "  eu: {aggregate_type: count, filters: {customers.region: {is: EU}}}\n  revenue:"
    )
    found = model(
        store.engine.dialect,
        **{"customer_facts.query.view": facts, "relationships": FILES["relationships"] + joined, "orders.view": view,
           "Sales.topic": "base_view: orders\njoins: {customers: {}, customer_facts: {}}"},
    )  # fmt: skip

    def answers(**filters):
        question = asked("Sales", "customers.region", "customer_facts.best", filters=filters)
        return store.ask(question, everything(found, "Sales"), found)

    assert ("EU", 150) in answers()
    assert answers(**{"orders.status": {"is": "open"}}) == [("EU", 50)]
    assert answers(**{"orders.eu": {"greater_than": 0}}) == [("EU", 150)]


def test_the_top_values_are_those_of_the_dimension_that_is_ranked_alone(store):
    top = {"field": "orders.status", "n": 1, "by": "orders.revenue", "others": None}
    question = asked("Sales", "orders.status", "customers.region", "orders.revenue", top=top)
    assert sorted(store.ask(question)) == [("paid", "EU", 130), ("paid", "US", 500)]


def test_a_ranking_of_the_model_does_not_reach_the_periods_of_a_time(store):
    view = FILES["orders.view"].replace(
        "ordered_at: {timeframes", "ordered_at: {dynamic_top_n: {n: 1, by: revenue}, timeframes"
    )
    of = model(store.engine.dialect, **{"orders.view": view})
    found = store.ask(asked("Sales", "orders.ordered_at[year]", "orders.revenue"), everything(of, "Sales"), of)
    assert [revenue for _, revenue in found] == [150, 561]


def test_a_query_view_does_not_take_over_a_filter_on_a_field_that_its_topic_does_not_offer(store):
    inner = "base_view: orders\nfields: [orders.customer_id, orders.revenue]\n"
    facts = FILES["customer_facts.query.view"].replace("base_view: orders", "topic: Inner\n  bind_all_filters: true")
    joined = """
- {join_from_view: orders, join_to_view: customer_facts, relationship_type: many_to_one,
   on_sql: "${orders.customer_id} = ${customer_facts.customer_id}"}
"""
    of = model(
        store.engine.dialect,
        **{"customer_facts.query.view": facts, "relationships": FILES["relationships"] + joined, "Inner.topic": inner,
           "Sales.topic": "base_view: orders\njoins: {customers: {}, customer_facts: {}}"},
    )  # fmt: skip
    for filters, best in (
        ({"orders.status": {"is": "open"}}, 150),
        ({"orders.customer_id": {"is": 1}}, 150),
        ({"orders.customer_id": {"is": 2}}, 30),
    ):
        question = asked("Sales", "customer_facts.best", filters=filters)
        assert store.ask(question, everything(of, "Sales"), of) == [(best,)]


def test_a_measure_that_cancels_one_filter_heeds_all_others(store):
    """Groups without rows of their own stay away; of conditions put together none can be cancelled."""
    filters = {"orders.status": {"is": "paid"}, "customers.region": {"is": "EU"}}
    fields = ("customers.region", "orders.revenue", "orders.all_revenue")
    assert store.ask(asked("Sales", *fields, filters=filters)) == [("EU", 130, 180)]
    either = {"or": [{"orders.status": {"is": "paid"}}, {"orders.amount": {"less_than": 15}}]}
    assert store.ask(asked("Sales", fields[1], filters=either)) == [(641,)]
    with pytest.raises(MalformedQueryError, match="“or” or “not”"):
        store.ask(asked("Sales", *fields[1:], filters=either))


def test_a_query_view_takes_over_no_condition_on_groups_so_that_a_total_is_over_its_rows_too(store):
    joined = """
- {join_from_view: orders, join_to_view: customer_facts, relationship_type: many_to_one,
   on_sql: "${orders.customer_id} = ${customer_facts.customer_id}"}
"""
    files = {
        "relationships": FILES["relationships"] + joined,
        "Sales.topic": "base_view: orders\njoins: {customers: {}, customer_facts: {}}",
    }

    def with_facts(text):
        facts = FILES["customer_facts.query.view"].replace("base_view: orders", f"base_view: orders\n  {text}")
        return model(store.engine.dialect, **files, **{"customer_facts.query.view": facts})

    found = with_facts("bind_all_filters: true")
    question = asked(
        "Sales", "customers.region", "customer_facts.count", filters={"orders.revenue": {"greater_than": 170}}
    )
    rights = everything(found, "Sales")
    assert sorted(store.ask(question, rights, found)) == [("EU", 2), ("US", 1)]
    assert store.ask(public_form(total_of(parse_query(question), found)), rights, found) == [(3,)]
    paid = question | {"filters": {"orders.status": {"is": "paid"}}}
    assert sum(row[1] for row in store.ask(paid, rights, found)) == 3
    assert with_facts("bind: {orders.status: orders.status}")
    with pytest.raises(ModelError, match=r"“orders\.count” is a measure"):
        with_facts("bind: {orders.status: orders.count}")


@pytest.mark.parametrize("taken", ["bind: {orders.ordered_at: orders.ordered_at}", "bind_all_filters: true"])
def test_a_filter_that_a_view_takes_over_cannot_follow_a_comparison(store, taken):
    joined = """
- {join_from_view: orders, join_to_view: customer_facts, relationship_type: many_to_one,
   on_sql: "${orders.customer_id} = ${customer_facts.customer_id}"}
"""
    facts = FILES["customer_facts.query.view"].replace("base_view: orders", f"base_view: orders\n  {taken}")
    of = model(
        store.engine.dialect,
        **{"customer_facts.query.view": facts, "relationships": FILES["relationships"] + joined,
           "Sales.topic": "base_view: orders\njoins: {customers: {}, customer_facts: {}}"},
    )  # fmt: skip
    rights = everything(of, "Sales")
    years = {"field": "orders.ordered_at", "offset": "1 year"}
    during = {"orders.ordered_at": {"is": "2024"}}
    for fields, compare, filters in (
        (["customer_facts.best"], None, during), (["customer_facts.best"], years, {}), (["orders.revenue"], years, during),
    ):  # fmt: skip
        question = asked("Sales", *fields, filters=filters)
        assert store.ask(question | ({"compare": compare} if compare else {}), rights, of)
    with pytest.raises(QueryError, match="takes over the filter on this time"):
        store.ask(asked("Sales", "customer_facts.best", filters=during) | {"compare": years}, rights, of)


def test_a_measure_cancels_and_moves_a_filter_that_the_model_names_by_a_former_name(store):
    renamed = FILES["orders.view"].replace("  status: {}", "  status: {aliases: [state]}").replace(
        "  ordered_at: {", "  ordered_at: {aliases: [placed_at], "
    )  # fmt: skip
    renamed = renamed.replace("filters: {status:", "filters: {state:").replace(
        "filters: {ordered_at:", "filters: {placed_at:"
    )
    found = model(store.engine.dialect, **{"orders.view": renamed})
    rights = everything(found, "Sales")
    within = {"between_dates": ["2026-01-01", "2027-01-01"]}
    for status, ordered_at in (("status", "ordered_at"), ("state", "placed_at")):
        paid = asked("Sales", "orders.revenue", "orders.all_revenue", filters={f"orders.{status}": {"is": "paid"}})
        assert store.ask(paid, rights, found) == [(630, 711)]
        moved = asked("Sales", "orders.last_year", filters={f"orders.{ordered_at}": within})
        assert store.ask(moved, rights, found) == [(150,)]


def test_groups_of_a_composite_are_chosen_under_a_former_name_of_what_is_asked(store):
    view = FILES["orders.view"].replace("  revenue: {", "  revenue: {aliases: [turnover], ")
    found = model(store.engine.dialect, **{"orders.view": view})
    rights, many = everything(found, "Both"), {"greater_than": 400}
    names = ("@Sales.orders.revenue", "@Sales.orders.turnover")
    for name, other in (names, names[::-1], (names[0], names[0])):
        assert store.ask(asked("Both", SHARED, name, filters={other: many}), rights, found) == [("US", 520)]
    with pytest.raises(MalformedQueryError, match="Ask for the measure"):
        store.ask(asked("Both", SHARED, names[0], filters={"@Sales.orders.count": many}), rights, found)


def test_topics_over_the_same_tables_keep_policies_of_the_same_form_apart(store):
    others = FILES["Both.composite_topic"].replace("Tickets", "Twin").replace("tickets.opened_on", "orders.ordered_at")
    found = model(store.engine.dialect, **{"Both.composite_topic": others, "Twin.topic": FILES["Sales.topic"]})
    rights = everything(found, "Both")
    ruled = {
        name: replace(rights.nested[name], topic_policies=(policy("customers.region", region),))
        for name, region in (("Sales", "EU"), ("Twin", "US"))
    }
    rights = replace(rights, nested={**rights.nested, **ruled})
    assert store.ask(asked("Both", "@Twin.orders.revenue"), rights, found) == [(520,)]
    assert store.ask(asked("Both", "@Sales.orders.revenue"), rights, found) == [(180,)]
    both = store.ask(asked("Both", SHARED, "@Sales.orders.revenue", "@Twin.orders.revenue"), rights, found)
    assert sorted(both) == [("EU", 180, None), ("US", None, 520)]
    compiled = compile_query(parse_query(asked("Both", "@Twin.orders.revenue")), model=found, scope=rights, today=TODAY)
    spoiled = tuple("Mars" if value == "US" else value for value in compiled.parameters)
    with pytest.raises(UnprovenSqlError):
        verify(replace(compiled, parameters=spoiled), model=found, scope=rights)


def test_a_filter_is_offset_by_a_length_of_time_or_not_at_all(store):
    within = {"orders.ordered_at": {"between_dates": ["2026-01-01", "2027-01-01"]}}
    question = asked("Sales", "orders.last_year", filters=within)

    def offset_by(text):
        view = FILES["orders.view"].replace("date_offset_from_query: 1 year", f"date_offset_from_query: {text}")
        return model(store.engine.dialect, **{"orders.view": view})

    for text in ("1 year", "12 months ago"):
        of = offset_by(text)
        assert store.ask(question, everything(of, "Sales"), of) == [(150,)]
    for text in ("soon", "1 fortnight", "-1 year"):
        with pytest.raises(ModelError, match="is no length of time"):
            offset_by(text)
