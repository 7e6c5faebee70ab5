"""Composite topics: what is shared by which topic, and what chooses groups after the parts are put together."""

from dataclasses import replace

import pytest

from apps.semantic.errors import MalformedQueryError, UnknownDatasetError
from tests.semantic.features.store import FILES, ask, everything, model

REGION, MONTH = "@_shared_dimensions_.region", "@_shared_dimensions_.month"
REVENUE, TICKETS = "@Sales.orders.revenue", "@Tickets.tickets.count"


def changed(store, *changes):
    text = FILES["Both.composite_topic"]
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return model(store.engine.dialect, **{"Both.composite_topic": text})


def test_all_topics_are_joined_where_the_composite_says_so(store):
    whole = changed(store, ("topics:", "always_join_all_topics: true\ntopics:"))
    question = ask("Both", MONTH, REVENUE, sorts=[{"field": MONTH}])
    months = [(month.isoformat()[:7], revenue) for month, revenue in store.ask(question)]
    assert months == [("2025-01", 100), ("2025-02", 50), ("2026-01", 30), ("2026-02", 520), ("2026-03", 11)]
    found = store.ask(question, everything(whole, "Both"), whole)
    assert [(month.isoformat()[:7], revenue) for month, revenue in found] == sorted([*months, ("2025-03", None)])


def test_groups_are_chosen_after_the_parts_are_put_together(store):
    fields = [REGION, REVENUE, TICKETS]
    assert store.ask(ask("Both", *fields, filters={REVENUE: {"greater_than": 200}})) == [("US", 520, 1)]
    assert store.ask(ask("Both", *fields, filters={TICKETS: {"is": None}})) == [(None, 11, None)]
    assert store.ask(ask("Both", *fields, filters={REVENUE: {"is": None}})) == []
    with pytest.raises(MalformedQueryError, match="Ask for the measure"):
        store.ask(ask("Both", *fields, filters={"@Sales.orders.count": {"greater_than": 0}}))


def test_a_topic_whose_rights_are_missing_is_unknown(store):
    whole = everything(store.model, "Both")
    less = replace(whole, nested={name: scope for name, scope in whole.nested.items() if name != "Tickets"})
    assert len(store.ask(ask("Both", REGION, REVENUE), less)) == 3
    with pytest.raises(UnknownDatasetError):
        store.ask(ask("Both", REGION, REVENUE, TICKETS), less)


def test_a_dimension_of_one_topic_cannot_stand_beside_others(store):
    with pytest.raises(MalformedQueryError, match="use a shared dimension"):
        store.ask(ask("Both", REGION, REVENUE, "@Sales.orders.status"))
    assert len(store.ask(ask("Both", REGION, REVENUE))) == 3
