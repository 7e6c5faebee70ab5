"""Moments in conditions on days: a day begins before the moments in it."""

from dataclasses import replace

import pytest

from apps.semantic.errors import MalformedQueryError
from tests.semantic.features.store import FILES, ask, everything, model

# Tickets are of 5 January 2025, 1 March 2025 and 11 February 2026.
CONDITIONS = [
    ({"before": "2025-03-01 12:00"}, [1, 2]),
    ({"before": "2025-03-01 00:00"}, [1]),
    ({"before": "2025-03-01"}, [1]),
    ({"not_before": "2025-03-01 12:00"}, [3]),
    ({"on_or_after": "2025-03-01 12:00"}, [3]),
    ({"on_or_after": "2025-03-01 00:00:00"}, [2, 3]),
    ({"time_for_duration": ["2025-02-28", "36 hours"]}, [2]),
    ({"time_for_duration": ["2025-02-28", "24 hours"]}, []),
    ({"between_dates": ["2025-01-05 12:00", "2026-02-11 12:00"]}, [2, 3]),
    ({"not_between_dates": ["2025-01-05 12:00", "2026-02-11 12:00"]}, [1]),
    ({"is": "2025-03-01 12:00"}, []),
    ({"is": "2025-03-01 00:00"}, [2]),
    ({"is": ["2025-03-01 12:00", "2025-01-05"]}, [1]),
    ({"not": "2025-03-01 12:00"}, [1, 2, 3]),
]


@pytest.fixture(scope="module")
def of(store):
    view = FILES["tickets.view"].replace("opened_on: {", "opened_on: {sql: CAST(opened_on AS DATE), ")
    return model(store.engine.dialect, **{"tickets.view": view})


@pytest.mark.parametrize("name", ["tickets.opened_on", "tickets.opened_on[date]"])
@pytest.mark.parametrize(("condition", "expected"), CONDITIONS)
def test_days_are_compared_with_moments(store, of, name, condition, expected):
    rows = store.ask(ask("Tickets", "tickets.id", filters={name: condition}), everything(of, "Tickets"), of)
    assert sorted(number for (number,) in rows) == expected


def test_a_topics_own_filter_by_a_moment_is_proven(store):
    files = {
        "tickets.view": FILES["tickets.view"].replace("opened_on: {", "opened_on: {sql: CAST(opened_on AS DATE), "),
        "Tickets.topic": 'base_view: tickets\njoins: {customers: {}}\nalways_where_filters: {opened_on: {before: "2025-03-01 12:00"}}',
    }
    of = model(store.engine.dialect, **files)
    assert store.ask(ask("Tickets", "tickets.id", sorts=[{"field": "tickets.id"}]), everything(of, "Tickets"), of) == [
        (1,),
        (2,),
    ]


@pytest.mark.parametrize(
    ("zone", "condition"), [("Europe/Oslo", {"is": "0001-01-01"}), ("America/New_York", {"before": "9999-12-31 23:00"})]
)
def test_no_moment_is_before_the_first_year_or_after_the_last_one(store, zone, condition):
    question = ask("Sales", "orders.count", filters={"orders.ordered_at": condition}, timezone=zone)
    with pytest.raises(MalformedQueryError, match="exists"):
        store.text(question)
    in_utc = question | {"timezone": "UTC"}
    assert store.ask(in_utc) == ([(0,)] if "is" in condition else [(6,)])


def test_no_day_comes_after_the_last_one(store, of):
    with pytest.raises(MalformedQueryError):
        store.ask(
            ask("Tickets", "tickets.id", filters={"tickets.opened_on": {"before": "9999-12-31 12:00"}}),
            everything(of, "Tickets"),
            of,
        )


def test_what_topics_share_is_a_text_in_all_where_one_of_them_masks_it(store):
    shared = "@_shared_dimensions_.n"
    credit = "  credit: {sql: CAST(limit_ AS INT), mask: redact, mask_unless_access_grants: [sees_mail]}"
    view = FILES["customers.view"].replace("  credit: {sql: CAST(limit_ AS INT)}", credit)
    view = view.replace("  credit_band: {sql: limit_, bin_boundaries: [100, 200]}\n", "")
    composite = "topics: [Sales, Tickets]\nshared_dimensions:\n  n: {mappings: {Sales: customers.credit, Tickets: tickets.minutes}}\n"
    of = model(store.engine.dialect, **{"customers.view": view, "Both.composite_topic": composite})
    question = ask("Both", shared, "@Sales.orders.revenue", "@Tickets.tickets.count")
    scope = everything(of, "Both")
    clear = store.ask(question, scope, of)
    assert sorted(clear, key=str) == [
        (10, None, 1),
        (100, 150, None),
        (20, None, 1),
        (250, 30, None),
        (5, None, 1),
        (75, 520, None),
        (None, 11, None),
    ]
    nested = dict(scope.nested)
    nested["Sales"] = everything(of, "Sales", masked=frozenset({"customers.credit"}))
    masked = store.ask(question, replace(scope, nested=nested), of)
    assert sorted(masked, key=str) == [
        ("10", None, 1),
        ("20", None, 1),
        ("5", None, 1),
        ("•••", 700, None),
        (None, 11, None),
    ]
