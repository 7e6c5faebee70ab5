"""Measures over rows that a join repeats or misses: what each adds up, and what needs a key."""

import pytest

from apps.semantic.errors import FanOutError
from tests.semantic.features.store import FILES, ask, everything, model

WRITTEN = """measures:
  all: {sql: "COUNT(1)"}
  priced: {sql: "COUNT(${amount})"}
  unpaid: {sql: "SUM(CASE WHEN ${status} = 'open' THEN ${amount} ELSE 0 END)"}
  largest: {sql: "MAX(${amount})"}
  kinds: {sql: "COUNT(DISTINCT ${status})"}
  credit_of_buyers: {sql: "SUM(${customers.credit})"}
  credit_of_orders: {aggregate_type: sum, sql: "${customers.credit}"}
  credit_by_buyer: {aggregate_type: sum_distinct_on, sql: "${customers.credit}", custom_primary_key_sql: "${customers.id}"}
  amount_and_credit: {sql: "SUM(amount + ${customers.credit})"}
  of_x_per_customer: {aggregate_type: max, sql: "${amount}", filters: {items.sku: {is: x}},
                      level_of_detail: {aggregate_type: sum, fixed: [customers.id]}}
"""
KEY = "primary_key: true"


def written(store, **changes):
    view = FILES["orders.view"].replace("measures:\n", WRITTEN, 1)
    return model(store.engine.dialect, **({"orders.view": view} | changes))


def without_keys(store, name, **changes):
    view = FILES[name].replace("measures:\n", WRITTEN, 1) if name == "orders.view" else FILES[name]
    return model(store.engine.dialect, **{name: view.replace(KEY, ""), **changes})


def asker(store, of):
    return lambda dataset, *fields: store.ask(ask(dataset, *fields), everything(of, dataset), of)


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("all", 6),
        ("priced", 6),
        ("credit_of_buyers", 425),
        ("credit_of_orders", 600),
        ("credit_by_buyer", 425),
        ("amount_and_credit", 1300),
    ],
)
def test_an_aggregate_counts_each_row_of_what_it_names_once(store, name, total):
    asked = asker(store, written(store))
    assert asked("Sales", f"orders.{name}") == [(total,)]
    assert asked("Sales", f"orders.{name}", "items.sold", "payments.total") == [(total, 650, 630)]


def test_a_written_aggregate_passes_over_rows_that_a_left_join_missed(store):
    asked = asker(store, written(store))
    assert dict(asked("People", "customers.name", "orders.all")) == {"Ola": 2, "Kari": 1, "Joe": 2, "Mia": 0}
    assert dict(asked("People", "customers.name", "orders.unpaid")) == {"Ola": 50, "Kari": 0, "Joe": 0, "Mia": None}


@pytest.mark.parametrize(
    ("name", "of_skus"),
    [
        ("largest", {"x": 100, "y": 100, "z": 500, None: 30}), ("kinds", {"x": 2, "y": 1, "z": 1, None: 2}),
        ("per_status", None), ("per_customer", {"x": 150, "y": 150, "z": 520, None: 187}),
    ],
)  # fmt: skip
def test_what_no_repetition_changes_needs_no_key(store, name, of_skus):
    if name == "per_status" and store.engine.dialect == "mysql":
        pytest.skip(
            "runs on DuckDB and PostgreSQL: which of several amounts counts for a key is up to MySQL, plan by plan"
        )
    asked = asker(store, without_keys(store, "orders.view"))
    found = dict(asked("Sales", "items.sku", f"orders.{name}"))
    assert of_skus is None or found == of_skus
    for other in ("all", "priced", "revenue"):
        with pytest.raises(FanOutError):
            asked("Sales", "items.sku", f"orders.{other}")


def test_rows_without_a_key_can_be_counted_where_other_rows_are_repeated(store):
    asked = asker(store, without_keys(store, "orders.view"))
    assert asked("Sales", "orders.revenue", "customers.credits") == [(711, 425)]


@pytest.mark.parametrize(("kind", "count"), [("inner", 4), ("right_left", 5), ("always_left", None)])
def test_rows_that_a_join_cannot_miss_are_counted_without_a_key(store, kind, count):
    on = '"${orders.id} = ${items.order_id}"'
    lines = f"""base_view: orders
joins: {{items: {{}}}}
relationships:
  - {{join_from_view: orders, join_to_view: items, relationship_type: one_to_many, join_type: {kind}, on_sql: {on}}}
"""
    asked = asker(store, without_keys(store, "items.view", **{"Lines.topic": lines}))
    if count is not None:
        assert asked("Lines", "items.count") == [(count,)]
        return
    with pytest.raises(FanOutError):
        asked("Lines", "items.count")


def test_the_filters_of_a_level_of_detail_find_their_rows(store):
    asked = asker(store, written(store))
    assert asked("Sales", "orders.of_x_per_customer") == [(150,)]
    assert asked("People", "orders.of_x_per_customer") == [(150,)]


@pytest.mark.parametrize(
    ("strategy", "field", "largest"),
    [
        ("exclude: [orders.status]", "orders.status", {"paid": 500, "open": 50, "lost": 11, None: 20}),
        ("exclude: [orders.ordered_at]", "orders.ordered_at[year]", {2025: 100, 2026: 500}),
        ('exclude: ["orders.ordered_at[year]"]', "orders.ordered_at[year]", {2025: 100, 2026: 500}),
    ],
)
def test_a_dimension_that_a_level_of_detail_excludes_is_not_in_its_grain(store, strategy, field, largest):
    lines = f"""measures:
  of_all: {{aggregate_type: sum, sql: "${{amount}}", level_of_detail: {{aggregate_type: sum, {strategy}}}}}
  each: {{aggregate_type: max, sql: "${{amount}}"}}
"""
    asked = asker(
        store, model(store.engine.dialect, **{"orders.view": FILES["orders.view"].replace("measures:\n", lines, 1)})
    )
    found = asked("Sales", field, "orders.of_all", "orders.each")
    assert {getattr(value, "year", value): each for value, _, each in found} == largest
    assert {total for _, total, _ in found} == {711}
