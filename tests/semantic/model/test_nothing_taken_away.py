"""What stands over something else and says nothing takes nothing away; what is no map where one belongs is a fault."""

import pytest

from apps.semantic.errors import ModelError
from apps.semantic.model.reading import read_model
from apps.semantic.model.types import SemanticModel, View

BASE = """template: true
schema: main
table_name: orders
access_filters: [{field: region, user_attribute: region}]
dimensions:
  region: {}
  secret: {required_access_grants: [fin]}
  email: {mask_unless_access_grants: [fin]}
"""
MORE = "template: true\nschema: main\ntable_name: orders\naccess_filters: [{field: price, user_attribute: price}]\ndimensions: {price: {}}\n"
COUNT = "measures: {count: {aggregate_type: count}}\n"
FILES = {
    "model": "access_grants: {fin: {user_attribute: groups, allowed_values: [Fin]}}",
    "base.view": BASE, "more.view": MORE, "orders.view": "extends: [base]\n" + COUNT, "T.topic": "base_view: orders\n",
}  # fmt: skip


def read(**files: str) -> SemanticModel:
    return read_model(FILES | {name.replace("_", "."): text for name, text in files.items()}, dialect="duckdb")


def rules(view: View) -> tuple[list[str], bool, bool]:
    """Return the fields of row policies, whether ``secret`` is closed, and whether ``email`` is masked."""
    secret, email = view.dimensions["secret"], view.dimensions["email"]
    policies = sorted(policy.field.partition(".")[2] for policy in view.access_filters)
    return policies, secret.required_access_grants is not None, email.mask_unless_access_grants is not None


WHOLE = (["region"], True, True)


@pytest.mark.parametrize(
    "own", ["dimensions:\n", "dimensions:\n  secret:\n  email:\n", "dimensions: {secret: {}, email: {}}\n"]
)
def test_a_child_view_that_says_nothing_of_fields_keeps_their_rules(own: str) -> None:
    assert rules(read(orders_view="extends: [base]\n" + own + COUNT).views["orders"]) == WHOLE


@pytest.mark.parametrize(
    "own",
    [
        "",
        "views:\n",
        "views:\n  orders:\n",
        "views:\n  orders: {label: X, dimensions: }\n",
        "views:\n  orders:\n    dimensions:\n      email:\n      secret:\n",
    ],
)
def test_a_topic_that_says_nothing_of_a_view_keeps_its_rules(own: str) -> None:
    assert rules(read(T_topic="base_view: orders\n" + own).of_topic("T").views["orders"]) == WHOLE


@pytest.mark.parametrize("own", ["", "views:\n", "views:\n  orders:\n", "views:\n  orders: {extends: [base]}\n"])
def test_a_child_topic_keeps_what_its_parent_closes_in_a_view(own: str) -> None:
    parent = "base_view: orders\nviews:\n  orders: {extends: [more], dimensions: {region: {required_access_grants: [fin]}}}\n"
    of = read(P_topic=parent, T_topic="extends: [P]\n" + own)
    for topic in ("P", "T"):
        view = of.of_topic(topic).views["orders"]
        assert rules(view) == (["price", "region"], True, True)
        assert view.dimensions["region"].required_access_grants is not None


def test_what_a_child_topic_extends_in_a_view_comes_beside_what_its_parent_does() -> None:
    parent = "base_view: orders\nviews:\n  orders: {extends: [more]}\n"
    other = MORE.replace("price", "status")
    of = read(P_topic=parent, other_view=other, T_topic="extends: [P]\nviews:\n  orders: {extends: other}\n")
    assert rules(of.of_topic("T").views["orders"])[0] == ["price", "region", "status"]
    assert rules(of.of_topic("P").views["orders"])[0] == ["price", "region"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("T.topic", "base_view: orders\nviews:\n  orders: x\n"), ("T.topic", "base_view: orders\nviews:\n  orders: []\n"),
        ("T.topic", "base_view: orders\nviews:\n  orders: true\n"), ("T.topic", "base_view: orders\nviews:\n  nowhere:\n"),
        ("orders.view", "extends: [base]\ndimensions: []\n" + COUNT), ("orders.view", "extends: [base]\ndimensions: {secret: true}\n" + COUNT),
        ("orders.view", "extends: [base]\ndimensions: {email: x}\n" + COUNT),
    ],
)  # fmt: skip
def test_what_is_no_map_where_one_belongs_is_a_fault(name: str, text: str) -> None:
    with pytest.raises(ModelError):
        read_model(FILES | {name: text}, dialect="duckdb")
    assert read_model(FILES, dialect="duckdb").topics["T"]


def test_from_within_a_topic_another_topic_is_what_it_is_by_itself() -> None:
    inner = "base_view: orders\nviews:\n  orders: {extends: [more]}\n"
    facts = "query: {topic: Inner, fields: {orders.region: region}}\ndimensions: {region: {}}\n"
    for own in ("", "views: {facts: {label: Facts}}\n"):
        of = read(Inner_topic=inner, facts_query_view=facts.replace("_", "."), Outer_topic="base_view: facts\n" + own)
        seen = of.of_topic("Outer").of_topic("Inner")
        assert rules(seen.views["orders"])[0] == ["price", "region"]
        assert seen.of_topic("Outer").views["facts"].label == of.of_topic("Outer").views["facts"].label
