"""Names in a question: who may use them, and in which place."""

from dataclasses import replace

import pytest

from apps.semantic.errors import MalformedQueryError, UnknownDatasetError, UnknownFieldError
from tests.semantic.features.store import FILES, ask, everything, model, policy

WANTED = {"orders.wanted": {"is": "open"}}


def test_a_filter_only_field_that_is_not_in_the_scope_is_unknown(store):
    whole = everything(store.model, "Sales")
    question = ask("Sales", "orders.wanted_orders", filters=WANTED)
    assert store.ask(question, whole) == [(1,)]
    with pytest.raises(UnknownFieldError):
        store.ask(question, replace(whole, fields=whole.fields - {"orders.wanted"}))


def test_a_filter_only_field_has_a_condition_of_its_own_until_another_is_given(store):
    view = FILES["orders.view"].replace("wanted: {type: string}", "wanted: {type: string, default_filter: {is: paid}}")
    of = model(store.engine.dialect, **{"orders.view": view})
    for filters, count in (({}, 3), (WANTED, 1)):
        question = ask("Sales", "orders.wanted_orders", filters=filters)
        assert store.ask(question, everything(of, "Sales"), of) == [(count,)]


def test_a_field_under_a_former_name_is_closed_with_its_own_one(store):
    view = FILES["orders.view"].replace("  status: {}", "  status: {aliases: [state]}").replace(
        '  revenue: {', '  revenue: {aliases: [turnover], '
    )  # fmt: skip
    of = model(store.engine.dialect, **{"orders.view": view})
    whole = everything(of, "Sales")
    for former, own in (("orders.state", "orders.status"), ("orders.turnover", "orders.revenue")):
        assert store.ask(ask("Sales", former), whole, of) == store.ask(ask("Sales", own), whole, of)
        for closed in (former, own):
            with pytest.raises(UnknownFieldError):
                store.ask(ask("Sales", former), replace(whole, fields=whole.fields - {closed}), of)
    both = {"orders.state": {"not": "lost"}, "orders.status": {"not": "open"}}
    assert store.ask(ask("Sales", "orders.count", filters=both), whole, of) == [(4,)]


def test_a_field_that_rests_on_a_view_that_the_data_set_does_not_join_is_unknown(store):
    spent = 'measures:\n  spent: {aggregate_type: sum, sql: "${orders.amount}"}\n'
    view = FILES["customers.view"].replace("measures:\n", spent, 1)
    of = model(store.engine.dialect, **{"customers.view": view})
    tickets = everything(of, "Tickets")
    for name in ("customers.lifetime", "customers.spent"):
        assert store.ask(ask("Sales", name), everything(of, "Sales"), of)
        with pytest.raises(UnknownFieldError):
            store.ask(ask("Tickets", name), replace(tickets, fields=tickets.fields | {name}), of)


def test_a_data_set_that_is_not_in_the_model_is_unknown_also_to_who_has_rights_on_it(store):
    whole = everything(store.model, "Sales")
    assert store.ask(ask("Sales", "orders.count"), whole) == [(6,)]
    with pytest.raises(UnknownDatasetError):
        store.ask(ask("Nowhere", "orders.count"), replace(whole, topic="Nowhere"))


FIELDS = ("orders.status", "orders.revenue")
MISPLACED = {
    "a measure that is pivoted": ({"pivots": ["orders.revenue"]}, {"pivots": ["orders.status"]}),
    "a subtotal of a measure": ({"subtotals": ["orders.revenue"]}, {"subtotals": ["orders.status"]}),
    "the top of a measure": (
        {"top": {"field": "orders.revenue", "n": 1, "by": "orders.count"}},
        {"top": {"field": "orders.status", "n": 1, "by": "orders.count"}},
    ),
    "a ranking by a dimension": (
        {"top": {"field": "orders.status", "n": 1, "by": "orders.status"}},
        {"top": {"field": "orders.status", "n": 1, "by": "orders.revenue"}},
    ),
    "a comparison along a text": (
        {"compare": {"field": "orders.status", "offset": "1 year"}},
        {"compare": {"field": "orders.ordered_at", "offset": "1 year"}},
    ),
    "a comparison along a measure": (
        {"compare": {"field": "orders.revenue", "offset": "1 year"}},
        {"compare": {"field": "orders.shipped_at", "offset": "1 year"}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISPLACED)
def test_a_field_in_a_place_that_is_not_for_its_kind_is_malformed(store, name):
    bad, good = MISPLACED[name]
    assert store.ask(ask("Sales", *FIELDS, **good))
    with pytest.raises(MalformedQueryError):
        store.ask(ask("Sales", *FIELDS, **bad))


@pytest.mark.parametrize("place", ["pivots", "subtotals", "sorts", "top", "compare"])
def test_a_forbidden_field_is_unknown_in_every_place(store, place):
    whole = everything(store.model, "Sales")
    closed = "orders.ordered_at" if place == "compare" else "orders.status"
    given = {
        "pivots": ["orders.status"], "subtotals": ["orders.status"], "sorts": [{"field": "orders.status"}],
        "top": {"field": "orders.status", "n": 1, "by": "orders.revenue", "others": None},
        "compare": {"field": "orders.ordered_at", "offset": "1 year"},
    }[place]  # fmt: skip
    fields = ("orders.revenue",) if place in ("top", "compare") else FIELDS
    question = ask("Sales", *fields, **{place: given})
    assert store.ask(question, whole)
    with pytest.raises(UnknownFieldError):
        store.ask(question, replace(whole, fields=whole.fields - {closed}))


def test_a_field_that_orders_another_orders_it_for_those_who_may_see_it(store):
    view = FILES["customers.view"].replace("name: {}", "name: {order_by_field: credit}", 1)
    view = view.replace("born: {", "born: {order_by_field: credit, ")
    of = model(store.engine.dialect, **{"customers.view": view})
    whole = everything(of, "People")
    less = replace(whole, fields=whole.fields - {"customers.credit"})

    def order(name, scope):
        return [value for (value,) in store.ask(ask("People", name), scope, of)]

    assert order("customers.name", whole) == ["Joe", "Ola", "Kari", "Mia"]
    assert order("customers.name", less) == ["Joe", "Kari", "Mia", "Ola"]
    years = [day and day.year for day in order("customers.born[year]", whole)]
    assert years == [1985, 1990, 2001, None]


def test_two_spellings_of_one_column_are_one_column(store):
    more = "  region: {}\n  upper: {sql: 'UPPER(Region)'}\n  again: {sql: REGION}\n"
    of = model(store.engine.dialect, **{"customers.view": FILES["customers.view"].replace("  region: {}\n", more, 1)})
    fields = ("customers.region", "customers.upper", "customers.again")
    for rights in (
        everything(of, "People"),
        everything(of, "People", row_policies={"customers": (policy("customers.again", "EU"),)}),
        everything(of, "People", topic_policies=(policy("customers.again", "EU"),)),
    ):
        found = store.ask(ask("People", *fields, filters={"customers.upper": {"is": "EU"}}), rights, of)
        assert found == [("EU", "EU", "EU")]
    view = {
        "v.view": "sql: SELECT c.name AS Name FROM omni_store.customers AS c\ndimensions: {name: {}, up: {sql: 'UPPER(Name)'}}\n",
        "V.topic": "base_view: v",
    }
    named = model(store.engine.dialect, **view)
    rows = store.ask(ask("V", "v.name", "v.up"), everything(named, "V"), named)
    assert rows
    assert all(up == name.upper() for name, up in rows)
