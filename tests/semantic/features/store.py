"""A small store written in the model format, its rows in DuckDB, and one way to ask it as someone."""

from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Any

from apps.semantic.compile import compile_query
from apps.semantic.compile.types import CompiledQuery
from apps.semantic.model.reading import read_model
from apps.semantic.model.types import SemanticModel
from apps.semantic.query.reading import parse_query
from apps.semantic.scope import AccessScope, RowPolicy
from apps.semantic.verify import verify
from tests.semantic.features.engines import Engine

TODAY = date(2026, 3, 15)
MASK_KEY = "0123456789abcdef0123456789abcdef"
ROWS = """
CREATE SCHEMA omni_store;
CREATE TABLE omni_store.customers (id INT, name VARCHAR(40), email VARCHAR(40), region VARCHAR(40), born DATE, limit_ INT, manager_id INT);
INSERT INTO omni_store.customers VALUES
  (1, 'Ola', 'ola@x.no', 'EU', '1990-05-17', 100, NULL), (2, 'Kari', 'kari@x.no', 'EU', '1985-01-02', 250, 1),
  (3, 'Joe', 'joe@x.us', 'US', '2001-12-31', 75, 1), (4, 'Mia', NULL, NULL, NULL, NULL, 3);
CREATE TABLE omni_store.orders (id INT, customer_id INT, status VARCHAR(40), amount INT, ordered_at TIMESTAMP NULL,
  shipped_at TIMESTAMP NULL);
INSERT INTO omni_store.orders VALUES
  (1, 1, 'paid', 100, '2025-01-31 23:30:00', '2025-02-02 10:00:00'),
  (2, 1, 'open', 50, '2025-02-10 08:00:00', NULL),
  (3, 2, 'paid', 30, '2026-01-28 23:59:00', '2026-01-29 00:10:00'),
  (4, 3, 'paid', 500, '2026-02-01 00:30:00', '2026-03-03 00:30:00'),
  (5, 3, NULL, 20, '2026-02-02 12:00:00', NULL),
  (6, NULL, 'lost', 11, '2026-03-14 12:00:00', '2026-03-14 13:00:00');
CREATE TABLE omni_store.items (id INT, order_id INT, sku VARCHAR(40), price INT);
INSERT INTO omni_store.items VALUES (1, 1, 'x', 60), (2, 1, 'y', 40), (3, 2, 'x', 50), (4, 4, 'z', 500), (5, 99, 'q', 7);
CREATE TABLE omni_store.payments (id INT, order_id INT, paid INT);
INSERT INTO omni_store.payments VALUES (1, 1, 70), (2, 1, 30), (3, 3, 30), (4, 4, 250), (5, 4, 250);
CREATE TABLE omni_store.tickets (id INT, customer_id INT, opened_on DATE, minutes INT);
INSERT INTO omni_store.tickets VALUES (1, 1, '2025-01-05', 10), (2, 1, '2025-03-01', 20), (3, 3, '2026-02-11', 5);
CREATE TABLE omni_store.flat AS SELECT c.region, o.ordered_at, o.amount, o.status
  FROM omni_store.orders o LEFT JOIN omni_store.customers c ON c.id = o.customer_id;
CREATE TABLE omni_store.monthly (region VARCHAR(40), month DATE, revenue INT, count INT);
INSERT INTO omni_store.monthly VALUES ('EU', '2025-01-01', 100, 1), ('EU', '2025-02-01', 50, 1),
  ('EU', '2026-01-01', 30, 1), ('US', '2026-02-01', 520, 2), (NULL, '2026-03-01', 11, 1);
"""
FILES = {
    "model": """
constants:
  paid_states: "'paid'"
fiscal_month_offset: 3
access_grants:
  sees_mail: {user_attribute: department, allowed_values: [mail]}
""",
    "relationships": """
- {join_from_view: orders, join_to_view: customers, relationship_type: many_to_one, reversible: true,
   on_sql: "${orders.customer_id} = ${customers.id}"}
- {join_from_view: orders, join_to_view: items, relationship_type: one_to_many, on_sql: "${orders.id} = ${items.order_id}"}
- {join_from_view: orders, join_to_view: payments, relationship_type: one_to_many,
   on_sql: "${orders.id} = ${payments.order_id}"}
- {join_from_view: tickets, join_to_view: customers, relationship_type: many_to_one,
   on_sql: "${tickets.customer_id} = ${customers.id}"}
- {join_from_view: customers, join_to_view: customers, join_to_view_as: managers, relationship_type: many_to_one,
   on_sql: "${customers.manager_id} = ${managers.id}"}
""",
    "customers.view": """
schema: omni_store
dimensions:
  id: {primary_key: true}
  name: {}
  email: {sql: "${customers.mail}", mask_unless_access_grants: [sees_mail]}
  mail: {sql: email, mask_unless_access_grants: [sees_mail]}
  region: {}
  born: {timeframes: [raw, date, month, year], sql: CAST(born AS DATE)}
  credit: {sql: CAST(limit_ AS INT)}
  credit_band: {sql: limit_, bin_boundaries: [100, 200]}
  manager_id: {}
  area:
    sql: "${region}"
    groups:
      - {filter: {is: [EU]}, name: Europe}
      - {filter: {is: [US]}, name: America}
    else: Elsewhere
  lifetime:
    sql: "${orders.amount}"
    level_of_detail: {aggregate_type: sum, fixed: [customers.id]}
measures:
  count: {aggregate_type: count}
  credits: {aggregate_type: sum, sql: "${credit}"}
  median_credit: {aggregate_type: median, sql: "${credit}"}
""",
    "orders.view": """
schema: omni_store
dimensions:
  id: {primary_key: true}
  customer_id: {}
  status: {}
  amount: {sql: CAST(amount AS INT)}
  ordered_at: {timeframes: [raw, date, week, month, quarter, year, day_of_month, day_of_quarter, day_of_year, month_name,
                            day_of_week_name, fiscal_year, fiscal_quarter, hour_of_day]}
  shipped_at: {timeframes: [raw, date]}
  delivery: {duration: {sql_start: "${ordered_at}", sql_end: "${shipped_at}", intervals: [hours, days, months]}}
  best_customers: {sql: "${customers.name}", dynamic_top_n: {n: 1, by: revenue, else: the rest}}
  is_wanted: {sql: "{{# orders.wanted.filter }} ${status} {{/ orders.wanted.filter }}"}
  mine: {sql: "${customers.region} = '{{omni_attributes.region}}'"}
filters:
  wanted: {type: string}
measures:
  count: {aggregate_type: count}
  revenue: {aggregate_type: sum, sql: "${amount}"}
  average: {aggregate_type: average, sql: "${amount}"}
  all_revenue: {aggregate_type: sum, sql: "${amount}", filters: {status: {cancel_query_filter: true}}}
  last_year: {aggregate_type: sum, sql: "${amount}", filters: {ordered_at: {date_offset_from_query: 1 year}}}
  paid: {aggregate_type: sum, sql: "CASE WHEN ${status} = @{paid_states} THEN ${amount} ELSE 0 END"}
  p90: {aggregate_type: percentile, percentile: 90, sql: "${amount}"}
  states: {aggregate_type: list, sql: "${status}"}
  per_customer:
    aggregate_type: average
    sql: "${amount}"
    level_of_detail: {aggregate_type: sum, fixed: [customers.id]}
  per_status: {aggregate_type: sum_distinct_on, sql: "${amount}", custom_primary_key_sql: "${status}"}
  wanted_orders: {sql: "COUNT(CASE WHEN ${is_wanted} THEN 1 END)"}
""",
    "items.view": """
schema: omni_store
dimensions: {id: {primary_key: true}, order_id: {}, sku: {}, price: {sql: CAST(price AS INT)}}
measures: {count: {aggregate_type: count}, sold: {aggregate_type: sum, sql: "${price}"}}
""",
    "payments.view": """
schema: omni_store
dimensions: {id: {primary_key: true}, order_id: {}, paid: {}}
measures: {count: {aggregate_type: count}, total: {aggregate_type: sum, sql: "${paid}"}}
""",
    "tickets.view": """
schema: omni_store
dimensions: {id: {primary_key: true}, customer_id: {}, opened_on: {timeframes: [date, month, year]}, minutes: {}}
measures: {count: {aggregate_type: count}, minutes_spent: {aggregate_type: sum, sql: "${minutes}"}}
""",
    "big_orders.view": """
sql: SELECT o.customer_id AS customer, o.amount AS size, c.email AS mail FROM omni_store.orders AS o
  JOIN omni_store.customers c ON c.id = o.customer_id WHERE o.amount >= 50
dimensions: {customer: {}, size: {sql: CAST(size AS INT)}, mail: {}}
measures: {count: {aggregate_type: count}, total: {aggregate_type: sum, sql: "${size}"}}
""",
    "customer_facts.query.view": """
query:
  base_view: orders
  fields: {orders.customer_id: customer_id, orders.revenue: lifetime_value}
  calculations: {doubled: {sql: lifetime_value * 2}}
dimensions: {customer_id: {primary_key: true}, lifetime_value: {sql: CAST(lifetime_value AS INT)}}
measures: {count: {aggregate_type: count}, best: {aggregate_type: max, sql: "${lifetime_value}"}}
""",
    "monthly.view": """
schema: omni_store
dimensions: {region: {}, month: {}, revenue: {}, count: {}}
materialized_query: {base_view: flat, fields: [flat.region, "flat.ordered_at[month]", flat.revenue, flat.count]}
""",
    "flat.view": """
schema: omni_store
dimensions: {region: {}, ordered_at: {timeframes: [date, month, quarter, year]}, amount: {}, status: {}}
measures: {revenue: {aggregate_type: sum, sql: "${amount}"}, count: {aggregate_type: count},
           mean: {sql: "${revenue} * 1.0 / ${count}"}}
""",
    "Flat.topic": "base_view: flat",
    "Sales.topic": "base_view: orders\njoins: {customers: {managers: {}}, items: {}, payments: {}}",
    "People.topic": "base_view: customers\njoins: {orders: {items: {}}}",
    "Tickets.topic": "base_view: tickets\njoins: {customers: {}}",
    "Big.topic": "base_view: big_orders",
    "Facts.topic": "base_view: customer_facts",
    "Guarded.topic": """
base_view: orders
joins: {customers: {}}
always_where_sql: "${customers.region} = {{omni_attributes.region}} AND ${amount} > 20"
always_where_filters: {status: {not: [lost]}}
always_having_filters: {orders.count: {greater_than: 0}}
""",
    "Both.composite_topic": """
topics: [Sales, Tickets]
shared_dimensions:
  region: {mappings: {Sales: customers.region, Tickets: customers.region}}
  month: {mappings: {Sales: "orders.ordered_at[month]", Tickets: "tickets.opened_on[month]"}}
""",
}


def model(dialect: str = "duckdb", **changes: str) -> SemanticModel:
    """Return the store's model, some files changed; the same files are read once, for models never change."""
    return _model(dialect, tuple(sorted(changes.items())))


@cache
def _model(dialect: str, changes: tuple[tuple[str, str], ...]) -> SemanticModel:
    return read_model(FILES | dict(changes), dialect=dialect)


def everything(of: SemanticModel, name: str, **rest: Any) -> AccessScope:
    """Return a scope over all fields of a data set and of what it rests on."""
    nested = {topic: AccessScope(topic, found.fields) for topic, found in of.topics.items()}
    fields = of.composites[name].fields if name in of.composites else of.topics[name].fields
    return AccessScope(name, fields, nested=nested, mask_key=MASK_KEY, **rest)


def policy(field: str, *values: object) -> RowPolicy:
    return RowPolicy(field, values, "region", "store:1")  # type: ignore[arg-type]  # test values


class Store:
    """Asks the store's model as someone, and the rows by hand."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.engine.rows(ROWS)
        self.model = model(engine.dialect)

    def ask(
        self, question: Mapping[str, Any], scope: AccessScope | None = None, of: SemanticModel | None = None
    ) -> list[Any]:
        """Return the rows of a question, proven before it runs."""
        return self.engine.rows(*self.text(question, scope, of))

    def text(
        self, question: Mapping[str, Any], scope: AccessScope | None = None, of: SemanticModel | None = None
    ) -> tuple[str, list[Any]]:
        compiled = self.compiled(question, scope, of)
        return compiled.sql, list(compiled.parameters)

    def compiled(
        self, question: Mapping[str, Any], scope: AccessScope | None = None, of: SemanticModel | None = None
    ) -> CompiledQuery:
        """Return what was made of a question, proven."""
        found = of or self.model
        query = parse_query(question)
        rights = scope or everything(found, query.dataset)
        compiled = compile_query(query, model=found, scope=rights, today=TODAY)
        verify(compiled, model=found, scope=rights)
        return compiled


def ask(dataset: str, *fields: str, **rest: Any) -> dict[str, Any]:
    """Return a question in its public form."""
    return {"dataset": dataset, "fields": list(fields), **rest}
