"""What chooses groups, and what chooses rows by time, is proven too: without it, or with another, nothing is accepted."""

import hashlib
from dataclasses import replace
from functools import cache

import pytest

from apps.semantic.compile import CompiledQuery, compile_query
from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import SemanticModel
from apps.semantic.query.reading import parse_query
from apps.semantic.verify import verify
from tests.semantic.features.store import FILES, TODAY, everything, model

DIALECTS = ("duckdb", "postgres", "mysql", "spark")
HAVING = {
    "filters": "always_having_filters: {orders.revenue: {greater_than: 5}, orders.count: {not: [77, 78]}}\n",
    "between": "always_having_filters: {orders.revenue: {between: [5, 900]}}\n",
    "either": "always_having_filters: {orders.count: {or: [{is: [3, null]}, {greater_than: 9}]}}\n",
    "sql": 'always_having_sql: "${orders.count} > 1 AND ${orders.revenue} < 100000"\n',
    "attribute": 'always_having_sql: "${orders.revenue} > {{omni_attributes.least}}"\n',
    "ratio": "always_having_filters: {customers.credits: {greater_than: 1}}\n",
    "detail": "always_having_filters: {orders.per_customer: {greater_than: 1}}\n",
    "filtered": "always_having_filters: {orders.paid: {greater_than: 1}, orders.last_year: {less_than: 5}}\n",
    "distinct": "always_having_filters: {orders.per_status: {greater_than_or_equal_to: 1}}\n",
}  # fmt: skip
QUESTIONS = {
    "grouped": {"fields": ["orders.status", "orders.revenue"]},
    "repeated": {"fields": ["customers.region", "customers.count"]},
    "rows": {"fields": ["orders.status"]},
    "whole": {"fields": ["orders.average"], "filters": {"orders.count": {"greater_than": 2}}},
    "ranked": {"fields": ["orders.best_customers", "orders.revenue"]},
    "detailed": {"fields": ["customers.lifetime", "orders.count"]},
    "compared": {
        "fields": ["orders.ordered_at[month]", "orders.revenue"],
        "compare": {"field": "orders.ordered_at[month]", "offset": "1 year"},
    },
}


@cache
def model_of(dialect: str, rule: str) -> SemanticModel:
    return model(dialect, **{"Sales.topic": FILES["Sales.topic"].rstrip() + "\n" + rule})


def compiled(dialect: str, rule: str, question: dict, dataset: str = "Sales") -> CompiledQuery:
    of = model_of(dialect, rule)
    return compile_query(parse_query({"dataset": dataset, **question}), model=of, scope=scope(of, dataset), today=TODAY)


def scope(of: SemanticModel, dataset: str = "Sales"):
    return replace(everything(of, dataset), attributes={"least": (5,), "region": ("EU",)})


def accepts(dialect: str, rule: str, found: CompiledQuery, sql: str = "", values: tuple | None = None) -> bool:
    of, text = model_of(dialect, rule), sql or found.sql
    changed = replace(
        found, sql=text, shape=hashlib.sha256(text.encode()).hexdigest(),
        parameters=found.parameters if values is None else values,
    )  # fmt: skip
    try:
        verify(changed, model=of, scope=scope(of))
    except UnprovenSqlError:
        return False
    return True


@pytest.mark.parametrize("question", sorted(QUESTIONS))
@pytest.mark.parametrize("rule", sorted(HAVING))
@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_conditions_on_groups_are_proven_wherever_groups_are_made(dialect: str, rule: str, question: str) -> None:
    found = compiled(dialect, HAVING[rule], QUESTIONS[question])
    assert "HAVING" in found.sql
    assert accepts(dialect, HAVING[rule], found)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_same_statement_without_its_conditions_is_refused(dialect: str) -> None:
    for name, question in QUESTIONS.items():
        bare = compiled(dialect, "", question)
        assert accepts(dialect, "", bare), name
        assert not accepts(dialect, HAVING["filters"], bare), name


SPOILED = {
    "gone": (" > {} AND", " > {} OR"),
    "other operator": ("AS INT)) > {}", "AS INT)) >= {}"),
    "beside it": ("AS INT)) > {}", "AS INT)) > {} OR TRUE"),
    "no aggregate": ("HAVING SUM(CAST(", "HAVING (CAST("),
    "another column": ('HAVING SUM(CAST("orders"."amount"', 'HAVING SUM(CAST("orders"."status"'),
    "literal": ("AS INT)) > {}", "AS INT)) > 0"),
}


@pytest.mark.parametrize("spoiled", sorted(SPOILED))
@pytest.mark.parametrize("dialect", ["duckdb", "postgres"])
def test_a_spoiled_condition_on_groups_is_refused(dialect: str, spoiled: str) -> None:
    found = compiled(dialect, HAVING["filters"], QUESTIONS["grouped"])
    mark = "%s" if dialect == "postgres" else "?"
    old, new = (text.format(mark) for text in SPOILED[spoiled])
    assert found.sql.count(old) >= 1
    assert accepts(dialect, HAVING["filters"], found)
    assert not accepts(dialect, HAVING["filters"], found, found.sql.replace(old, new, 1))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_condition_on_groups_has_the_models_values(dialect: str) -> None:
    for rule in ("filters", "attribute"):
        found = compiled(dialect, HAVING[rule], QUESTIONS["grouped"])
        place = found.parameters.index(5)
        lower = (*found.parameters[:place], 4, *found.parameters[place + 1 :])
        assert accepts(dialect, HAVING[rule], found)
        assert not accepts(dialect, HAVING[rule], found, values=lower)


def test_the_readers_own_condition_does_not_stand_in_for_the_data_sets() -> None:
    own = compiled("duckdb", "", QUESTIONS["grouped"] | {"filters": {"orders.revenue": {"greater_than": 4}}})
    assert accepts("duckdb", "", own)
    rule = "always_having_filters: {orders.revenue: {greater_than: 5}}\n"
    assert not accepts("duckdb", rule, own)


DATES = {
    "relative": "{time_for_duration: [90 days ago, 90 days]}",
    "from": "{on_or_after: 2020-01-01}",
    "until": "{before: 2030-01-01}",
    "between": "{between_dates: [2020-01-01, 2030-01-01]}",
    "year": "{is: '2026'}",
    "years": "{is: ['2025', '2026', null]}",
    "moment": "{not: '2026-01-01 10:00'}",
    "not before": "{not_before: 2020-01-01}",
    "calendar": "{day_of_week: [monday, 3]}",
    "either": "{or: [{before: 2021-01-01}, {on_or_after: last month}]}",
}
FIELDS = ("orders.ordered_at", "orders.ordered_at[month]", "customers.born", "customers.born[year]")


@pytest.mark.parametrize("zone", ["UTC", "Europe/Oslo"])
@pytest.mark.parametrize("date", sorted(DATES))
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_topics_own_filter_on_time_is_proven_by_its_operator(dialect: str, date: str, zone: str) -> None:
    for field in FIELDS:
        rule = f"always_where_filters: {{'{field}': {DATES[date]}}}\n"
        question = {"fields": ["orders.status", "orders.count"], "timezone": zone}
        found = compiled(dialect, rule, question)
        assert accepts(dialect, rule, found), field
        assert not accepts(dialect, rule, compiled(dialect, "", question)), field


OPPOSITES = {
    "day": ("{is: '2026-01-01'}", "{not: '2026-01-01'}"),
    "moment": ("{is: '2026-01-01 10:00'}", "{not: '2026-01-01 10:00'}"),
    "before": ("{before: 2020-01-01}", "{not_before: 2020-01-01}"),
    "from": ("{on_or_after: 2020-01-01}", "{not_on_or_after: 2020-01-01}"),
    "calendar": ("{day_of_week: [monday]}", "{not_day_of_week: [monday]}"),
    "between": ("{between_dates: [2020-01-01, 2030-01-01]}", "{not_between_dates: [2020-01-01, 2030-01-01]}"),
    "either": (
        "{or: [{before: 2030-01-01}, {on_or_after: 2021-01-01}]}",
        "{and: [{before: 2030-01-01}, {on_or_after: 2021-01-01}]}",
    ),
}


@pytest.mark.parametrize("name", OPPOSITES)
@pytest.mark.parametrize("field", ["orders.ordered_at", "customers.born"])
def test_the_opposite_of_a_topics_own_filter_on_time_is_not_taken_for_it(name: str, field: str) -> None:
    question = {"fields": ["orders.status", "orders.count"]}
    rules = [f"always_where_filters: {{'{field}': {condition}}}\n" for condition in OPPOSITES[name]]
    for rule, other in (rules, rules[::-1]):
        assert accepts("duckdb", rule, compiled("duckdb", rule, question))
        assert not accepts("duckdb", rule, compiled("duckdb", other, question))


def test_a_filter_on_another_time_is_not_taken_for_the_topics_own() -> None:
    question = {"fields": ["orders.status", "orders.count"]}
    rules = [
        f"always_where_filters: {{orders.{name}: {{before: 2030-01-01}}}}\n" for name in ("ordered_at", "shipped_at")
    ]
    for rule, other in (rules, rules[::-1]):
        assert accepts("duckdb", rule, compiled("duckdb", rule, question))
        assert not accepts("duckdb", rule, compiled("duckdb", other, question))


@pytest.mark.parametrize(("old", "new"), [(", 0)", ", 5)"), (", 0)", ", 0, 5)"), (", 0)", ")")])
def test_what_stands_around_a_measure_in_a_condition_on_groups_is_the_models(old: str, new: str) -> None:
    rule = 'always_having_sql: "COALESCE(${orders.count}, 0) > 1"\n'
    found = compiled("duckdb", rule, QUESTIONS["grouped"])
    assert accepts("duckdb", rule, found)
    assert found.sql.count(old) == 1
    assert not accepts("duckdb", rule, found, found.sql.replace(old, new))


SPOILED_DATES = {
    "always": ('WHERE "orders"."ordered_at" >= CAST({} AS TIMESTAMP)', 'WHERE (NOT "orders"."ordered_at" IS NULL OR CAST({} AS TIMESTAMP) IS NULL)'),
    "other way": ('"ordered_at" >= ', '"ordered_at" <= '),
    "beside it": ("AS TIMESTAMP) GROUP", 'AS TIMESTAMP) OR "orders"."ordered_at" IS NULL GROUP'),
}  # fmt: skip


@pytest.mark.parametrize("spoiled", sorted(SPOILED_DATES))
@pytest.mark.parametrize("dialect", ["duckdb", "postgres"])
def test_another_condition_on_the_same_time_is_refused(dialect: str, spoiled: str) -> None:
    rule = "always_where_filters: {orders.ordered_at: {on_or_after: 90 days ago}}\n"
    found = compiled(dialect, rule, {"fields": ["orders.status", "orders.count"]})
    mark = "%s" if dialect == "postgres" else "?"
    old, new = (text.format(mark) for text in SPOILED_DATES[spoiled])
    assert old in found.sql
    assert accepts(dialect, rule, found)
    assert not accepts(dialect, rule, found, found.sql.replace(old, new, 1))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_date_of_the_model_is_bound_as_it_stands_there(dialect: str) -> None:
    rule = "always_where_filters: {customers.born: {on_or_after: 1980-01-01}}\n"
    found = compiled(dialect, rule, {"fields": ["orders.count"]})
    assert accepts(dialect, rule, found)
    earlier = tuple("1900-01-01" if value == "1980-01-01" else value for value in found.parameters)
    assert earlier != found.parameters
    assert not accepts(dialect, rule, found, values=earlier)


@pytest.mark.parametrize(
    "rule",
    [
        "always_where_filters: {orders.status: {or: [{is: paid}, {contains: p}]}}\n",
        "always_where_filters: {orders.amount: {and: [{greater_than: 1}, {not: 7}]}}\n",
        "always_where_filters: {orders.status: {is: paid, case_insensitive: true}}\n",
        "always_where_filters: {'orders.ordered_at[day_of_week_name]': {is: Monday}}\n",
        "always_where_filters: {'orders.ordered_at[hour_of_day]': {between: [1, 23]}}\n",
    ],
)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_filters_of_several_parts_are_proven_as_well(dialect: str, rule: str) -> None:
    question = {"fields": ["customers.region", "orders.count"]}
    assert accepts(dialect, rule, compiled(dialect, rule, question))
    assert not accepts(dialect, rule, compiled(dialect, "", question))
