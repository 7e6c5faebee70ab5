"""A second field over a column that another one closes is told of: closing is of fields, not of columns."""

import pytest

from apps.semantic.model.reading import read_model
from tests.semantic.model.files import SHOP

CUSTOMERS = "schema: shop\ndimensions:\n  id: {primary_key: true}\n  region: {}\n  email: {RULE}\n"
GRANTS = SHOP["model.yaml"] + "classification_access: {personal: {required_access_grants: [mail]}}\n"
RULES = ("required_access_grants: [mail]", "classification: unclassified", "classification: personal")


def told(files: dict[str, str], rule: str = RULES[0]) -> list[str]:
    changed = {name: text.replace("RULE", rule) for name, text in (SHOP | {"model.yaml": GRANTS} | files).items()}
    return [
        item.message for item in read_model(changed, dialect="duckdb").warnings if "closes, and is open" in item.message
    ]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "line",
    [
        "  contact: {sql: Email}\n",
        "  domain: {sql: \"split_part(email, '@', 2)\"}\n",
        "measures:\n  last: {aggregate_type: max, sql: email}\n",
    ],
)
def test_a_second_field_over_a_closed_column_is_told_of(rule: str, line: str) -> None:
    name = line.replace("measures:\n", "").split(":")[0].strip()
    message = f"“customers.{name}” reads a column that customers.email closes, and is open itself"
    assert told({"shop/customers.view": CUSTOMERS + line}, rule) == [message]


def test_another_view_over_the_table_is_told_of_and_one_over_another_table_is_not() -> None:
    views = {
        "people.view": "schema: shop\ntable_name: customers\ndimensions: {mail: {sql: email}}\n",
        "leads.view": "schema: shop\ntable_name: leads\ndimensions: {email: {}}\n",
    }
    found = told({"shop/customers.view": CUSTOMERS} | views)
    assert found == ["“people.mail” reads a column that customers.email closes, and is open itself"]


@pytest.mark.parametrize(
    "line",
    [
        "  contact: {sql: email, required_access_grants: [mail]}\n",
        "  contact: {sql: email, classification: personal}\n",
        "  contact: {sql: email, reads_in_clear: true}\n",
        "  contact: {sql: '${email}'}\n",
        "required_access_grants: [mail]\n",
    ],
)
def test_what_is_closed_too_or_meant_is_not(line: str) -> None:
    assert told({"shop/customers.view": CUSTOMERS + line}) == []
    assert told({"shop/customers.view": CUSTOMERS.replace("{RULE}", "{}") + "  contact: {sql: email}\n"}) == []


def test_a_label_that_only_masks_closes_no_measure() -> None:
    only_masks = GRANTS.replace("{required_access_grants: [mail]}}", "{mask_unless_access_grants: [mail]}}")
    measure = "measures:\n  last: {aggregate_type: max, sql: email, classification: personal}\n"
    files = {"shop/customers.view": CUSTOMERS + measure}
    assert told(files | {"model.yaml": only_masks}) == [
        "“customers.last” reads a column that customers.email closes, and is open itself"
    ]
    assert told(files) == []


def test_only_what_is_a_column_closes_one_and_each_is_told_once() -> None:
    closed = "  code: {sql: 'CAST(id AS VARCHAR)', required_access_grants: [mail]}\n"
    assert told({"shop/customers.view": CUSTOMERS.replace("{RULE}", "{}") + closed}) == []
    names = "  email: {required_access_grants: [mail], aliases: [post]}\n  contact: {sql: email, aliases: [address]}\n"
    found = told({"shop/customers.view": CUSTOMERS.replace("  email: {RULE}\n", names)})
    assert found == ["“customers.contact” reads a column that customers.email closes, and is open itself"]


def test_a_table_of_another_schema_and_another_name_of_a_view_are_not_told_of() -> None:
    views = {"archived.view": "schema: old\ntable_name: customers\ndimensions: {mail: {sql: email}}\n"}
    assert told({"shop/customers.view": CUSTOMERS} | views) == []
    buyers = SHOP["relationships.yaml"] + SHOP["relationships.yaml"].replace(
        "  join_to_view: customers\n", "  join_to_view: customers\n  join_to_view_as: buyers\n"
    ).replace("${customers.id}", "${buyers.id}")
    found = told({"shop/customers.view": CUSTOMERS + "  contact: {sql: email}\n", "relationships.yaml": buyers})
    assert found == ["“customers.contact” reads a column that customers.email closes, and is open itself"]


ROLLUP = (
    "schema: shop\nmaterialized_query:\n  base_view: orders\n  fields: [orders.status, orders.revenue]\n"
    "dimensions: {status: {}, total: {}}\n"
)


def test_a_rollups_column_of_a_closed_measure_is_told_of() -> None:
    closed = SHOP["shop/orders.view.yaml"].replace(
        '{aggregate_type: sum, sql: "${amount}"}',
        '{aggregate_type: sum, sql: "${amount}", required_access_grants: [mail]}',
    )
    files = {"shop/customers.view": CUSTOMERS.replace("{RULE}", "{}"), "r.view": ROLLUP}
    assert told(files) == []
    found = told(files | {"shop/orders.view.yaml": closed})
    assert found == ["“r.total” reads a column that orders.revenue closes, and is open itself"]
