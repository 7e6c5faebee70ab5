"""A question that is written is read as the same one."""

from typing import Any

import pytest

from apps.semantic.query.reading import parse_query
from apps.semantic.query.totals import subtotals_of
from apps.semantic.query.writing import public_form
from tests.semantic.features.store import model

QUESTION = {"dataset": "Sales", "fields": ["orders.status", "customers.region", "orders.count"]}
TOP = {"field": "customers.region", "n": 1, "by": "orders.count"}


@pytest.mark.parametrize(
    "condition",
    [
        {"is": ["paid", None]}, {"not": ["paid"]}, {"greater_than": 5}, {"not_greater_than": 5}, {"between": [1, 9]},
        {"not_between": [1, 9]}, {"contains": ["a"], "case_insensitive": True}, {"not": {"is": [1]}},
        {"and": [{"greater_than": 1}, {"or": [{"is": [3]}, {"starts_with": ["x"], "case_insensitive": True}]}]},
    ],
)  # fmt: skip
def test_a_condition_is_written_as_it_was_read(condition: dict[str, Any]) -> None:
    query = parse_query(QUESTION | {"filters": {"orders.status": condition}})
    assert public_form(query)["filters"] == {"orders.status": condition}
    assert parse_query(public_form(query)) == query


def test_subtotals_of_the_top_values_are_of_those_and_the_rest() -> None:
    asked = QUESTION | {"top": TOP}
    for kept, is_there in ((["customers.region"], True), (["orders.status"], False)):
        found = subtotals_of(parse_query(asked | {"subtotals": kept}), model())
        assert found is not None
        assert (found.top is not None) is is_there
    without_rest = subtotals_of(
        parse_query(asked | {"top": TOP | {"others": None}, "subtotals": ["orders.status"]}), model()
    )
    assert without_rest is not None
    assert without_rest.top is not None  # fewer rows, whatever they are grouped by
