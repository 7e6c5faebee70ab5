"""Operators and their values: what they select, and what they refuse."""

from datetime import date

import duckdb
import pytest

from apps.semantic.compile import compile_query
from apps.semantic.compile.moments import Calendar, length, shifted
from apps.semantic.errors import MalformedQueryError
from apps.semantic.model.reading import read_model
from apps.semantic.model.types import Condition
from apps.semantic.query.reading import parse_query
from apps.semantic.scope import AccessScope
from apps.semantic.verify import verify
from tests.semantic import shop
from tests.semantic.shop import query


def is_(*values):
    return Condition("is", values)


SELECTED = [
    ("orders.status", is_("paid"), [1, 3, 4, 7]),
    ("orders.status", is_("paid", "open"), [1, 2, 3, 4, 7]),
    ("orders.status", is_(None), [5]),
    ("orders.status", is_("open", None), [2, 5]),
    ("orders.status", is_(), []),
    ("orders.odd", is_("falsey"), []),
    ("orders.status", Condition("not", ("paid",)), [2, 5, 6]),
    ("orders.status", Condition("not_is", ("paid",)), [2, 5, 6]),
    ("orders.status", Condition("not", (None,)), [1, 2, 3, 4, 6, 7]),
    ("orders.status", Condition("not", ("paid", None)), [2, 6]),
    ("orders.status", Condition("contains", ("%",)), [6]),
    ("orders.status", Condition("contains", ("a_d",)), []),
    ("orders.status", Condition("starts_with", ("pa", "op")), [1, 2, 3, 4, 7]),
    ("orders.status", Condition("ends_with", ("off!",)), [6]),
    ("orders.status", Condition("not_contains", ("a",)), [2, 5, 6]),
    ("orders.amount", is_(20.0), [5]),
    ("orders.amount", Condition("greater_than", (70,)), [1, 4]),
    ("orders.amount", Condition("greater_than_or_equal_to", (70,)), [1, 4, 6]),
    ("orders.amount", Condition("less_than", (20.5,)), [5, 7]),
    ("orders.amount", Condition("less_than_or_equal_to", (20,)), [5, 7]),
    ("orders.amount", Condition("between", (30, 70)), [2, 3, 6]),
    ("orders.amount", Condition("not_between", (30, 70)), [1, 4, 5, 7]),
    ("orders.is_test", is_(False), [1, 2, 3, 4, 5, 6, 7]),
    ("orders.is_test", is_(True), []),
    ("orders.is_test", is_("falsey"), [1, 2, 3, 4, 5, 6, 7]),
    ("orders.amount", Condition("or", children=(is_(11), Condition("greater_than", (400,)))), [4, 7]),
    ("orders.amount", Condition("and", children=(Condition("not", (100,)), Condition("less_than", (101,)))), [2, 3, 5, 6, 7]),
    ("orders.created_at", is_("2026-03-01"), [4]),
    ("orders.created_at", is_("2026-02"), [2, 3]),
    ("orders.created_at", is_("2025", "yesterday"), [6, 7]),
    ("orders.created_at", is_("2026-03-01 00:30:00"), [4]),
    ("orders.created_at", Condition("before", ("2026-02-01",)), [1, 6]),
    ("orders.created_at", Condition("on_or_after", ("this month",)), [4, 5, 7]),
    ("orders.created_at", Condition("time_for_duration", ("45 days ago", "45 days")), [1, 2, 3, 4, 5, 7]),
    ("orders.created_at", Condition("time_for_duration", ("1 complete month ago", "1 month")), [2, 3]),
    ("orders.created_at", Condition("between_dates", ("2026-02-28", "2026-03-02")), [3, 4]),
    ("orders.created_at[month]", is_("2026-02-01"), [2, 3]),
    ("orders.created_at[month_name]", is_("February"), [2, 3]),
    ("orders.created_at[hour_of_day]", Condition("less_than", (8,)), [4]),
    ("orders.paid_on", is_("2026-03-02"), [3]),
    ("orders.paid_on", is_(None), [2, 5, 6, 7]),
    ("orders.paid_on", Condition("not", ("2026-03-02",)), [1, 2, 4, 5, 6, 7]),
]  # fmt: skip


@pytest.mark.parametrize(("field", "condition", "ids"), SELECTED)
def test_a_condition_selects_its_rows_and_its_negation_all_others(ask, field, condition, ids):
    assert ask(query("orders.id", filters={field: condition})) == [(number,) for number in ids]


def with_local_time():
    """Return the shop with a moment that the table holds as the clock on the wall showed it."""
    local = shop.dimension("orders", "local_at", "created_at", type_="timestamp", converts_timezone=False)
    orders = shop.replace(shop.ORDERS, dimensions={**shop.ORDERS.dimensions, "local_at": local})
    topic = shop.replace(shop.SALES, fields=shop.ALL | {local.id})
    return shop.replace(shop.MODEL, views={**shop.VIEWS, "orders": orders}, topics={"Sales": topic})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("orders.created_at", "2026-03-01 01:30:00"), ("orders.created_at[hour]", "2026-03-01 01:00:00"),
        ("orders.local_at", "2026-03-01 00:30:00"), ("orders.paid_on", "2026-03-03"),
    ],
)  # fmt: skip
def test_only_stored_moments_are_compared_as_the_readers_clock_shows_them(ask, field, value):
    scope = shop.replace(shop.EVERYTHING, fields=shop.ALL | {"orders.local_at"})
    asked = query("orders.id", filters={field: is_(value)}, timezone="Europe/Oslo")
    assert ask(asked, scope, with_local_time()) == [(4,)]


def test_a_number_has_no_case_where_the_type_is_not_known():
    loose = shop.dimension("orders", "loose", "status", type_="unknown")
    orders = shop.replace(shop.ORDERS, dimensions={**shop.ORDERS.dimensions, "loose": loose})
    of = shop.replace(shop.MODEL, views={**shop.VIEWS, "orders": orders},
                      topics={"Sales": shop.replace(shop.SALES, fields=shop.ALL | {loose.id})})  # fmt: skip
    scope = shop.replace(shop.EVERYTHING, fields=shop.ALL | {loose.id})
    either = Condition("is", ("PAID", 7), is_case_insensitive=True)
    assert {"paid", 7} <= set(shop.compiled(query("orders.id", filters={loose.id: either}), scope, of).parameters)


REFUSED = [
    ("orders.status", is_(1)),
    ("orders.status", is_(True)),
    ("orders.status", Condition("greater_than", (1,))),
    ("orders.status", Condition("resembles", ("x",))),
    ("orders.status", Condition("contains", (1,))),
    ("orders.status", Condition("contains")),
    ("orders.status", Condition("day_of_week", (1,))),
    ("orders.status", Condition("and")),
    ("orders.amount", is_("1")),
    ("orders.amount", is_(True)),
    ("orders.amount", Condition("contains", ("1",))),
    ("orders.amount", Condition("greater_than", ("1",))),
    ("orders.amount", Condition("greater_than", (None,))),
    ("orders.amount", Condition("greater_than", (True,))),
    ("orders.amount", Condition("between", (1,))),
    ("orders.amount", Condition("before", ("today",))),
    ("orders.is_test", is_("true")),
    ("orders.created_at", is_(20260101)),
    ("orders.created_at", is_("2026-02-30")),
    ("orders.created_at", is_("soon")),
    ("orders.created_at", is_("99999 years ago")),
    ("orders.created_at", is_("٢٠٢٦-٠١-٠١")),
    ("orders.created_at", Condition("before", ("yesterday", "today"))),
    ("orders.created_at", Condition("between_dates", ("today",))),
    ("orders.created_at", Condition("day_of_week")),
    ("orders.created_at", Condition("time_for_duration", ("today", "a while"))),
    ("orders.created_at", Condition("time_for_duration", ("today", 90))),
    ("orders.created_at", Condition("time_for_duration", ("today", "99999 years"))),
    ("orders.revenue", is_("1")),
]


@pytest.mark.parametrize(("field", "condition"), REFUSED)
def test_a_value_or_operator_that_does_not_suit_is_refused_with_its_path(field, condition):
    with pytest.raises(MalformedQueryError) as error:
        shop.compiled(query("orders.id", filters={field: condition}))
    assert error.value.path == f"filters.{field}"


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("today", "2026-03-15"), ("tomorrow", "2026-03-16"), ("3 days ago", "2026-03-12"), ("2 weeks from now", "2026-03-29"),
        ("1 month ago", "2026-02-15"), ("last month", "2026-02-01"), ("next quarter", "2026-04-01"),
        ("this year", "2026-01-01"), ("this week", "2026-03-09"), ("2 complete quarters ago", "2025-07-01"),
    ],
)  # fmt: skip
def test_relative_dates_count_from_today(text, start):
    assert Calendar(shop.TODAY).period(text).start.date().isoformat() == start


def test_the_end_of_a_month_stays_in_the_month():
    march_31 = Calendar(shop.TODAY).period("2026-03-31").start
    assert shifted(march_31, -1, "month").date().isoformat() == "2026-02-28"
    assert shifted(march_31, *length("6 hours")).hour == 6


def test_falsey_of_a_column_without_a_type_is_false_or_nothing_and_no_text():
    of = read_model(
        {"s/a.view": "schema: s\ndimensions: {id: {primary_key: true}, is_test: {}}", "A.topic": "base_view: a"},
        dialect="duckdb",
    )
    with duckdb.connect() as rows:
        rows.execute(
            "CREATE SCHEMA s; CREATE TABLE s.a AS FROM (VALUES (1, true), (2, false), (3, NULL)) t(id, is_test)"
        )
        for value in ("x", "falsey"):  # a question of the same shape before it does not make it one
            asked = parse_query({"dataset": "A", "fields": ["a.id"], "filters": {"a.is_test": {"is": value}}})
            scope = AccessScope("A", of.topics["A"].fields)
            found = compile_query(asked, model=of, scope=scope, today=date(2026, 1, 1))
            verify(found, model=of, scope=scope)
        assert rows.execute(found.sql, list(found.parameters)).fetchall() == [(2,), (3,)]
