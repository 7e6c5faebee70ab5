"""Where a condition may fail on rows that a rule hides, the proof demands the fence, and takes nothing else for one."""

from dataclasses import replace

import pytest

from tests.semantic.features.store import FILES, everything, model, policy
from tests.semantic.verify.hand import Statement, statement

DIALECTS = ("duckdb", "postgres", "mysql")
FENCE = {"duckdb": " OFFSET 0", "postgres": " OFFSET 0", "mysql": " LIMIT 18446744073709551615"}
HIDDEN = "A condition may fail on rows that a rule hides."
CHOSEN = "Rows are chosen in another way"
PARTS = "The SELECT has an unexpected part."
VIEW = FILES["orders.view"].replace("  status: {}\n", '  status: {}\n  per: {sql: "100 / ${amount}"}\n', 1)
EU = (policy("customers.region", "EU"),)


def flat(text: str, dialect: str) -> str:
    """Return a statement with the choice of its rows where it would stand without a fence."""
    head, _, rest = text.partition(" FROM (SELECT ")
    inner, _, rest = rest.partition(FENCE[dialect] + ') AS "chosen rows"')
    shown, _, tables = inner.partition(" FROM ")
    tables += rest.replace(" WHERE ", " AND " if ' AS "customers" ON' in tables else " WHERE ", 1)
    text = f"{head} FROM {tables}"
    for item in shown.split(", "):
        made, _, name = item.partition(" AS ")
        text = text.replace(f'"chosen rows".{name}', made)
    return text


def sales(dialect: str, *, field: str = "orders.per", condition: object = None, **rules: object) -> Statement:
    of = model(dialect, **{"orders.view": VIEW})
    question = {"dataset": "Sales", "fields": ["orders.id"], "filters": {field: condition or {"greater_than": 5}}}
    return statement(question, of, replace(everything(of, "Sales"), **rules))  # type: ignore[arg-type]  # fields of a scope


def own(dialect: str, field: str = "orders.per", condition: object = None) -> Statement:
    return sales(dialect, field=field, condition=condition, row_policies={"orders": (policy("orders.status", "paid"),)})


@pytest.mark.parametrize("dialect", DIALECTS)
def test_rows_are_chosen_behind_a_fence_before_what_may_fail(dialect):
    for found in (own(dialect), sales(dialect, topic_policies=EU)):
        assert found.text.count(FENCE[dialect]) == 1
        found.refuses(found.changed((FENCE[dialect], "")), CHOSEN)
        found.refuses(flat(found.text, dialect), HIDDEN)
    assert "chosen rows" not in sales(dialect).text


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_may_fail_does_not_stand_within_the_fence(dialect):
    found = sales(dialect, topic_policies=EU)
    head, _, rest = found.text.partition(FENCE[dialect])
    condition = rest[rest.index(" WHERE ") + len(" WHERE ") : rest.index(" GROUP BY ")]
    inner = condition.replace('"chosen rows"."column 2"', '"orders"."amount"')
    found.refuses(f"{head} AND {inner}{FENCE[dialect]}{rest}", HIDDEN)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_fence_cuts_nothing_off(dialect):
    found = own(dialect)
    number = FENCE[dialect].split()[-1]
    for other in ("1", "'0'", ":=0:", "0 + 0", number + "1"):
        found.refuses(found.changed((FENCE[dialect], FENCE[dialect].replace(number, other))), None)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_chosen_rows_are_what_tables_joins_and_conditions_give(dialect):
    found = sales(dialect, topic_policies=EU)
    end = FENCE[dialect] + ') AS "chosen rows"'
    first = '"orders"."id" AS "column 1"'
    for old, new in (
        (end, FENCE[dialect] + ') AS "chosen rows"("column 1", "column 2")'),
        (end, f" GROUP BY 1, 2{end}"),
        (end, f" ORDER BY 1{end}"),
        (first, '"orders"."id" + 1 AS "column 1"'),
        (first, '"orders"."id" AS "c1"'),
        (first, '"id" AS "column 1"'),
        (first, 'COUNT("orders"."id") AS "column 1"'),
        (first, f'{first}, "orders"."amount" AS "COLUMN 1"'),
        ("(SELECT " + first, "(SELECT DISTINCT " + first),
        ('"chosen rows"."column 1" AS', '"column 1" AS'),
        ('"chosen rows"."column 1" AS', '"chosen rows"."column 9" AS'),
        (end, f'{end} INNER JOIN (SELECT "id" FROM "omni_store"."items") AS "items" ON 1 = 1'),
        (end, f'{end}, (SELECT "id" FROM "omni_store"."items") AS "items"'),
    ):
        found.refuses(found.changed((old, new)), None)
    head, _, rest = found.text.partition("FROM (SELECT " + first)
    # A closed column may not be read behind the fence either.
    found.refuses(head + 'FROM (SELECT "orders"."secret" AS "column 1"' + rest, None)
    found.refuses(found.changed(('AS "column 2"', 'AS "column 2", "orders"."secret" AS "column 3"')), None)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_rule_within_the_fence_is_still_demanded(dialect):
    found = sales(dialect, topic_policies=EU)
    start = found.text.rindex(" WHERE ", 0, found.text.index(FENCE[dialect]))
    found.refuses(found.text[:start] + found.text[found.text.index(FENCE[dialect]) :], "A row policy is missing.")
    found.refuses(found.text.replace(":0:", ":'US':"), "bound to another value")


@pytest.mark.parametrize("dialect", ["duckdb", "postgres"])
def test_a_fence_stands_nowhere_else(dialect):
    found = own(dialect)
    found.refuses(found.text + " OFFSET 0", PARTS)
    found.refuses(found.changed((" OFFSET 0", " LIMIT 5 OFFSET 0")), CHOSEN)
    plain = sales(dialect)
    plain.refuses(plain.changed((') AS "orders"', ' OFFSET 0) AS "orders"')), PARTS)


def test_no_other_dialect_takes_it_for_a_fence():
    found = own("spark")
    found.refuses(found.changed((') AS "orders"', ' OFFSET 0) AS "orders"')), None)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_cannot_fail_needs_no_fence_and_may_have_one(dialect):
    plain = own(dialect, "orders.status", {"is": ["paid"]})
    assert FENCE[dialect] not in plain.text
    plain.proves(plain.changed((') AS "orders"', FENCE[dialect] + ') AS "orders"')))
    assert (FENCE[dialect] in own(dialect, "customers.id").text) == (dialect == "duckdb")


def test_to_duckdb_only_texts_are_compared_as_they_are():
    found = own("duckdb", "orders.status", {"is": ["paid"]})
    value = found.text[found.text.rindex("IN (") + 4 :].partition(")")[0]
    found.proves(found.text.replace(value, ":'x':"))
    for other in (":=7:", ":=True:", "7", "TRUE", "CAST('x' AS DATE)"):
        found.refuses(found.text.replace(value, other), HIDDEN)
    tested = f'"orders"."status" IN ({value})'
    for other in ('"orders"."status" IS TRUE', 'NOT "orders"."status"', '"orders"."status" = "orders"."id"',
                  f'COALESCE("orders"."status", FALSE) OR {tested}', '"orders"."status" BETWEEN 1 AND 2'):  # fmt: skip
        found.refuses(found.changed((tested, other)), HIDDEN)
    for other in (
        "NOT COALESCE({}, FALSE)",
        "({} OR {})",
        '"orders"."status" IS NULL OR {}',
        "CASE WHEN {} THEN 'a' ELSE NULL END = 'a'",
    ):
        found.proves(found.changed((tested, other.format(tested, tested))))


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
