"""A small shop's folder, and ways to read it with something changed."""

import pytest

from apps.semantic.errors import ModelError
from apps.semantic.model.reading import read_model
from apps.semantic.model.types import SemanticModel

ORDERS = """
schema: shop
dimensions:
  id: {primary_key: true}
  customer_id: {}
  status: {}
  amount: {}
  placed: {timeframes: [raw, date, month]}
measures:
  count: {aggregate_type: count}
  revenue: {aggregate_type: sum, sql: "${amount}"}
"""


CUSTOMERS = "schema: shop\ndimensions:\n  id: {primary_key: true}\n  region: {}\n  email: {}\n"


JOIN = """
- join_from_view: orders
  join_to_view: customers
  relationship_type: many_to_one
  on_sql: ${orders.customer_id} = ${customers.id}
"""


SHOP = {
    "model.yaml": "access_grants: {mail: {user_attribute: department, allowed_values: [mail]}}\n",
    "relationships.yaml": JOIN,
    "shop/orders.view.yaml": ORDERS,
    "shop/customers.view": CUSTOMERS,
    "Sales.topic.yaml": "base_view: orders\njoins: {customers: {}}\n",
}


def read(**changes: str) -> SemanticModel:
    """Read the shop with other content for some files; dots in their names are written as ``_dot_``."""
    return read_model(SHOP | {name.replace("_dot_", "."): text for name, text in changes.items()}, dialect="duckdb")


def with_field(kind: str, text: str) -> dict[str, str]:
    """Return the orders view with one more dimension or measure called x."""
    return {"shop/orders.view.yaml": ORDERS.replace(f"{kind}:\n", f"{kind}:\n  x: {text}\n")}


def field_problems(kind: str, text: str) -> list[str]:
    with pytest.raises(ModelError) as error:
        read_model(SHOP | with_field(kind, text), dialect="duckdb")
    return [str(problem) for problem in error.value.problems]


def field(kind: str, text: str):
    model = read_model(SHOP | with_field(kind, text), dialect="duckdb")
    return model.dimension("orders.x") or model.measure("orders.x"), model


def dimensions(text: str) -> dict[str, str]:
    return {"shop/orders.view.yaml": ORDERS.replace("dimensions:\n", f"dimensions:\n{text}")}
