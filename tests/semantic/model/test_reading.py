"""Reading a folder: what it means, and one clear problem with its place for everything that is wrong."""

import pytest

from apps.semantic.errors import ModelError
from apps.semantic.model.reading import read_model
from apps.semantic.model.types import Mask, SemanticModel

ORDERS = """
schema: shop
dimensions:
  id: {primary_key: true}
  customer_id: {}
  status: {}
  amount: {}
  placed: {timeframes: [raw, date, month]}
measures:
  count: {aggregate_type: count}
  revenue: {aggregate_type: sum, sql: "${amount}"}
"""
CUSTOMERS = "schema: shop\ndimensions:\n  id: {primary_key: true}\n  region: {}\n  email: {}\n"
JOIN = """
- join_from_view: orders
  join_to_view: customers
  relationship_type: many_to_one
  on_sql: ${orders.customer_id} = ${customers.id}
"""
SHOP = {
    "model.yaml": "access_grants: {mail: {user_attribute: department, allowed_values: [mail]}}\n",
    "relationships.yaml": JOIN,
    "shop/orders.view.yaml": ORDERS,
    "shop/customers.view": CUSTOMERS,
    "Sales.topic.yaml": "base_view: orders\njoins: {customers: {}}\n",
}


def read(dialect: str = "duckdb", known: frozenset[str] | None = None, **changes: str) -> SemanticModel:
    files = SHOP | {name.replace("__", "/").replace("_dot_", "."): content for name, content in changes.items()}
    return read_model(files, dialect=dialect, known_attributes=known)


def problems(**changes: str) -> list[str]:
    with pytest.raises(ModelError) as error:
        read(**changes)
    return [str(problem) for problem in error.value.problems]


def with_field(kind: str, text: str) -> dict[str, str]:
    """Return the orders view with one more dimension or measure called x."""
    return {"shop/orders.view.yaml": ORDERS.replace(f"{kind}:\n", f"{kind}:\n  x: {text}\n")}


def field_problems(kind: str, text: str) -> list[str]:
    with pytest.raises(ModelError) as error:
        read_model(SHOP | with_field(kind, text), dialect="duckdb")
    return [str(problem) for problem in error.value.problems]


def field(kind: str, text: str):
    model = read_model(SHOP | with_field(kind, text), dialect="duckdb")
    return model.dimension("orders.x") or model.measure("orders.x"), model


def test_files_with_and_without_yaml_in_any_folder_make_a_model() -> None:
    model = read()
    assert set(model.views) == {"orders", "customers"}
    assert model.topics["Sales"].views == ("orders", "customers")
    assert model.warnings == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{sql: 'SELECT 1'}", "not allowed"),
        ("{sql: '(SELECT secret FROM t)'}", "not allowed"),
        ("{sql: 'amount; DROP TABLE x'}", "exactly one expression"),
        ("{sql: 'read_csv(1)'}", "not allowed"),
        ("{sql: 'getenv(status)'}", "not allowed"),
        ("{sql: 'random()'}", "not allowed"),
        ("{sql: 'CURRENT_TIMESTAMP'}", "not allowed"),
        ("{sql: 'other.amount'}", "write ${view.field}"),
        ("{sql: 'amount -- hidden'}", "comments"),
        ("{sql: 'SUM(amount)'}", "aggregate"),
        ("{sql: '${amont}'}", "Did you mean “orders.amount”?"),
        ("{sql: '${orders.revenue}'}", "cannot rest on the measure"),
        ("{sql: '${x}'}", "rests on itself"),
        ("{sql: \"'${status}'\"}", "inside a text"),
        ("{sql: '{{ users.x }}'}", "only omni_attributes and filters"),
        ("{sql: '@{nothing}'}", "no constant “nothing”"),
        ("{sql: '{{# orders.f.filter }} status'}", "not closed"),
        ("{sql: 'omni_templated_filter(1)'}", "reserved"),
        ("{sql: '?'}", "a parameter cannot stand|not allowed|only ${field}|reference"),
        ("{sql: 'amount +'}", "not valid SQL"),
        ("{type: string}", "Invalid property"),
        ("{timeframes: [mont]}", "Did you mean “month”?"),
        ("{timeframes: [fiscal_year]}", "needs fiscal_month_offset"),
        ("{bin_boundaries: [5, 1]}", "must grow"),
        ("{bin_boundaries: a}", "list of numbers"),
        ("{groups: [{name: a}]}", "needs a name and a filter"),
        ("{groups: [{name: a, filter: {near: b}}]}", "no operator"),
        ("{duration: {sql_start: '${placed}'}}", "needs sql_start and sql_end"),
        ("{duration: {sql_start: '${placed}', sql_end: '${placed}', intervals: [fortnights]}}", "no interval"),
        ("{dynamic_top_n: {n: 0, by: revenue}}", "a number above zero"),
        ("{dynamic_top_n: {n: 3, by: nothing}}", "there is no field"),
        ("{level_of_detail: {aggregate_type: sum}}", "exactly one of"),
        ("{level_of_detail: {aggregate_type: sun, fixed: [id]}}", "no aggregate_type “sun”"),
        ("{mask_unless_access_grants: [mail], mask: blur}", "a mask is"),
        ("{mask_unless_access_grants: [mail], mask: {keep_last: all}}", "a mask is"),
        ("{mask_unless_access_grants: [mial]}", "Did you mean “mail”?"),
        ("{required_access_grants: ['mail|']}", "a grant is missing"),
        ("{required_access_grants: ['(mail']}", "parenthesis"),
        ("{classification: secret}", "no classification"),
        ("{nested_on_field: id}", "not supported"),
        ("{hidden: maybe}", "must be true or false"),
    ],
)
def test_a_faulty_dimension_is_one_clear_problem_at_its_place(text: str, says: str) -> None:
    found = field_problems("dimensions", text)
    assert any(part in found[0] for part in says.split("|"))
    assert found[0].startswith("shop/orders.view.yaml:")
    assert len(found) <= 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{aggregate_type: sum}", "needs sql"),
        ("{aggregate_type: totl, sql: '${amount}'}", "no aggregate_type"),
        ("{aggregate_type: sum, sql: 'SUM(amount)'}", "an aggregate cannot stand here"),
        ("{aggregate_type: sum, sql: '${revenue}'}", "is an aggregate already"),
        ("{aggregate_type: percentile, sql: '${amount}'}", "from 0 to 100"),
        ("{aggregate_type: percentile, percentile: 101, sql: '${amount}'}", "from 0 to 100"),
        ("{aggregate_type: sum_distinct_on, sql: '${amount}'}", "needs custom_primary_key_sql"),
        ("{aggregate_type: count, filters: {status: paid}}", "a filter is a map|A filter is a map"),
        ("{aggregate_type: count, filters: {status: {iss: paid}}}", "no operator"),
        ("{aggregate_type: count, filters: {revenue: {is: 1}}}", "is no dimension"),
    ],
)
def test_a_faulty_measure_is_one_clear_problem(text: str, says: str) -> None:
    found = field_problems("measures", text)
    assert any(part in found[0] for part in says.split("|"))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("Sales.topic.yaml", "base_view: order\n", "Did you mean “orders”?"),
        ("Sales.topic.yaml", "label: x\n", "base_view is missing"),
        ("Sales.topic.yaml", "base_view: customers\njoins: {orders: {}}\n", "no relationship leads"),
        ("Sales.topic.yaml", "base_view: orders\nfields: [orders.nothing]\n", "matches no field"),
        ("Sales.topic.yaml", "base_view: orders\nalways_where_sql: ${orders.amount} > ${orders.amnt}\n", "no field of this topic"),
        ("Sales.topic.yaml", "base_view: orders\nalways_where_sql: ${orders.revenue} > 1\n", "always_having_sql"),
        ("Sales.topic.yaml", "base_view: orders\nalways_where_sql: amount > 1\n", "name fields as"),
        ("Sales.topic.yaml", "base_view: orders\nalways_where_sql: '{{filters.orders.status.value}} = 1'\n", "cannot decide a rule"),
        ("Sales.topic.yaml", "base_view: orders\naccess_filters: [{field: orders.nope, user_attribute: region}]\n", "no dimension here"),
        ("Sales.topic.yaml", "base_view: orders\naccess_filters: [{field: orders.status}]\n", "needs a field and a user_attribute"),
        ("Sales.topic.yaml", "base_view: orders\naccess_filters: {a: b}\n", "must be a list"),
        ("Sales.topic.yaml", "base_view: orders\ncache_policy: nightly\n", "no cache policy"),
        ("__x.topic", "base_view: orders\n", "cannot begin"),
        ("relationships.yaml", "a: b\n", "must be a list"),
        ("relationships.yaml", JOIN.replace("customers\n", "customer\n"), "Did you mean “customers”?"),
        ("relationships.yaml", JOIN.replace("many_to_one", "many_to_some"), "no relationship_type"),
        ("relationships.yaml", JOIN + "  join_type: sideways\n", "no join_type"),
        ("relationships.yaml", JOIN.replace("${customers.id}", "${customers.idd}"), "is no dimension|there is no field"),
        ("relationships.yaml", JOIN.replace("${customers.id}", "id"), "write ${view.id}"),
        ("big.view", "sql: SELECT * FROM shop.orders\n", "name the columns"),
        ("big.view", "sql: SELECT a FROM elsewhere\n", "no view describes"),
        ("big.view", "sql: DELETE FROM shop.orders\n", "one SELECT|not allowed"),
        ("big.view", "sql: SELECT id FROM read_parquet('x')\n", "in the place of a table|not allowed"),
        ("big.view", "sql: WITH orders AS (SELECT 1) SELECT id FROM orders\n", "not allowed"),
        ("big.view", "sql: SELECT id FROM shop.orders\ntable_name: x\n", "not both"),
        ("facts.query.view", "query: {fields: {orders.id: id}}\n", "needs a base_view or a topic"),
        ("facts.query.view", "query: {base_view: ordrs, fields: {ordrs.id: id}}\n", "no view “ordrs”"),
        ("facts.query.view", "query: {topic: Sals, fields: {orders.id: id}}\n", "Did you mean “Sales”?"),
        ("facts.query.view", "query: {base_view: facts, fields: {facts.id: id}}\n", "rests on itself"),
        ("Two.composite_topic", "topics: [Sales]\n", "two topics or more"),
        ("Two.composite_topic", "topics: [Sales, Sale]\n", "Did you mean “Sales”?"),
        ("model.yaml", "access_grants: {a: {user_attribute: x}}\n", "allows no value"),
        ("model.yaml", "cache_policies: {a: {max_cache_age: 40 days}}\n", "up to 30 days"),
        ("model.yaml", "week_start_day: Moonday\n", "Did you mean “monday”?"),
        ("model.yaml", "fiscal_month_offset: 12\n", "from -11 to 11"),
        ("model.yaml", "ignored_views: [a]\nincluded_views: [b]\n", "exclude each other"),
        ("model.yaml", "sql_preamble: SET x\n", "not supported"),
        ("Orders.view", "schema: shop\n", "only their case differs"),
        ("../evil.view", "schema: shop\n", "stay inside"),
        ("notes.txt", "hello", "not a model file"),
        ("x.view", "- a\n", "must be a map"),
    ],
)  # fmt: skip
def test_a_faulty_file_is_one_clear_problem(name: str, content: str, says: str) -> None:
    with pytest.raises(ModelError) as error:
        read_model(SHOP | {name: content}, dialect="duckdb")
    found = [str(problem) for problem in error.value.problems]
    assert any(part in text for part in says.split("|") for text in found), found


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a: &x [1]\nb: *x\n", "anchors"),
        ("a: !!python/object:os.system x\n", "tags"),
        ("a: !include other.yaml\n", "tags"),
        ("a: [" * 60 + "]" * 60, "nested too deeply"),
        ("a: 1\na: 2\n", "twice"),
        ("a: [1\n", "not valid YAML"),
        ("--- a\n--- b\n", "several documents"),
        ("a: " + "x" * 1_100_000, "larger than"),
        ("\x00", "not valid YAML"),
        ("{" * 3000, "not valid YAML|nested too deeply"),
    ],
)
def test_a_bomb_is_one_problem(content: str, says: str) -> None:
    with pytest.raises(ModelError) as error:
        read_model(SHOP | {"bomb.view": content}, dialect="duckdb")
    assert any(part in str(error.value) for part in says.split("|")), str(error.value)[:300]


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


def test_unknown_parameters_and_implied_columns_are_warnings_with_their_place() -> None:
    _, model = field("measures", "{aggregate_type: sum, sql: '${discount}', colour: red}")
    texts = [str(warning) for warning in model.warnings]
    assert any("“colour” is not a parameter" in text for text in texts)
    assert any("taken to be a column" in text for text in texts)
    assert all(text.startswith("shop/orders.view.yaml:") for text in texts)
    assert "orders.discount" not in model.topics["Sales"].fields


def test_attributes_are_checked_where_the_tenants_are_known() -> None:
    with pytest.raises(ModelError, match="no user attribute “department”"):
        read(known=frozenset(("region",)))
    assert read(known=frozenset(("department",)))
    warned = read_model(SHOP, dialect="duckdb", defaulted_attributes=frozenset(("department",)))
    assert any("default value" in str(warning) for warning in warned.warnings)


def test_default_filters_of_the_model_find_their_view_by_the_field() -> None:
    defaults = "default_topic_access_filters: [{field: region, user_attribute: region}]\n"
    model = read_model(SHOP | {"model.yaml": defaults}, dialect="duckdb")
    assert model.topics["Sales"].access_filters[0].field == "customers.region"
    with pytest.raises(ModelError, match="no view here has the field"):
        read_model(SHOP | {"model.yaml": defaults, "Sales.topic.yaml": "base_view: orders\n"}, dialect="duckdb")


def test_all_problems_come_at_once() -> None:
    files = SHOP | {
        "a.view": "dimensions: {x: {sql: 'random()'}}\n",
        "b.topic": "base_view: nothing\n",
        "c.view": "a: [1\n",
    }
    with pytest.raises(ModelError) as error:
        read_model(files, dialect="duckdb")
    assert {problem.file for problem in error.value.problems} == {"a.view", "b.topic", "c.view"}
