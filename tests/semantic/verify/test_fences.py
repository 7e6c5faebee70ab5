"""Where a condition may fail on rows that a rule hides, the proof demands the fence, and takes nothing else for one."""

from dataclasses import replace

import pytest

from tests.semantic.features.store import FILES, everything, model, policy
from tests.semantic.verify.hand import Statement, statement

DIALECTS = ("duckdb", "postgres", "mysql")
FENCE = {"duckdb": " OFFSET 0", "postgres": " OFFSET 0", "mysql": " LIMIT 18446744073709551615"}
HIDDEN = "A condition may fail on rows that a rule hides."
PARTS = "The SELECT has an unexpected part."
VIEW = FILES["orders.view"].replace("  status: {}\n", '  status: {}\n  per: {sql: "100 / ${amount}"}\n', 1)
EU = (policy("customers.region", "EU"),)


def sales(dialect: str, *, field: str = "orders.per", **rules: object) -> Statement:
    of = model(dialect, **{"orders.view": VIEW})
    question = {"dataset": "Sales", "fields": ["orders.id"], "filters": {field: {"greater_than": 5}}}
    return statement(question, of, replace(everything(of, "Sales"), **rules))  # type: ignore[arg-type]  # fields of a scope


def own(dialect: str, field: str = "orders.per") -> Statement:
    return sales(dialect, field=field, row_policies={"orders": (policy("orders.status", "paid"),)})


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_policy_is_fenced_off_from_what_may_fail(dialect):
    found = own(dialect)
    assert found.text.count(FENCE[dialect]) == 1
    found.refuses(found.changed((FENCE[dialect], "")), HIDDEN)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_fence_cuts_nothing_off(dialect):
    found = own(dialect)
    number = FENCE[dialect].split()[-1]
    for other in ("1", "'0'", ":=0:", "0 + 0", number + "1"):
        found.refuses(found.changed((FENCE[dialect], FENCE[dialect].replace(number, other))), None)


@pytest.mark.parametrize("dialect", ["duckdb", "postgres"])
def test_a_fence_stands_in_the_subquery_of_the_policy_alone(dialect):
    found = own(dialect)
    moved = found.changed((" OFFSET 0", ""))
    for text in (
        moved + " OFFSET 0",
        moved.replace(
            '"omni_store"."orders" WHERE',
            '(SELECT "id", "amount", "status" FROM "omni_store"."orders" OFFSET 0) AS "orders" WHERE',
            1,
        ),
    ):
        assert text != moved
        found.refuses(text, None)
    both = found.text + " OFFSET 0"
    found.refuses(both, PARTS)
    found.refuses(found.changed((" OFFSET 0", " LIMIT 5 OFFSET 0")), PARTS)


@pytest.mark.parametrize("dialect", ["duckdb", "postgres"])
def test_a_table_without_policies_has_no_fence(dialect):
    found = sales(dialect)
    assert "OFFSET" not in found.text
    found.refuses(found.changed((') AS "orders"', ' OFFSET 0) AS "orders"')), PARTS)


def test_no_other_dialect_takes_it_for_a_fence():
    found = own("spark")
    found.refuses(found.changed((') AS "orders"', ' OFFSET 0) AS "orders"')), None)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_cannot_fail_needs_no_fence_and_may_have_one(dialect):
    found = own(dialect, "orders.amount" if dialect == "postgres" else "customers.id")
    plain = own(dialect, "customers.id")
    assert FENCE[dialect] not in plain.text
    plain.proves(plain.changed((') AS "orders"', FENCE[dialect] + ') AS "orders"')))
    assert found.text


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_condition_beside_a_rule_is_worked_out_where_the_rule_holds(dialect):
    found = sales(dialect, topic_policies=EU)
    start = found.text.index("CASE WHEN")
    end = found.text.index(" END", start)
    case = found.text[start : end + 4]
    rule, _, condition = case.removeprefix("CASE WHEN ").removesuffix(" END").partition(" THEN ")
    found.refuses(found.changed((case, condition)), HIDDEN)
    for other in (f"CASE WHEN {rule} THEN {condition} ELSE {condition} END", f"CASE WHEN NOT {rule} THEN {condition} END",
                  f"CASE WHEN {rule} OR 1 = 1 THEN {condition} END", f"CASE WHEN 1 = 1 THEN {condition} END"):  # fmt: skip
        found.refuses(found.changed((case, other)), None)
    mark = rule[rule.index(":") :].rstrip(")")
    found.refuses(
        found.changed((rule + " THEN", rule.replace(mark, ":'US':") + " THEN")), "twice with different values"
    )
    first = found.text[found.text.rindex(" WHERE ", 0, start) + len(" WHERE ") : start]
    assert first.endswith(" AND ")
    found.refuses(found.changed((f"WHERE {first}CASE", "WHERE CASE")), "A row policy is missing.")


def test_a_pattern_does_not_end_in_a_lone_escape():
    of = model("postgres")
    rights = replace(everything(of, "Sales"), row_policies={"orders": (policy("orders.status", "paid"),)})
    question = {"dataset": "Sales", "fields": ["orders.id"], "filters": {"orders.status": {"starts_with": "p!"}}}
    found = statement(question, of, rights)
    assert "OFFSET" not in found.text
    found.refuses(found.text.replace(":1:", ":'p!!!':"), HIDDEN)
    found.proves(found.text.replace(":1:", ":'p!!%':"))
    found.refuses(found.changed((" ESCAPE '!'", "")).replace(":1:", ":'p\\\\':"), HIDDEN)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "rule",
    [
        "always_having_filters: {orders.count: {greater_than: 1}}\n",
        "always_having_sql: '${orders.count} > {{omni_attributes.least}}'\n",
    ],
)
def test_a_measure_that_may_fail_is_compared_for_kept_groups_alone(dialect, rule):
    view = FILES["orders.view"].replace("measures:\n", 'measures:\n  per: {sql: "100 / ${count}"}\n', 1)
    of = model(dialect, **{"orders.view": view, "Sales.topic": FILES["Sales.topic"].rstrip() + "\n" + rule})
    # The second filter has the shape of the written rule.
    filters = {"orders.per": {"greater_than": 5}, "orders.count": {"greater_than": 2}}
    question = {"dataset": "Sales", "fields": ["orders.status", "orders.count"], "filters": filters}
    found = statement(question, of, replace(everything(of, "Sales"), attributes={"least": (1,)}))
    case = found.text[found.text.index("CASE WHEN") : found.text.index(" END", found.text.index("CASE WHEN")) + 4]
    kept, _, condition = case.removeprefix("CASE WHEN ").removesuffix(" END").partition(" THEN ")
    found.refuses(found.changed((case, condition)), HIDDEN)
    for other in (f"CASE WHEN {kept} THEN {condition} ELSE {condition} END", f"CASE WHEN NOT {kept} THEN {condition} END",
                  f"CASE WHEN {kept} OR 1 = 1 THEN {condition} END", f"CASE WHEN 1 = 1 THEN {condition} END"):  # fmt: skip
        found.refuses(found.changed((case, other)), HIDDEN)
    mark = kept[kept.index(":") :]
    found.refuses(found.changed((case, case.replace(mark, ":=0:"))), "twice with different values")
