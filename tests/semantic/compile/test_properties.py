"""Any question at all: what compiles is proven, and an actor's rows are those of the rows they may see."""

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.semantic.errors import FanOutError
from apps.semantic.model.types import Condition
from tests.semantic import shop
from tests.semantic.shop import EVERYTHING, policy, query, replace

DIMENSIONS = (
    "orders.status", "customers.region", "customers.email", "countries.continent", "orders.buyer", "items.sku",
    "orders.created_at[month]", "orders.created_at[week]",
)  # fmt: skip
MEASURES = ("orders.count", "orders.revenue", "orders.paid_share", "orders.buyers", "items.sold")
CONDITIONS = {
    "orders.status": Condition("not", ("paid",)),
    "customers.region": Condition("is", ("EU", None)),
    "orders.created_at": Condition("on_or_after", ("2026-02-01",)),
    "orders.amount": Condition("between", (10, 100)),
}
REGIONS = st.lists(st.sampled_from(("EU", "US", "ASIA")), unique=True, max_size=3)
QUERIES = st.builds(
    lambda dimensions, measures, filters, zone: query(
        *(dimensions + measures or ["orders.count"]),
        filters={name: CONDITIONS[name] for name in filters},
        timezone=zone,
    ),
    st.lists(st.sampled_from(DIMENSIONS), unique=True, max_size=3),
    st.lists(st.sampled_from(MEASURES), unique=True, max_size=3),
    st.lists(st.sampled_from(sorted(CONDITIONS)), unique=True, max_size=2),
    st.sampled_from(("UTC", "Asia/Kathmandu")),
)
SCOPES = st.builds(
    lambda rows, whole, masked: replace(
        EVERYTHING,
        row_policies={"customers": (policy("customers.region", *rows),)},
        topic_policies=(policy("customers.region", *whole),) if whole else (),
        masked=frozenset(masked),
        mask_key=shop.MASK_KEY,
    ),
    REGIONS,
    REGIONS,
    st.lists(st.sampled_from(("customers.email", "customers.country")), unique=True),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=QUERIES, scope=SCOPES)
def test_an_answer_equals_that_of_a_database_holding_only_the_permitted_rows(rows, asked, scope):
    try:
        compiled = shop.compiled(asked, scope)
        # Without policies; the rows they forbid are removed from the tables instead.
        free = shop.compiled(asked, replace(scope, row_policies={}, topic_policies=()))
        shop.compiled(asked, scope, shop.model("postgres"))
    except FanOutError:
        return
    found = rows.execute(compiled.sql, compiled.parameters).fetchall()
    rows.begin()
    _remove_forbidden(rows, scope)
    expected = rows.execute(free.sql, free.parameters).fetchall()
    rows.rollback()
    assert found == expected


def _remove_forbidden(rows: duckdb.DuckDBPyConnection, scope: shop.AccessScope) -> None:
    permitted = list(scope.row_policies["customers"][0].values)
    rows.execute("DELETE FROM shop.customers WHERE NOT list_contains(?::VARCHAR[], region)", (permitted,))
    for item in scope.topic_policies:
        rows.execute(
            "DELETE FROM shop.orders WHERE customer_id IS NULL OR customer_id NOT IN"
            " (SELECT id FROM shop.customers WHERE list_contains(?::VARCHAR[], region))",
            (list(item.values),),
        )
