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


@pytest.mark.parametrize(
    "word", ["required_access_grants: [mail]", "mask_unless_access_grants: [mail]", "masking: [mail]"]
)
def test_a_rule_of_access_inside_a_calculation_is_a_fault(word: str) -> None:
    query = f"{QUERY}  calculations: {{twice: {{sql: rev * 2, {word}}}}}\n"
    name = word.partition(":")[0]
    assert problems({"q.query.view": query}) == [
        f"q.query.view:5:40: “{name}” closes nothing inside “calculations”: write it on the field over it"
    ]


def test_what_is_no_parameter_of_a_calculation_is_told_of() -> None:
    query = f"{QUERY}  calculations: {{twice: {{sql: rev * 2, colour: red}}}}\n"
    warnings = [str(item) for item in read_model(SHOP | {"q.query.view": query}, dialect="duckdb").warnings]
    assert "q.query.view:5:48: warning: “colour” is not a parameter inside “calculations”" in warnings


DEFAULTS = (
    "access_grants: {mail: {user_attribute: department, allowed_values: [mail]}}\n"
    "default_topic_access_filters: [{field: status, user_attribute: department}]\n"
    "default_topic_required_access_grants: [mail]\n"
)


def test_what_the_model_asks_of_every_topic_it_asks_of_the_topics_behind_query_views() -> None:
    files = {
        "q.query.view": QUERY + "dimensions: {id: {}, rev: {}}\n",
        "model.yaml": DEFAULTS,
        "Q.topic": "base_view: q\naccess_filters: []\n",
    }
    model = read_model(SHOP | files, dialect="duckdb")
    source = model.views["q"].query_source
    assert source is not None
    behind = model.topics[source.topic]
    assert [rule.field for rule in behind.access_filters] == ["orders.status"]
    assert behind.required_access_grants is not None
    without = read_model(SHOP | {"q.query.view": files["q.query.view"]}, dialect="duckdb")
    assert (without.topics[source.topic].access_filters, without.topics[source.topic].required_access_grants) == (
        (),
        None,
    )


def test_a_default_that_a_query_view_cannot_keep_is_a_fault() -> None:
    query = "query: {base_view: customers, fields: {customers.region: region}}\ndimensions: {region: {}}\n"
    assert "no view here has the field “status” of default_topic_access_filters" in "".join(
        problems({"q.query.view": query, "model.yaml": DEFAULTS})
    )


def test_a_user_attribute_in_a_calculation_is_a_fault() -> None:
    query = f"{QUERY}  calculations: {{mine: {{sql: \"CONCAT(rev, '{{{{omni_attributes.team}}}}')\"}}}}\n"
    assert problems({"q.query.view": query}) == [
        "q.query.view:5:18: a user attribute cannot stand in a calculation: name it in a dimension over the column"
    ]
