"""What rules and masks rest on: faults where nothing could be proven, warnings where some would be refused."""

import pytest

from apps.semantic.errors import ModelError
from apps.semantic.model.reading import read_model

GRANTS = "access_grants:\n  g: {user_attribute: d, allowed_values: [x]}\n"
VIEW = """dimensions:
  id: {primary_key: true}
  region: {}
  born: {sql: CAST(born AS DATE), timeframes: [raw, date, year]}
  age: {duration: {sql_start: CAST(born AS DATE), sql_end: CAST('2020-01-01' AS DATE), intervals: [days]}}
  flag: {sql: "{{# customers.want.filter }} ${region} {{/ customers.want.filter }}"}
  flagged: {sql: "NOT ${flag}"}
  birthday: {sql: "${born[date]}"}
  best: {sql: "${id}", level_of_detail: {aggregate_type: max, fixed: [customers.region]}}
MORE
measures:
  count: {aggregate_type: count}
  wanted: {aggregate_type: sum, sql: "CASE WHEN ${flag} THEN 1 END"}
filters:
  want: {type: string}
"""
RELATED = """- {join_from_view: orders, join_to_view: customers, relationship_type: many_to_one,
   on_sql: "${orders.customer_id} = ${customers.id} AND %s"}
"""
ORDERS = "dimensions: {id: {primary_key: true}, customer_id: {}}\n"


def problems(more="", topic="", on="", **files):
    """Return (place, message) for what is wrong with a model, faults or else warnings."""
    files = {
        "model": GRANTS,
        "customers.view": VIEW.replace("MORE\n", more),
        "C.topic": f"base_view: customers\n{topic}",
    } | files
    if on:
        files |= {
            "relationships": RELATED % on,
            "orders.view": ORDERS,
            "O.topic": "base_view: orders\njoins: {customers: {}}\n",
        }
    try:
        found = read_model(files, dialect="duckdb").warnings
    except ModelError as error:
        found = error.problems
    return [(f"{item.file}:{item.line}:{item.column}", item.message) for item in found]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("flag", "“customers.flag” holds a filter of the question"), ("flagged", "“customers.flag” holds a filter of the question"),
        ("birthday", "“customers.born[date]” has a timeframe"), ("age", "“customers.age” is a duration"),
    ],
)  # fmt: skip
def test_a_rule_on_rows_over_what_cannot_be_proven_is_a_fault(name, why):
    message = f"a rule on rows is over columns as they are; {why}"
    for topic, column in (
        (f"always_where_sql: '${{customers.{name}}} = ${{customers.{name}}}'", 19),
        (f"always_where_filters: {{customers.{name}: {{is: null}}}}", 24),
    ):
        assert problems(topic=topic) == [(f"C.topic:2:{column}", message)]
    assert ("relationships:1:3", message) in problems(on=f"${{customers.{name}}} = ${{customers.{name}}}")
    if name != "age":  # has a fault of its own
        rule = f"access_filters: [{{field: customers.{name}, user_attribute: d}}]"
        assert problems(topic=rule) == [("C.topic:2:18", message)]
        assert problems(rule.replace("customers.", "") + "\n") == [("customers.view:10:18", message)]


def test_rules_over_columns_are_none():
    assert problems(topic="always_where_filters: {'customers.born[year]': {is: '1990-01-01'}}") == []
    assert (
        problems(topic="always_having_sql: '${customers.wanted} > 0'\nalways_where_sql: '${customers.region} = 1'")
        == []
    )


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("${born[date]}", "“customers.born[date]” has a timeframe"), ("COALESCE(${birthday}, NULL)", "“customers.born[date]” has a timeframe"),
        ("${age}", "“customers.age” is a duration"), ("${best} + 1", "“customers.best” is worked out of the rows of a question"),
        ("${flag}", "“customers.flag” holds a filter of the question"),
        ("{{# customers.want.filter }} region {{/ customers.want.filter }}", "“customers.x” holds a filter of the question"),
    ],
)  # fmt: skip
def test_a_mask_over_what_cannot_be_proven_is_a_fault(sql, why):
    masked = f'  x: {{sql: "{sql}", mask_unless_access_grants: [g]}}\n'
    assert ("customers.view:10:3", f"a mask is made of columns as they are; {why}") in problems(masked)
    assert problems(masked.replace(", mask_unless_access_grants: [g]", "")) == []


@pytest.mark.parametrize("mask", ["", "mask: redact, ", "mask: 'null', ", "mask: {keep_last: 2}, "])
@pytest.mark.parametrize("sql", ["CONCAT(nick, {{omni_attributes.d}})", "${mine}", "UPPER(${mine})"])
def test_a_mask_over_a_user_attribute_is_a_fault(sql, mask):
    """It was published, and failed for everybody who was to see the mask."""
    mine = '  mine: {sql: "CONCAT(nick, {{omni_attributes.d}})"%s}\n' % (
        ", reads_in_clear: true" if "nick" in sql else ""
    )
    own = f'  x: {{sql: "{sql}", {mask}mask_unless_access_grants: [g]}}\n'
    why = "a mask is made of columns as they are; “customers.x” names the user attribute “d”"
    assert ("customers.view:10:3", why) in problems(own + mine)
    assert not [
        text
        for _, text in problems(own.replace(", mask_unless_access_grants: [g]", "").replace(mask, "") + mine)
        if "mask" in text and "made of" in text
    ]


def test_a_rule_that_would_choose_groups_by_masks_is_warned_about():
    topic = "base_view: customers\nalways_having_filters: {customers.mails: {greater_than: 1}}\n"
    view = VIEW.replace("measures:\n", "measures:\n  mails: {aggregate_type: count_distinct, sql: '${mail}'}\n")
    for mask in (", mask_unless_access_grants: [g]", ""):
        masked = view.replace("MORE\n", f"  mail: {{sql: mail{mask}}}\n")
        found = problems(**{"T.topic": topic, "customers.view": masked})
        told = [place for place, message in found if "would choose groups by masks" in message]
        assert told == (["T.topic:2:25"] if mask else [])


DERIVED = {
    "v.view": "sql: SELECT c.id AS id, UPPER(c.mail) AS mail, c.region AS region FROM customers AS c\n",
    "v.query.view": "query: {base_view: customers, fields: {customers.id: id, customers.mail: mail, customers.region: region}}\n",
}


@pytest.mark.parametrize("kind", DERIVED)
@pytest.mark.parametrize("mask", [", mask_unless_access_grants: [g]", ""])
def test_a_rule_that_would_compare_masks_is_warned_about(kind, mask):
    def told(rule="", topic="", **files):
        view = f"{DERIVED[kind]}{rule}dimensions: {{id: {{primary_key: true}}, mail: {{}}, region: {{}}}}\nmeasures: {{most: {{aggregate_type: max, sql: '${{mail}}'}}}}\n"
        files |= {kind: view, "V.topic": f"base_view: v\n{topic}"}
        found = problems(f"  mail: {{sql: mail{mask}}}\n", **files)
        return [place for place, message in found if "would compare masks" in message]

    assert told("access_filters: [{field: mail, user_attribute: d}]\n") == ([f"{kind}:2:18"] if mask else [])
    join = "- {join_from_view: customers, join_to_view: v, relationship_type: one_to_one, on_sql: '${customers.id} = ${v.id}', where_sql: \"${v.mail} = 'x'\"}"
    assert told(relationships=join) == (["relationships:1:3"] if mask else [])
    for rule, column in (
        ("always_where_sql: \"${v.mail} LIKE 'x'\"", 19),
        ("always_where_filters: {v.mail: {is: x}}", 24),
        ("always_having_sql: \"${v.most} = 'x'\"", 20),
        ("access_filters: [{field: v.mail, user_attribute: d}]", 18),
    ):
        assert told(topic=rule) == ([f"V.topic:2:{column}"] if mask else [])
        assert told(topic=rule.replace("v.mail", "v.region").replace("v.most", "v.most")) == (
            [f"V.topic:2:{column}"] if mask and "most" in rule else []
        )


CHOOSING = "sql: SELECT c.id AS id FROM customers AS c WHERE c.%s = 'x'\n%sdimensions: {id: {}}\n"
OWN_MASK = "base_view: v\n%sviews: {customers: {dimensions: {region: {mask_unless_access_grants: [g]}}}}\n"


def test_a_topics_own_mask_by_which_an_sql_view_chooses_rows_is_a_fault_that_names_the_topic():
    """It was published, and closed the data set to whoever sees the mask."""
    view = {"v.view": CHOOSING % ("region", "")}
    why = "“customers.region” is masked for whoever lacks a grant, and decides here which rows “v” has: they would get others"
    assert problems(**view, **{"V.topic": OWN_MASK % ""}) == [("v.view:1:6", f"as the topic “V” has it: {why}")]
    assert problems(**view, **{"V.topic": OWN_MASK % "required_access_grants: [g]\n"}) == []
    lifted = {"v.view": CHOOSING % ("region", "required_access_grants: [g]\n")}
    assert problems(**lifted, **{"V.topic": OWN_MASK % ""}) == []
    for other in ({"v.view": CHOOSING % ("id", "")}, {**view, "W.topic": "base_view: v"}):
        topic = (OWN_MASK % "").replace(
            "base_view: v", "base_view: customers" if "W.topic" in other else "base_view: v"
        )
        assert problems(**other, **{"V.topic": topic}) == []


def test_an_sql_view_is_checked_against_the_own_views_of_topics_that_have_it():
    own = "base_view: %s\nviews: {customers: {dimensions: {region: {sql: UPPER(area)}}}}\n"
    view = {"v.view": CHOOSING % ("region", ""), "W.topic": "base_view: v"}
    assert problems(**view, **{"C.topic": own % "customers"}) == []
    ((place, message),) = problems(**view, **{"V.topic": own % "v"})
    assert (place, "as the topic “V” has it: “c.region” is no column" in message) == ("v.view:1:6", True)


THREE = GRANTS + "".join(f"  {name}: {{user_attribute: {name}, allowed_values: [x]}}\n" for name in "ab")
MANY = THREE + "".join(f"  h{name}: {{user_attribute: d, allowed_values: [x]}}\n" for name in range(13))


@pytest.mark.parametrize(
    ("mask", "view", "is_lifted"),
    [
        ("a", "a", True), ("a", "b", False), ("a|b", "a", True), ("a", "a|b", False), ("a, b", "a&b", True), ("a&b", "a, b", True),
        ("a&b", "a", False), ("a|b&g", "a|b, a|g", True), ("a|b, a|g", "a|b&g", True), ("(a|b)&g", "a&g", True), ("(a|b)&g", "a|g", False),
        ("a|b", "g, a|b", True),
    ],
)  # fmt: skip
def test_a_view_lifts_a_mask_where_whoever_passes_its_rule_passes_the_masks(mask, view, is_lifted):
    masked = f"  mail: {{mask_unless_access_grants: [{mask}]}}\n"
    chosen = {"v.view": CHOOSING % ("mail", f"required_access_grants: [{view}]\n")}
    faults = [text for _, text in problems(masked, model=THREE, **chosen) if "decides here" in text]
    assert faults == [] if is_lifted else len(faults) == 1


def test_with_many_grants_only_a_mask_lifted_word_by_word_is_told_to_be():
    every = "&".join(f"h{name}" for name in range(13))
    for view, is_lifted in ((every, True), (every.replace("&", ", "), False)):
        masked = f"  mail: {{mask_unless_access_grants: [{every}]}}\n"
        chosen = {"v.view": CHOOSING % ("mail", f"required_access_grants: [{view}]\n")}
        assert any("decides here" in text for _, text in problems(masked, model=MANY, **chosen)) is not is_lifted


@pytest.mark.parametrize(
    ("condition", "shown"),
    [
        ("${customers.mail} = ${list.mail}", "list.mail"),
        ("${customers.mail} BETWEEN ${list.id} AND 'z'", "list.id"),
        ("STARTS_WITH(${customers.mail}, ${list.mail})", "list.mail"),
        ("NOT (${customers.mail} <> ${list.mail})", "list.mail"),
        ("CASE ${customers.mail} WHEN ${list.mail} THEN TRUE END", "list.mail"),
        ("${customers.id} = ${list.id}", None),
        ("${customers.id} = ${list.id} AND ${customers.mail} IS NULL", None),
        ("${customers.id} = ${list.id} AND ${customers.mail} > 'a'", ""),
    ],
)
def test_a_join_that_tells_what_is_masked_by_what_is_not_is_warned_about(condition, shown):
    join = f'- {{join_from_view: customers, join_to_view: list, relationship_type: many_to_one, on_sql: "{condition}"}}'
    topic = "base_view: customers\njoins: {list: {}}\n"

    def told(mask, other="", rule=""):
        view = f"{rule}dimensions: {{id: {{primary_key: true}}, mail: {{sql: mail{other}}}}}\n"
        files = {"relationships": join, "list.view": view, "T.topic": topic}
        found = problems(f"  mail: {{sql: mail{mask}}}\n", **files)
        return [(place, message) for place, message in found if "this join compares" in message]

    masked = ", mask_unless_access_grants: [g]"
    if shown is None:
        assert told(masked) == []
        return
    ((place, message),) = told(masked)
    assert place == "relationships:1:3"
    assert "“customers.mail”" in message
    assert (f"“{shown}”" if shown else "with a value") in message
    assert told("") == told(f"{masked}, required_access_grants: [g]") == []
    if shown:
        assert told(masked, rule="required_access_grants: [g]\n") == []
    if shown == "list.mail":
        assert told(masked, other=masked) == told(masked, other=", required_access_grants: [g]") == []
