"""A query from outside is read strictly, and every fault is reported with its place."""

import math

import pytest

from apps.semantic.errors import MalformedQueryError
from apps.semantic.query.reading import parse_query
from apps.semantic.query.types import Sort

WHOLE = {
    "dataset": "Sales",
    "fields": ["orders.status", "orders.created_at[month]", "orders.revenue"],
    "filters": {
        "orders.status": {"is": ["paid", "open"]},
        "orders.created_at": {"time_for_duration": ["90 days ago", "90 days"]},
    },
    "sorts": [{"field": "orders.revenue", "desc": True}],
    "pivots": [],
    "limit": 500,
    "totals": False,
    "timezone": "Europe/Oslo",
}


def nested(depth: int) -> object:
    value: object = {"is": "paid"}
    for _ in range(depth):
        value = {"and": [value]}
    return value


def test_a_whole_query_is_read():
    query = parse_query(WHOLE)
    assert query.dataset == "Sales"
    assert query.fields == ("orders.status", "orders.created_at[month]", "orders.revenue")
    assert query.sorts == (Sort("orders.revenue", is_descending=True),)
    assert (query.limit, query.timezone) == (500, "Europe/Oslo")
    status, created = query.filters
    assert (status.field, status.condition.operator, status.condition.values) == (
        "orders.status",
        "is",
        ("paid", "open"),
    )
    assert created.condition.values == ("90 days ago", "90 days")


def test_a_query_needs_no_more_than_a_data_set_and_a_field():
    query = parse_query({"dataset": "Sales", "fields": ["orders.count"]})
    assert (query.filters, query.sorts, query.limit, query.timezone) == ((), (), None, None)
    assert (query.row_limit, query.zone, query.default_filters) == (1000, "UTC", False)


TOP = {"field": "orders.status", "n": 3, "by": "orders.count"}
MALFORMED = [
    ({"colour": 1}, "colour"),
    ({"dataset": 5}, "dataset"),
    ({"dataset": {"$ne": ""}}, "dataset"),
    ({"dataset": ""}, "dataset"),
    ({"dataset": "a\x00b"}, "dataset"),
    ({"dataset": "\ud800"}, "dataset"),
    ({"dataset": "x" * 2_001}, "dataset"),
    ({"fields": []}, "fields"),
    ({"fields": "orders.count"}, "fields"),
    ({"fields": [{}]}, "fields.0"),
    ({"fields": ["orders.count", "count"]}, "fields.1"),
    ({"fields": ["orders.count; DROP"]}, "fields.0"),
    ({"fields": ["оrders.count"]}, "fields.0"),
    ({"fields": ["orders.count", "orders.count"]}, "fields.1"),
    ({"fields": [f"orders.f{number}" for number in range(101)]}, "fields"),
    ({"filters": []}, "filters"),
    ({"filters": {f"orders.f{number}": {"is": 1} for number in range(101)}}, "filters"),
    ({"filters": {"status": {"is": "x"}}}, "filters.status"),
    ({"filters": {"orders.status": "paid"}}, "filters.orders.status"),
    ({"filters": {"orders.status": {"is": {"$ne": 1}}}}, "filters.orders.status"),
    ({"filters": {"orders.status": {"resembles": "x"}}}, "filters.orders.status"),
    ({"filters": {"orders.amount": {"greater_than": math.nan}}}, "filters.orders.amount"),
    ({"filters": {"orders.amount": {"greater_than": math.inf}}}, "filters.orders.amount"),
    ({"filters": {"orders.amount": {"is": 2**70}}}, "filters.orders.amount"),
    ({"filters": {"orders.status": {"is": "a\x00b"}}}, "filters.orders.status"),
    ({"filters": {"orders.status": {"is": "\ud800"}}}, "filters.orders.status"),
    ({"filters": {"orders.status": {"is": "x" * 5000}}}, "filters.orders.status"),
    ({"filters": {"orders.status": {"is": ["x"] * 5000}}}, "filters.orders.status"),
    ({"filters": {"orders.status": {"and": [{"is": 1}] * 2_001}}}, "filters.orders.status"),
    ({"filters": {"orders.status": nested(50)}}, "filters.orders.status"),
    ({"sorts": {}}, "sorts"),
    ({"sorts": ["orders.count"]}, "sorts.0"),
    ({"sorts": [{"field": "orders.count", "asc": True}]}, "sorts.0.asc"),
    ({"sorts": [{"field": "orders.count", "desc": "yes"}]}, "sorts.0.desc"),
    ({"sorts": [{"field": "orders.count"}, {"field": "orders.count"}]}, "sorts.1.field"),
    ({"limit": 0}, "limit"),
    ({"limit": 50_001}, "limit"),
    ({"limit": True}, "limit"),
    ({"limit": "10"}, "limit"),
    ({"limit": 1.5}, "limit"),
    ({"timezone": "Mars/Olympus"}, "timezone"),
    ({"timezone": "../../etc/passwd"}, "timezone"),
    ({"totals": 0}, "totals"),
    ({"pivots": ["orders.status"]}, "pivots"),
    ({"pivots": {}}, "pivots"),
    ({"pivots": ["orders.count", "orders.count"]}, "pivots.1"),
    ({"subtotals": ["orders.count", "orders.count"]}, "subtotals.1"),
    *(({"top": TOP | {"n": count}}, "top.n") for count in (True, "3", 1.5, 0, 1_001, None)),
    ({"top": TOP | {"colour": 1}}, "top.colour"),
    ({"top": TOP | {"desc": "yes"}}, "top.desc"),
    ({"top": TOP | {"others": ""}}, "top.others"),
    *(
        ({"compare": {"field": "orders.day", "offset": text}}, "compare.offset")
        for text in ("0 days", "soon", "1 days ago", None)
    ),
    ({"compare": {"field": "orders.day", "offset": "1 day", "colour": 1}}, "compare.colour"),
    ({"compare": {"field": "day", "offset": "1 day"}}, "compare.field"),
]


@pytest.mark.parametrize(("change", "path"), MALFORMED)
def test_a_malformed_query_is_refused_with_the_path_of_the_fault(change, path):
    with pytest.raises(MalformedQueryError) as error:
        parse_query({"dataset": "Sales", "fields": ["orders.count"], **change})
    assert error.value.path.startswith(path)


@pytest.mark.parametrize("data", [None, [], "x", 5, {1: 2}])
def test_what_is_not_an_object_is_refused(data):
    with pytest.raises(MalformedQueryError):
        parse_query(data)


def test_the_same_without_the_fault_is_read():
    question = {"dataset": "Sales", "fields": ["orders.status", "orders.count"], "pivots": ["orders.status"]}
    query = parse_query(question | {"top": TOP, "compare": {"field": "orders.day", "offset": "1 day"}})
    assert query.pivots == ("orders.status",)
    assert query.top is not None
    assert (query.top.n, query.top.other, query.top.is_descending) == (3, "Other", True)
    assert query.compare is not None
    assert (query.compare.count, query.compare.unit) == (1, "day")


def test_an_empty_text_value_and_line_breaks_are_values():
    for text in ("", "a\nb", "naïve “ok” 🙂"):
        query = parse_query({"dataset": "S", "fields": ["o.c"], "filters": {"o.s": {"is": text}}})
        assert query.filters[0].condition.values == (text,)
