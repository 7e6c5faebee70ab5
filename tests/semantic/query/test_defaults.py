"""What holds where a question does not say."""

from datetime import date

import pytest

from apps.semantic.compile import compile_query
from apps.semantic.model.reading import read_model
from apps.semantic.query.defaults import with_defaults
from apps.semantic.query.reading import parse_query
from apps.semantic.query.writing import defaults_of, public_form
from apps.semantic.scope import AccessScope
from apps.semantic.verify import verify
from tests.semantic.features.store import FILES, ask, everything, model

SUGGESTING = (
    FILES["Sales.topic"]
    + """
default_row_limit: 3
default_filters: {orders.status: {is: paid}, orders.ordered_at: {on_or_after: '2026-01-01'}}
"""
)
ZONE = "query_timezone: Asia/Tokyo\n"


@pytest.fixture(scope="module")
def suggesting():
    return model("duckdb", **{"Sales.topic": SUGGESTING, "model": FILES["model"] + ZONE})


def said(question, of, fields=None):
    fields = of.topics[question["dataset"]].fields if fields is None else fields
    return public_form(with_defaults(parse_query(question), of, fields))


def test_what_a_question_leaves_open_is_the_models(suggesting):
    found = said(ask("Sales", "orders.status"), suggesting)
    assert (found["limit"], found["timezone"], found["filters"]) == (3, "Asia/Tokyo", {})
    own = said(ask("Sales", "orders.status", limit=7, timezone="Europe/Oslo"), suggesting)
    assert (own["limit"], own["timezone"]) == (7, "Europe/Oslo")
    for half, limit, zone in (({"limit": 7}, 7, "Asia/Tokyo"), ({"timezone": "Europe/Oslo"}, 3, "Europe/Oslo")):
        found = said(ask("Sales", "orders.status", **half), suggesting)
        assert (found["limit"], found["timezone"]) == (limit, zone)
    plain = said(ask("Sales", "orders.status"), model("duckdb"))
    assert (plain["limit"], plain["timezone"]) == (1000, "UTC")


def test_suggested_filters_hold_where_they_are_wanted_and_the_question_says_nothing_itself(suggesting):
    wanted = ask("Sales", "orders.status", default_filters=True)
    assert said(wanted, suggesting)["filters"] == {
        "orders.status": {"is": ["paid"]}, "orders.ordered_at": {"on_or_after": "2026-01-01"},
    }  # fmt: skip
    said_otherwise = {"limit": 7, "timezone": "Europe/Oslo"}
    assert set(said(wanted | said_otherwise, suggesting)["filters"]) == {"orders.status", "orders.ordered_at"}
    own = said(
        wanted
        | {
            "filters": {
                "orders.ordered_at[year]": {"is": 2025},
                "or": [{"orders.status": {"is": "open"}}, {"orders.id": {"is": 1}}],
            }
        },
        suggesting,
    )
    assert set(own["filters"]) == {"orders.ordered_at[year]", "or"}


def test_a_suggestion_on_a_field_that_somebody_may_not_use_is_not_there_for_them(suggesting):
    less = suggesting.topics["Sales"].fields - {"orders.status"}
    wanted = ask("Sales", "orders.count", default_filters=True)
    assert "orders.status" not in said(wanted, suggesting, less)["filters"]
    assert "orders.status" not in defaults_of("Sales", suggesting, less)["filters"]
    assert "orders.status" in defaults_of("Sales", suggesting, less | {"orders.status"})["filters"]
    scope = AccessScope("Sales", less)
    compiled = compile_query(parse_query(wanted), model=suggesting, scope=scope, today=date(2026, 3, 15))
    verify(compiled, model=suggesting, scope=scope)
    assert "status" not in compiled.sql


def test_defaults_decide_rows_and_moments(suggesting):
    scope = everything(suggesting, "Sales")
    asked = ask("Sales", "orders.ordered_at[date]", "orders.count")
    found = compile_query(parse_query(asked), model=suggesting, scope=scope, today=date(2026, 3, 15))
    assert found.row_limit == 3
    assert "Asia/Tokyo" in found.parameters
    wanted = asked | {"default_filters": True}
    assert (
        "paid" in compile_query(parse_query(wanted), model=suggesting, scope=scope, today=date(2026, 3, 15)).parameters
    )


def test_a_models_limit_is_each_topics():
    of = read_model(
        {"model": "default_row_limit: 9", "s/a.view": "dimensions: {b: {}}", "A.topic": "base_view: a"},
        dialect="duckdb",
    )
    assert said({"dataset": "A", "fields": ["a.b"]}, of)["limit"] == 9
