"""Answers of compiled queries against hand-written SQL over the same rows."""

from datetime import date

import pytest

from apps.semantic.model.types import Condition
from tests.semantic import shop
from tests.semantic.shop import query

REAL = "FROM shop.orders o LEFT JOIN shop.customers c ON o.customer_id = c.id WHERE NOT o.is_test"


def test_a_dimension_and_a_measure_equal_hand_written_sql(ask, rows):
    expected = rows.execute(f"SELECT c.region, SUM(o.amount) {REAL} GROUP BY 1 ORDER BY 2 DESC NULLS LAST").fetchall()
    assert ask(query("customers.region", "orders.revenue")) == expected


def test_dimensions_come_first_whatever_the_order_asked_for(ask):
    compiled = shop.compiled(query("orders.count", "orders.status", "orders.revenue", "customers.region"))
    names = ["orders.status", "customers.region", "orders.count", "orders.revenue"]
    assert [column.name for column in compiled.columns] == names
    assert [column.is_measure for column in compiled.columns] == [False, False, True, True]


def test_the_always_filter_holds_without_being_asked_for(ask):
    assert ask(query("orders.count")) == [(7,)]


def test_every_aggregate_equals_hand_written_sql(ask, rows):
    fields = ("orders.revenue", "orders.direct_revenue", "orders.average_amount", "orders.smallest", "orders.largest",
              "orders.buyers", "orders.count", "orders.mean")  # fmt: skip
    sums = "SUM(amount), SUM(amount), AVG(amount), MIN(amount), MAX(amount), COUNT(DISTINCT c.email), COUNT(*)"
    expected = rows.execute(f"SELECT {sums}, SUM(amount) / COUNT(*) {REAL}").fetchall()
    assert ask(query(*fields)) == expected


def test_a_filtered_measure_counts_only_its_rows(ask, rows):
    expected = rows.execute(
        f"SELECT c.region, SUM(CASE WHEN o.status = 'paid' THEN o.amount END) {REAL} GROUP BY 1 ORDER BY 1 NULLS LAST"
    ).fetchall()
    assert ask(query("customers.region", "orders.paid_revenue", sorts=[("customers.region", False)])) == expected


def test_a_ratio_of_measures_divides_the_sums(ask):
    assert ask(
        query("customers.region", "orders.paid_share", filters={"customers.region": Condition("is", ("EU",))})
    ) == [("EU", pytest.approx(130 / 180))]


def test_filters_of_an_expression_reach_all_of_its_parts(ask):
    assert ask(query("orders.european_share")) == [(1.0,)]


def test_a_left_join_keeps_rows_without_a_match(ask):
    assert (None, 1) in ask(query("customers.region", "orders.count"))


def test_unused_joins_are_left_out_and_inner_joins_are_not(ask):
    assert "customers" not in shop.compiled(query("orders.count")).sql
    inner = shop.replace(shop.EVERYTHING, topic="Inner")
    compiled = shop.compiled(query("orders.count", dataset="Inner"), inner)
    assert "INNER JOIN" in compiled.sql
    assert ask(query("orders.count", dataset="Inner"), inner) == [(7,)]  # eight orders, one without a customer


def test_a_measure_filter_narrows_groups(ask):
    above = {"orders.revenue": Condition("greater_than", (100,))}
    assert ask(query("customers.region", "orders.count", filters=above)) == [("EU", 3), ("US", 2)]


def test_rows_are_cut_one_after_the_limit_so_that_the_cut_shows(ask):
    compiled = shop.compiled(query("orders.id", limit=2))
    assert compiled.row_limit == 2
    assert compiled.sql.endswith("LIMIT 3")
    assert len(ask(query("orders.id", limit=2))) == 3


def test_the_scope_caps_the_limit():
    capped = shop.replace(shop.EVERYTHING, max_rows=5)
    assert shop.compiled(query("orders.id", limit=1000), capped).row_limit == 5


def test_order_is_total_and_empty_values_come_last(ask):
    found = ask(query("orders.status", "orders.id", sorts=[("orders.status", True)]))
    assert [row[0] for row in found][-1] is None
    assert [row[1] for row in found if row[0] == "paid"] == [1, 3, 4, 7]


def test_the_first_time_dimension_orders_by_default(ask):
    found = ask(query("orders.status", "orders.created_at[month]", "orders.count"))
    assert [row[1] for row in found] == sorted(row[1] for row in found)


def test_months_follow_the_clock_of_the_readers_time_zone(ask):
    by_month = query("orders.created_at[month]", "orders.count")
    assert ask(by_month)[1] == (date(2026, 1, 1), 1)
    oslo = ask(query("orders.created_at[month]", "orders.count", timezone="Europe/Oslo"))
    assert oslo == [(date(2025, 12, 1), 1), (date(2026, 2, 1), 2), (date(2026, 3, 1), 4)]


def test_bounds_of_dates_are_meant_in_the_readers_time_zone(ask):
    in_february = {"orders.created_at": Condition("between_dates", ("2026-02-01", "2026-03-01"))}
    assert ask(query("orders.id", filters=in_february)) == [(2,), (3,)]
    assert ask(query("orders.id", filters=in_february, timezone="Europe/Oslo")) == [(1,), (2,)]


@pytest.mark.parametrize(("week_start", "monday_first"), [(0, [date(2026, 3, 9)]), (6, [date(2026, 3, 8)])])
def test_weeks_begin_on_the_models_first_day(ask, week_start, monday_first):
    asked = query("orders.created_at[week]", filters={"orders.id": Condition("is", (7,))})
    assert [row[0] for row in ask(asked, of=shop.model(week_start=week_start))] == monday_first


@pytest.mark.parametrize(
    ("timeframe", "value"),
    [
        ("date", date(2026, 3, 14)), ("quarter", date(2026, 1, 1)), ("year", date(2026, 1, 1)), ("hour_of_day", 12),
        ("day_of_week_num", 6), ("day_of_week_name", "Saturday"), ("month_num", 3), ("month_name", "March"),
        ("quarter_of_year", 1),
    ],
)  # fmt: skip
def test_timeframes_cut_a_moment(ask, timeframe, value):
    asked = query(f"orders.created_at[{timeframe}]", filters={"orders.id": Condition("is", (7,))})
    assert ask(asked) == [(value,)]


def test_the_weekday_number_counts_from_the_models_first_day(ask):
    asked = query("orders.created_at[day_of_week_num]", filters={"orders.id": Condition("is", (7,))})
    assert ask(asked, of=shop.model(week_start=6)) == [(7,)]


def test_percent_signs_in_names_and_literals_survive(ask):
    assert ask(query("orders.odd", "orders.bonus", filters={"orders.id": Condition("is", (1,))})) == [("a", "round %s")]
    text = shop.compiled(query("orders.odd", "orders.bonus"), of=shop.model("postgres")).sql
    assert '"100%% s"' in text
    assert "'round %%s'" in text
    assert " %% 100" in text


def test_a_measure_of_a_joined_view_that_a_join_repeats_counts_each_of_its_rows_once(ask):
    # Ola has two orders and Joe two; each fee counts once in its group and once in all.
    assert dict(ask(query("orders.status", "customers.fees"))) == {"paid": 21, "open": 5, "50%_off!": 1, None: 9}
    assert ask(query("customers.fees")) == [(22,)]
    assert ask(query("orders.status", "customers.emails"))[0] == ("paid", 3)


def test_rows_that_a_join_repeats_cannot_be_counted_without_a_key(ask):
    keyless = shop.without_keys(shop.MODEL, "customers")
    with pytest.raises(shop.FanOutError):
        shop.compiled(query("orders.status", "customers.fees"), of=keyless)
    assert shop.compiled(query("orders.status", "customers.emails"), of=keyless)


def test_a_one_to_many_join_moves_the_grain_to_its_view(ask):
    assert ask(query("orders.status", "items.sold", "items.count", filters={"orders.id": Condition("is", (1, 2, 3))})) == [
        ("paid", 100, 2), ("open", 50, 1)
    ]  # fmt: skip
    assert dict(ask(query("items.sku", "orders.revenue"))) == {"x": 150, "y": 100, "z": 500, None: 131}
    assert ask(query("orders.revenue", "items.sold")) == [(781, 650)]


def test_a_query_without_measures_lists_distinct_values(ask):
    assert ask(query("customers.region")) == [("ASIA",), ("EU",), ("US",), (None,)]


def test_the_text_never_holds_a_value():
    secret = "O'Brien; DROP TABLE x --"
    compiled = shop.compiled(query("orders.count", filters={"orders.status": Condition("is", (secret,))}))
    assert secret in compiled.parameters
    assert "Brien" not in compiled.sql
