"""Policy tests look at which policies hold on every row of an answer, and at no table's mere name."""

from datetime import UTC, datetime

import pytest

from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.datamodels.errors import PublishRefusedError
from apps.datamodels.models import Dataset
from apps.datamodels.services import import_files
from apps.governance.policy_tests.checking import run_policy_tests
from apps.tenants.types import TenantRef
from tests.apps.queries.conftest import sales, source

__all__ = ["sales", "source"]
STORE = {
    "customers.view.yaml": """
schema: main
access_filters: [{field: country, user_attribute: region}]
dimensions: {id: {primary_key: true}, country: {}, name: {}}
measures: {count: {aggregate_type: count}}
""",
    "orders.view.yaml": """
schema: main
dimensions: {id: {primary_key: true}, customer_id: {}, status: {}, amount: {sql: CAST(amount AS INT)}}
measures: {count: {aggregate_type: count}, revenue: {aggregate_type: sum, sql: "${amount}"}}
""",
    "items.view.yaml": "schema: main\ndimensions: {id: {primary_key: true}, order_id: {}}\nmeasures: {count: {aggregate_type: count}}\n",
    "relationships.yaml": """
- {join_from_view: orders, join_to_view: customers, join_type: always_left, relationship_type: many_to_one,
   on_sql: "${orders.customer_id} = ${customers.id}"}
- {join_from_view: orders, join_to_view: items, join_type: always_left, relationship_type: one_to_many,
   on_sql: "${orders.id} = ${items.order_id}"}
""",
    "Sales.topic.yaml": "base_view: orders\njoins: {customers: {}, items: {}}\n",
    "People.topic.yaml": "base_view: customers\n",
    "Both.composite_topic.yaml": """
topics: [Sales, People]
shared_dimensions: {name: {mappings: {Sales: customers.name, People: customers.name}}}
""",
}
PERSON = "people: {eve: {attributes: {region: [EU]}}}\ntests:\n"
ON_COUNTRY = "rows_only_where: {customers.country: [EU]}"


@pytest.fixture
def connection(acme: TenantRef) -> Connection:
    return Connection(name="orders", dialect="duckdb", database="acme.duckdb")


def joined(kind: str) -> dict[str, str]:
    """Return the store with customers joined in another way."""
    path = "relationships.yaml"
    return STORE | {path: STORE[path].replace("customers, join_type: always_left", f"customers, join_type: {kind}")}


def failures(
    connection: Connection,
    files: dict[str, str],
    fields: str = "",
    *,
    rule: str = ON_COUNTRY,
    dataset: str = "Sales",
    more: str = "",
) -> list[str]:
    query = f"query: {{fields: [{fields}]{more}}}, " if fields else ""
    test = f"{PERSON}  - {{people: eve, dataset: {dataset}, {query}expect: {{{rule}}}}}\n"
    found = run_policy_tests(files | {"a.access_test.yaml": test}, connection, now=datetime.now(UTC))
    return [failure.actual for outcome in found for failure in outcome.failures]


QUESTIONS = [
    "",
    "orders.count",
    "orders.id, customers.name",
    "customers.country, orders.revenue",
    "orders.revenue, customers.count",
    "orders.revenue, items.count",
]


@pytest.mark.parametrize("fields", QUESTIONS)
def test_a_policy_that_empties_columns_and_drops_no_row_governs_nothing(connection: Connection, fields: str) -> None:
    """Orders of customers elsewhere are in the answer, though nothing of the customers is."""
    says = "the row policy on customers.country governs customers alone, and rows without a match in it remain"
    assert failures(connection, STORE, fields) == [says]


@pytest.mark.parametrize("fields", QUESTIONS)
def test_a_policy_behind_a_join_that_drops_rows_governs_all(connection: Connection, fields: str) -> None:
    assert failures(connection, joined("inner"), fields) == []
    assert failures(connection, joined("inner"), fields, rule="rows_only_where: {customers.country: [US]}") == [
        "rows where customers.country is EU"
    ]


def test_the_data_sets_own_policy_governs_every_row_whatever_the_join(connection: Connection) -> None:
    own = STORE["Sales.topic.yaml"] + "access_filters: [{field: customers.country, user_attribute: region}]\n"
    for fields in QUESTIONS:
        assert failures(connection, STORE | {"Sales.topic.yaml": own}, fields) == []


@pytest.mark.parametrize(("kind", "of_orders"), [("right_left", False), ("full_outer", False), ("inner", True)])
def test_where_rows_without_the_base_view_remain_its_policy_does_not_govern_them(
    connection: Connection, kind: str, of_orders: bool
) -> None:
    ruled = STORE["orders.view.yaml"].replace(
        "schema", "access_filters: [{field: status, user_attribute: region}]\nschema"
    )
    files = joined(kind) | {"orders.view.yaml": ruled}
    for fields in ("", "orders.count", "customers.name, orders.count"):
        found = failures(connection, files, fields, rule="rows_only_where: {orders.status: [EU]}")
        assert (found == []) == of_orders
    assert (failures(connection, files, "orders.count") == []) == (kind != "full_outer")


def test_a_view_behind_one_that_may_be_missing_is_governed_as_the_joins_say(connection: Connection) -> None:
    path, topic = "relationships.yaml", "base_view: items\njoins: {orders: {customers: {}}}\n"
    back = STORE[path].replace(
        "join_from_view: orders, join_to_view: items", "join_from_view: items, join_to_view: orders"
    )
    files = STORE | {"Sales.topic.yaml": topic, path: back.replace("one_to_many", "many_to_one")}
    del files["Both.composite_topic.yaml"]
    assert failures(connection, files, "customers.name, items.count") != []
    inner = files[path].replace("customers, join_type: always_left", "customers, join_type: inner")
    assert failures(connection, files | {path: inner}, "items.count") == []


def test_each_part_of_a_composite_that_is_asked_is_looked_at(connection: Connection) -> None:
    people = "'@_shared_dimensions_.name', '@People.customers.count'"
    assert failures(connection, STORE, people, dataset="Both") == []
    both = f"{people}, '@Sales.orders.count'"
    assert failures(connection, STORE, both, dataset="Both") == [
        "the row policy on customers.country governs customers alone, and rows without a match in it remain in Sales"
    ]
    assert failures(connection, joined("inner"), both, dataset="Both") == []


DERIVED = STORE | {
    "spare.view.yaml": STORE["orders.view.yaml"].replace("schema: main", "schema: main\ntable_name: orders"),
    "orders.view.yaml": STORE["orders.view.yaml"].replace(
        "schema: main", "schema: main\naccess_filters: [{field: status, user_attribute: region}]"
    ),
    "facts.query.view.yaml": """
query: {base_view: spare, fields: {spare.customer_id: customer_id, spare.revenue: total}}
dimensions: {customer_id: {primary_key: true}, total: {sql: CAST(total AS INT)}}
measures: {sum_total: {aggregate_type: sum, sql: "${total}"}}
""",
    "relationships.yaml": STORE["relationships.yaml"]
    + """
- {join_from_view: facts, join_to_view: orders, relationship_type: one_to_many, join_type: always_left,
   on_sql: "${facts.customer_id} = ${orders.customer_id}"}
""",
    "Facts.topic.yaml": "base_view: facts\njoins: {orders: {}}\n",
}
ON_STATUS = "rows_only_where: {orders.status: [EU]}"


def test_a_table_that_is_read_inside_a_query_view_is_another_views(connection: Connection) -> None:
    """The answer is over all orders: what the view asks inside reads the same table by a view that has no policy."""
    says = "the row policy on orders.status governs orders alone, and rows without a match in it remain"
    for fields in ("", "facts.sum_total", "facts.sum_total, orders.status"):
        assert failures(connection, DERIVED, fields, rule=ON_STATUS, dataset="Facts") == [says]
    for fields in ("", "orders.count", "orders.status, orders.revenue"):
        assert failures(connection, DERIVED, fields, rule=ON_STATUS) == []


def test_a_query_views_own_policy_governs_its_rows(connection: Connection) -> None:
    path = "facts.query.view.yaml"
    own = DERIVED | {path: f"access_filters: [{{field: customer_id, user_attribute: region}}]{DERIVED[path]}"}
    rule = "rows_only_where: {facts.customer_id: [EU]}"
    for fields in ("", "facts.sum_total", "facts.total, orders.count"):
        assert failures(connection, own, fields, rule=rule, dataset="Facts") == []
        assert failures(connection, DERIVED, fields, rule=rule, dataset="Facts") == [
            "no row policy on facts.customer_id governs this"
        ]


ROLLED = STORE | {
    "flat.view.yaml": """
schema: main
access_filters: [{field: region, user_attribute: region}]
dimensions: {region: {}, amount: {}}
measures: {total: {aggregate_type: sum, sql: "${amount}"}}
""",
    "held.view.yaml": """
schema: main
dimensions: {region: {}, total: {}}
materialized_query: {base_view: flat, fields: [flat.region, flat.total]}
""",
    "Flat.topic.yaml": "base_view: flat\n",
}


def test_a_policy_governs_the_rollup_that_answers(connection: Connection) -> None:
    rule = "rows_only_where: {flat.region: [EU]}"
    for fields in ("flat.total", "flat.region, flat.total", "flat.amount", ""):
        assert failures(connection, ROLLED, fields, rule=rule, dataset="Flat") == []
    without = ROLLED | {"flat.view.yaml": ROLLED["flat.view.yaml"].replace("access_filters", "# access_filters")}
    for fields in ("flat.total", "flat.amount", ""):
        assert failures(connection, without, fields, rule=rule, dataset="Flat") == [
            "no row policy on flat.region governs this"
        ]


def test_an_earlier_time_beside_is_governed_too(connection: Connection) -> None:
    files = STORE | {
        "orders.view.yaml": STORE["orders.view.yaml"].replace(
            "status: {}", "status: {}, placed: {sql: CAST(placed AS TIMESTAMP), timeframes: [date, month]}"
        )
    }
    more = ", compare: {field: 'orders.placed', offset: 1 year}"
    fields = "'orders.placed[month]', orders.count"
    assert failures(connection, files, fields, more=more) != []
    inner = files | {"relationships.yaml": joined("inner")["relationships.yaml"]}
    assert failures(connection, inner, fields, more=more) == []


def test_a_promise_that_is_broken_stands_against_publishing(sales: Dataset, now: datetime) -> None:
    test = f"{PERSON}  - {{name: Europe, people: eve, dataset: Sales, query: {{fields: [orders.revenue, customers.count]}}, expect: {{{ON_COUNTRY}}}}}\n"

    def publish(files: dict[str, str]) -> None:
        files = files | {"a.access_test.yaml": test}
        import_files(
            connection=sales.data_model.connection, name="orders", files=files, publish=True, by=SYSTEM, now=now
        )

    with pytest.raises(PublishRefusedError, match=r"“Europe” fails for “eve”.*rows without a match in it remain"):
        publish(STORE)
    publish(joined("inner"))
