"""Columns of an answer: their types, labels, order and zone."""

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
        pytest.skip(
            "runs on DuckDB and PostgreSQL: MySQL and MariaDB know zones only after mysql_tzinfo_to_sql has loaded them"
        )
    local = "dimensions:\n  local_at: {sql: ordered_at, convert_tz: false, timeframes: [hour_of_day]}\n"
    orders = FILES["orders.view"].replace("dimensions:\n", local, 1)
    customers = FILES["customers.view"].replace("sql: CAST(born AS DATE)", "sql: CAST('1990-01-01' AS DATE)")
    of = model(store.engine.dialect, **{"orders.view": orders, "customers.view": customers})
    asked = ask(
        "Sales", "orders.ordered_at[hour_of_day]", "orders.local_at[hour_of_day]", "orders.ordered_at[raw]", "customers.born[month]",
        filters={"orders.id": {"is": 1}}, timezone="America/New_York",
    )  # fmt: skip
    ((hour, own, raw, born),) = store.ask(asked, everything(of, "Sales"), of)
    assert (hour, own, raw.hour, born.isoformat()) == (18, 23, 23, "1990-01-01")


def test_a_moment_may_be_asked_for_by_every_clock_unit(store):
    frames = ("hour", "minute", "second", "millisecond")
    orders = FILES["orders.view"].replace(
        "timeframes: [raw, date, week", f"timeframes: [raw, {', '.join(frames)}, date, week", 1
    )
    of = model(store.engine.dialect, **{"orders.view": orders})
    names = [f"orders.ordered_at[{frame}]" for frame in frames]
    asked = ask("Sales", *names, "orders.ordered_at[raw]", filters={"orders.id": {"is": 1}})
    (found,) = store.ask(asked, everything(of, "Sales"), of)
    assert len(set(found)) > 1
    moment = found[-1]
    assert found[:-1] == (moment.replace(minute=0, second=0), moment.replace(second=0), moment, moment)
    later = ask("Sales", names[0], filters={names[0]: {"on_or_after": moment.replace(minute=0).isoformat(sep=" ")}})
    assert (found[0],) in store.ask(later, everything(of, "Sales"), of)


@pytest.mark.parametrize(("others", "type_"), [("Other", "string"), (None, "number")])
def test_top_values_are_texts_where_the_rest_stands_beside_them(others, type_):
    top = {"field": "orders.amount", "n": 1, "by": "orders.revenue", "others": others}
    asked = parse_query(ask("Sales", "orders.amount", "orders.revenue", top=top))
    compiled = compile_query(asked, model=model(), scope=everything(model(), "Sales"), today=TODAY)
    assert [column.type for column in compiled.columns] == [type_, "number"]


def test_answers_are_in_the_order_of_their_first_time_and_else_of_their_first_measure(store):
    by_time = store.ask(ask("Sales", "orders.status", "orders.ordered_at"))
    assert [status for status, _ in by_time] == ["paid", "open", "paid", "paid", None, "lost"]
    by_revenue = store.ask(ask("Sales", "orders.delivery[days]", "orders.revenue"))
    assert [revenue for _, revenue in by_revenue] == [500, 100, 70, 41]


def test_conditions_on_conditions_do_not_tear_them_apart(store):
    lines = """dimensions:
  is_else: {sql: "NOT (${status} = 'paid')"}
  is_either: {sql: "${status} = 'open' OR ${amount} > 60"}
"""
    of = model(store.engine.dialect, **{"orders.view": FILES["orders.view"].replace("dimensions:\n", lines, 1)})

    def ids(name, wanted):
        question = ask("Sales", "orders.id", filters={f"orders.{name}": {"is": wanted}})
        return [number for (number,) in store.ask(question, everything(of, "Sales"), of)]

    assert [ids("is_else", wanted) for wanted in (True, False, None)] == [[2, 6], [1, 3, 4], [5]]
    assert [ids("is_either", wanted) for wanted in (True, False, None)] == [[1, 2, 4], [3, 6], [5]]
