"""A SELECT around fenced rows is the plain one that it is made of, or it is refused: each part in its place, each name what it stands for."""

from dataclasses import replace

import pytest

from apps.semantic.verify.chosen import OTHER
from tests.semantic.features.store import ask, everything, model, policy
from tests.semantic.verify.hand import Statement, statement
from tests.semantic.verify.test_fences import DIALECTS, FENCE, HIDDEN, VIEW

CUSTOMERS = ' LEFT JOIN (SELECT "name", "id" FROM "omni_store"."customers") AS "customers" ON {} = "customers"."id"'
DETAIL = '"detail customers.lifetime"'


def asked(*fields: str, dialect: str = "duckdb", by: str = "orders.per") -> Statement:
    of = model(dialect, **{"orders.view": VIEW})
    rights = replace(everything(of, "Sales"), row_policies={"orders": (policy("orders.status", "paid"),)})
    return statement(ask("Sales", *fields, filters={by: {"greater_than": 5}}), of, rights)


def end(dialect: str) -> str:
    return FENCE[dialect] + ') AS "chosen rows"'


@pytest.mark.parametrize("dialect", DIALECTS)
def test_tables_are_joined_within_the_fence(dialect: str) -> None:
    """Outside, a database may filter the table before it looks at the rules."""
    found = asked("orders.id", "customers.name", dialect=dialect)
    within = CUSTOMERS.format('"orders"."customer_id"')
    last = '"orders"."amount" AS "column 3"'
    shown = f'{last}, "orders"."customer_id" AS "column 4"'
    around = end(dialect) + CUSTOMERS.format('"chosen rows"."column 4"')
    names = [('"customers"."name" AS "column 2", ', ""), ('"chosen rows"."column 2" AS', '"customers"."name" AS')]
    found.refuses(found.changed((within, ""), (end(dialect), around), (last, shown), *names), OTHER)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_answers_are_joined_around_the_fence(dialect: str) -> None:
    """What they are joined on may fail: within, on rows that a rule hides."""
    found = asked("customers.lifetime", "orders.id", dialect=dialect)
    start = found.text.index(' LEFT JOIN (SELECT "chosen rows"')
    last = '."g1"]' if dialect == "postgres" else '."g1"'
    stop = found.text.index(last, found.text.index(f"AS {DETAIL} ON")) + len(last)
    join = found.text[start:stop].replace('"chosen rows"."column 3"', '"customers"."id"')
    rest = found.text[:start] + found.text[stop:]
    for old, new in (
        (f'{DETAIL}."value" AS "customers.lifetime", ', ""), (', "customers"."id" AS "column 3"', ""), (" GROUP BY 1, 2 ORDER", " GROUP BY 1 ORDER"),
    ):  # fmt: skip
        assert old in rest
        rest = rest.replace(old, new)
    rest = rest[: rest.index(" ORDER BY")] + rest[rest.rindex(" LIMIT 1001") :]
    found.proves(rest)
    for on in ('"customers"."id"', '(100 / "orders"."amount")'):
        found.refuses(rest.replace(end(dialect), join.replace('"customers"."id"', on) + end(dialect), 1), OTHER)


def test_what_an_answer_shows_is_no_column_of_the_rows_that_it_is_joined_to() -> None:
    found = asked("customers.lifetime", "orders.id")
    column = '"customers"."id" AS "column 3"'
    shown = (f'{DETAIL}."value" AS "customers.lifetime"', '"chosen rows"."column 9" AS "customers.lifetime"')
    found.refuses(found.changed(shown, (column, f'{column}, {DETAIL}."value" AS "column 9"')), OTHER)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_names_of_chosen_rows_are_their_own(dialect: str) -> None:
    found = asked("orders.id", dialect=dialect)
    for name in ("id", "orders.id", "column_1"):
        found.refuses(found.changed(('"column 1"', f'"{name}"')), OTHER)
    found.proves(found.changed(('"column 1"', '"a b"')))
    first = '"orders"."id" AS "column 1"'
    for old, new in (
        (first, f'{first}, "orders"."amount" AS "column 1"'), (first, f'{first}, "orders"."id" AS "column 1"'),
        (first, f'{first}, "orders"."id" AS "Column 1"'), (first, f'{first}, "orders"."id" AS "column 3"'), (first, f"{first}, (SELECT 1) AS \"column 3\""),
        (first, f'{first}, 1 AS "column 3"'), (first, f'{first}, "orders"."id"'), (first, f'{first}, CAST("orders"."id" AS INT) AS "column 3"'),
        (first, '1 AS "column 1"'), ('"chosen rows"."column 1" AS "orders.id"', '"column 1" AS "orders.id"'),
        ('"chosen rows"."column 1" AS "orders.id"', '"chosen rows"."Column 1" AS "orders.id"'), ('"chosen rows"."column 1" AS "orders.id"', '"orders"."id" AS "orders.id"'),
        ('"chosen rows"."column 1" AS "orders.id"', '"chosen rows"."id" AS "orders.id"'),
    ):  # fmt: skip
        found.refuses(found.changed((old, new)), OTHER)


def test_rows_that_are_only_counted_show_a_number() -> None:
    found = asked("orders.count")
    counted = found.changed(
        ('"orders"."amount" AS "column 1"', '1 AS "column 1"'),
        ('WHERE (100 / CAST("chosen rows"."column 1" AS INT)) > :1:', "WHERE 5 > :1:"),
    )
    found.proves(counted)
    for other in (
        'NULL AS "column 1"',
        '1 + 1 AS "column 1"',
        ':=1: AS "column 1"',
        '1 AS "column 1", 2 AS "column 2"',
        '1 AS "column"',
        "1",
        'COUNT(*) AS "column 1"',
    ):
        found.refuses(counted.replace('1 AS "column 1"', other), OTHER)
    start, stop = counted.index(" FROM (SELECT 1") + len(" FROM ("), counted.index(" OFFSET 0)")
    found.refuses(counted[:start] + 'SELECT 1 AS "column 1"' + counted[stop:], OTHER)
    found.refuses(counted.replace("WHERE 5 >", 'WHERE "chosen rows"."column 1" >'), OTHER)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_chosen_rows_come_from_one_select_of_tables(dialect: str) -> None:
    found = asked("orders.id", dialect=dialect)
    start = found.text.index(' FROM (SELECT "orders"."id" AS') + len(" FROM (")
    stop = found.text.index(end(dialect))
    inner = found.text[start:stop]
    for other in (f"{inner} UNION ALL {inner}", f"({inner})", 'SELECT 1 AS "column 1"', f'SELECT "a b"."column 1" AS "column 1", "a b"."column 2" AS "column 2" FROM ({inner}) AS "a b"',
                  f"{inner} GROUP BY 1, 2", f"{inner} HAVING 1 = 1", f"{inner} ORDER BY 1"):  # fmt: skip
        found.refuses(found.text[:start] + other + found.text[stop:], OTHER)
    found.refuses(found.changed((end(dialect), ') AS "chosen rows"')), OTHER)
    found.refuses(found.changed((end(dialect), FENCE[dialect] + ') AS "chosen rows"("column 1", "column 2")')), OTHER)


def test_more_conditions_than_one_stand_around_the_fence() -> None:
    found = asked("orders.id", "customers.name")
    more = found.changed((" OFFSET 0", " WHERE (1 = 1) OFFSET 0"))
    found.refuses(more, HIDDEN)
    text = found.changed((" OFFSET 0", ' WHERE "customers"."name" LIKE \'x%\' OFFSET 0'))
    found.proves(text)
    found.proves(found.changed((" GROUP BY 1", ' AND "chosen rows"."column 2" LIKE \'x%\' GROUP BY 1')))
