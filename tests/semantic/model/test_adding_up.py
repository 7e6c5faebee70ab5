"""Row policies add up: what extends a view or a topic, or changes a view in a topic, never loses one in silence."""

import pytest

from apps.semantic.errors import ModelError
from apps.semantic.model.reading import read_model
from apps.semantic.model.types import SemanticModel
from tests.semantic.model.files import CUSTOMERS, ORDERS, SHOP

ROWS = "access_filters: [{field: region, user_attribute: region}]\n"
MORE = "access_filters: [{field: email, user_attribute: mail}]\n"
GUARDED = SHOP | {"shop/customers.view": CUSTOMERS + ROWS}
OWN = "base_view: orders\njoins: {customers: {}}\nviews:\n  customers:\n    "


def read(files: dict[str, str]) -> tuple[SemanticModel, list[str]]:
    model = read_model(GUARDED | files, dialect="duckdb")
    return model, [str(warning) for warning in model.warnings]


def rules(model: SemanticModel, view: str) -> list[tuple[str, str]]:
    return [(item.field.partition(".")[2], item.user_attribute) for item in model.views[view].access_filters]


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("label: Same", [("region", "region")]),
        (MORE, [("region", "region"), ("email", "mail")]),
        (ROWS, [("region", "region")]),
        ("access_filters: []", [("region", "region")]),
    ],
)
def test_a_topics_view_keeps_the_row_policies_of_the_view_beneath(own: str, expected: list[tuple[str, str]]) -> None:
    model, warnings = read({"Own.topic": f"{OWN}{own}"})
    assert rules(model.of_topic("Own"), "customers") == expected
    says = "“access_filters: []” opens nothing: row policies add up, so those of shop/customers.view:6 hold here too"
    assert warnings == ([f"Own.topic:5:5: warning: {says}"] if own.endswith("[]") else [])


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("", [("region", "region")]),
        (MORE, [("region", "region"), ("email", "mail")]),
        ("access_filters: []\n", [("region", "region")]),
    ],
)
def test_a_view_that_extends_others_has_their_row_policies(own: str, expected: list[tuple[str, str]]) -> None:
    model, warnings = read({"vip.view": f"extends: [customers]\ntable_name: customers\n{own}"})
    assert rules(model, "vip") == expected
    assert [text.startswith("vip.view:3:1: warning: “access_filters: []” opens nothing") for text in warnings] == (
        [True] if own.endswith("[]\n") else []
    )


def test_a_view_that_stands_in_a_topic_extends_others_too() -> None:
    own = "base_view: vip\nviews:\n  vip: {extends: [customers], table_name: customers, label: Best}\n"
    model, warnings = read({"Own.topic": own})
    assert rules(model.of_topic("Own"), "vip") == [("region", "region")]
    assert set(model.of_topic("Own").views["vip"].dimensions) == {"id", "region", "email"}
    assert warnings == []
    with pytest.raises(ModelError, match=r"Own\.topic:3:9: there is no “customer” to extend"):
        read({"Own.topic": own.replace("[customers]", "[customer]")})


def test_a_view_that_extends_two_has_the_policies_of_both() -> None:
    files = {"mail.view": f"schema: shop\ntable_name: mails\ndimensions: {{email: {{}}}}\n{MORE}"}
    model, _ = read(files | {"both.view": "extends: [customers, mail]\n"})
    assert rules(model, "both") == [("region", "region"), ("email", "mail")]


def test_a_topic_that_extends_another_has_its_policies_too() -> None:
    base = {
        "Base.topic": "template: true\nbase_view: orders\naccess_filters: [{field: status, user_attribute: state}]\n"
    }
    closed = "access_filters: [{field: amount, user_attribute: level}]\n"
    for own, expected in (("", ["status"]), (closed, ["status", "amount"]), ("access_filters: []\n", ["status"])):
        model, warnings = read(base | {"Child.topic": f"extends: [Base]\n{own}"})
        assert [item.field.partition(".")[2] for item in model.topics["Child"].access_filters] == expected
        assert bool(warnings) == own.endswith("[]\n")


@pytest.mark.parametrize(
    "own",
    [
        "access_filters: {ignore_from_extended: true}",
        "access_filters:",
        "required_access_grants: {ignore_from_extended: true}",
    ],
)
def test_a_rule_is_never_left_out_of_what_is_extended(own: str) -> None:
    files = {"vip.view": f"extends: [customers]\ntable_name: vips\n{own}\n"}
    grants = {"shop/customers.view": CUSTOMERS + ROWS + "required_access_grants: [mail]\n"}
    with pytest.raises(ModelError, match=r"vip\.view:3:.*(must be a list|is empty)"):
        read_model(GUARDED | files | grants, dialect="duckdb")


def test_a_field_may_be_left_out_of_what_is_extended_whatever_its_name() -> None:
    base = {"base.view": "template: true\nschema: shop\ndimensions: {mask: {}, id: {}, always_where_sql: {label: A}}\n"}
    own = "dimensions: {mask: {ignore_from_extended: true}, always_where_sql: {label: B}}\n"
    model, warnings = read(base | {"child.view": f"extends: [base]\n{own}"})
    assert set(model.views["child"].dimensions) == {"id", "always_where_sql"}
    assert warnings == []


@pytest.mark.parametrize(
    ("below", "own", "is_said"),
    [
        ("required_access_grants: [mail]", "required_access_grants: []", True),
        ("always_where_sql: ${orders.amount} > 1", "always_where_sql: ${orders.amount} > 0", True),
        ("always_where_filters: {status: {is: paid}}", "always_where_filters: {status: {is: open}}", True),
        ("always_where_filters: {status: {is: paid}}", "always_where_filters: {status: {ignore_from_extended: true}}", True),
        ("required_access_grants: [mail]", "required_access_grants: [mail]", False),
        ("label: A", "label: B", False),
    ],
)  # fmt: skip
def test_another_rule_that_is_replaced_is_warned_about(below: str, own: str, *, is_said: bool) -> None:
    files = {"Base.topic": f"template: true\nbase_view: orders\n{below}\n", "Child.topic": f"extends: [Base]\n{own}\n"}
    _, warnings = read(files)
    assert ["takes the place of the rule at Base.topic:3" in text for text in warnings] == ([True] if is_said else [])


MASKED = {
    "shop/customers.view": CUSTOMERS.replace("email: {}", "email: {mask_unless_access_grants: [mail], mask: redact}")
}


@pytest.mark.parametrize(
    "own",
    [
        "{contact: {sql: email}}",
        "{email: {ignore_from_extended: true}, contact: {sql: email}}",
        "{email: {sql: other}, contact: {sql: email}}",
    ],
)
def test_what_a_view_masks_is_masked_in_a_topics_view_of_it(own: str) -> None:
    model, _ = read(MASKED | {"Own.topic": f"{OWN}dimensions: {own}\n"})
    contact = model.of_topic("Own").dimension("customers.contact")
    assert contact is not None
    assert contact.mask_unless_access_grants is not None
    assert contact.mask.kind == "redact"
    region = model.of_topic("Own").dimension("customers.region")
    assert region is not None
    assert region.mask_unless_access_grants is None


def test_a_column_that_a_view_masks_is_in_no_expression_of_a_topics_view_of_it() -> None:
    own = "dimensions: {email: {ignore_from_extended: true}, up: {sql: UPPER(email)}}\n"
    with pytest.raises(ModelError, match=r"Own\.topic:5:.*“customers\.up” reads a column that customers\.email masks"):
        read(MASKED | {"Own.topic": OWN + own})


def test_a_field_that_is_left_out_with_its_rules_is_warned_about() -> None:
    base = {
        "base.view": "template: true\nschema: shop\ndimensions:\n  id: {}\n  email: {mask_unless_access_grants: [mail]}\n"
    }
    own = "extends: [base]\ndimensions: {%s: {ignore_from_extended: true}, contact: {sql: email}}\n"
    says = "“email” (base.view:5) is left out with its mask_unless_access_grants, which close nothing here then"
    assert read(base | {"child.view": own % "email"})[1] == [f"child.view:2:14: warning: {says}"]
    assert read(base | {"child.view": own % "id"})[1] == []


@pytest.mark.parametrize(
    ("files", "place"),
    [
        ({"shop/orders.view.yaml": ORDERS + "access_filters: []\n"}, "shop/orders.view.yaml:12:1"),
        ({"Sales.topic.yaml": SHOP["Sales.topic.yaml"] + "access_filters: []\n"}, "Sales.topic.yaml:3:1"),
    ],
)
def test_a_list_of_no_policies_is_said_to_close_nothing(files: dict[str, str], place: str) -> None:
    text = "warning: “access_filters: []” closes nothing: list its filters, or leave it out"
    assert read(files)[1] == [f"{place}: {text}"]


TWIN = "schema: shop\ntable_name: customers\ndimensions: {id: {primary_key: true}, region: {}}\n"


@pytest.mark.parametrize(
    ("files", "place"),
    [
        ({"vip.view": TWIN}, "vip.view:1:1"),
        ({"vip.view": TWIN.replace("schema: shop\n", "").replace("customers", "CUSTOMERS")}, "vip.view:1:1"),
        (
            {"Own.topic": "base_view: vip\nviews:\n  vip: {schema: shop, table_name: customers, dimensions: {id: {}}}\n"},
            "Own.topic:3:3",
        ),
        ({"vip.view": TWIN + ROWS}, ""),
        ({name: TWIN.replace("customers", "leads") for name in ("one.view", "two.view")}, ""),
        ({"vip.view": TWIN.replace("schema: shop", "schema: archive")}, ""),
        ({"relationships.yaml": SHOP["relationships.yaml"] + "  join_to_view_as: buyers\n", "Sales.topic.yaml": "base_view: orders\n"}, ""),
        ({"big.view": "sql: SELECT id FROM shop.customers\ndimensions: {id: {}}\n"}, ""),
        ({"Own.topic": "base_view: orders\nviews: {orders: {access_filters: [{field: status, user_attribute: state}]}}\n"}, ""),
    ],
)  # fmt: skip
def test_a_second_view_over_a_table_with_a_row_policy_is_warned_about(files: dict[str, str], place: str) -> None:
    says = (
        "“vip” shows every row of a table whose rows “customers” limits (shop/customers.view:6):"
        " that row policy does not hold here, so give it access_filters too"
    )
    assert read(files)[1] == ([f"{place}: warning: {says}"] if place else [])
