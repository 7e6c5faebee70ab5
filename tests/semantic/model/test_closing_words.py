"""A parameter that looks like a rule of access and is not understood is a fault: its author believes that it closes something."""

import pytest

from apps.semantic.errors import ModelError
from apps.semantic.model.parameters import DECORATION, READ
from apps.semantic.model.reading import read_model
from apps.semantic.model.security_words import WORDS, security_word
from apps.semantic.model.suggestions import MAX_REMEMBERED
from tests.semantic.model.files import CUSTOMERS, JOIN, ORDERS, SHOP, field, field_problems, with_field

ROWS = "[{field: region, user_attribute: region}]"
TOPIC = SHOP["Sales.topic.yaml"]
TWO = {"Other.topic": "base_view: orders\n"}
BOTH = "topics: [Sales, Other]\nshared_dimensions: {status: {mappings: {Sales: orders.status, Other: orders.status}}}\n"


def faults(files: dict[str, str]) -> list[str]:
    with pytest.raises(ModelError) as error:
        read_model(SHOP | files, dialect="duckdb")
    return [str(problem) for problem in error.value.problems]


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("access_filter", "access_filters"),
        ("acess_filters", "access_filters"),
        ("Access_Filters", "access_filters"),
        ("accessFilters", "access_filters"),
        ("access-filters", "access_filters"),
        ("\u0430ccess_filters", "access_filters"),
        ("row_policies", "access_filters"),
        ("row_level_security", "access_filters"),
        ("required_access_grant", "required_access_grants"),
        ("requires_access_grants", "required_access_grants"),
        ("clasification", "classification"),
    ],
)
def test_a_misspelt_rule_is_a_fault_at_its_place_and_says_what_was_meant(name: str, word: str) -> None:
    says = f"“{name}” is not a parameter of a view and closes nothing. Did you mean “{word}”?"
    found = faults({"shop/customers.view": CUSTOMERS + f"{name}: {ROWS}\n"})
    assert found == [f"shop/customers.view:6:1: {says}"]


def test_the_same_rule_spelt_well_is_read() -> None:
    model = read_model(SHOP | {"shop/customers.view": CUSTOMERS + f"access_filters: {ROWS}\n"}, dialect="duckdb")
    assert [rule.field for rule in model.views["customers"].access_filters] == ["customers.region"]
    assert model.warnings == ()


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("dimensions", "{mask_unless_access_grant: [mail]}", "Did you mean “mask_unless_access_grants”?"),
        ("dimensions", "{masking: hash}", "Did you mean “mask_unless_access_grants”?"),
        ("dimensions", "{required_access_grant: [mail]}", "Did you mean “required_access_grants”?"),
        ("dimensions", "{access_filters: []}", "it is one of topic, view"),
        ("dimensions", "{mask: redact}", "masks nothing without mask_unless_access_grants"),
        (
            "dimensions",
            "{level_of_detail: {aggregate_type: sum, fixed: [id], required_access_grants: [mail]}}",
            "closes nothing inside “level_of_detail”",
        ),
        (
            "dimensions",
            "{level_of_detail: {aggregate_type: sum, fixed: [id], required_access_grant: [mail]}}",
            "closes nothing inside “level_of_detail”",
        ),
        ("measures", "{aggregate_type: count, mask_unless_access_grants: [mail]}", "it is one of dimension"),
    ],
)
def test_a_rule_that_a_field_does_not_have_is_a_fault(kind: str, text: str, says: str) -> None:
    found = field_problems(kind, text)
    assert len(found) == 1
    assert says in found[0]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"shop/orders.view.yaml": ORDERS + "always_where_sql: 1 = 2\n"}, "it is one of topic"),
        ({"shop/orders.view.yaml": ORDERS + "always_where_filters: {status: {is: paid}}\n"}, "it is one of topic"),
        ({"Sales.topic.yaml": TOPIC + "mask_unless_access_grants: [mail]\n"}, "it is one of dimension"),
        ({"Sales.topic.yaml": TOPIC + "sql_always_where: 1 = 2\n"}, "Did you mean “always_where_sql”?"),
        ({"Sales.topic.yaml": TOPIC + "classification: personal\n"}, "it is one of dimension, measure, view"),
        ({"relationships.yaml": JOIN + "  access_filters: []\n"}, "it is one of topic, view"),
        ({"model.yaml": SHOP["model.yaml"] + f"access_filters: {ROWS}\n"}, "it is one of topic, view"),
        ({"model.yaml": SHOP["model.yaml"] + f"default_access_filters: {ROWS}\n"}, "access_filters”"),
        ({"model.yaml": SHOP["model.yaml"].replace("department,", "department, classification: public,")}, "of a grant"),
        (TWO | {"Both.composite_topic": BOTH + f"access_filters: {ROWS}\n"}, "it is one of topic, view"),
        (TWO | {"Both.composite_topic": BOTH.replace("{mappings", "{required_access_grants: [mail], mappings")}, "of a shared dimension"),
        ({"Sales.topic.yaml": TOPIC + f"views: {{customers: {{access_filter: {ROWS}}}}}\n"}, "Did you mean “access_filters”?"),
    ],
)  # fmt: skip
def test_a_rule_where_it_has_no_meaning_is_a_fault(files: dict[str, str], says: str) -> None:
    found = faults(files)
    assert len(found) == 1
    assert says in found[0]


def test_what_looks_like_no_rule_is_a_warning_still() -> None:
    files = with_field("dimensions", "{colour: red, lable: X}") | TWO | {"Both.composite_topic": BOTH + "pivots: 1\n"}
    texts = [str(item) for item in read_model(SHOP | files, dialect="duckdb").warnings]
    assert [text.rpartition("“")[0].count("it is ignored") for text in texts if "label" in text] == [1]
    assert sum("it is ignored" in text for text in texts) == len(texts) == 3


@pytest.mark.parametrize(
    ("field", "says"),
    [
        (
            "{sql: id, level_of_detail: {aggregate_type: sum, fixed: [id], cancel_query_filter: true}}",
            "“cancel_query_filter” is not a parameter inside “level_of_detail”; it is ignored. Did you mean “cancel_query_filters”?",
        ),
        ("{dynamic_top_n: {n: 5, by: count, descending: true}}", "“descending” is not a parameter inside “dynamic_top_n”"),
        ("{duration: {sql_start: id, sql_end: id, interval: day}}", "Did you mean “intervals”?"),
    ],
)  # fmt: skip
def test_what_is_no_parameter_within_another_is_a_warning(field: str, says: str) -> None:
    found = read_model(SHOP | with_field("dimensions", field), dialect="duckdb").warnings
    assert [says in str(item) for item in found if "inside" in str(item)] == [True]


def test_parameters_that_close_nothing_are_not_taken_for_rules() -> None:
    known = frozenset().union(*READ.values()) | DECORATION
    alike = {name for name in known if security_word(name)} - set(WORDS)
    assert alike == {"all_values", "cache_policies"}  # known by their whole name, so never asked
    files = {"shop/orders.view.yaml": ORDERS + "cache_policies: 1\nall_values: true\n"}
    texts = [str(item) for item in read_model(SHOP | files, dialect="duckdb").warnings]
    assert ["“cache_policies” is not a parameter of a view; it is ignored" in text for text in texts] == [True]


def test_more_unknown_names_than_are_looked_at_are_a_fault() -> None:
    names = "".join(f"zz{place}: 1\n" for place in range(MAX_REMEMBERED + 1))
    assert "were not looked at" in faults({"shop/orders.view.yaml": ORDERS + names})[0]
    fewer = names.removesuffix(f"zz{MAX_REMEMBERED}: 1\n")
    assert read_model(SHOP | {"shop/orders.view.yaml": ORDERS + fewer}, dialect="duckdb").warnings


def test_the_classification_of_a_view_is_that_of_its_fields() -> None:
    files = with_field("dimensions", "{classification: public, aliases: [former]}")
    files["shop/orders.view.yaml"] += "classification: unclassified\n"
    view = read_model(SHOP | files, dialect="duckdb").views["orders"]
    assert {item.classification for name, item in view.dimensions.items() if name not in ("x", "former")} == {
        "unclassified"
    }
    assert {item.classification for item in view.measures.values()} == {"unclassified"}
    assert view.dimensions["x"].classification == view.dimensions["former"].classification == "public"
    assert field("dimensions", "{}")[0].classification == ""
    assert "no classification “secret”" in faults({"shop/orders.view.yaml": ORDERS + "classification: secret\n"})[0]
