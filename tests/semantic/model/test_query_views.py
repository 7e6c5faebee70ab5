"""Query views: what decides which rows they have is understood or refused, and what their fields rest on is reached."""

import pytest

from apps.semantic.errors import ModelError
from apps.semantic.model.reading import read_model
from tests.semantic.model.files import ORDERS, SHOP

QUERY = "query:\n  base_view: orders\n  fields: {orders.id: id, orders.revenue: rev}\n  limit: 2\n"
SORT = "{field: view.field, desc: true}"
DETAIL = "measures:\n  per: {aggregate_type: average, sql: '${amount}', level_of_detail: {aggregate_type: sum, fixed: [customers.region]}}\n"
PER = SHOP | {"shop/orders.view.yaml": ORDERS.replace("measures:\n", DETAIL)}


def problems(files: dict[str, str]) -> list[str]:
    with pytest.raises(ModelError) as error:
        read_model(SHOP | files, dialect="duckdb")
    return [str(problem) for problem in error.value.problems]


@pytest.mark.parametrize(
    ("sorts", "says"),
    [
        ("['orders.revenue desc']", f"5:11: a sort is written as {SORT}"),
        ("[{field: orders.revenue, descending: true}]", f"5:47: “descending” is not a parameter of a sort; write {SORT}"),
        ("[{column: orders.revenue}]", f"5:20: “column” is not a parameter of a sort; write {SORT}"),
        ("[{field: orders.revenue, desc: yes}]", "5:41: “desc” must be true or false"),
        ("[{desc: true}]", f"5:11: a sort is written as {SORT}"),
        ("[{}]", f"5:11: a sort is written as {SORT}"),
        ("{field: orders.revenue}", f"5:3: “sorts” must be a list of {SORT}"),
        ("orders.revenue", f"5:10: “sorts” must be a list of {SORT}"),
    ],
)  # fmt: skip
def test_a_sort_that_cannot_be_read_is_a_fault(sorts: str, says: str) -> None:
    assert problems({"q.query.view": f"{QUERY}  sorts: {sorts}\n"}) == [f"q.query.view:{says}"]


def test_a_sort_that_can_be_read_is_one() -> None:
    files = {"q.query.view": f"{QUERY}  sorts: [{{field: orders.revenue, desc: true}}, {{field: id}}]\n"}
    source = read_model(SHOP | files, dialect="duckdb").views["q"].query_source
    assert source is not None
    assert source.sorts == (("orders.revenue", True), ("orders.id", False))


def test_a_query_over_a_base_view_reaches_what_its_fields_rest_on() -> None:
    query = "query:\n  base_view: orders\n  fields: {orders.per: p}\n"
    assert read_model(PER | {"q.query.view": query}, dialect="duckdb").topics["__orders"].views == (
        "orders",
        "customers",
    )
    apart = PER | {"q.query.view": query, "relationships.yaml": "", "Sales.topic.yaml": "base_view: orders\n"}
    assert problems(apart) == ["q.query.view:2:14: no relationships lead from “orders” to all fields of this query"]


def test_a_query_over_a_topic_that_does_not_reach_what_a_field_rests_on_is_a_fault() -> None:
    files = PER | {"q.query.view": "query:\n  topic: T\n  fields:\n    orders.per: p\n"}
    joined = files | {"T.topic": "base_view: orders\njoins: {customers: {}}\n"}
    assert "q" in read_model(joined, dialect="duckdb").views
    assert problems(files | {"T.topic": "base_view: orders\n"}) == [
        "q.query.view:4:17: “orders.per” rests on “customers”, which its query's topic “T” does not reach"
    ]
