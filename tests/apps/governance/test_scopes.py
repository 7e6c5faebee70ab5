"""Rights follow whatever a field rests on: SQL views, query views, composites, levels of detail; nobody sees the unclassified."""

from collections.abc import Mapping
from datetime import date
from uuid import uuid4

import pytest

from apps.access.types import Actor, AttributeValue
from apps.governance.deciding import passed_grants
from apps.governance.scopes import ScopeBuilder
from apps.semantic.compile import compile_query
from apps.semantic.errors import MissingAttributeError, QueryError
from apps.semantic.model.reading import read_model
from apps.semantic.query.reading import parse_query
from apps.semantic.scope import AccessScope
from apps.semantic.verify import verify

FILES = {
    "model": "access_grants: {boss: {user_attribute: role, allowed_values: [boss]}}\n",
    "orders.view": """
schema: s
access_filters: [{field: region, user_attribute: region, values_for_unfiltered: [ALL]}]
dimensions:
  id: {primary_key: true}
  region: {}
  email: {mask_unless_access_grants: [boss], classification: personal}
  cost: {required_access_grants: [boss]}
  fresh: {classification: unclassified}
  mine: {sql: "${region} = {{omni_attributes.home}}"}
  cost_of_region: {sql: "${cost}", level_of_detail: {aggregate_type: sum, fixed: [region]}}
  by_cost: {sql: "${region}", dynamic_top_n: {n: 2, by: costs}}
filters:
  about: {type: string, required_access_grants: [boss]}
measures:
  count: {aggregate_type: count}
  costs: {aggregate_type: sum, sql: "${cost}"}
  freshness: {aggregate_type: sum, sql: "${fresh}"}
""",
    "plain.view": "sql: SELECT o.id AS id, o.region AS region FROM s.orders AS o\ndimensions: {id: {}, region: {}}\nmeasures: {count: {aggregate_type: count}}\n",
    "costly.view": "sql: SELECT o.id AS id, o.cost AS c FROM s.orders AS o\ndimensions: {id: {}, c: {}}\nmeasures: {count: {aggregate_type: count}}\n",
    "mails.view": "sql: SELECT o.email AS mail FROM s.orders AS o\ndimensions: {mail: {}}\nmeasures: {count: {aggregate_type: count}}\n",
    "sums.query.view": "query: {topic: Orders, fields: {orders.region: region, orders.costs: costs}}\nmeasures: {count: {aggregate_type: count}}\n",
    "counts.query.view": "query: {topic: Orders, fields: {orders.region: region, orders.count: n}}\nmeasures: {count: {aggregate_type: count}}\n",
    "Orders.topic": "base_view: orders\n",
    "Bosses.topic": "base_view: orders\nrequired_access_grants: [boss]\n",
    "Plain.topic": "base_view: plain\n",
    "Costly.topic": "base_view: costly\n",
    "Mails.topic": "base_view: mails\n",
    "Sums.topic": "base_view: sums\n",
    "Counts.topic": "base_view: counts\n",
    "Both.composite_topic": "topics: [Orders, Plain]\nshared_dimensions: {region: {mappings: {Orders: orders.region, Plain: plain.region}}}\n",
    "Closed.composite_topic": "topics: [Orders, Bosses]\nshared_dimensions: {region: {mappings: {Orders: orders.region, Bosses: orders.region}}}\n",
}  # fmt: skip
MODEL = read_model(FILES, dialect="duckdb")


def scope(name: str, attributes: Mapping[str, tuple[str, ...]]) -> AccessScope | None:
    held = {key: AttributeValue(values, "string", "claim") for key, values in attributes.items()}
    actor = Actor(kind="person", tenant_id=uuid4(), user_id=uuid4(), label="somebody", attributes=held)
    builder = ScopeBuilder(actor, MODEL, passed_grants(actor, MODEL), uuid4(), uuid4(), 1000, lambda: "k" * 32)
    return builder.of(name)


STAFF = {"region": ("EU",)}
BOSS = {"region": ("ALL",), "role": ("boss",)}


def ask(name: str, *fields: str, attributes: Mapping[str, tuple[str, ...]] = STAFF) -> str:
    found = scope(name, attributes)
    assert found is not None
    compiled = compile_query(
        parse_query({"dataset": name, "fields": list(fields)}), model=MODEL, scope=found, today=date(2026, 1, 1)
    )
    verify(compiled, model=MODEL, scope=found)
    return compiled.sql


@pytest.mark.parametrize("field", ["cost", "costs", "cost_of_region", "by_cost", "about"])
def test_a_grant_closes_what_rests_on_a_field_in_any_way(field: str) -> None:
    name = f"orders.{field}"
    assert name not in scope("Orders", STAFF).fields  # type: ignore[union-attr]  # asserted elsewhere
    assert name in scope("Orders", BOSS).fields  # type: ignore[union-attr]  # None would fail the test as well


@pytest.mark.parametrize("field", ["fresh", "freshness"])
def test_nobody_sees_what_is_not_classified(field: str) -> None:
    assert f"orders.{field}" not in scope("Orders", BOSS).fields  # type: ignore[union-attr]  # None would fail the test as well
    assert "orders.email" in scope("Orders", BOSS).fields  # type: ignore[union-attr]  # None would fail the test as well


def test_an_sql_view_is_as_closed_as_the_columns_that_it_reads() -> None:
    assert "plain.region" in scope("Plain", STAFF).fields  # type: ignore[union-attr]  # None would fail the test as well
    assert "costly.c" not in scope("Costly", STAFF).fields  # type: ignore[union-attr]  # None would fail the test as well
    assert "costly.c" in scope("Costly", BOSS).fields  # type: ignore[union-attr]  # None would fail the test as well
    with pytest.raises(QueryError):
        ask("Costly", "costly.count")


def test_an_sql_view_keeps_the_row_policies_and_masks_of_its_tables() -> None:
    assert 'WHERE "region" IN (?)' in ask("Plain", "plain.region", "plain.count")
    assert "SHA256" in ask("Mails", "mails.mail")
    assert "SHA256" not in ask("Mails", "mails.mail", attributes=BOSS)
    with pytest.raises(MissingAttributeError):
        scope("Plain", {})


def test_a_query_view_is_as_closed_as_the_fields_that_it_asks_for() -> None:
    assert "sums.count" not in scope("Sums", STAFF).fields  # type: ignore[union-attr]  # None would fail the test as well
    assert "sums.count" in scope("Sums", BOSS).fields  # type: ignore[union-attr]  # None would fail the test as well
    assert 'WHERE "region" IN (?)' in ask("Counts", "counts.region", "counts.count")


def test_a_composite_is_the_sum_of_what_its_topics_give_and_closed_with_any_of_them() -> None:
    both = scope("Both", STAFF)
    assert both is not None
    assert {"@_shared_dimensions_.region", "@Orders.orders.count"} <= both.fields
    assert "@Orders.orders.costs" not in both.fields
    sql = ask("Both", "@_shared_dimensions_.region", "@Orders.orders.count", "@Plain.plain.count")
    assert sql.count('WHERE "region" IN (?)') == 2
    assert scope("Closed", STAFF) is None
    assert scope("Closed", BOSS) is not None


def test_only_attributes_that_a_data_set_names_are_part_of_its_rights() -> None:
    found = scope("Orders", {**STAFF, "home": ("EU",), "shoe_size": ("42",)})
    assert found is not None
    assert found.attributes == {"home": ("EU",)}
    with pytest.raises(MissingAttributeError):
        ask("Orders", "orders.mine")
    assert "= ?" in ask("Orders", "orders.mine", attributes={**STAFF, "home": ("EU",)})


def test_support_has_no_attributes_in_expressions() -> None:
    held = {"home": AttributeValue(("EU",), "string", "claim"), "region": AttributeValue(("EU",), "string", "claim")}
    actor = Actor(kind="support", tenant_id=uuid4(), user_id=None, label="support", attributes=held)
    builder = ScopeBuilder(actor, MODEL, passed_grants(actor, MODEL), uuid4(), uuid4(), 1000, lambda: "k" * 32)
    found = builder.of("Orders")
    assert found is not None
    assert found.attributes == {}
    assert "orders.email" in found.masked
