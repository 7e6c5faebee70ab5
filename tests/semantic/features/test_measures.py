"""Measures that a model writes out in SQL, and measures that give back a date or a text."""

from datetime import date

import pytest

from apps.semantic.errors import FanOutError, MalformedQueryError, ModelError
from tests.semantic.features.store import FILES, ask, model

WRITTEN = """
  rows_of_it: {sql: "COUNT(*)"}
  rows_twice: {sql: "COUNT(*) + ${rows_of_it}"}
  value_of_row: {sql: "SUM(${amount}) * 1.0 / NULLIF(COUNT(*), 0)"}
  paid_rows: {sql: "COUNT(*)", filters: {status: {is: paid}}}
  first_day: {aggregate_type: min, sql: "${ordered_at[date]}"}
  last_state: {aggregate_type: max, sql: "${state}"}
  largest: {aggregate_type: max, sql: "${amount}"}
  most_days: {aggregate_type: max, sql: "${ordered_at[date]}", level_of_detail: {aggregate_type: count, fixed: [orders.status]}}
"""
STATE = "  state: {sql: \"CASE WHEN ${status} = 'paid' THEN 'paid' ELSE 'other' END\"}\n"


def written(dialect="duckdb", *more):
    text = FILES["orders.view"].replace("filters:\n", STATE + "filters:\n", 1) + WRITTEN.lstrip("\n") + "".join(more)
    return model(dialect, **{"orders.view": text})


@pytest.fixture(scope="module")
def extended(store):
    return written(store.engine.dialect)


@pytest.mark.parametrize("fields", [(), ("customers.region",), ("items.sku",), ("customers.region", "items.price")])
def test_counting_rows_in_sql_is_counting_rows(store, extended, fields):
    """A row that an outer join did not find is none, and one that a join repeats is one."""
    for dataset in ("Sales", "People"):
        counted = store.ask(ask(dataset, *fields, "orders.count"), of=extended)
        assert len(counted) > (1 if fields else 0)
        assert store.ask(ask(dataset, *fields, "orders.rows_of_it"), of=extended) == counted
        twice = [(*row[:-1], 2 * row[-1]) for row in counted]
        assert store.ask(ask(dataset, *fields, "orders.rows_twice"), of=extended) == twice


def test_rows_counted_in_sql_heed_filters_and_make_ratios(store, extended):
    assert store.ask(ask("Sales", "orders.rows_of_it", "orders.paid_rows"), of=extended) == [(6, 3)]
    assert [float(row[0]) for row in store.ask(ask("Sales", "orders.value_of_row"), of=extended)] == [118.5]


def test_rows_that_an_outer_join_may_not_have_found_are_not_counted_without_a_key(store):
    text = FILES["tickets.view"].replace("id: {primary_key: true}", "id: {}").replace(
        "measures: {", 'measures: {rows_of_it: {sql: "COUNT(*)"}, given: {sql: "COUNT(COALESCE(${minutes}, 0))"}, '
    )  # fmt: skip
    changed = {
        "tickets.view": text, "Served.topic": "base_view: customers\njoins: {tickets: {}}",
        "relationships": FILES["relationships"].replace(
            "- {join_from_view: tickets, join_to_view: customers, relationship_type: many_to_one,",
            "- {join_from_view: tickets, join_to_view: customers, relationship_type: many_to_one, reversible: true,",
        ),
    }  # fmt: skip
    keyless = model(store.engine.dialect, **changed)
    for name in ("rows_of_it", "given"):
        assert store.ask(ask("Tickets", f"tickets.{name}"), of=keyless) == [(3,)]
        with pytest.raises(FanOutError):
            store.ask(ask("Served", f"tickets.{name}"), of=keyless)
    keyed = model(store.engine.dialect, **changed | {"tickets.view": text.replace("id: {}", "id: {primary_key: true}")})
    assert store.ask(ask("Served", "tickets.rows_of_it", "tickets.given"), of=keyed) == [(3, 3)]


@pytest.mark.parametrize(
    "sql",
    [
        "COUNT(DISTINCT *)",
        "SUM(*)",
        "COUNT(orders.*)",
        "*",
        "COUNT(*, 1)",
        "MAX(*)",
        "COUNT(DISTINCT ${id}, ${status})",
    ],
)
def test_a_star_stands_for_rows_in_a_count_and_nowhere_else(sql):
    assert written("duckdb", '  again: {sql: "COUNT(*)"}\n').measure("orders.again") is not None
    with pytest.raises(ModelError):
        written("duckdb", f'  again: {{sql: "{sql}"}}\n')


def test_a_dimension_counts_no_rows():
    with pytest.raises(ModelError, match="aggregate"):
        model(**{"items.view": FILES["items.view"].replace("sku: {}", 'sku: {}, rows: {sql: "COUNT(*)"}')})


def test_the_first_and_the_last_of_dates_and_texts_are_dates_and_texts(store, extended):
    types = {
        name: extended.measure(f"orders.{name}").type for name in ("first_day", "last_state", "largest", "most_days")
    }
    assert types == {"first_day": "date", "last_state": "string", "largest": "number", "most_days": "number"}
    rows = store.ask(ask("Sales", "customers.region", "orders.first_day", "orders.last_state"), of=extended)
    assert sorted(rows, key=str) == sorted(
        [("EU", date(2025, 1, 31), "paid"), ("US", date(2026, 2, 1), "paid"), (None, date(2026, 3, 14), "other")], key=str
    )  # fmt: skip
    since = {"orders.first_day": {"on_or_after": "2026-01-01"}}
    found = store.ask(ask("Sales", "customers.region", "orders.first_day", filters=since), of=extended)
    assert sorted(found, key=str) == sorted([("US", date(2026, 2, 1)), (None, date(2026, 3, 14))], key=str)
    named = {"orders.last_state": {"contains": "oth"}}
    assert store.ask(ask("Sales", "customers.region", "orders.last_state", filters=named), of=extended) == [
        (None, "other")
    ]
    with pytest.raises(MalformedQueryError, match="for numbers"):
        store.ask(ask("Sales", "orders.first_day", filters={"orders.first_day": {"greater_than": 3}}), of=extended)
    with pytest.raises(MalformedQueryError):
        store.ask(ask("Sales", "orders.largest", filters={"orders.largest": {"contains": "x"}}), of=extended)


OWN_BESIDE = """
  paid_anyway: {aggregate_type: sum, sql: "${amount}", filters: {status: {cancel_query_filter: true, is: paid}}}
  paid_too: {aggregate_type: sum, sql: "${amount}", filters: {status: {cancel_query_filter: false, is: paid}}}
  early_last_year: {aggregate_type: sum, sql: "${amount}",
    filters: {ordered_at: {date_offset_from_query: 1 year, before: '2025-02-01'}}}
"""


def test_a_measures_own_condition_stands_beside_what_it_makes_of_the_querys(store):
    of = written(store.engine.dialect, OWN_BESIDE)
    sums = ("orders.paid_anyway", "orders.paid_too")
    assert store.ask(ask("Sales", *sums), of=of) == [(630, 630)]
    open_ones = {"orders.status": {"is": "open"}}
    assert store.ask(ask("Sales", *sums, filters=open_ones), of=of) == [(630, None)]
    within = {"orders.ordered_at": {"between_dates": ["2026-01-01", "2026-03-01"]}}
    fields = ("orders.last_year", "orders.early_last_year")
    assert store.ask(ask("Sales", *fields, filters=within), of=of) == [(150, 100)]


def test_a_filter_of_the_query_is_moved_or_not_heeded():
    both = OWN_BESIDE.replace(
        "date_offset_from_query: 1 year", "date_offset_from_query: 1 year, cancel_query_filter: true"
    )
    with pytest.raises(ModelError, match="moved or not heeded, not both"):
        written("duckdb", both)
