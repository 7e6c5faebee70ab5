"""A problem stands where its author wrote it, to the column, and says what the name is that was not meant."""

import pytest

from apps.semantic.errors import ModelError
from apps.semantic.model.reading import read_model
from apps.semantic.model.security import check_attributes
from tests.semantic.model.files import JOIN, ORDERS, SHOP, with_field

TOPIC = "base_view: orders\njoins: {customers: {}}\nlabel: x\n"
QUERY = "schema: shop\nquery:\n  base_view: orders\n  fields:\n    orders.id: id\n    orders.revenue: rev\n"
HINT = "Did you mean “orders.amount”?"


def problems(files: dict[str, str]) -> list[str]:
    with pytest.raises(ModelError) as error:
        read_model(SHOP | files, dialect="duckdb")
    return [str(problem) for problem in error.value.problems]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("always_where_sql: ${orders.amnt} > 1\n", f"4:19: “orders.amnt” is no field of this topic. {HINT}"),
        ("always_where_sql:\n  - ${orders.amount} > 1\n  - ${orders.amnt} > 1\n", f"6:5: “orders.amnt” is no field of this topic. {HINT}"),
        ("always_where_sql: ${orders.revenue} > 1\n", "4:19: “orders.revenue” is a measure; conditions on measures go into always_having_sql"),
        ("always_having_sql: ${orders.amount} > 1\n", "4:20: “orders.amount” is no measure; conditions on rows go into always_where_sql"),
        ("always_where_sql: amount > 1\n", "4:19: name fields as ${view.field} here"),
        ("always_where_sql: [1 = 1, 1 = 2]\n", "4:27: nobody gets a row of this data set: one of its conditions never holds"),
        ("always_where_sql: ${orders.status} > 1 AND '1' > ${orders.count}\n", "4:19: “orders.count” is a measure; conditions on measures go into always_having_sql"),
        ("always_where_filters:\n  orders.amnt: {is: 1}\n", f"5:3: the filter's “orders.amnt” is no dimension here. {HINT}"),
        ("default_filters:\n  orders.amnt: {is: 1}\n", f"5:3: the filter's “orders.amnt” is no dimension here. {HINT}"),
        ("default_filters:\n  'orders.placed[year]': {is: '2025'}\n", "5:3: “orders.placed” has no timeframe “year”"),
        ("always_having_filters:\n  orders.amount: {is: 1}\n", "5:3: “orders.amount” is a dimension, not a measure; filters on rows go into always_where_filters"),
        ("always_having_filters:\n  orders.reveue: {is: 1}\n", "5:3: “orders.reveue” is no measure. Did you mean “orders.revenue”?"),
        ("cache_policy: nope\n", "4:15: there is no cache policy “nope”."),
    ],
)  # fmt: skip
def test_a_fault_of_a_topics_rules_stands_at_its_line_and_column(text: str, says: str) -> None:
    assert problems({"T.topic": TOPIC + text}) == [f"T.topic:{says}"]


def test_the_same_rules_without_a_fault_are_read() -> None:
    rules = (
        'always_where_sql: ["${orders.amount} > 1", "${customers.region} = \'EU\'"]\n'
        "default_filters: {'orders.placed[month]': {is: '2025-01'}, customers.region: {is: EU}}\n"
        "always_having_filters: {orders.revenue: {greater_than: 1}}\ncache_policy: daily\n"
    )
    policy = {"model.yaml": SHOP["model.yaml"] + "cache_policies: {daily: {max_cache_age: 1 day}}\n"}
    topic = read_model(SHOP | policy | {"T.topic": TOPIC + rules}, dialect="duckdb").topics["T"]
    assert [(place.line, place.column) for _, place in topic.placed_where] == [(4, 20), (4, 44)]


def test_an_attribute_in_a_topics_condition_is_told_at_the_condition() -> None:
    sql = "always_where_sql:\n  - ${orders.amount} > 1\n  - ${orders.status} = {{omni_attributes.nope}}\n"
    model = read_model(SHOP | {"T.topic": TOPIC + sql}, dialect="duckdb")
    found = [str(item) for item in check_attributes(model, {"department": "string"})]
    assert found == ["T.topic:6:5: there is no user attribute “nope”."]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("orders.revenue: rev", "orders.revnue: rev", "6:20: “orders.revnue” is no field of its query's topic. Did you mean “orders.revenue”?"),
        ("base_view: orders", "base_view: ordrs", "3:14: there is no view “ordrs”. Did you mean “orders”?"),
        ("base_view: orders", "topic: Sals", "3:10: there is no topic “Sals”. Did you mean “Sales”?"),
        ("rev\n", "rev\n  filters:\n    orders.amnt: {is: 1}\n", "8:5: the filter's “orders.amnt” is no field. Did you mean “orders.amount”?"),
        ("rev\n", "rev\n  sorts:\n    - {field: orders.amount}\n", "8:15: the query is sorted by “orders.amount”, which it does not ask for."),
    ],
)  # fmt: skip
def test_a_fault_of_a_query_view_stands_at_its_line_and_column(old: str, new: str, says: str) -> None:
    found = problems({"q.query.view": QUERY.replace(old, new)})
    assert found == [f"q.query.view:{says}"]
    assert "q" in read_model(SHOP | {"q.query.view": QUERY}, dialect="duckdb").views


def test_a_fault_of_a_rollup_and_of_a_measures_filter_stands_at_its_place() -> None:
    rollup = "schema: shop\nmaterialized_query:\n  base_view: orders\n  fields: [orders.status, orders.revnue]\ndimensions: {a: {}, b: {}}\n"
    assert problems({"r.view": rollup}) == [
        "r.view:4:27: materialized_query holds “orders.revnue”, which is no field. Did you mean “orders.revenue”?"
    ]
    files = with_field("measures", "{aggregate_type: count, filters: {stats: {is: paid}}}")
    assert problems(files) == [
        "shop/orders.view.yaml:10:40: the filter's “orders.stats” is no dimension here. Did you mean “orders.status”?"
    ]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"T.topic": TOPIC + "default_filters: {orders.count: {greater_than: 1}}\n"}, "T.topic:4:19: the filter's “orders.count” is a measure, not a dimension"),
        (with_field("measures", "{aggregate_type: count, filters: {revenue: {is: 1}}}"), "shop/orders.view.yaml:10:40: the filter's “orders.revenue” is a measure, not a dimension"),
        ({"T.topic": TOPIC + "access_filters: [{field: orders.count, user_attribute: region}]\n"}, "T.topic:4:18: the access filter's “orders.count” is a measure, not a dimension"),
        ({"shop/orders.view.yaml": ORDERS + "access_filters: [{field: customers.region, user_attribute: region}]\n"}, "shop/orders.view.yaml:12:18: a row policy of “orders” chooses by a dimension of its own, not by “customers.region”"),
        ({"T.topic": "base_view: orders\naccess_filters: [{field: customers.region, user_attribute: region}]\n"}, "T.topic:2:18: the access filter's “customers.region”: the topic “T” does not reach “customers”"),
        ({"T.topic": "base_view: orders\ndefault_filters: {customers.region: {is: EU}}\n"}, "T.topic:2:19: the filter's “customers.region”: the topic “T” does not reach “customers”"),
        ({"T.topic": "base_view: orders\nalways_where_sql: ${customers.region} = 'EU'\n"}, "T.topic:2:19: “customers.region” is no field of this topic: the topic “T” does not reach “customers”"),
        (
            {"model.yaml": SHOP["model.yaml"] + "default_topic_access_filters: [{field: customers.region, user_attribute: region}]\n", "T.topic": "base_view: orders\n"},
            "model.yaml:2:32: the access filter's “customers.region”: the topic “T” does not reach “customers”",
        ),
        ({"relationships.yaml": JOIN + JOIN.replace("join_to_view: customers", "join_to_view: orders")}, "“customers.id” is no dimension of the two views"),
    ],
)  # fmt: skip
def test_a_name_that_cannot_stand_there_is_called_what_it_is(files: dict[str, str], says: str) -> None:
    found = problems(files)
    assert any(says in text for text in found), found
    assert not any("Did you mean" in text for text in found)
