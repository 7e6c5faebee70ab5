"""Columns that files name and do not describe: as a warehouse's own schema would tell them, and nobody may ask for them."""

import pytest

from apps.semantic.errors import ModelError
from apps.semantic.model.reading import read_model
from tests.semantic.model.files import SHOP

FACTS = """
query:
  base_view: orders
  fields: {orders.payer_no: payer, orders.revenue: total}
  filters: {orders.channel: {is: web}}
dimensions: {payer: {primary_key: true}, total: {}}
"""
SAYS = "is not described; it is taken to be a column of the table, hidden"


def read(**files: str):
    return read_model(SHOP | {name.replace("_", "."): text for name, text in files.items()}, dialect="duckdb")


@pytest.mark.parametrize(
    ("topic", "name", "column"),
    [
        ("always_where_sql: ${orders.voided} = false", "orders.voided", 19),
        ("always_where_filters: {orders.voided: {is: null}}", "orders.voided", 24),
        ("default_filters: {voided: {is: null}}", "orders.voided", 19),
    ],
)
def test_filters_of_a_topic_may_rest_on_a_column_that_is_not_described(topic: str, name: str, column: int) -> None:
    model = read(W_topic=f"base_view: orders\n{topic}\n")
    assert f"W.topic:2:{column}: warning: “{name}” {SAYS}" in [str(item) for item in model.warnings]
    assert model.dimension(name).is_hidden
    assert name not in model.topics["W"].fields


def test_a_query_view_may_ask_for_such_a_column_and_choose_by_one() -> None:
    model = read(facts_query_view=FACTS)
    told = sorted(item.message for item in model.warnings if SAYS in item.message)
    assert [text.split("”")[0] for text in told] == ["“orders.channel", "“orders.payer_no"]
    assert "orders.payer_no" in model.topics[model.views["facts"].query_source.topic].fields


@pytest.mark.parametrize(
    "topic",
    [
        "always_where_sql: ${orders.statuss} = 'x'",
        "always_where_filters: {orders.statuss: {is: x}}",
        "access_filters: [{field: orders.voided, user_attribute: a}]",
    ],
)
def test_what_is_nearly_described_is_a_mistake_and_a_policy_chooses_by_what_is(topic: str) -> None:
    with pytest.raises(ModelError, match=r"Did you mean|no dimension here"):
        read(W_topic=f"base_view: orders\n{topic}\n")
