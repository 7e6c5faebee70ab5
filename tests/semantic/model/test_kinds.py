"""Types: what adds up texts, compares them with numbers, or cuts numbers into months is found where it is written."""

import pytest

from apps.semantic.errors import ModelError, Problem
from apps.semantic.model.kinds import Columns, check_kinds, kind_of_column
from apps.semantic.model.reading import read_model
from tests.semantic.model.files import JOIN, SHOP, dimensions, with_field

CATALOGUE: Columns = {
    "orders": {
        "id": "number", "customer_id": "number", "status": "string", "amount": "number", "placed": "timestamp",
        "is_test": "boolean", "paid_on": "date",
    },
    "customers": {"id": "number", "region": "string", "email": "string"},
}  # fmt: skip


def from_files(files: dict[str, str], dialect: str = "duckdb") -> list[str]:
    """Return what the reader says, with nothing known of the source."""
    try:
        found = read_model(SHOP | files, dialect=dialect).warnings
    except ModelError as error:
        found = error.problems
    return [str(item) for item in found]


def from_catalogue(files: dict[str, str], dialect: str = "duckdb", columns: Columns = CATALOGUE) -> list[Problem]:
    """Return what the checks say once the columns' types are known; the files alone must be without fault."""
    return list(check_kinds(read_model(SHOP | files, dialect=dialect), columns))


@pytest.mark.parametrize(
    "text",
    [
        "{aggregate_type: sum, sql: \"CASE WHEN amount > 5 THEN 'big' ELSE 'small' END\"}",
        "{aggregate_type: average, sql: 'UPPER(status)'}",
        "{aggregate_type: median, sql: 'CAST(amount AS VARCHAR)'}",
        "{aggregate_type: percentile, percentile: 90, sql: \"status || 'x'\"}",
        "{aggregate_type: sum, sql: 'CAST(placed AS DATE)'}",
        "{aggregate_type: sum, sql: '${placed}'}",
        "{aggregate_type: average, sql: '${amount} > 5'}",
        "{sql: 'SUM(LOWER(status)) / COUNT(id)'}",
        "{aggregate_type: sum, sql: '${placed[month_name]}'}",
    ],
)
def test_a_number_is_never_made_of_what_is_none(text: str) -> None:
    found = from_files(with_field("measures", text))
    assert len(found) == 1
    assert found[0].startswith("shop/orders.view.yaml:")
    assert "“orders.x”: " in found[0]
    assert "warning" not in found[0]


@pytest.mark.parametrize(
    "text",
    [
        "{aggregate_type: sum, sql: '${amount}'}",
        "{aggregate_type: sum, sql: 'CASE WHEN amount > 5 THEN 1 ELSE 0 END'}",
        "{aggregate_type: sum, sql: 'CAST(status AS INT)'}",
        "{aggregate_type: sum, sql: 'amount > 5'}",
        "{aggregate_type: average, sql: 'LENGTH(status)'}",
        "{aggregate_type: max, sql: 'UPPER(status)'}",
        "{aggregate_type: min, sql: '${placed}'}",
        "{aggregate_type: count_distinct, sql: '${status}'}",
        "{aggregate_type: list, sql: 'UPPER(status)'}",
        "{aggregate_type: sum, sql: '${placed[month_num]}'}",
        "{aggregate_type: sum, sql: 'ABS(amount)'}",
        "{sql: 'SUM(LENGTH(status)) / COUNT(id)'}",
    ],
)
def test_what_can_be_added_up_is_left_alone(text: str) -> None:
    assert from_files(with_field("measures", text)) == []
    assert from_catalogue(with_field("measures", text)) == []


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("measures", "{aggregate_type: sum, sql: '${status}'}", "sum over a text"),
        ("measures", "{aggregate_type: average, sql: status}", "average over a text"),
        ("measures", "{aggregate_type: sum, sql: paid_on}", "sum over a date"),
        ("measures", "{aggregate_type: average, sql: is_test}", "average over a true or false"),
        ("dimensions", "{sql: status, timeframes: [month]}", "has timeframes and is a text"),
        ("dimensions", "{sql: amount, timeframes: [date]}", "has timeframes and is a number"),
        ("dimensions", "{sql: is_test, timeframes: [year]}", "has timeframes and is a true or false"),
        ("dimensions", "{duration: {sql_start: amount, sql_end: placed}}", "one of its ends is a number"),
        ("dimensions", "{sql: 'status > 5'}", "a text is compared with a number"),
        ("dimensions", "{sql: \"amount = 'many'\"}", "a text is compared with a number"),
        ("dimensions", "{sql: 'status IN (1, 2)'}", "a text is compared with a number"),
        ("dimensions", "{sql: 'amount BETWEEN status AND 9'}", "a text is compared with a number"),
        ("dimensions", "{sql: status, bin_boundaries: [1, 5]}", "a text is compared with a number"),
        ("measures", "{aggregate_type: count, filters: {status: {greater_than: 5}}}", "is for numbers"),
        ("measures", "{aggregate_type: count, filters: {status: {is: 5}}}", "it never equals 5"),
        ("measures", "{aggregate_type: count, filters: {amount: {is: [1, many]}}}", "it never equals “many”"),
        ("measures", "{aggregate_type: count, filters: {amount: {contains: a}}}", "is for texts"),
        ("measures", "{aggregate_type: count, filters: {amount: {or: [{is: 1}, {before: today}]}}}", "is for dates"),
        (
            "dimensions", "{sql: '${status}', level_of_detail: {aggregate_type: sum, fixed: [customer_id]}}",
            "sum over a text",
        ),
    ],
)  # fmt: skip
def test_what_only_the_source_tells_is_found_once_it_is_known(kind: str, text: str, says: str) -> None:
    assert from_catalogue(with_field(kind, text), columns={}) == []
    found = from_catalogue(with_field(kind, text))
    assert says in str(found[0])
    assert not found[0].is_warning
    assert (found[0].file, found[0].column > 0) == ("shop/orders.view.yaml", True)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("dimensions", "{sql: placed, timeframes: [month]}"),
        ("dimensions", "{sql: 'CAST(status AS DATE)', timeframes: [month]}"),
        ("dimensions", "{sql: \"placed - INTERVAL '1 day'\", timeframes: [month]}"),
        ("dimensions", "{sql: \"amount = '5'\"}"),
        ("dimensions", "{sql: \"status = '5'\"}"),
        ("dimensions", "{sql: \"placed > '2026-01-01'\"}"),
        ("dimensions", "{sql: 'CAST(status AS INT) > 5'}"),
        ("dimensions", "{sql: 'amount > unknown_column'}"),
        ("dimensions", "{sql: amount, bin_boundaries: [1, 5]}"),
        ("dimensions", "{duration: {sql_start: placed, sql_end: paid_on}}"),
        ("measures", "{aggregate_type: count, filters: {amount: {between: [1, 5]}, status: {is: [paid, null]}}}"),
        ("measures", "{aggregate_type: count, filters: {placed: {on_or_after: 2026-01-01}}}"),
        ("measures", "{aggregate_type: count, filters: {'placed[month]': {is: last month}}}"),
        ("measures", "{aggregate_type: sum, sql: never_heard_of}"),
    ],
)
def test_what_suits_or_is_not_known_is_silent(kind: str, text: str) -> None:
    assert from_catalogue(with_field(kind, text)) == []


def test_filters_of_a_topic_and_conditions_of_joins_are_found_at_their_own_line() -> None:
    topic = "base_view: orders\njoins: {customers: {}}\nalways_where_filters:\n  status: {is: 5}\ndefault_filters:\n  customers.region: {greater_than: 1}\n"
    found = from_catalogue({"Sales.topic.yaml": topic})
    assert [(item.file, item.line) for item in found] == [("Sales.topic.yaml", 4), ("Sales.topic.yaml", 6)]
    join = JOIN.replace("${customers.id}", "${customers.email}")
    (crossed,) = from_catalogue({"relationships.yaml": join})
    assert "a text is compared with a number" in crossed.message
    assert crossed.file == "relationships.yaml"


def test_each_dialect_is_judged_by_what_it_does() -> None:
    """MySQL reads a text as a number unasked; DuckDB adds up truth and averages dates; PostgreSQL does neither."""
    compared = with_field("dimensions", "{sql: 'status > 5'}")
    assert [item.is_warning for item in from_catalogue(compared, "mysql")] == [True]
    assert [item.is_warning for item in from_catalogue(compared, "postgres")] == [False]
    truth = with_field("measures", "{aggregate_type: sum, sql: is_test}")
    assert from_catalogue(truth, "mysql") == from_catalogue(truth, "duckdb") == []
    assert [item.is_warning for item in from_catalogue(truth, "postgres")] == [False]
    dates = with_field("measures", "{aggregate_type: average, sql: paid_on}")
    assert [item.is_warning for item in from_catalogue(dates, "duckdb")] == [True]
    assert [item.is_warning for item in from_catalogue(dates, "postgres")] == [False]
    days = with_field("dimensions", "{sql: status, timeframes: [raw, date]}")
    assert [item.is_warning for item in from_catalogue(days, "postgres")] == [True]


def test_a_query_views_column_has_the_type_of_its_field() -> None:
    facts = (
        "query: {base_view: orders, fields: {orders.status: status, orders.revenue: spent}}\n"
        "measures: {x: {aggregate_type: sum, sql: '${status}'}, y: {aggregate_type: sum, sql: '${spent}'}}\n"
    )
    (found,) = from_catalogue({"facts.query.view": facts})
    assert "“facts.x”: sum over a text" in found.message


@pytest.mark.parametrize(
    ("text", "dialect", "kind"),
    [
        ("character varying(30)", "postgres", "string"), ("numeric(10,2)", "postgres", "number"),
        ("timestamp without time zone", "postgres", "timestamp"), ("time without time zone", "postgres", "unknown"),
        ("USER-DEFINED", "postgres", "unknown"), ("int unsigned", "mysql", "number"), ("enum('a')", "mysql", "unknown"),
        ("INTEGER[]", "duckdb", "unknown"), ("BOOLEAN", "duckdb", "boolean"), ("", "duckdb", "unknown"),
        ("x" * 5_000, "duckdb", "unknown"), ("';--", "postgres", "unknown"),
    ],
)  # fmt: skip
def test_a_catalogues_words_are_read_in_the_sources_dialect(text: str, dialect: str, kind: str) -> None:
    assert kind_of_column(text, dialect) == kind


def test_a_filter_only_fields_default_suits_its_type() -> None:
    def of(default: str) -> list[str]:
        return from_files({"x.view": f"filters: {{least: {{type: number, default_filter: {default}}}}}\n"})

    assert of("{greater_than: 5}") == []
    assert "“contains” is for texts" in of("{contains: a}")[0]


def test_fields_that_rest_on_themselves_have_no_type() -> None:
    loop = dimensions("  a: {sql: '${b} + 1'}\n  b: {sql: '${a} + 1'}\n  c: {sql: '${a} > 5'}\n")
    assert all("rests on itself" in text for text in from_files(loop))


def test_time_between_dates_is_a_number_and_between_moments_none_that_can_be_added() -> None:
    days = "{sql: 'CAST(paid_on AS DATE) - CAST(placed AS DATE)'}"
    files = with_field("dimensions", days)
    orders = files["shop/orders.view.yaml"]
    files["shop/orders.view.yaml"] = f"{orders}  days: {{aggregate_type: average, sql: '${{x}}'}}\n"
    for dialect in ("postgres", "duckdb", "mysql"):
        assert from_files(files, dialect) == []


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (
            {"Sales.topic.yaml": "base_view: orders\nalways_where_sql: '${amount}'\n"},
            "a condition is what is true or false",
        ),
        ({"Sales.topic.yaml": 'base_view: orders\nalways_where_sql: "LOWER(${status})"\n'}, "and this is a text"),
        ({"Sales.topic.yaml": "base_view: orders\nalways_where_sql: '${status} IS NULL AND ${amount}'\n"}, "AND joins"),
    ],
)
def test_what_is_no_condition_is_told_where_it_is_written(files: dict[str, str], says: str) -> None:
    found = from_catalogue(files, "postgres") if "amount" in str(files) else from_files(files, "postgres")
    assert [str(item) for item in found if says in str(item)], found
    assert all("Sales.topic.yaml:2:" in str(item) for item in found)
    good = {"Sales.topic.yaml": "base_view: orders\nalways_where_sql: '${status} IS NULL AND ${amount} > 1'\n"}
    assert from_catalogue(good, "postgres") == []


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("paid: {sql: paid_on, timeframes: [date]}", "is a date and is taken for a moment"),
        ("paid: {sql: '${paid_on}', timeframes: [raw]}", "is a date and is taken for a moment"),
        ("placed_date: {sql: placed, timeframes: [date]}", "is a moment and is taken for a date"),
        ("paid: {sql: paid_on, timeframes: [date], convert_tz: false}", ""),
        ("paid: {sql: CAST(paid_on AS DATE), timeframes: [date]}", ""),
        ("paid_date: {sql: paid_on, timeframes: [date]}", ""),
        ("placed_date: {sql: CAST(placed AS TIMESTAMP), timeframes: [date]}", ""),
        ("at: {sql: placed, timeframes: [date]}", ""),
        ("paid: {sql: paid_on}", ""),
    ],
)
def test_a_day_that_is_taken_for_a_moment_by_its_name_is_warned_of(field: str, says: str) -> None:
    found = from_catalogue(dimensions(f"  {field}\n"))
    assert all(item.is_warning for item in found)
    assert [says in item.message for item in found] == ([True] if says else [])
