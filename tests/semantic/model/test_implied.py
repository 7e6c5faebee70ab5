"""Columns that files name and do not describe: as a warehouse's own schema would tell them, and nobody may ask for them."""

import pytest

from apps.semantic.errors import ModelError
from apps.semantic.model.reading import read_model
from tests.semantic.model.files import SHOP

FACTS = """
query:
  base_view: orders
  fields: {orders.payer_no: payer, orders.revenue: total}
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
    ],
)
def test_filters_of_a_topic_may_rest_on_a_column_that_is_not_described(topic: str, name: str, column: int) -> None:
    model = read(W_topic=f"base_view: orders\n{topic}\n")
    assert f"W.topic:2:{column}: warning: “{name}” {SAYS}" in [str(item) for item in model.warnings]
    assert model.dimension(name).is_hidden
    assert name not in model.topics["W"].fields


def test_a_query_view_may_ask_for_such_a_column() -> None:
    model = read(facts_query_view=FACTS)
    told = sorted(item.message for item in model.warnings if SAYS in item.message)
    assert [text.split("”")[0] for text in told] == ["“orders.payer_no"]
    assert "orders.payer_no" in model.topics[model.views["facts"].query_source.topic].fields


@pytest.mark.parametrize(
    "topic",
    [
        "always_where_sql: ${orders.statuss} = 'x'",
        "always_where_filters: {orders.statuss: {is: x}}",
        "access_filters: [{field: orders.voided, user_attribute: a}]",
        "default_filters: {voided: {is: null}}",
    ],
)
def test_what_is_nearly_described_is_a_mistake_and_a_policy_chooses_by_what_is(topic: str) -> None:
    with pytest.raises(ModelError, match=r"Did you mean|no dimension here|no dimension"):
        read(W_topic=f"base_view: orders\n{topic}\n")


LABELS = {
    "model.yaml": SHOP["model.yaml"] + "classification_access: {confidential: {required_access_grants: [mail]}}\n"
}


@pytest.mark.parametrize(
    "closed",
    [
        "  payer: {sql: payer_no, required_access_grants: [mail]}",
        "  payer: {sql: 'UPPER(Payer_No)', required_access_grants: [mail]}",
        "  payer: {sql: payer_no, mask_unless_access_grants: [mail]}",
        "  payer: {sql: payer_no, classification: confidential}",
        "  payer: {sql: payer_no, classification: unclassified}",
        "  payer: {sql: '${payer_no} * 2', required_access_grants: [mail]}",
        "  payer: {sql: '${payer_no}', classification: confidential}",
    ],
)
def test_a_query_view_opens_no_column_that_a_field_closes(closed: str) -> None:
    orders = SHOP["shop/orders.view.yaml"].replace("  status: {}", f"  status: {{}}\n{closed}")
    with pytest.raises(
        ModelError,
        match=r"facts\.query\.view:4:29: “orders.payer_no” is not described, and “orders.payer” .* is closed",
    ):
        read_model(SHOP | LABELS | {"shop/orders.view.yaml": orders, "facts.query.view": FACTS}, dialect="duckdb")
    described = FACTS.replace("orders.payer_no", "orders.payer")
    assert read_model(
        SHOP | LABELS | {"shop/orders.view.yaml": orders, "facts.query.view": described}, dialect="duckdb"
    )


BILLS = "schema: shop\ntable_name: %s\ndimensions: {payer: {sql: payer_no, mask_unless_access_grants: [mail]}}\n"


def test_nor_does_it_open_what_another_view_over_the_table_closes() -> None:
    with pytest.raises(ModelError, match=r"“orders\.payer_no” is not described, and “bills\.payer” .* is closed"):
        read(bills_view=BILLS % "orders", facts_query_view=FACTS)
    assert read(bills_view=BILLS % "bills", facts_query_view=FACTS)


@pytest.mark.parametrize("field", ["payer: {sql: payer_no}", "payer: {sql: other_no, required_access_grants: [mail]}"])
def test_what_is_open_or_made_of_another_column_closes_none(field: str) -> None:
    orders = SHOP["shop/orders.view.yaml"].replace("  status: {}", f"  status: {{}}\n  {field}")
    assert read_model(SHOP | {"shop/orders.view.yaml": orders, "facts.query.view": FACTS}, dialect="duckdb")


def test_a_query_view_chooses_rows_by_described_columns_only() -> None:
    chosen = FACTS.replace("dimensions:", "  filters: {orders.channel: {is: web}}\ndimensions:")
    with pytest.raises(ModelError, match=r"orders\.channel"):
        read(facts_query_view=chosen)


@pytest.mark.parametrize(
    ("described", "named"),
    [
        ("created_at", "created_by"), ("is_active", "is_archived"), ("amount_usd", "amount_eur"), ("billing_address", "mailing_address"),
        ("list_price", "unit_price"), ("line_1", "line_2"),
    ],
)  # fmt: skip
def test_columns_that_share_a_word_are_no_mistakes(described: str, named: str) -> None:
    view = f"dimensions: {{id: {{primary_key: true}}, {described}: {{}}, x: {{sql: '${{{named}}}'}}}}\n"
    assert read_model({"things.view": view}, dialect="duckdb").dimension(f"things.{named}") is not None
    with pytest.raises(ModelError, match="Did you mean"):
        read_model({"things.view": view.replace(f"${{{named}}}", f"${{{described}x}}")}, dialect="duckdb")
