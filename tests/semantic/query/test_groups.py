"""Groups of conditions: what says no more than conditions side by side is read as those, and what is no group is refused."""

from typing import Any

import pytest

from apps.semantic.errors import MalformedQueryError
from apps.semantic.query.groups import MAX_CHILDREN, MAX_DEPTH
from apps.semantic.query.reading import parse_query
from apps.semantic.query.types import SemanticQuery

A, B = {"o.a": {"is": 1}}, {"o.b": {"is": 2}}
TOO_MANY = {f"o.f{number}": {"is": 1} for number in range(MAX_CHILDREN + 1)}


def read(filters: dict[Any, Any]) -> SemanticQuery:
    return parse_query({"dataset": "S", "fields": ["o.c"], "filters": filters})


def nested(depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {"not": A}
    for _ in range(depth - 1):
        found = {"not": found}
    return found


@pytest.mark.parametrize(
    "filters", [A | B, {"and": [A, B]}, {"and": [A | B]}, {"or": [A | B]}, {"and": [{"and": [A]}], "or": [B]}]
)
def test_what_holds_together_is_side_by_side(filters: dict[str, Any]) -> None:
    assert read(filters) == read(A | B)


def test_a_choice_and_a_denial_are_groups() -> None:
    for filters, operator, count in (({"or": [A, B]}, "or", 2), ({"not": A}, "not", 1), ({"not": A | B}, "not", 1)):
        found = read(filters)
        assert found.filters == ()
        assert [(group.operator, len(group.children)) for group in found.groups] == [(operator, count)]


def test_two_conditions_on_one_field_hold_both() -> None:
    (found,) = read({"and": [A, {"o.a": {"is": 2}}]}).filters
    assert (found.condition.operator, [item.values for item in found.condition.children]) == ("and", [(1,), (2,)])


@pytest.mark.parametrize(
    ("filters", "path"),
    [
        ({"or": A}, "filters.or"), ({"or": "x"}, "filters.or"), ({"or": []}, "filters.or"), ({"and": None}, "filters.and"),
        ({"or": [A] * (MAX_CHILDREN + 1)}, "filters.or"), ({"or": ["x"]}, "filters.or.0"), ({"or": [A, {}]}, "filters.or.1"),
        ({"or": [A, [B]]}, "filters.or.1"), ({"not": [A]}, "filters.not.0"), ({"not": {}}, "filters.not.0"),
        ({"or": [A, TOO_MANY]}, "filters.or.1"), ({"or": [A, {1: {"is": 2}}]}, "filters.or.1"),
        (nested(MAX_DEPTH + 1), "filters.not"),
    ],
)  # fmt: skip
def test_what_is_no_group_is_refused_where_it_stands(filters: dict[str, Any], path: str) -> None:
    with pytest.raises(MalformedQueryError) as error:
        read(filters)
    assert error.value.path.startswith(path)


def test_as_much_as_is_allowed_is_read() -> None:
    assert read(nested(MAX_DEPTH)).groups
    assert len(read({"or": [A] * MAX_CHILDREN}).groups[0].children) == MAX_CHILDREN
