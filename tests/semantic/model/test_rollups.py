"""What a rollup cannot hold is a fault where it is named, and so is what would let its table hold less than all rows."""

import pytest

from apps.semantic.errors import ModelError
from apps.semantic.model.reading import read_model
from tests.semantic.model.files import ORDERS, SHOP

FIELDS = ORDERS.replace(
    "dimensions:\n",
    """dimensions:
  place: {sql: "${customers.region}"}
  placed_in: {sql: "UPPER(${place})"}
  mine: {sql: "${status} = {{omni_attributes.department}}"}
  chosen: {sql: "CASE WHEN {{# orders.want.filter }} ${status} {{/ orders.want.filter }} THEN 1 END"}
  spent: {sql: "${amount}", level_of_detail: {aggregate_type: sum, fixed: [orders.status]}}
  best: {sql: "${status}", dynamic_top_n: {n: 1, by: revenue, else: rest}}
  ordered: {sql: "${status}", order_by_field: customers.region}
  waited: {duration: {sql_start: "${placed}", sql_end: "${customers.since}", intervals: [days]}}
""",
).replace(
    "measures:\n",
    """measures:
  american: {aggregate_type: sum, sql: "${amount}", filters: {customers.region: {is: US}}}
  of_mine: {aggregate_type: count, filters: {mine: {is: true}}}
  most: {aggregate_type: max, sql: "${spent}"}
  per_status: {aggregate_type: average, sql: "${amount}", level_of_detail: {aggregate_type: sum, fixed: [orders.status]}}
  per_place: {aggregate_type: sum_distinct_on, sql: "${amount}", custom_primary_key_sql: "${customers.region}"}
  share: {sql: "${revenue} / ${american}"}
""",
) + "filters:\n  want: {type: string}\n"  # fmt: skip
CUSTOMERS = SHOP["shop/customers.view"] + "  since: {timeframes: [date]}\n"
ROLLUP = "schema: shop\nmaterialized_query:\n  base_view: orders\n  fields: [orders.status, %s]\ndimensions: {a: {}, b: {}}\n"
OTHER = "is of another view than “orders”, whose rules would not hold on the table"
DETAIL = "has a level of detail: it counts rows that its reader may not see"


def problems(rollup: str, **changes: str) -> list[str]:
    files = {"shop/orders.view.yaml": FIELDS, "shop/customers.view": CUSTOMERS, "r.view": rollup} | changes
    with pytest.raises(ModelError) as error:
        read_model(SHOP | files, dialect="duckdb")
    return [str(problem) for problem in error.value.problems]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("place", f"“customers.region” {OTHER}"),
        ("placed_in", f"“customers.region” {OTHER}"),
        ("ordered", f"“customers.region” {OTHER}"),
        ("waited", f"“customers.since” {OTHER}"),
        ("american", f"“customers.region” {OTHER}"),
        ("per_place", f"“customers.region” {OTHER}"),
        ("share", f"“customers.region” {OTHER}"),
        ("mine", "“orders.mine” is another for each value of the user attribute “department”"),
        ("of_mine", "“orders.mine” is another for each value of the user attribute “department”"),
        ("chosen", "“orders.chosen” depends on the query's filter on “orders.want”"),
        ("want", "“orders.want” is no dimension and no measure"),
        ("spent", f"“orders.spent” {DETAIL}"),
        ("most", f"“orders.spent” {DETAIL}"),
        ("per_status", f"“orders.per_status” {DETAIL}"),
        ("best", "“orders.best” ranks its values by rows that its reader may not see"),
    ],
)
def test_what_a_rollup_cannot_hold_is_told_where_it_is_named(name: str, why: str) -> None:
    assert problems(ROLLUP % f"orders.{name}") == [
        f"r.view:4:27: materialized_query cannot hold “orders.{name}”: {why}"
    ]


def test_a_field_of_a_joined_view_is_not_held() -> None:
    assert problems(ROLLUP % "customers.region") == [
        f"r.view:4:27: materialized_query cannot hold “customers.region”: “customers.region” {OTHER}"
    ]


@pytest.mark.parametrize(
    "line",
    ["filters: {orders.status: {is: a}}", "limit: 10", "topic: Sales", "default_group_by: false", "calculations: {x: {sql: a}}"],
)  # fmt: skip
def test_what_changes_the_rows_of_a_rollup_is_a_fault(line: str) -> None:
    name, _, value = line.partition(": ")
    column = 3 if value.startswith("{") else 5 + len(name)
    rollup = (ROLLUP % "orders.revenue").replace("  fields", f"  {line}\n  fields")
    assert problems(rollup) == [
        f"r.view:4:{column}: “{name}” is not read in materialized_query: the table must hold all rows of its base view, "
        "grouped by the dimensions among its fields"
    ]


def test_an_order_changes_nothing_but_beside_a_limit() -> None:
    sorted_ = (ROLLUP % "orders.revenue").replace("  fields", "  sorts: [{field: orders.status}]\n  fields")
    assert read_model(SHOP | {"r.view": sorted_}, dialect="duckdb").views["r"].rollup is not None
    found = problems(sorted_.replace("  fields", "  limit: 3\n  fields"))
    assert [text.partition("“")[2].partition("”")[0] for text in found] == ["sorts", "limit"]


def test_a_rollup_is_of_a_views_own_rows_in_columns_of_their_own() -> None:
    query = "schema: shop\nquery: {base_view: orders, fields: [orders.status, orders.revenue]}\n"
    rollup = (ROLLUP % "q.revenue").replace("orders", "q")
    assert problems(rollup, **{"q.query.view": query}) == [
        "r.view:3:14: a rollup cannot stand for this view: “q” reads a query, and the rules of what that reads would not hold "
        "on a table of its answer"
    ]
    same = (ROLLUP % "orders.revenue").replace("b: {}", "b: {sql: A}")
    assert problems(same) == ["r.view:4:12: two fields of materialized_query have the same column"]
    header = SHOP["model.yaml"] + "dynamic_schemas: {shard: {from_schema: shop, user_attribute: shard}}\n"
    sharded = (ROLLUP % "orders.revenue").replace("schema: shop", "schema: shard")
    assert problems(sharded, **{"model.yaml": header}) == [
        "r.view:3:14: a user attribute names the schema of “orders” or of its rollup, and not of both alike"
    ]
