"""What an answer says of its columns: types and labels; and days and clocks that no time zone moves."""

import pytest

from apps.semantic.compile import compile_query
from apps.semantic.query.reading import parse_query
from tests.semantic.features.store import FILES, TODAY, ask, everything, model

MORE = """dimensions:
  best_ids: {sql: "${customer_id}", dynamic_top_n: {n: 1, by: revenue}}
  best_days: {sql: ordered_at, timeframes: [date, month], dynamic_top_n: {n: 1, by: revenue}}
"""


@pytest.mark.parametrize(
    ("name", "type_", "label"),
    [
        ("orders.ordered_at", "timestamp", "Ordered at"), ("orders.ordered_at[raw]", "timestamp", "Ordered at"),
        ("orders.ordered_at[month]", "date", "Ordered at month"),
        ("orders.ordered_at[day_of_month]", "number", "Ordered at day of month"),
        ("orders.ordered_at[month_name]", "string", "Ordered at month name"), ("orders.delivery[days]", "number", "Delivery days"),
        ("orders.amount", "number", "Amount"), ("orders.best_ids", "string", "Best ids"),
        ("orders.best_days", "string", "Best days"), ("orders.best_days[month]", "date", "Best days month"),
        ("orders.revenue", "number", "Revenue"), ("orders.states", "string", "States"),
    ],
)  # fmt: skip
def test_a_column_has_the_type_and_label_of_what_is_shown(name, type_, label):
    of = model(**{"orders.view": FILES["orders.view"].replace("dimensions:\n", MORE, 1)})
    asked = parse_query(ask("Sales", name))
    (column,) = compile_query(asked, model=of, scope=everything(of, "Sales"), today=TODAY).columns
    assert (column.name, column.type, column.label) == (name, type_, label)


def test_days_and_clocks_that_are_local_already_are_not_moved_to_the_readers_zone(store):
    if store.engine.dialect == "mysql":
        pytest.skip("may have no time zones")
    local = "dimensions:\n  local_at: {sql: ordered_at, convert_tz: false, timeframes: [hour_of_day]}\n"
    orders = FILES["orders.view"].replace("dimensions:\n", local, 1)
    customers = FILES["customers.view"].replace("sql: CAST(born AS DATE)", "sql: CAST('1990-01-01' AS DATE)")
    of = model(store.engine.dialect, **{"orders.view": orders, "customers.view": customers})
    asked = ask(
        "Sales", "orders.ordered_at[hour_of_day]", "orders.local_at[hour_of_day]", "customers.born[month]",
        filters={"orders.id": {"is": 1}}, timezone="America/New_York",
    )  # fmt: skip
    ((hour, own, born),) = store.ask(asked, everything(of, "Sales"), of)
    assert (hour, own, born.isoformat()) == (18, 23, "1990-01-01")
