"""Rules that no row can meet are told where they stand; rules that some row can meet never are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.semantic.errors import ModelError
from apps.semantic.model.boxes import Reading, all_of, boxes_of
from apps.semantic.model.filters import parse_condition
from apps.semantic.model.reading import read_model
from apps.semantic.model.security import check_attributes
from tests.semantic.model.files import JOIN, SHOP

TOPIC = "base_view: orders\njoins: {customers: {}}\n"


def problems(topic: str, dialect: str = "duckdb", **files: str) -> list[str]:
    changes = {name.replace("_dot_", "."): text for name, text in files.items()}
    try:
        found = read_model(SHOP | changes | {"Sales.topic.yaml": TOPIC + topic}, dialect=dialect).warnings
    except ModelError as error:
        found = error.problems
    return [str(item) for item in found]


@pytest.mark.parametrize(
    "rule",
    [
        "always_where_filters: {status: {and: [{is: paid}, {is: open}]}}",
        "always_where_filters: {status: {is: paid, not: paid}}",
        "always_where_filters: {status: {is: paid, not: [paid, open]}}",
        "always_where_filters: {status: {is: [paid, open], not: [paid, open]}}",
        "always_where_filters: {status: {is: null, contains: a}}",
        "always_where_filters: {status: {is: null, not: null}}",
        "always_where_filters: {status: {is: [paid, null], not: [paid, null]}}",
        "always_where_filters: {amount: {greater_than: 5, less_than: 3}}",
        "always_where_filters: {amount: {greater_than: 5, less_than_or_equal_to: 5}}",
        "always_where_filters: {amount: {between: [5, 3]}}",
        "always_where_filters: {amount: {is: 7, greater_than: 9}}",
        "always_where_filters: {amount: {or: [{is: 1}, {is: 2}], greater_than: 2}}",
        "always_where_filters: {amount: {not_greater_than: 5, greater_than: 6}}",
        "always_where_filters: {amount: {not: {greater_than: 5, less_than: 9}, is: 7}}",
        "always_where_filters: {placed: {before: 2026-01-01, on_or_after: 2026-01-01}}",
        "always_where_filters: {placed: {between_dates: [2026-02-01, 2026-02-01]}}",
        "always_where_sql: ${orders.status} = 'paid' AND ${orders.status} = 'open'",
        "always_where_sql: [\"${orders.status} = 'paid'\", \"${orders.status} IN ('open', 'new')\"]",
        "always_where_sql: ${orders.amount} > 5 AND (3 > ${orders.amount})",
        "always_where_sql: ${orders.status} IS NULL AND ${orders.status} <> 'paid'",
        "always_where_sql: ${orders.amount} BETWEEN 1 AND 5 AND ${orders.amount} = -3",
        "always_where_sql: 1 = 0",
        "always_where_sql: FALSE AND ${orders.amount} > 5",
        "always_where_sql: ${orders.status} = 'paid'\nalways_where_filters: {status: {is: open}}",
        "always_having_filters: {revenue: {greater_than: 5, less_than: 3}}",
        "always_having_sql: ${orders.revenue} > 5 AND ${orders.revenue} < 3",
    ],
)
def test_conditions_that_exclude_each_other_are_one_fault_at_their_place(rule: str) -> None:
    (found,) = problems(rule + "\n")
    assert found.startswith("Sales.topic.yaml:")
    assert "nobody gets a row" in found
    assert "warning" not in found


@pytest.mark.parametrize(
    "rule",
    [
        "always_where_filters: {status: {or: [{is: paid}, {is: open}]}}",
        "always_where_filters: {status: {is: [paid, open], not: open}}",
        "always_where_filters: {status: {is: [paid, null], not: paid}}",
        "always_where_filters: {status: {not: paid, is: null}}",
        "always_where_filters: {status: {not: [paid, null]}}",
        "always_where_filters: {status: {is: paid, contains: ai}}",
        "always_where_filters: {status: {is: [paid], starts_with: x}}",
        "always_where_filters: {status: {is: paid}, customers.region: {is: open}}",
        "always_where_filters: {status: {is: PAID, not: paid}}",
        "always_where_filters: {amount: {greater_than: 5, less_than: 6}}",
        "always_where_filters: {amount: {greater_than_or_equal_to: 5, less_than_or_equal_to: 5}}",
        "always_where_filters: {amount: {not_between: [1, 5], is: null}}",
        "always_where_filters: {amount: {not_between: [1, 5], greater_than: 5}}",
        "always_where_filters: {amount: {not: {is: [1, 7], greater_than: 5}, is: 9}}",
        "always_where_filters: {placed: {is: '2026', before: 2026-02-01}}",
        "always_where_filters: {placed: {and: [{is: '2026'}, {is: '2026-01'}]}}",
        "always_where_filters: {placed: {before: 90 days ago, on_or_after: 2026-01-01}}",
        "always_where_filters: {placed: {between_dates: [last month, today]}}",
        "always_where_filters: {'placed[month]': {is: '2026-01'}, placed: {is: '2026-02'}}",
        "always_where_sql: ${orders.status} = 'paid' OR ${orders.status} = 'open'",
        "always_where_sql: ${orders.status} = 'paid' AND ${orders.status} = {{omni_attributes.status}}",
        "always_where_sql: ${orders.status} = ${customers.region} AND ${orders.status} = 'x'",
        "always_where_sql: NOT (${orders.status} = 'paid') AND ${orders.status} = 'paid'",
        "always_where_sql: ${orders.status} > 'paid' AND ${orders.status} < 'open'",
        "always_where_sql: ${orders.placed} = '2026-01-01' AND ${orders.placed} = '2026-01-02'",
        "always_where_sql: 1 = 1",
        "always_where_sql: 1 = 1.0",
        "always_where_sql: TRUE",
    ],
)
def test_what_some_row_could_meet_is_never_called_a_contradiction(rule: str) -> None:
    assert problems(rule + "\n") == []


def test_an_empty_list_of_values_is_a_fault_already() -> None:
    assert "takes 1 value" in problems("always_where_filters: {status: {is: []}}\n")[0]


def test_texts_that_a_database_takes_as_equal_are_not_told_apart() -> None:
    rule = "always_where_filters: {status: {and: [{is: Paid}, {is: 'PÄID '}]}}\n"
    assert "nobody gets a row" in problems(rule)[0]
    assert problems(rule, dialect="mysql") == []


def test_a_field_that_is_another_one_shares_its_conditions() -> None:
    view = SHOP["shop/orders.view.yaml"].replace("dimensions:\n", "dimensions:\n  state: {sql: '${status}'}\n")
    rule = "always_where_filters: {state: {is: paid}, status: {is: %s}}\n"
    files = {"shop/orders_dot_view_dot_yaml": view}
    assert "nobody gets a row" in problems(rule % "open", **files)[0]
    assert problems(rule % "paid", **files) == []


def test_a_joins_own_condition_is_met_with_the_data_sets() -> None:
    rule = "always_where_filters: {customers.region: {is: EU}}\n"
    join = JOIN + "  where_sql: ${customers.region} = '%s'\n"
    (found,) = problems(rule, relationships_dot_yaml=join % "US")
    assert found.startswith("relationships.yaml:")
    assert "no row is left once “customers” is joined" in found
    assert problems(rule, relationships_dot_yaml=join % "EU") == []


def test_filters_that_anybody_may_lift_are_warnings() -> None:
    measure = "measures:\n  none: {aggregate_type: count, filters: {status: {is: paid, not: paid}}}\n"
    view = SHOP["shop/orders.view.yaml"].replace("measures:\n", measure)
    (counted,) = problems("", **{"shop/orders_dot_view_dot_yaml": view})
    assert "warning: “orders.none” counts nothing" in counted
    (default,) = problems("default_filters: {amount: {greater_than: 5, less_than: 3}}\n")
    assert "warning: no row meets the default filters" in default


def test_grants_that_nobody_can_hold_together_are_a_fault() -> None:
    grants = (
        "access_grants:\n  eu: {user_attribute: area, allowed_values: [EU]}\n"
        "  us: {user_attribute: area, allowed_values: [US]}\n  west: {user_attribute: area, allowed_values: [EU, US]}\n"
    )

    def told(rule: str, single: frozenset[str] = frozenset(("area",))) -> list[str]:
        files = SHOP | {"model.yaml": grants, "Sales.topic.yaml": TOPIC + f"required_access_grants: {rule}\n"}
        model = read_model(files, dialect="duckdb")
        return [str(item) for item in check_attributes(model, {"area": "string"}, single)]

    (found,) = told("[eu&us]")
    assert found.startswith("Sales.topic.yaml:3:")
    assert "nobody passes this" in found
    assert told("[eu, us]") == [found]
    assert told("['eu&us|west']") == told("[eu&west]") == told("['eu|us', us]") == []
    assert told("[eu&us]", frozenset()) == []  # a list may hold both


NUMBERS = st.integers(-3, 3)
COMPARED = ("greater_than", "less_than_or_equal_to", "not_less_than", "not_greater_than_or_equal_to")


def lists(values: st.SearchStrategy) -> list[st.SearchStrategy]:
    given = st.lists(st.one_of(st.none(), values), min_size=1, max_size=3)
    return [st.fixed_dictionaries({name: given}) for name in ("is", "not")]


def nested(single: st.SearchStrategy) -> st.SearchStrategy:
    """Return lists of conditions on one field, each nested a little."""
    conditions = st.recursive(
        single,
        lambda inner: st.one_of(
            st.fixed_dictionaries({"or": st.lists(inner, min_size=1, max_size=3)}),
            st.fixed_dictionaries({"and": st.lists(inner, min_size=1, max_size=3)}),
            st.fixed_dictionaries({"not": inner}),
        ),
        max_leaves=6,
    )
    return st.lists(conditions, min_size=1, max_size=3)


HALVES = [number / 2 for number in range(-9, 10)]
OF_TEXTS = nested(st.one_of(*lists(st.sampled_from(["a", "b", "B"]))))
OF_NUMBERS = nested(
    st.one_of(
        *lists(NUMBERS),
        *(st.fixed_dictionaries({name: NUMBERS}) for name in COMPARED),
        *(st.fixed_dictionaries({name: st.tuples(NUMBERS, NUMBERS).map(list)}) for name in ("between", "not_between")),
    )
)


def meets(value: object, given: dict) -> bool:
    """Decide the plain way: ``value`` is a number, a text or None, as the format means it."""
    ((operator, operand),) = given.items()
    if operator in ("and", "or"):
        return (all if operator == "and" else any)(meets(value, item) for item in operand)
    if operator == "not" and isinstance(operand, dict):
        return not meets(value, operand)
    if operator.startswith("not"):
        return not meets(value, {operator.removeprefix("not_").replace("not", "is"): operand})
    if operator == "is":
        return value in operand
    if not isinstance(value, int | float):
        return False
    if operator == "between":
        return operand[0] <= value <= operand[1]
    return {
        "greater_than": value > operand, "less_than_or_equal_to": value <= operand, "less_than": value < operand,
        "greater_than_or_equal_to": value >= operand,
    }[operator]  # fmt: skip


@settings(max_examples=100)
@given(
    st.one_of(OF_TEXTS.map(lambda given: (given, ["a", "b", "B", "c"])), OF_NUMBERS.map(lambda given: (given, HALVES)))
)
def test_no_alarm_where_any_value_meets_everything(case: tuple[list[dict], list]) -> None:
    conditions, values = case
    reading = Reading("unknown", "duckdb")
    boxes = [boxes_of(parse_condition(item, path=""), reading) for item in conditions]
    if any(all(meets(value, item) for item in conditions) for value in (None, *values)):
        assert all_of(boxes, reading)
