"""Views that stand in a topic are checked like the views of all, each fault at its place in the topic."""

import pytest

from apps.semantic.errors import ModelError
from apps.semantic.model.reading import read_model
from apps.semantic.model.security import check_attributes
from tests.semantic.model.files import JOIN, ORDERS, SHOP, dimensions, with_field

KNOWN = {"department": "string", "region": "string", "level": "number"}
START = "base_view: orders\njoins: {customers: {}}\nviews:\n"


def own(text: str, view: str = "orders") -> dict[str, str]:
    return SHOP | {"Own.topic": f"{START}  {view}:\n    {text}\n"}


def faults(files: dict[str, str]) -> list[str]:
    with pytest.raises(ModelError) as error:
        read_model(files, dialect="duckdb")
    return [str(problem) for problem in error.value.problems]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "access_filters: [{field: nope, user_attribute: region}]",
            "Own.topic:5:22: the access filter's “orders.nope” is no dimension here. Did you mean “orders.placed”?",
        ),
        ("required_access_grants: [mial]", "Own.topic:5:5: there is no access grant “mial”. Did you mean “mail”?"),
        (
            "dimensions: {status: {required_access_grants: [mial]}}",
            "Own.topic:5:27: there is no access grant “mial”. Did you mean “mail”?",
        ),
        (
            "dimensions: {status: {mask_unless_access_grants: [mial]}}",
            "Own.topic:5:27: there is no access grant “mial”. Did you mean “mail”?",
        ),
        (
            "filters: {wish: {required_access_grants: [mial]}}",
            "Own.topic:5:22: there is no access grant “mial”. Did you mean “mail”?",
        ),
        (
            "dimensions: {a1: {sql: '${b1}'}, b1: {sql: '${a1}'}}",
            "Own.topic:5:18: a field rests on itself: orders.a1 → orders.b1 → orders.a1",
        ),
        (
            "measures: {a1: {sql: '${b1} + 1'}, b1: {sql: '${a1}'}}",
            "Own.topic:5:16: a field rests on itself: orders.a1 → orders.b1 → orders.a1",
        ),
        (
            "access_filters: [{field: long, user_attribute: level}]\n    dimensions: {long: {duration: {sql_start: '${placed}', sql_end: '${placed}'}}}",
            "Own.topic:5:22: rows cannot be chosen by “orders.long”: it is no column of its table",
        ),
    ],
)
def test_a_fault_in_a_topics_own_view_is_one_problem_at_its_place(text: str, says: str) -> None:
    assert faults(own(text)) == [says]


@pytest.mark.parametrize(
    "text",
    [
        "access_filters: [{field: status, user_attribute: region}]",
        "required_access_grants: [mail]",
        "dimensions: {status: {mask_unless_access_grants: [mail]}}",
        "dimensions: {a1: {sql: '${b1}'}, b1: {sql: status}}",
    ],
)
def test_the_same_without_the_fault_is_read(text: str) -> None:
    model = read_model(own(text), dialect="duckdb")
    assert "Own" in model.topic_models
    assert [*check_attributes(model, KNOWN)] == []


def test_a_circle_that_a_topic_closes_is_told_where_the_topic_closes_it() -> None:
    files = with_field("dimensions", "{sql: '${status}'}")
    assert faults(files | own("dimensions: {status: {sql: '${x}'}}") | files) == [
        "Own.topic:5:18: a field rests on itself: orders.status → orders.x → orders.status"
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "access_filters: [{field: status, user_attribute: nope}]",
            "Own.topic:5:22: there is no user attribute “nope”.",
        ),
        (
            "access_filters: [{field: status, user_attribute: level, values_for_unfiltered: [all]}]",
            "Own.topic:5:22: “level” is a number, so it is never “all”",
        ),
        (
            "dimensions: {zz: {sql: '{{omni_attributes.nope}}'}}",
            "Own.topic:5:18: there is no user attribute “nope”.",
        ),
    ],
)
def test_an_attribute_in_a_topics_own_view_must_exist_and_match(text: str, says: str) -> None:
    assert [str(item) for item in check_attributes(read_model(own(text), dialect="duckdb"), KNOWN)] == [says]


UNUSED = JOIN + JOIN.replace("orders", "visits")
VISITS = {"visits.view": "schema: shop\ndimensions: {visit: {primary_key: true}, customer_id: {}}\n"}
DURATION = "  x: {duration: {sql_start: '{{omni_attributes.%s}}', sql_end: '${placed}'}}\n"
KEY = "{aggregate_type: sum_distinct_on, sql: '${amount}', custom_primary_key_sql: '{{omni_attributes.%s}}'}"
ALONE = UNUSED.replace("visits.customer_id} = ", "visits.customer_id} = {{omni_attributes.%s}} AND ${visits.visit} = ")


@pytest.mark.parametrize(
    ("files", "place"),
    [
        (dimensions(DURATION), "shop/orders.view.yaml:4:3"),
        (with_field("measures", KEY), "shop/orders.view.yaml:10:3"),
        (
            {"shop/orders.view.yaml": ORDERS + "custom_compound_primary_key_sql: ['${id}', '{{omni_attributes.%s}}']\n"},
            "shop/orders.view.yaml:2:1",
        ),
        (VISITS | {"relationships.yaml": ALONE}, "relationships.yaml:7:3"),
        ({"Own.topic": "base_view: orders\nrelationships:" + ALONE.replace("\n", "\n  ") + "\n"} | VISITS, "Own.topic:8:5"),
    ],
)  # fmt: skip
def test_an_attribute_must_exist_wherever_it_is_named(files: dict[str, str], place: str) -> None:
    def found(attribute: str) -> list[str]:
        written = {name: text.replace("%s", attribute) for name, text in files.items()}
        return [str(item) for item in check_attributes(read_model(SHOP | written, dialect="duckdb"), KNOWN)]

    assert found("nope") == [f"{place}: there is no user attribute “nope”."]
    assert found("region") == []


def test_a_join_that_no_topic_makes_is_checked_too() -> None:
    files = SHOP | VISITS | {"relationships.yaml": UNUSED}
    assert len(read_model(files, dialect="duckdb").relationships) == 2
    wrong = files | {"relationships.yaml": UNUSED.replace("visits.customer_id", "visits.custmer_id")}
    assert faults(wrong) == ["relationships.yaml:7:3: “visits.custmer_id” is no dimension of the two views"]


FACTS = (
    "base_view: orders\njoins: {facts: {}}\nviews:\n"
    "  facts: {query: {base_view: orders, fields: {orders.id: id, orders.revenue: rev}}}\n"
    "relationships:\n  - {join_from_view: orders, join_to_view: facts, on_sql: '${orders.id} = ${facts.id}'}\n"
)


def test_a_query_view_that_stands_in_a_topic_is_a_query_view() -> None:
    model = read_model(SHOP | {"Own.topic": FACTS}, dialect="duckdb")
    assert model.topics["__orders"].fields >= {"orders.id", "orders.revenue"}
    assert faults(SHOP | {"Own.topic": FACTS.replace("orders.revenue: rev", "orders.revnue: rev")}) == [
        "Own.topic:4:77: “orders.revnue” is no field of its query's topic. Did you mean “orders.revenue”?"
    ]
    assert faults(SHOP | {"Own.topic": FACTS.replace("query: {base_view: orders", "query: {topic: Own")}) == [
        "Own.topic:4:3: the query view “facts” rests on itself"
    ]
