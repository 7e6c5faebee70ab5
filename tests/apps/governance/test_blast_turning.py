"""Which rules may let through other rows where there are fewer beneath them, and where the fewer rows would be."""

import pytest

from apps.governance.blast_radius.turning import OF_GROUPS, OF_ROWS, turning
from apps.semantic.model.reading import read_model
from tests.apps.governance.shop import SHOP

SMALL = "base_view: orders\nfields: [orders.status, orders.revenue]\n"


def found(topic: str, **files: str) -> set[tuple[str, str]]:
    """Return what may turn in a topic of the shop, with some of its files written otherwise."""
    changed = {path: files.get(path.partition(".")[0], content) for path, content in SHOP.items()}
    return {*turning(read_model(changed, dialect="duckdb"), topic)}


@pytest.mark.parametrize(
    ("rule", "is_turning"),
    [
        ("always_having_filters: {orders.people: {greater_than: 5}}", False),
        ("always_having_filters: {orders.people: {greater_than_or_equal_to: 5}}", False),
        ("always_having_filters: {orders.people: {less_than: 5}}", True),
        ("always_having_filters: {orders.revenue: {greater_than: 5}}", True),
        ("always_having_filters: {orders.count: {greater_than: 5}, orders.people: {less_than: 5}}", True),
        ("always_having_sql: ${orders.people} > 5", False),
        ("always_having_sql: ${orders.count} >= 5 AND (${orders.people} > 5)", False),
        ("always_having_sql: ${orders.count} >= 5 AND (${orders.people} < 5)", True),
        ("always_having_sql: ${orders.count} >= 5 OR ${orders.people} > 5", False),
        ("always_having_sql: ${orders.count} >= 5 OR ${orders.people} < 5", True),
        ("always_having_sql: ${orders.people} < 5", True),
        ("always_having_sql: ${orders.people} = 5", True),
        ("always_having_sql: 5 > ${orders.people}", True),
        ("always_having_sql: ${orders.revenue} > 5", True),
        ("always_having_sql: ${orders.count} > ${orders.people}", True),
        ("always_having_sql: ${orders.count} - 9 > 5", True),
    ],
)
def test_only_large_groups_are_chosen_alike_of_fewer_rows(rule: str, *, is_turning: bool) -> None:
    assert (("", OF_GROUPS) in found("Small", Small=f"{SMALL}{rule}\n")) == is_turning


BLOCKED = """
schema: main
dimensions: {id: {primary_key: true}, zone: {}, gone: {sql: "${zone} IS NULL"}, small: {sql: "${zone} < 'B'"}}
"""
UNBLOCKED = "base_view: orders\njoins: {blocked: {}}\nfields: [orders.id]\n"


@pytest.mark.parametrize(
    ("rule", "is_turning"),
    [
        ("always_where_sql: ${blocked.zone} = 'EU'", False),
        ("always_where_sql: ${blocked.zone} IS NULL", True),
        ("always_where_sql: NOT ${blocked.zone} = 'EU'", True),
        ("always_where_sql: COALESCE(${blocked.zone}, 'EU') = 'EU'", True),
        ("always_where_sql: ${blocked.gone}", True),
        ("always_where_sql: ${blocked.small}", False),
        ("always_where_sql: ${orders.zone} IS NULL", False),
        ("always_where_filters: {blocked.zone: {is: EU}}", False),
        ("always_where_filters: {blocked.zone: {is: [EU, null]}}", True),
        ("always_where_filters: {blocked.zone: {is: null}}", True),
        ("always_where_filters: {blocked.zone: {not: EU}}", True),
        ("always_where_filters: {blocked.zone: {not_contains: EU}}", True),
        ("always_where_filters: {blocked.zone: {or: [{is: EU}, {contains: A}]}}", False),
        ("always_where_filters: {blocked.zone: {or: [{is: EU}, {not: A}]}}", True),
        ("always_where_filters: {blocked.gone: {is: true}}", True),
        ("always_where_filters: {blocked.small: {is: falsey}}", True),
    ],
)
def test_rules_that_ask_for_rows_without_a_match_are_found(rule: str, *, is_turning: bool) -> None:
    told = found("Unblocked", Unblocked=f"{UNBLOCKED}{rule}\n", blocked=BLOCKED)
    assert (("view blocked", OF_ROWS) in told) == is_turning


def test_a_join_that_keeps_only_what_matches_asks_for_nothing_that_is_missing() -> None:
    topic = (
        "base_view: orders\njoins: {allowed: {}}\nfields: [orders.id]\nalways_where_sql: ${allowed.is_mine} IS NULL\n"
    )
    assert ("view allowed", OF_ROWS) not in found("Allowed", Allowed=topic)
    outer = SHOP["relationships.yaml"].replace(
        "to_view: allowed, relationship_type: many_to_one, join_type: inner",
        "to_view: allowed, relationship_type: many_to_one",
    )
    assert ("view allowed", OF_ROWS) in found("Allowed", Allowed=topic, relationships=outer)


def test_the_condition_of_a_join_is_such_a_rule() -> None:
    joins = SHOP["relationships.yaml"]
    missing = joins.replace(
        "${orders.customer_id} = ${blocked.id}", "${orders.customer_id} = ${blocked.id} OR ${blocked.id} IS NULL"
    )
    assert ("view blocked", "the join of blocked") in found("Unblocked", relationships=missing)
    assert ("view blocked", "the join of blocked") not in found("Unblocked")


@pytest.mark.parametrize(
    ("sql", "is_turning"),
    [
        ("SELECT m.id AS id FROM main.members AS m WHERE m.zone = 'EU'", False),
        ("SELECT m.id AS id FROM main.members AS m JOIN main.blocked AS b ON b.id = m.id", False),
        ("SELECT m.id AS id FROM main.members AS m INNER JOIN main.blocked AS b ON b.id = m.id", False),
        ("SELECT m.id AS id FROM main.members AS m CROSS JOIN main.blocked AS b", False),
        ("SELECT m.id AS id FROM main.members AS m LEFT JOIN main.blocked AS b ON b.id = m.id", True),
        ("SELECT m.id AS id FROM main.members AS m WHERE NOT EXISTS (SELECT 1 FROM main.blocked AS b WHERE b.id = m.id)", True),
        ("SELECT m.id AS id FROM main.members AS m GROUP BY m.id HAVING COUNT(*) < 3", True),
        ("SELECT m.id AS id FROM main.members AS m ORDER BY m.zone LIMIT 3", True),
    ],
)  # fmt: skip
def test_sql_views_that_choose_by_what_is_missing_are_found(sql: str, *, is_turning: bool) -> None:
    told = found("Free", free=f"sql: {sql}\ndimensions: {{id: {{primary_key: true}}}}\n")
    places = {("view free", "the source of free"), ("view members", "the source of free")}
    assert (places <= told) == is_turning
    assert bool(told) == is_turning


BEST = SHOP["best.query.view.yaml"]
INNER = "base_view: orders\n"


@pytest.mark.parametrize(
    ("view", "place", "is_turning"),
    [
        (BEST, "Inner: ", True),
        (BEST.replace("  limit: 10\n", ""), "Inner: ", False),
        (BEST.replace("  limit: 10\n", "").replace("greater_than: 1", "less_than: 9"), "Inner: ", True),
        (BEST.replace("  limit: 10\n", "").replace("{orders.count: {greater_than: 1}}", "{orders.zone: {not: EU}}"), "Inner: ", False),
    ],
)  # fmt: skip
def test_query_views_that_are_cut_off_or_choose_small_groups_are_found(
    view: str, place: str, *, is_turning: bool
) -> None:
    assert ((place, "the source of best") in found("Best", best=view)) == is_turning


def test_a_query_view_that_asks_for_rows_without_a_match_is_found() -> None:
    inner = "base_view: orders\njoins: {blocked: {}}\n"
    told = {}
    for condition in ("{is: null}", "{is: EU}"):
        view = BEST.replace("  limit: 10\n", "").replace(
            "{orders.count: {greater_than: 1}}", f"{{blocked.zone: {condition}}}"
        )
        told[condition] = ("Inner: view blocked", "the source of best") in found("Best", Inner=inner, best=view)
    assert told == {"{is: null}": True, "{is: EU}": False}


def test_a_group_that_counts_rows_without_a_match_is_larger_with_fewer_of_the_others() -> None:
    blocked = BLOCKED + "measures: {free: {aggregate_type: count, filters: {zone: %s}}}\n"
    topic = (
        UNBLOCKED.replace("[orders.id]", "[orders.status]")
        + "always_having_filters: {blocked.free: {greater_than: 5}}\n"
    )
    for condition, is_turning in (("{is: null}", True), ("{is: EU}", False)):
        told = found("Unblocked", Unblocked=topic, blocked=blocked % condition)
        assert (("view blocked", OF_GROUPS) in told) == is_turning


def test_what_turns_beneath_a_query_view_is_found_by_its_topic() -> None:
    inner = "base_view: orders\nalways_having_filters: {orders.people: {less_than: 5}}\n"
    assert ("Inner: ", OF_GROUPS) in found("Best", Inner=inner)
    assert ("Inner: ", OF_GROUPS) not in found("Best", Inner=INNER)
    joined = "base_view: orders\njoins: {blocked: {}}\nalways_where_sql: ${blocked.id} IS NULL\n"
    assert ("Inner: view blocked", OF_ROWS) in found("Best", Inner=joined)


def test_a_query_view_that_is_joined_is_where_its_topic_is() -> None:
    joins = SHOP["relationships.yaml"] + (
        "- {join_from_view: orders, join_to_view: best, relationship_type: many_to_one,\n"
        '   on_sql: "${orders.customer_id} = ${best.customer_id}"}\n'
    )
    topic = "base_view: orders\njoins: {best: {}}\nalways_where_sql: ${best.total} IS NULL\n"
    told = found("Unblocked", Unblocked=topic, relationships=joins)
    assert {("view best", OF_ROWS), ("Inner: ", OF_ROWS)} <= told


WHOLE = BEST.replace("  limit: 10\n", "").replace("  filters: {orders.count: {greater_than: 1}}\n", "")
SPENT = (
    "sql: SELECT o.customer_id AS who, SUM(o.price) AS spent FROM main.orders AS o GROUP BY o.customer_id\n"
    "dimensions: {who: {primary_key: true}, spent: {}}\n"
)


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ("always_where_sql: ${best.total} < 100", OF_ROWS),
        ("always_where_filters: {best.total: {less_than: 100}}", OF_ROWS),
        ("always_where_filters: {best.customer_id: {is: 7}}", ""),
        ("access_filters: [{field: best.customer_id, user_attribute: region}]", ""),
    ],
)
def test_a_rule_over_totals_of_a_query_view_chooses_others_of_fewer_rows(rule: str, what: str) -> None:
    told = found("Best", Inner=INNER, best=WHOLE, Best=f"base_view: best\n{rule}\n")
    assert told == ({("Inner: ", what)} if what else set())


def test_so_does_the_condition_of_a_join_over_totals() -> None:
    joins = SHOP["relationships.yaml"] + (
        "- {join_from_view: orders, join_to_view: best, relationship_type: many_to_one, join_type: inner,\n"
        '   on_sql: "${orders.customer_id} = ${best.customer_id}%s"}\n'
    )
    for more, is_told in ((" AND ${best.total} < 9", True), ("", False)):
        told = found("Unblocked", Unblocked="base_view: orders\njoins: {best: {}}\n", Inner=INNER, best=WHOLE, relationships=joins % more)  # fmt: skip
        assert (("Inner: ", "the join of best") in told) == is_told


def test_so_does_a_rule_over_totals_that_a_view_over_a_view_hands_on() -> None:
    outer = "query:\n  base_view: best\n  fields: {%s: shown}\ndimensions: {shown: {primary_key: true}}\n"
    topic = "base_view: free\nalways_where_sql: ${free.shown} < 9\n"
    for name, is_told in (("best.total", True), ("best.customer_id", False)):
        files = {**SHOP, "free.query.view.yaml": outer % name, "Free.topic.yaml": topic, "best.query.view.yaml": WHOLE}
        files.pop("free.view.yaml")
        told = {*turning(read_model({**files, "Inner.topic.yaml": INNER}, dialect="duckdb"), "Free")}
        assert bool(told) == is_told, told


def test_so_does_a_rule_over_totals_of_an_sql_view() -> None:
    topic = "base_view: free\nalways_where_sql: ${free.spent} < 9\n"
    assert ("view orders", OF_ROWS) in found("Free", free=SPENT, Free=topic)
    policy = "access_filters: [{field: free.%s, user_attribute: region}]\n"
    for name, is_told in (("spent", True), ("who", False)):
        told = found("Free", free=SPENT + policy % name, Free="base_view: free\n")
        assert (("view orders", f"the row policy on `free.{name}`") in told) == is_told
    assert found("Free", free=SPENT, Free=topic.replace("spent} < 9", "who} = 9")) == set()
    for within in (
        "SELECT s.who AS who, s.spent AS spent FROM (SELECT o.customer_id AS who, SUM(o.price) AS spent FROM main.orders AS o GROUP BY o.customer_id) AS s",
        "SELECT 1 AS who, 2 AS spent FROM main.blocked AS b UNION ALL SELECT MIN(o.id) AS who, SUM(o.price) AS spent FROM main.orders AS o",
    ):  # fmt: skip
        nested = f"sql: {within}\n{SPENT.partition(chr(10))[2]}"
        assert ("view orders", OF_ROWS) in found("Free", free=nested, Free=topic)
    plain = SPENT.replace("SUM(o.price)", "o.price").replace(" GROUP BY o.customer_id", "")
    assert found("Free", free=plain, Free=topic) == set()


def test_so_does_a_rule_over_what_is_ranked() -> None:
    ranked = SHOP["orders.view.yaml"].replace(
        "  zone: {}\n", '  zone: {}\n  top: {sql: "${zone}", dynamic_top_n: {n: 1, by: orders.revenue}}\n'
    )
    for name, is_told in (("top", True), ("zone", False)):
        told = found("Small", orders=ranked, Small=f"{SMALL}always_where_filters: {{orders.{name}: {{is: EU}}}}\n")
        assert (("", OF_ROWS) in told) == is_told
