"""Reading a folder: one clear problem with its place for everything that is wrong."""

import pytest

from apps.semantic.errors import ModelError
from apps.semantic.model.parameters import MAX_PROBLEMS
from apps.semantic.model.reading import read_model
from apps.semantic.model.security import check_attributes
from tests.semantic.model.files import (
    CUSTOMERS,
    JOIN,
    ORDERS,
    SHOP,
    dimensions,
    field,
    field_problems,
    read,
    with_field,
)


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
        ("hello", "must be a map of parameters"),
        ("[1]", "must be a map of parameters"),
        ("{required_access_grants: []}", "names no grant"),
        ("{required_access_grants: }", "names no grant"),
        ("{mask_unless_access_grants: []}", "names no grant"),
        ("{mask_unless_access_grants: }", "names no grant"),
        ("{required_access_grants: [[mail]]}", "must be a list of texts"),
        ("{bin_boundaries: [.inf]}", "list of numbers"),
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
        ("{aggregate_type: count, filters: {revenue: {is: 1}}}", "is a measure, not a dimension"),
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
        ("Sales.topic.yaml", "base_view: orders\nalways_having_sql: ${orders.amount} > 1\n", "is no measure; conditions on rows"),
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
        ("relationships.yaml", JOIN + "  join_type: cross\n", "write it as where_sql"),
        ("relationships.yaml", JOIN.replace("${customers.id}", "${customers.idd}"), "is no dimension|there is no field"),
        ("relationships.yaml", JOIN.replace("${customers.id}", "id"), "write ${view.id}"),
        ("big.view", "sql: SELECT * FROM shop.orders\n", "name the columns"),
        ("big.view", "sql: SELECT a FROM elsewhere\n", "no view describes"),
        ("big.view", "sql: DELETE FROM shop.orders\n", "one SELECT|not allowed"),
        ("big.view", "sql: SELECT id FROM read_parquet('x')\n", "in the place of a table|not allowed"),
        ("big.view", "sql: WITH orders AS (SELECT 1) SELECT id FROM orders\n", "each column needs a name"),
        ("big.view", "sql: WITH RECURSIVE orders AS (SELECT 1 AS id) SELECT id FROM orders\n", "a query that reads itself"),
        ("big.view", "sql: SELECT id FROM shop.orders\ntable_name: x\n", "not both"),
        ("facts.query.view", "query: {fields: {orders.id: id}}\n", "needs a base_view or a topic"),
        ("facts.query.view", "query: {base_view: ordrs, fields: {ordrs.id: id}}\n", "no view “ordrs”"),
        ("facts.query.view", "query: {topic: Sals, fields: {orders.id: id}}\n", "Did you mean “Sales”?"),
        ("facts.query.view", "query: {base_view: facts, fields: {facts.id: id}}\n", "rests on itself"),
        ("facts.query.view", "query: {base_view: orders, fields: {orders.id: id}, sorts: [{field: orders.amount}]}\n", "does not ask for"),
        ("facts.query.view", "query: {base_view: orders, fields: {orders.id: id}, join_via_map: {a: b}}\n", "name a topic"),
        ("facts.query.view", "query: {base_view: orders, fields: {orders.id: id}, default_group_by: false}\n", "always grouped"),
        ("rollup.view", "materialized_query: {base_view: orders, fields: [orders.amont]}\ndimensions: {a: {}}\n", "Did you mean “orders.amount”?"),
        ("Sales.topic.yaml", "base_view: orders\njoins: [customers]\n", "is a map of views"),
        ("Sales.topic.yaml", "base_view: orders\njoins: {customers: yes}\n", "is a map of views"),
        ("Sales.topic.yaml", "base_view: orders\nviews: [a]\n", "must be a map of names"),
        ("Sales.topic.yaml", "base_view: orders\nfields: []\n", "names no field"),
        ("Sales.topic.yaml", "base_view: orders\naccess_filters:\n", "is empty"),
        ("Sales.topic.yaml", "base_view: orders\nrequired_access_grants:\n", "names no grant"),
        ("model.yaml", "access_grants: [mail]\n", "must be a map of names"),
        ("model.yaml", "constants: [a]\n", "must be a map of names"),
        ("model.yaml", "cache_policies: [a]\n", "must be a map of names"),
        ("model.yaml", "dynamic_schemas: [a]\n", "must be a map of names"),
        ("model.yaml", "default_row_limit: -5\n", "above zero"),
        ("model.yaml", "query_timezone: Mars/Base\n", "no time zone"),
        ("model.yaml", "extends: [other]\n", "the files of one folder"),
        ("model.yaml", "topics: {Inner: {base_view: ordrs}}\n", "Did you mean “orders”?"),
        ("x.view", 'label: "a\\0b"\n', "control character"),
        ("x.view", '"a\\0b": 1\n', "none that cannot be seen"),
        ("x.view", "label: " + "9" * 5000 + "\n", "number is too large"),
        ("Two.composite_topic", "topics: [Sales]\n", "two topics or more"),
        ("Two.composite_topic", "topics: [Sales, Sale]\n", "Did you mean “Sales”?"),
        ("model.yaml", "access_grants: {a: {user_attribute: x}}\n", "allows no value"),
        ("model.yaml", "access_grants: {a b: {user_attribute: x, allowed_values: [y]}}\n", "cannot be the name of a grant"),
        ("model.yaml", "cache_policies: {a: {max_cache_age: 40 days}}\n", "up to 30 days"),
        ("model.yaml", "week_start_day: Moonday\n", "Did you mean “monday”?"),
        ("model.yaml", "fiscal_month_offset: 12\n", "from -11 to 11"),
        ("model.yaml", "ignored_views: [a]\nincluded_views: [b]\n", "exclude each other"),
        ("model.yaml", "sql_preamble: SET x\n", "are not proven"),
        ("Two.composite_topic", "topics: [Sales, Sales]\nshared_measures: {a: {}}\n", "rights of their own"),
        ("Two.composite_topic", "topics: [Sales, Sales]\nshared_views: {a: {}}\n", "share single dimensions"),
        ("x.view", "aliases: [y]\n", "a second way around"),
        ("Sales.topic.yaml", "base_view: orders\nalways_where_filters: {id: {field_name_in_query: {}}}\n", "join a query view"),
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


def chain(length: int) -> str:
    return "".join(f"  d{place}: {{sql: '${{d{place + 1}}}'}}\n" for place in range(length)) + f"  d{length}: {{}}\n"


def doubled(name: str, place: int) -> str:
    return f"  {name}{place}: '@{{{name}{place - 1}}} + @{{{name}{place - 1}}}'\n"


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (dimensions(chain(150)), "fields rest on one another"),
        (dimensions(f"  x: {{sql: '{'(' * 3_000}1{')' * 3_000}'}}\n"), "nested too deeply"),
        (dimensions("  x: {required_access_grants: ['" + "(" * 400 + "mail" + ")" * 400 + "']}\n"), "parentheses stand"),
        (dimensions("  x: {required_access_grants: ['" + "&".join(["(a|b)"] * 40) + "']}\n"), "alternatives"),
        (dimensions("  x: {sql: '" + "{{# a.b.filter }}" * 1_100 + "'}\n"), "stand in one expression"),
        ({"model.yaml": "constants:\n  c0: 1 + 1\n" + "".join(doubled("c", place) for place in range(1, 26))}, "is larger than"),
        (
            {f"e{place}.view": f"extends: [e{place + 1}, e{place + 1}]\n" for place in range(22)}
            | {"e22.view": "dimensions: {a: {sql: 'random()'}}\n"},
            "not allowed|extends itself",
        ),
        (dimensions("".join(f"  y{place}: {{sql: '${{nothing_{place}}}'}}\n" for place in range(320))), "named and not described"),
        (dimensions("".join(f"  y{place}: {{sql: '${{nobody.x{place}}}'}}\n" for place in range(260))), "no field"),
        ({"x.view": "label: " + "1:" * 100_000 + "1\nhidden: 3\n"}, "true or false"),
    ],
)  # fmt: skip
def test_a_model_that_grows_on_its_own_is_refused_in_time(files: dict[str, str], says: str) -> None:
    with pytest.raises(ModelError) as error:
        read_model(SHOP | files, dialect="duckdb")
    assert any(part in str(problem) for part in says.split("|") for problem in error.value.problems)
    assert len(error.value.problems) <= MAX_PROBLEMS + 1


def test_warnings_are_never_too_many() -> None:
    tags = "".join(f"  y{place}: {{nobody_knows: 1}}\n" for place in range(MAX_PROBLEMS + 50))
    assert len(read_model(SHOP | dimensions(tags), dialect="duckdb").warnings) == MAX_PROBLEMS + 50


def test_a_topic_that_opens_what_the_model_closes_says_so_loudly() -> None:
    defaults = SHOP["model.yaml"] + (
        "default_topic_required_access_grants: [mail]\n"
        "default_topic_access_filters: [{field: region, user_attribute: region}]\n"
    )
    topic = SHOP["Sales.topic.yaml"]
    closed = read_model(SHOP | {"model.yaml": defaults}, dialect="duckdb")
    assert closed.warnings == ()
    assert closed.topics["Sales"].required_access_grants
    opened = read_model(
        SHOP | {"model.yaml": defaults, "Sales.topic.yaml": topic + "required_access_grants: []\naccess_filters: []\n"},
        dialect="duckdb",
    )
    assert sum("this topic opens what" in str(warning) for warning in opened.warnings) == 2


def test_a_default_filter_that_could_mean_two_views_is_a_problem() -> None:
    files = {
        "model.yaml": "default_topic_access_filters: [{field: id, user_attribute: region}]\n",
        "relationships.yaml": JOIN + JOIN.replace("orders", "visits"),
        "visits.view": "dimensions: {visit: {primary_key: true}, customer_id: {}}\n",
        "Two.topic": "base_view: visits\njoins: {customers: {}}\n",
        "people.view": "dimensions: {id: {primary_key: true}}\n",
    }
    assert read_model(SHOP | files, dialect="duckdb").topics["Two"].access_filters[0].field == "customers.id"
    more = JOIN.replace("orders", "visits").replace("customers", "people")
    files |= {"relationships.yaml": files["relationships.yaml"] + more}
    files |= {"Two.topic": "base_view: visits\njoins: {customers: {}, people: {}}\n"}
    with pytest.raises(ModelError, match="several views here have the field “id”"):
        read_model(SHOP | files, dialect="duckdb")


@pytest.mark.parametrize(
    ("kind", "says"),
    [("many_to_one", "repeats rows of “customers”"), ("one_to_many", "repeats rows of “orders”"), ("one_to_one", "")],
)
def test_a_join_that_repeats_rows_without_a_key_is_warned_about(kind: str, says: str) -> None:
    files = {
        "shop/orders.view.yaml": ORDERS.replace("{primary_key: true}", "{}"),
        "shop/customers.view": CUSTOMERS.replace("{primary_key: true}", "{}")
        + "measures: {n: {aggregate_type: count}}\n",
        "relationships.yaml": JOIN.replace("many_to_one", kind),
    }
    texts = [str(warning) for warning in read_model(SHOP | files, dialect="duckdb").warnings]
    assert [says in text for text in texts] == ([True] if says else [])
    keyed = read_model(SHOP | {"relationships.yaml": files["relationships.yaml"]}, dialect="duckdb")
    assert keyed.warnings == ()


def test_a_tag_that_nothing_has_is_said() -> None:
    topic = "base_view: orders\nfields: [all_views.*, '-tag:pii']\n"
    assert any("none has this tag" in str(item) for item in read(Sales_dot_topic_dot_yaml=topic).warnings)


def test_unknown_parameters_and_implied_columns_are_warnings_with_their_place() -> None:
    _, model = field("measures", "{aggregate_type: sum, sql: '${discount}', colour: red}")
    texts = [str(warning) for warning in model.warnings]
    assert any("“colour” is not a parameter" in text for text in texts)
    assert any("taken to be a column" in text for text in texts)
    assert all(text.startswith("shop/orders.view.yaml:") for text in texts)
    assert "orders.discount" not in model.topics["Sales"].fields


ROWS = "access_filters: [{field: amount, user_attribute: level, values_for_unfiltered: [all]}]\n"


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ({"region": "string"}, ["no user attribute “department”", "no user attribute “level”"]),
        ({"department": "string", "level": "number"}, ["“level” is a number, so it is never “all”"]),
        ({"department": "boolean", "level": "string"}, ["“department” is a boolean, so it is never “mail”"]),
        ({"department": "string", "level": "string"}, []),
    ],
)
def test_a_rule_that_no_attribute_can_meet_is_a_problem(known: dict[str, str], says: list[str]) -> None:
    model = read_model(SHOP | {"shop/orders.view.yaml": ORDERS + ROWS}, dialect="duckdb")
    found = [str(problem) for problem in check_attributes(model, known)]
    assert len(found) == len(says)
    assert all(part in text for part, text in zip(says, found, strict=True)), found
    assert all(text.startswith(("model.yaml:1:", "shop/orders.view.yaml:")) for text in found)


def test_a_policy_whose_types_never_meet_is_a_problem() -> None:
    rows = ROWS.replace("field: amount", "field: x").replace(", values_for_unfiltered: [all]", "")
    files = with_field("dimensions", "{sql: 'CAST(amount AS INT)'}")
    model = read_model(SHOP | {"shop/orders.view.yaml": files["shop/orders.view.yaml"] + rows}, dialect="duckdb")
    found = [str(problem) for problem in check_attributes(model, {"department": "string", "level": "date"})]
    assert ["no row could match" in text for text in found] == [True]
    assert not [*check_attributes(model, {"department": "string", "level": "number"})]


def test_all_problems_come_at_once() -> None:
    files = SHOP | {
        "a.view": "dimensions: {x: {sql: 'random()'}}\n",
        "b.topic": "base_view: nothing\n",
        "c.view": "a: [1\n",
    }
    with pytest.raises(ModelError) as error:
        read_model(files, dialect="duckdb")
    assert {problem.file for problem in error.value.problems} == {"a.view", "b.topic", "c.view"}
