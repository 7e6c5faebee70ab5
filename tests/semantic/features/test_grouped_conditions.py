"""Conditions in groups: ``and`` is no other question; what takes a condition for its own takes none from ``or`` and ``not``."""

import pytest

from apps.semantic.errors import MalformedQueryError
from apps.semantic.query.reading import parse_query
from apps.semantic.query.totals import total_of
from apps.semantic.query.writing import public_form
from tests.semantic.features.store import FILES, ask, everything, model

OPEN = {"orders.status": {"is": "open"}}
LARGE = {"orders.amount": {"greater_than": 20}}
ALONE = "takes the condition on this one by itself"
JOINED = """
- {join_from_view: orders, join_to_view: customer_facts, relationship_type: many_to_one,
   on_sql: "${orders.customer_id} = ${customer_facts.customer_id}"}
"""


def taking_over(store, rule):
    facts = FILES["customer_facts.query.view"].replace("base_view: orders", f"base_view: orders\n  {rule}")
    return model(
        store.engine.dialect,
        **{
            "relationships": FILES["relationships"] + JOINED,
            "customer_facts.query.view": facts,
            "Sales.topic": "base_view: orders\njoins: {customers: {}, customer_facts: {}}",
        },
    )


def counting(store):
    """Return the store with counts of what the filters of the question choose, by template and by value."""
    lines = """
  chosen: {sql: "COUNT(CASE WHEN {{# orders.status.filter }} ${status} {{/ orders.status.filter }} THEN 1 END)"}
  named: {sql: "COUNT(CASE WHEN ${status} = {{filters.orders.wanted.value}} THEN 1 END)"}
"""
    view = FILES["orders.view"].replace("\nmeasures:\n", f"\nmeasures:{lines}", 1)
    return model(store.engine.dialect, **{"orders.view": view})


def asked(store, of, *fields, filters):
    return store.ask(ask("Sales", *fields, filters=filters), everything(of, "Sales"), of)


@pytest.mark.parametrize("rule", ["bind: {orders.status: orders.status}", "bind_all_filters: true"])
def test_a_query_view_takes_over_a_condition_that_holds_whatever_else_does(store, rule):
    of = taking_over(store, rule)
    for filters in (OPEN, {"and": [OPEN]}, {"or": [{"and": [OPEN]}]}, {"and": [{"and": [OPEN, LARGE]}]}):
        assert asked(store, of, "customer_facts.best", filters=filters) == [(50,)]
    for filters in ({"or": [OPEN, LARGE]}, {"not": OPEN}, {"and": [LARGE, {"not": OPEN}]}):
        with pytest.raises(MalformedQueryError, match=ALONE) as refusal:
            asked(store, of, "customer_facts.best", filters=filters)
        assert refusal.value.path in ("filters.orders.status", "filters.orders.amount")
    assert asked(store, of, "orders.revenue", filters={"or": [OPEN, LARGE]}) == [(680,)]
    groups = {"or": [{"orders.revenue": {"is": 50}}, {"orders.revenue": {"is": 30}}]}
    assert asked(store, of, "orders.id", "customer_facts.best", filters=groups) == [(2, 150), (3, 30)]


def test_a_measure_cancels_a_condition_that_holds_whatever_else_does(store):
    fields = "orders.revenue", "orders.all_revenue"
    for filters in (OPEN, {"and": [OPEN]}, {"and": [{"and": [OPEN]}]}, {"or": [OPEN]}):
        assert asked(store, store.model, *fields, filters=filters) == [(50, 711)]
    for filters in ({"or": [OPEN, LARGE]}, {"not": OPEN}):
        with pytest.raises(MalformedQueryError, match=ALONE):
            asked(store, store.model, *fields, filters=filters)
    assert asked(store, store.model, "orders.revenue", filters={"or": [OPEN, LARGE]}) == [(680,)]
    either = {"or": [{"orders.id": {"is": 1}}, LARGE]}
    assert asked(store, store.model, *fields, filters=either) == [(680, 680)]


def test_a_measure_moves_a_condition_that_holds_whatever_else_does(store):
    early = {"orders.ordered_at": {"before": "2026-02-01"}}
    for filters in (early, {"and": [early]}):
        assert asked(store, store.model, "orders.revenue", "orders.last_year", filters=filters) == [(180, 100)]
    for filters in ({"or": [early, LARGE]}, {"not": {"orders.ordered_at[year]": {"is": "2026"}}}):
        with pytest.raises(MalformedQueryError, match=ALONE):
            asked(store, store.model, "orders.last_year", filters=filters)


def test_a_template_takes_a_condition_that_holds_whatever_else_does(store):
    of = counting(store)
    for filters in (OPEN, {"and": [OPEN]}):
        assert asked(store, of, "orders.chosen", filters=filters) == [(1,)]
    # Without a condition of its own it takes whatever there is.
    assert asked(store, of, "orders.chosen", filters=LARGE) == [(4,)]
    for filters in ({"or": [OPEN, LARGE]}, {"not": OPEN}):
        with pytest.raises(MalformedQueryError, match=ALONE):
            asked(store, of, "orders.chosen", filters=filters)
    wanted = {"orders.wanted": {"is": "open"}}
    for filters in (wanted, {"and": [wanted]}, {"and": [wanted, LARGE]}):
        assert asked(store, of, "orders.wanted_orders", "orders.named", filters=filters) == [(1, 1)]
    with pytest.raises(MalformedQueryError, match="stands for no column"):
        asked(store, of, "orders.wanted_orders", filters={"or": [wanted, LARGE]})


def test_two_conditions_on_one_field_are_both_taken(store):
    of = counting(store)
    filters = {"orders.status": {"is": ["open", "paid"]}, "and": [{"orders.status": {"contains": "o"}}]}
    assert asked(store, of, "orders.chosen", "orders.revenue", "orders.all_revenue", filters=filters) == [(1, 50, 711)]


def test_what_holds_together_is_one_question_however_it_is_written(store):
    flat = ask("Sales", "orders.revenue", filters={**LARGE, **OPEN, "orders.count": {"greater_than": 0}})
    together = [LARGE, {**OPEN, "orders.count": {"greater_than": 0}}]
    assert parse_query(flat) == parse_query({**flat, "filters": {"and": together}})
    assert store.text(flat) == store.text({**flat, "filters": {"and": together}})
    assert store.ask(flat) == [(50,)]


def test_groups_of_one_kind_are_written_and_read_again(store):
    groups = [{"or": [OPEN, LARGE]}, {"or": [OPEN, {"orders.id": {"is": 4}}]}, {"not": {"orders.id": {"is": 2}}}]
    question = parse_query(ask("Sales", "orders.revenue", filters={**LARGE, "and": groups}))
    assert parse_query(public_form(question)) == question
    assert store.ask(public_form(question)) == [(500,)]
    assert store.ask(public_form(total_of(question, store.model))) == [(500,)]
