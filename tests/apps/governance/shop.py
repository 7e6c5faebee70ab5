"""A shop whose rules rest on what nobody is offered: what a second administrator has to hear of."""

SHOP = {
    "model.yaml": """
constants: {good: "'paid'"}
access_grants:
  finance: {user_attribute: omni_user_groups, allowed_values: [Finance]}
  europe: {user_attribute: region, allowed_values: [US]}
classification_access:
  personal: {mask_unless_access_grants: [finance], mask: redact}
""",
    "relationships.yaml": """
- {join_from_view: orders, join_to_view: customers, relationship_type: many_to_one, join_type: always_left,
   on_sql: "${orders.customer_id} = ${customers.id}"}
- {join_from_view: orders, join_to_view: allowed, relationship_type: many_to_one, join_type: inner,
   on_sql: "${orders.customer_id} = ${allowed.id} AND ${allowed.is_mine}"}
- {join_from_view: orders, join_to_view: chosen, relationship_type: many_to_one, join_type: inner,
   on_sql: "${orders.customer_id} = ${chosen.cid}"}
- {join_from_view: orders, join_to_view: blocked, relationship_type: many_to_one, join_type: always_left,
   on_sql: "${orders.customer_id} = ${blocked.id}"}
- {join_from_view: tickets, join_to_view: orders, relationship_type: many_to_many, join_type: right_left,
   on_sql: "${tickets.customer_id} = ${orders.customer_id}"}
""",
    "orders.view.yaml": """
schema: main
table_name: orders
dimensions:
  id: {primary_key: true}
  customer_id: {}
  region: {}
  zone: {}
  status: {}
  is_good: {sql: "${status} = @{good}", required_access_grants: [finance]}
  email: {mask_unless_access_grants: [finance], mask: {keep_last: 4}}
  phone: {mask_unless_access_grants: [finance], mask: redact}
  secret: {mask_unless_access_grants: [finance], mask: "null"}
  name: {classification: personal}
  placed: {sql: CAST(placed AS TIMESTAMP), timeframes: [raw, date, month]}
  sent: {sql: CAST(sent AS TIMESTAMP), timeframes: [raw]}
  delivery: {duration: {sql_start: "${placed}", sql_end: "${sent}", intervals: [days]}}
  price: {sql: CAST(price AS DOUBLE)}
  spent: {sql: "${price}", level_of_detail: {aggregate_type: sum, fixed: [orders.customer_id]}}
  is_wanted: {sql: "{{# orders.wanted.filter }} ${status} {{/ orders.wanted.filter }}"}
filters:
  wanted: {type: string, default_filter: {is: paid}}
measures:
  count: {aggregate_type: count}
  people: {aggregate_type: count_distinct, sql: "${customer_id}"}
  revenue: {aggregate_type: sum, sql: "${price}"}
""",
    "customers.view.yaml": """
schema: main
table_name: customers
access_filters: [{field: customers.region, user_attribute: region, values_for_unfiltered: [ALL]}]
dimensions: {id: {primary_key: true}, name: {}, region: {sql: "${zone}"}, zone: {}}
""",
    "allowed.view.yaml": """
schema: main
table_name: customers
dimensions: {id: {primary_key: true}, is_mine: {sql: "region = {{omni_attributes.region}}"}}
""",
    "chosen.view.yaml": """
sql: SELECT a.id AS cid FROM main.members AS a WHERE a.zone = {{omni_attributes.region}}
dimensions: {cid: {primary_key: true}}
""",
    "members.view.yaml": "schema: main\ndimensions: {id: {primary_key: true}, zone: {}}\n",
    "tickets.view.yaml": """
schema: main
dimensions: {id: {primary_key: true}, customer_id: {}, minutes: {}}
measures: {count: {aggregate_type: count}}
""",
    "flat.view.yaml": """
schema: main
dimensions: {region: {}, amount: {}}
measures: {total: {aggregate_type: sum, sql: "${amount}"}}
""",
    "held.view.yaml": """
schema: main
dimensions: {region: {}, total: {}}
materialized_query: {base_view: flat, fields: [flat.region, flat.total]}
""",
    "best.query.view.yaml": """
query:
  topic: Inner
  fields: {orders.customer_id: customer_id, orders.revenue: total}
  filters: {orders.count: {greater_than: 1}}
  sorts: [{field: orders.revenue, desc: true}]
  limit: 10
dimensions: {customer_id: {primary_key: true}, total: {sql: CAST(total AS DOUBLE)}}
""",
    "totals.query.view.yaml": """
query: {base_view: orders, fields: {orders.status: status, orders.count: number}, sorts: [{field: orders.count, desc: true}]}
dimensions: {status: {}, number: {sql: CAST(number AS INT)}}
""",
    "blocked.view.yaml": """
schema: main
dimensions: {id: {primary_key: true}, zone: {}}
""",
    "free.view.yaml": """
sql: SELECT m.id AS id FROM main.members AS m LEFT JOIN main.blocked AS b ON b.id = m.id WHERE b.id IS NULL
dimensions: {id: {primary_key: true}}
""",
    "Totals.topic.yaml": "base_view: totals\n",
    "Free.topic.yaml": "base_view: free\n",
    "Unblocked.topic.yaml": """
base_view: orders
joins: {blocked: {}}
fields: [orders.id]
always_where_sql: ${blocked.id} IS NULL
""",
    "Small.topic.yaml": """
base_view: orders
fields: [orders.status, orders.revenue]
always_having_filters: {orders.people: {less_than: 5}}
""",
    "Inner.topic.yaml": """
base_view: orders
always_where_sql: ${orders.is_good}
access_filters: [{field: orders.zone, user_attribute: region}]
""",
    "People.topic.yaml": "base_view: customers\nfields: [customers.name]\n",
    "Sales.topic.yaml": """
base_view: orders
joins: {customers: {}}
fields: [orders.*, customers.name, -orders.people, -orders.is_good]
always_where_sql: "${orders.is_good} AND ${orders.price} > 1"
always_where_filters: {orders.status: {not: [lost]}}
always_having_filters: {orders.people: {greater_than: 2}}
""",
    "Allowed.topic.yaml": "base_view: orders\njoins: {allowed: {}}\nfields: [orders.id]\n",
    "Chosen.topic.yaml": "base_view: orders\njoins: {chosen: {}}\nfields: [orders.id]\n",
    "Tickets.topic.yaml": "base_view: tickets\nfields: [tickets.*]\n",
    "Best.topic.yaml": "base_view: best\n",
    "Flat.topic.yaml": "base_view: flat\n",
    "Ruled.topic.yaml": """
base_view: orders
joins: {customers: {}}
fields: [orders.id]
access_filters: [{field: orders.region, user_attribute: region}]
""",
    "Both.composite_topic.yaml": """
topics: [Flat, Tickets]
shared_dimensions:
  who: {mappings: {Flat: flat.region, Tickets: tickets.customer_id}}
""",
    "Times.composite_topic.yaml": """
topics: [Dated, Sent]
shared_dimensions:
  when: {mappings: {Dated: "orders.placed[month]", Sent: "orders.placed[month]"}}
""",
    "Dated.topic.yaml": """
base_view: orders
fields: [orders.placed, orders.count]
always_where_filters: {"orders.placed[date]": {on_or_after: 30 days ago}}
""",
    "Sent.topic.yaml": "base_view: orders\nfields: [orders.placed, orders.count]\n",
}
