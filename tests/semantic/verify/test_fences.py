"""Where a condition may fail on rows that a rule hides, the proof demands the fence, and takes nothing else for one."""

from dataclasses import replace

import pytest

from tests.semantic.features.store import FILES, MASK_KEY, everything, model, policy
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
    tables += rest.replace(
        " WHERE ", " AND " if " WHERE " in tables.partition(' AS "customers" ON')[2] else " WHERE ", 1
    )
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
    for other in ("1", "'0'", ":=0:", "0 + 0", f"{number} + 1", number + "1"):
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
        ('"chosen rows"."column 1" AS', '"x y"."chosen rows"."column 1" AS'),
        ('"chosen rows"."column 1" AS', '"orders"."id" AS'),
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


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_rule_outside_the_fence_could_come_too_late(dialect):
    found = sales(dialect, topic_policies=EU)
    head, _, rest = found.text.partition(FENCE[dialect])
    head, _, rule = head.rpartition(" WHERE ")
    shown = head.replace(' AS "column 2"', ' AS "column 2", "customers"."region" AS "column 3"')
    rule = rule.replace('"customers"."region"', '"chosen rows"."column 3"')
    for condition in (f" WHERE {rule} AND ", f" WHERE (1 = 1) AND {rule} AND "):
        found.refuses(shown + FENCE[dialect] + rest.replace(" WHERE ", condition, 1), HIDDEN)


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
    plain = own(dialect, "orders.status", {"contains": ["paid"]})
    assert FENCE[dialect] not in plain.text
    plain.proves(plain.changed((') AS "orders"', FENCE[dialect] + ') AS "orders"')))
    assert (FENCE[dialect] in own(dialect, "customers.id").text) == (dialect == "duckdb")


def test_to_duckdb_only_what_is_a_text_for_sure_is_compared_as_it_is():
    assert FENCE["duckdb"] in own("duckdb", "orders.status", {"is": ["paid"]}).text
    whole = own("duckdb", "orders.status", {"contains": ["paid"]})
    pattern = whole.text[whole.text.rindex(" WHERE (") + 7 :].partition(" GROUP BY")[0]
    tested = 'LOWER(CAST("orders"."status" AS TEXT)) IN (:\'x\':)'
    found = replace(whole, compiled=whole.written(whole.changed((pattern, tested))))
    value = found.text[found.text.rindex("IN (") + 4 :].partition(")")[0]
    tested = tested.replace(":'x':", value)
    found.proves(found.text.replace(value, ":'y':"))
    for other in (":=7:", ":=True:", "7", "TRUE", "CAST('x' AS DATE)"):
        found.refuses(found.text.replace(value, other), HIDDEN)
    found.refuses(found.changed((tested, f'"orders"."status" IN ({value})')), HIDDEN)
    for other in ('"orders"."status" IS TRUE', 'NOT "orders"."status"', '"orders"."status" = "orders"."id"',
                  f'COALESCE("orders"."status", FALSE) OR {tested}', '"orders"."status" BETWEEN 1 AND 2'):  # fmt: skip
        found.refuses(found.changed((tested, other)), HIDDEN)
    for other in (
        "NOT COALESCE({}, FALSE)",
        "({} OR {})",
        '"orders"."status" IS NULL OR {}',
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


STATUS = '"orders"."status"'
AMOUNT = '"orders"."amount"'
SURE = {
    "a pattern without an escape": f"{STATUS} LIKE 'p_'",
    "a pattern that ends in an escape twice": f"{STATUS} LIKE 'p!!' ESCAPE '!'",
    "a pattern in any letters": f"{STATUS} ILIKE 'p!_' ESCAPE '!'",
    "a pattern in any letters, bound": f"{STATUS} ILIKE :'p_':",
    "a cast to a text": f"CAST({STATUS} AS TEXT) = 'p'",
    "letters": f"LOWER({STATUS}) = 'p'",
}
UNSURE = {
    "a column of another table": '100 / "customers"."id" > 1',
    "a pattern that ends in an escape": f"{STATUS} LIKE 'p!' ESCAPE '!'",
    "a pattern of a column": f"{STATUS} LIKE {STATUS}",
    "a pattern whose escape is two": f"{STATUS} LIKE 'p' ESCAPE '!!'",
    "a pattern that is no text": f"{STATUS} LIKE :=5:",
    "a pattern that is a number": f"{STATUS} LIKE 5",
    "a column below nought": f"-{AMOUNT} > 5",
    "a cast to a number": f"CAST({STATUS} AS INT) = 5",
    "bytes of a text": f"CAST(CAST({STATUS} AS TEXT) AS BINARY) = 'p'",
    "bytes of a column": f"CAST({STATUS} AS BINARY) = 'p'",
}


@pytest.mark.parametrize("dialect", ["duckdb", "postgres"])
def test_what_may_fail_is_told_from_what_cannot(dialect):
    view = FILES["orders.view"].replace("CAST(amount AS INT)", "amount")
    of = model(dialect, **{"orders.view": view})
    rights = replace(everything(of, "Sales"), row_policies={"orders": (policy("orders.status", "paid"),)})
    filters = {"orders.status": {"contains": "x"}, "orders.amount": {"is": None}, "customers.name": {"contains": "x"}}
    found = statement({"dataset": "Sales", "fields": ["orders.id"], "filters": filters}, of, rights)
    assert "OFFSET" not in found.text
    start = found.text.index(f"({STATUS} LIKE ")
    condition = found.text[start : found.text.index(")", start) + 1]
    for text in SURE.values():
        found.proves(found.changed((condition, text)))
    for text in UNSURE.values():
        found.refuses(found.changed((condition, text)), HIDDEN)
    below = found.changed((condition, f"{AMOUNT} > -5"))
    if dialect == "duckdb":
        found.refuses(below, HIDDEN)
    else:
        found.proves(below)


@pytest.mark.parametrize(
    ("field", "dialect"), [("orders.p90", "postgres"), ("orders.all_revenue", "duckdb"), ("orders.count", "mysql")]
)
def test_an_aggregate_is_worked_out_of_kept_rows_alone(field, dialect):
    more = "always_having_filters: {orders.count: {greater_than: 1}}\n"
    of = model(dialect, **{"Sales.topic": FILES["Sales.topic"].rstrip() + "\n" + more})
    filters = {field: {"greater_than": 5}, "orders.status": {"not": "lost"}}
    found = statement(
        {"dataset": "Sales", "fields": ["orders.status", field], "filters": filters}, of, everything(of, "Sales")
    )
    assert "CASE WHEN COUNT" not in found.text
    if dialect == "duckdb":
        filtered = ' HAVING COUNT(*) FILTER(WHERE "orders"."amount" > 1) > 1 AND '
        found.proves(found.changed((" HAVING ", filtered)))


def test_a_mask_that_may_fail_is_no_condition_of_a_joined_table_that_hides_rows():
    of = model()
    hidden = {"masked": frozenset(("customers.mail", "customers.email")), "mask_key": MASK_KEY}
    rights = replace(everything(of, "Sales"), row_policies={"customers": (policy("customers.region", "EU"),)}, **hidden)
    question = {"dataset": "Sales", "fields": ["orders.id"], "filters": {"customers.email": {"is": "x"}}}
    found = statement(question, of, rights)
    found.refuses(found.changed((" OFFSET 0", "")), CHOSEN)
    found.refuses(flat(found.text, "duckdb"), HIDDEN)


TEXTS = {
    "gaps of a mask": "SELECT c.id AS id FROM omni_store.customers AS c WHERE NOT c.email IS NULL",
    "where": "SELECT o.id AS id FROM omni_store.orders AS o WHERE 100 / o.amount > 1",
    "on": "SELECT o.id AS id FROM omni_store.orders AS o JOIN omni_store.items AS i ON i.order_id = o.id AND 100 / o.amount > 1",
    "having": "SELECT o.status AS id FROM omni_store.orders AS o GROUP BY o.status HAVING 100 / COUNT(*) > 1",
    "letters": "SELECT o.id AS id FROM omni_store.orders AS o WHERE LOWER(CAST(o.amount AS INT)) = '1'",
    "a pattern": "SELECT o.id AS id FROM omni_store.orders AS o WHERE o.status LIKE {{omni_attributes.like}}",
    "a part": "SELECT o.id AS id FROM omni_store.orders AS o UNION ALL SELECT o.id FROM omni_store.orders AS o WHERE 100 / o.amount > 1",
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("first", ["100 / o.amount", "o.amount"])
def test_a_policy_on_what_may_fail_in_a_part_of_a_text_is_fenced_off(first, dialect):
    second = {"100 / o.amount": "o.amount", "o.amount": "100 / o.amount"}[first]
    parts = [f"SELECT {sql} AS per FROM omni_store.orders AS o WHERE o.id > 1" for sql in (first, second)]
    view = f"sql: {' UNION ALL '.join(parts)}\ndimensions: {{per: {{}}}}\n"
    of = model(dialect, **{"v.view": view, "V.topic": "base_view: v"})
    rights = replace(everything(of, "V"), row_policies={"v": (policy("v.per", 5),)})
    found = statement({"dataset": "V", "fields": ["v.per"]}, of, rights)
    end = found.text.index(') AS "view query"')
    assert found.text[:end].endswith(FENCE[dialect])
    found.refuses(found.text[:end].removesuffix(FENCE[dialect]) + found.text[end:], HIDDEN)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", TEXTS)
def test_a_text_whose_conditions_may_fail_has_its_tables_fenced(name, dialect):
    view = f"sql: {TEXTS[name]}\ndimensions: {{id: {{}}}}\n"
    of = model(dialect, **{"v.view": view, "V.topic": "base_view: v"})
    rows = {"orders": (policy("orders.status", "paid"),), "customers": (policy("customers.region", "EU"),)}
    hidden = {"masked": frozenset(("customers.mail", "customers.email")), "mask_key": MASK_KEY}
    rights = replace(everything(of, "V"), row_policies=rows, attributes={"like": ("p%",)}, **hidden)
    found = statement({"dataset": "V", "fields": ["v.id"]}, of, rights)
    found.refuses(found.changed((FENCE[dialect], "")), HIDDEN)


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
    for other in (f"CASE WHEN {kept} THEN {condition} ELSE {condition} END", f"CASE WHEN {kept} THEN {condition} WHEN 1 = 1 THEN {condition} END",
                  f"CASE 1 = 1 WHEN {kept} THEN {condition} END", f"CASE WHEN NOT {kept} THEN {condition} END",
                  f"CASE WHEN {kept} OR 1 = 1 THEN {condition} END", f"CASE WHEN 1 = 1 THEN {condition} END"):  # fmt: skip
        found.refuses(found.changed((case, other)), HIDDEN)
    mark = kept[kept.index(":") :]
    found.refuses(found.changed((case, case.replace(mark, ":=0:"))), "twice with different values")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_text_whose_conditions_cannot_fail_needs_no_fence(dialect):
    text = "SELECT o.id AS id FROM omni_store.orders AS o WHERE o.id > 1 AND LOWER(o.status) IN ('paid')"
    of = model(dialect, **{"v.view": f"sql: {text}\ndimensions: {{id: {{}}}}\n", "V.topic": "base_view: v"})
    rights = replace(everything(of, "V"), row_policies={"orders": (policy("orders.status", "paid"),)})
    found = statement({"dataset": "V", "fields": ["v.id"]}, of, rights)
    assert FENCE[dialect] not in found.text
