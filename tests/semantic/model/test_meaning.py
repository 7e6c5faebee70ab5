"""Reading a folder: what is written there means what its author meant."""

import pytest

from apps.semantic.errors import ModelError
from apps.semantic.model.reading import read_model
from apps.semantic.model.types import Mask
from tests.semantic.model.files import (
    CUSTOMERS,
    SHOP,
    dimensions,
    field,
    read,
    with_field,
)


def test_files_with_and_without_yaml_in_any_folder_make_a_model() -> None:
    model = read()
    assert set(model.views) == {"orders", "customers"}
    assert model.topics["Sales"].views == ("orders", "customers")
    assert model.warnings == ()


def test_plain_words_mean_what_their_author_wrote() -> None:
    allowed = "[NO, yes, on, 010, 1.0, 1e3, 1_000, 12:30, 2024-01-01, 0x1F]"
    grant = f"access_grants: {{mail: {{user_attribute: department, allowed_values: {allowed}}}}}\n"
    model = read_model(SHOP | {"model.yaml": grant}, dialect="duckdb")
    assert model.access_grants["mail"].allowed_values == tuple(allowed.strip("[]").split(", "))
    norway, _ = field("measures", "{aggregate_type: count, filters: {status: {is: [NO, 7, true, null, 1.5]}}}")
    assert norway.filters[0].condition.values == ("NO", 7, True, None, 1.5)


def test_a_column_that_differs_by_its_number_alone_is_a_column() -> None:
    files = dimensions("  line_1: {}\n  x: {sql: '${line_2}'}\n")
    assert read_model(SHOP | files, dialect="duckdb").dimension("orders.line_2") is not None
    with pytest.raises(ModelError, match=r"Did you mean “orders\.amount”"):
        read_model(SHOP | dimensions("  x: {sql: '${amuont}'}\n"), dialect="duckdb")


def test_dates_have_the_models_timeframes_or_the_usual_ones() -> None:
    files = dimensions(
        "  day: {sql: 'CAST(placed AS DATE)'}\n  own: {sql: 'CAST(placed AS DATE)', timeframes: [year]}\n"
    )
    usual = read_model(SHOP | files, dialect="duckdb")
    assert usual.dimension("orders.day").timeframes == ("raw", "date", "week", "month", "quarter", "year")
    chosen = read_model(
        SHOP | files | {"model.yaml": SHOP["model.yaml"] + "default_timeframes: [date, month]\n"}, dialect="duckdb"
    )
    assert chosen.dimension("orders.day").timeframes == ("date", "month")
    assert chosen.dimension("orders.own").timeframes == ("year",)
    assert chosen.dimension("orders.amount").timeframes == ()


def test_a_field_is_found_under_its_former_names_with_the_same_rules() -> None:
    files = dimensions(
        "  state: {sql: status, aliases: [phase], required_access_grants: [mail], timeframes: [month]}\n"
    )
    model = read_model(SHOP | files, dialect="duckdb")
    former, field_ = model.dimension("orders.phase"), model.dimension("orders.state")
    assert former.is_hidden
    assert (former.sql, former.required_access_grants, former.timeframes) == (
        field_.sql, field_.required_access_grants, field_.timeframes,
    )  # fmt: skip
    assert {"orders.phase", "orders.state"} <= model.topics["Sales"].fields
    chosen = SHOP | files | {"Sales.topic.yaml": "base_view: orders\nfields: [orders.state, orders.count]\n"}
    assert "orders.phase" in read_model(chosen, dialect="duckdb").topics["Sales"].fields
    without = SHOP | files | {"Sales.topic.yaml": "base_view: orders\nfields: [all_views.*, -orders.state]\n"}
    assert "orders.phase" not in read_model(without, dialect="duckdb").topics["Sales"].fields
    with pytest.raises(ModelError, match="it is taken"):
        read_model(SHOP | dimensions("  state: {sql: status, aliases: [amount]}\n"), dialect="duckdb")


def test_groups_may_fold_the_case_of_texts() -> None:
    text = "{sql: status, groups: [{filter: {is: PAID, case_insensitive: true}, name: done}], else: open}"
    found, _ = field("dimensions", text)
    assert "LOWER" in found.sql.sql("duckdb")
    assert "'paid'" in found.sql.sql("duckdb")


def test_topics_in_the_model_file_are_topics() -> None:
    model = read(model_dot_yaml=SHOP["model.yaml"] + "topics: {Old: {base_view: orders}}\n")
    assert model.topics["Old"].views == ("orders",)
    with pytest.raises(ModelError, match="there are two topics “Sales”"):
        read(model_dot_yaml=SHOP["model.yaml"] + "topics: {Sales: {base_view: orders}}\n")


@pytest.mark.parametrize("rule", ["ignored_schemas: [sh*]", "included_schemas: [finance]"])
def test_views_of_schemas_that_the_model_leaves_out_are_hidden(rule: str) -> None:
    model = read(model_dot_yaml=SHOP["model.yaml"] + rule + "\n")
    assert model.views["orders"].is_hidden
    assert not read().views["orders"].is_hidden


def test_line_ends_marks_and_missing_values_of_other_editors_are_read() -> None:
    windows = {path: "\ufeff" + content.replace("\n", "\r\n") for path, content in SHOP.items()}
    assert read_model(windows, dialect="duckdb").topics["Sales"].fields == read().topics["Sales"].fields


def test_masks_labels_and_tags_are_read() -> None:
    found, _ = field(
        "dimensions",
        "{sql: email, mask_unless_access_grants: [mail], mask: {keep_last: 4}, classification: personal, tags: [pii]}",
    )
    assert found.mask == Mask("keep_last", 4)
    assert (found.classification, found.tags) == ("personal", ("pii",))


def test_fields_are_offered_by_view_tag_and_name_and_taken_away_again() -> None:
    files = SHOP | with_field("dimensions", "{tags: [pii]}")
    files["Sales.topic.yaml"] = (
        "base_view: orders\njoins: {customers: {}}\nfields: [all_views.*, -tag:pii, -customers.email]\n"
    )
    fields = read_model(files, dialect="duckdb").topics["Sales"].fields
    assert "orders.amount" in fields
    assert not {"orders.x", "customers.email"} & fields


def test_ignored_fields_are_not_offered_and_nothing_rests_on_them() -> None:
    _, model = field("dimensions", "{ignored: true}")
    assert "orders.x" not in model.topics["Sales"].fields
    files = SHOP | with_field("dimensions", "{ignored: true}\n  y: {sql: '${x}'}")
    with pytest.raises(ModelError, match="is ignored"):
        read_model(files, dialect="duckdb")


def test_constants_are_resolved_on_the_tree() -> None:
    files = SHOP | with_field("dimensions", '{sql: "amount * @{rate}"}') | {"model.yaml": "constants: {rate: 1 + 1}\n"}
    found = read_model(files, dialect="duckdb").dimension("orders.x")
    assert found is not None
    assert found.sql.sql("duckdb") == "amount * (1 + 1)"


@pytest.mark.parametrize(
    ("written", "format_name"),
    [
        ("weight", '#,##0.0 "kg"'),
        ("share", "percent_1"),
        ("'@{unit}'", '0 "kg"'),
        ("'#,##0 @{digits}'", "#,##0 2"),
        ("usdcurrency_0", "usdcurrency_0"),
        ("{when: [{is: 1}]}", None),
    ],
)
def test_formats_are_named_and_use_constants(written: str, format_name: str | None) -> None:
    header = (
        "constants: {unit: {value: '0 \"kg\"'}, digits: 2}\n"
        "custom_formats: {weight: '#,##0.0 \"kg\"', share: {format: percent_1}, both: [{is: 1}]}\n"
    )
    files = SHOP | with_field("dimensions", f"{{format: {written}}}") | {"model.yaml": header}
    model = read_model(files, dialect="duckdb")
    found = model.dimension("orders.x")
    assert found is not None
    assert found.format == format_name
    warned = [item.message for item in model.warnings]
    assert any("“unit” can stand in formats alone" in text for text in warned)
    assert sum("conditional formats" in text for text in warned) == (1 if format_name else 2)


def test_a_constant_for_formats_alone_stands_in_no_expression() -> None:
    files = SHOP | with_field("dimensions", "{sql: '@{unit}'}") | {"model.yaml": "constants: {unit: '0 \"kg'}\n"}
    with pytest.raises(ModelError, match="no constant “unit”"):
        read_model(files, dialect="duckdb")
    files = SHOP | with_field("dimensions", "{format: '@{units}'}") | {"model.yaml": "constants: {unit: '0 \"kg'}\n"}
    with pytest.raises(ModelError, match=r"no constant “units”\. Did you mean “unit”"):
        read_model(files, dialect="duckdb")


def test_what_extends_another_takes_over_and_overrides() -> None:
    files = SHOP | {
        "base.view": "template: true\nschema: shop\ndimensions: {id: {primary_key: true, label: Key}, a: {label: A}}\n",
        "child.view": "extends: [base]\ntable_name: kids\ndimensions: {a: {label: Own}, b: {}}\n",
    }
    child = read_model(files, dialect="duckdb").views["child"]
    assert (child.schema, child.table_name) == ("shop", "kids")
    assert {name: item.label for name, item in child.dimensions.items()} == {"id": "Key", "a": "Own", "b": "B"}
    with pytest.raises(ModelError, match="extends itself"):
        read_model(files | {"base.view": "extends: [child]\n"}, dialect="duckdb")


def test_a_topics_own_views_are_seen_by_it_alone() -> None:
    own = "base_view: orders\nviews: {orders: {measures: {double: {sql: '${revenue} * 2'}}}}\n"
    model = read_model(SHOP | {"Own.topic": own}, dialect="duckdb")
    assert model.measure("orders.double") is None
    assert model.of_topic("Own").measure("orders.double") is not None
    assert "orders.double" in model.topics["Own"].fields
    assert "orders.double" not in model.topics["Sales"].fields


def test_default_filters_of_the_model_find_their_view_by_the_field() -> None:
    defaults = "default_topic_access_filters: [{field: region, user_attribute: region}]\n"
    model = read_model(SHOP | {"model.yaml": defaults}, dialect="duckdb")
    assert model.topics["Sales"].access_filters[0].field == "customers.region"
    with pytest.raises(ModelError, match="no view here has the field"):
        read_model(SHOP | {"model.yaml": defaults, "Sales.topic.yaml": "base_view: orders\n"}, dialect="duckdb")


LIFETIME = '{sql: "${orders.amount}", level_of_detail: {aggregate_type: sum, fixed: [customers.id]}}'
BANDS = {"plain": "{sql: id}", "a detail": LIFETIME, "made of one": '{sql: "CASE WHEN ${spent} > 5 THEN 1 END"}'}
RULES = {
    "a filter": ("Sales.topic.yaml", "joins: {customers: {}}", "joins: {customers: {}}\nalways_where_filters: {customers.band: {greater_than: 5}}"),
    "a condition": ("Sales.topic.yaml", "joins: {customers: {}}", 'joins: {customers: {}}\nalways_where_sql: "${customers.band} > 5"'),
    "a join": ("relationships.yaml", "${customers.id}", "${customers.id} AND ${customers.band} > 5"),
    "a joined view": ("relationships.yaml", "${customers.id}", "${customers.id}\n  where_sql: ${customers.band} > 5"),
}  # fmt: skip


@pytest.mark.parametrize("band", BANDS)
@pytest.mark.parametrize("rule", RULES)
def test_what_is_worked_out_of_a_questions_rows_does_not_choose_them(rule: str, band: str) -> None:
    file, old, new = RULES[rule]
    customers = CUSTOMERS + f"  spent: {LIFETIME}\n  band: {BANDS[band]}\n"
    changed = SHOP | {"shop/customers.view": customers, file: SHOP[file].replace(old, new)}
    if band == "plain":
        assert read_model(changed, dialect="duckdb")
        return
    with pytest.raises(ModelError, match=r"“customers\.band” is worked out of the rows of a question"):
        read_model(changed, dialect="duckdb")


@pytest.mark.parametrize(
    ("measure", "bare"),
    [
        ('{sql: "${amount} + 1"}', "“orders.amount”"),
        ('{sql: "amount + 1"}', "“amount”"),
        ('{sql: "SUM(${amount}) / amount"}', "“amount”"),
        ('{sql: "${count} + ${amount}"}', "“orders.amount”"),
        ('{sql: "1"}', "anything"),
        ("{sql: \"CASE WHEN ${status} = 'x' THEN ${count} END\"}", "“orders.status”"),
        ('{sql: "${count} * 2"}', None),
        ('{sql: "COUNT(*) * 1.0 / NULLIF(COUNT(DISTINCT ${status}), 0)"}', None),
        ('{sql: "${amount}", aggregate_type: max}', None),
    ],
)
def test_what_a_measure_does_not_aggregate_is_warned_of(measure: str, bare: str | None) -> None:
    files = {"model": "{}", "orders.view": f"dimensions: {{id: {{primary_key: true}}, amount: {{}}, status: {{}}}}\nmeasures: {{count: {{aggregate_type: count}}, odd: {measure}}}\n", "Orders.topic": "base_view: orders\n"}  # fmt: skip
    found = [str(item) for item in read_model(files, dialect="postgres").warnings]
    assert [f"“odd” does not aggregate {bare}:" in text for text in found] == ([] if bare is None else [True])
