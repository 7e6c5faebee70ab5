"""What a rollup's table holds of masked values and of closed rows is masked and closed where the table is read itself."""

import pytest

from apps.semantic.errors import ModelError
from apps.semantic.model.reading import read_model
from apps.semantic.model.types import Mask, SemanticModel
from tests.semantic.model.files import SHOP

CUSTOMERS = """schema: shop
dimensions:
  id: {primary_key: true}
  region: {}
  email: {mask_unless_access_grants: [mail], mask: {keep_last: 4}}
  contact: {sql: email}
  domain: {sql: "split_part(${email}, '@', 2)"}
  born: {timeframes: [month], mask_unless_access_grants: [mail], mask: "null"}
measures:
  count: {aggregate_type: count}
  last: {aggregate_type: max, sql: "${email}"}
  of_ada: {aggregate_type: count, filters: {email: {is: ada@x.no}}}
"""
HOLDER = "schema: shop\nmaterialized_query: {base_view: customers, fields: [%s]}\ndimensions: {a: {}, b: {}}\n"
HELD = "base_view: held\nrequired_access_grants: [mail]\n"
"""a table with a row for each masked value is read by those alone who see the values"""
POLICY = CUSTOMERS + "access_filters: [{field: region, user_attribute: region}]\n"


def shop(holder: str, customers: str = CUSTOMERS, **rest: str) -> SemanticModel:
    files = {"shop/customers.view": customers, "held.view": holder, "Held.topic": HELD} | rest
    return read_model({name: text for name, text in (SHOP | files).items() if text}, dialect="duckdb")


@pytest.mark.parametrize(
    ("field", "mask"),
    [
        ("email", Mask("keep_last", 4)),
        ("contact", Mask("keep_last", 4)),
        ("domain", Mask("null")),
        ('"customers.born[month]"', Mask("null")),
        ("last", Mask("null")),
        ("of_ada", Mask("null")),
        ("region", None),
        ("count", None),
    ],
)
def test_a_column_that_holds_what_is_masked_is_masked(field: str, mask: Mask | None) -> None:
    named = field if "[" in field else f"customers.{field}"
    for topic in (
        HELD,
        HELD + "views: {customers: {dimensions: {email: {sql: id}}, label: C}}\n",
    ):
        of = shop(HOLDER % f"customers.id, {named}", **{"Held.topic": topic}).of_topic("Held")
        found = of.views["held"].dimensions["b"]
        assert (found.mask if found.mask_unless_access_grants is not None else None) == mask


def test_whatever_else_reads_the_table_follows_the_mask() -> None:
    held = HOLDER % "customers.email, customers.count"
    of = shop(
        held.replace("a: {}", "a: {}, c: {sql: UPPER(a)}"),
        **{"twin.view": "schema: shop\ntable_name: held\ndimensions: {x: {sql: A}}\n",
           "again.view": (HOLDER % "held.a, held.b").replace("customers,", "held,")},
    )  # fmt: skip
    assert of.views["held"].dimensions["c"].references == {"held.a"}
    for name, field in (("twin", "x"), ("again", "a")):
        assert of.views[name].dimensions[field].mask == Mask("keep_last", 4)
        assert of.views[name].dimensions[field].mask_unless_access_grants is not None
    meant = shop(held.replace("a: {}", "a: {reads_in_clear: true}"))
    assert meant.views["held"].dimensions["a"].mask_unless_access_grants is None
    assert any("“held.a” shows in clear what customers.email masks" in item.message for item in meant.warnings)


READ = {
    "itself": {},
    "by another view over its table": {
        "twin.view": "schema: shop\ntable_name: held\ndimensions: {x: {sql: a}}\n",
        "Held.topic": "base_view: twin\n",
    },
    "by one that says no schema": {
        "twin.view": "table_name: Held\ndimensions: {x: {sql: a}}\n",
        "Held.topic": "base_view: twin\n",
    },
    "in an SQL view": {
        "q.view": "sql: SELECT h.a AS a FROM shop.held AS h\ndimensions: {a: {}}\n",
        "Held.topic": "base_view: q\n",
    },
    "in a query view": {
        "q.query.view": "query: {base_view: held, fields: [held.a]}\ndimensions: {a: {}}\n",
        "Held.topic": "base_view: q\n",
    },
}


@pytest.mark.parametrize("way", READ)
def test_a_rollup_of_rows_that_a_policy_closes_is_read_with_rules_only(way: str) -> None:
    held = HOLDER % "customers.region, customers.count"
    with pytest.raises(ModelError, match="shows what a rollup holds of rows that the policy of “customers” closes"):
        shop(held, POLICY, **READ[way])
    assert shop(held, CUSTOMERS, **READ[way]).views["held"].rollup


@pytest.mark.parametrize(
    ("customers", "own"),
    [(CUSTOMERS, "access_filters: [{field: region, user_attribute: region}]"), (POLICY, "access_filters: []")],
    ids=["by the topic's own view", "though not by the topic's own view"],
)
def test_rows_are_closed_by_a_policy_of_the_model_or_of_the_topic(customers: str, own: str) -> None:
    held = HOLDER % "customers.region, customers.count"
    topic = HELD.replace("required_access_grants: [mail]\n", "")
    with pytest.raises(ModelError, match="shows what a rollup holds of rows that the policy of “customers” closes"):
        shop(held, customers, **{"Held.topic": f"{topic}views: {{customers: {{{own}}}}}\n"})
    assert shop(held, CUSTOMERS, **{"Held.topic": f"{topic}views: {{customers: {{label: C}}}}\n"})


def test_a_rollup_that_nobody_reads_or_that_has_rules_is_none() -> None:
    held = HOLDER % "customers.region, customers.count"
    assert shop(held, POLICY, **{"Held.topic": ""}).views["held"].rollup
    assert shop(held + "access_filters: [{field: a, user_attribute: region}]\n", POLICY)
    assert shop(held + "required_access_grants: [mail]\n", POLICY)


def test_a_column_that_holds_what_is_closed_is_told_of() -> None:
    closed = CUSTOMERS.replace("region: {}", "region: {required_access_grants: [mail]}")
    message = "“held.a” reads a column that customers.region closes, and is open itself"
    held = HOLDER % "customers.region, customers.count"
    assert message in [item.message for item in shop(held, closed).warnings]
    assert message not in [item.message for item in shop(held).warnings]
    of_all = CUSTOMERS + "required_access_grants: [mail]\n"
    assert message in [item.message for item in shop(held, of_all).warnings]
