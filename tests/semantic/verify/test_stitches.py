"""A composite's answer: a SELECT around its topics' own, each proven alone, and nothing that they confine comes out."""

from dataclasses import replace

import pytest

from apps.semantic.errors import UnprovenSqlError
from tests.semantic.features.store import MASK_KEY, everything, model, policy
from tests.semantic.verify.hand import Statement, statement
from tests.semantic.verify.test_labels import CLOSED

NO_PART = "A column is read that no part gives."
PART = "The SELECT has an unexpected part."
REVENUE = '"@Sales.orders.revenue"'
MAX = f'MAX("stitched parts"."m1") AS {REVENUE}'
SUM = 'SUM(CAST("orders"."amount" AS INT)) AS "m1"'
RAW = 'CAST("orders"."amount" AS INT) AS "m1"'
END = ') AS "stitched parts"'


def both(dialect: str = "duckdb") -> Statement:
    of = model(dialect)
    whole = everything(of, "Both")

    def narrowed(name: str) -> object:
        inner = whole.nested[name]
        policies = {"customers": (policy("customers.region", "EU"),), "tickets": (policy("tickets.minutes", 5),)}
        return replace(inner, fields=inner.fields - CLOSED, row_policies=policies, mask_key=MASK_KEY)

    rights = replace(whole, nested={name: narrowed(name) for name in ("Sales", "Tickets")})
    fields = ["@_shared_dimensions_.region", "@Sales.orders.revenue", "@Tickets.tickets.minutes_spent"]
    return statement({"dataset": "Both", "fields": fields}, of, rights)


def raw(found: Statement, *changes: tuple[str, str]) -> str:
    """Return a part that lets amounts out one by one, as far as its own labels let them."""
    cast = "SIGNED" if found.compiled.dialect == "mysql" else "INT"
    sum_, one = SUM.replace("INT", cast), RAW.replace("INT", cast)
    return found.changed((sum_, one), *changes)


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "mysql", "spark"])
def test_what_a_part_confines_stays_confined(dialect):
    found = both(dialect)
    summed = MAX.replace("MAX", "SUM")
    found.proves(raw(found, (MAX, summed)))
    for shown in ('"stitched parts"."m1"', 'MAX("stitched parts"."m1")', '"m1"', '"stitched parts"."m1" + 0'):
        found.refuses(raw(found, (MAX, f"{shown} AS {REVENUE}")), NO_PART)
    for clause in (' HAVING "stitched parts"."m1" > 5 ORDER BY', ' ORDER BY "stitched parts"."m1",'):
        found.refuses(raw(found, (MAX, summed), (" ORDER BY", clause)), NO_PART)


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "mysql", "spark"])
def test_a_bare_name_is_the_parts_where_databases_take_it_for_that(dialect):
    # The part's amounts go by the name of the answer's column.
    found = both(dialect)
    named = [('AS "m1"', f"AS {REVENUE}"), ('"stitched parts"."m1"', f'"stitched parts".{REVENUE}')]
    summed = MAX.replace("MAX", "SUM").replace('"m1"', REVENUE)
    clauses = [
        (f"{REVENUE} AS {REVENUE}", " ORDER BY"), (summed, f" HAVING {REVENUE} > 5 ORDER BY"),
        (summed, f" ORDER BY -{REVENUE},"),
    ]  # fmt: skip
    start = found.text.index("MAX(")
    for shown, clause in clauses:
        text = raw(found, *named, (" ORDER BY", clause))
        end = text.index(f" AS {REVENUE}", start) + len(f" AS {REVENUE}")
        found.refuses(text[:start] + shown + text[end:], NO_PART)
    text = raw(found, *named, (" ORDER BY", f" ORDER BY {REVENUE},"))
    end = text.index(f" AS {REVENUE}", start) + len(f" AS {REVENUE}")
    found.proves(text[:start] + summed + text[end:])
    found.refuses(text[:start] + summed + text[end:].replace(f"BY {REVENUE}", "BY nothing"), NO_PART)
    of_part = f'ORDER BY "stitched parts".{REVENUE}'
    found.refuses(text[:start] + summed + text[end:].replace(f"ORDER BY {REVENUE}", of_part), NO_PART)
    unordered = raw(found, *named)
    unordered = unordered[: unordered.rindex(" ORDER BY")] + unordered[unordered.rindex(" LIMIT") :]
    end = unordered.index(f" AS {REVENUE}", start)
    found.refuses(f"{unordered[:start]}{REVENUE}{unordered[end:]}", NO_PART)
    plain = found.changed((" ORDER BY", f" ORDER BY CASE WHEN {REVENUE} IS NULL THEN 1 ELSE 0 END,"))
    found.proves(plain)


def test_the_parts_columns_keep_their_names():
    found = both()
    found.refuses(raw(found, (END, f'{END}("m1", "d1", "m2")')), "A subquery renames its columns.")
    found.refuses(found.changed(('"stitched parts"."m1"', '"stitched parts".m1')), NO_PART)
    found.refuses(found.changed(('"stitched parts"."m1"', '"stitched parts"."m9"')), NO_PART)


CHANGES = {
    "distinct": ("SELECT ", "SELECT DISTINCT ", 1, PART),
    "where": (END, f'{END} WHERE TRUE', 1, PART),
    "a join": (END, f'{END} CROSS JOIN (SELECT 1 AS "x") AS "x x"', 1, PART),
    "another name": (END, ') AS "parts"', 1, "A composite reads a table."),
    "put together otherwise": (" UNION ALL ", " UNION ", 1, "Answers are put together in another way."),
    "put together by name": (" UNION ALL ", " UNION ALL BY NAME ", 1, "Answers are put together in another way."),
    "cut": (END, f" LIMIT 5{END}", 1, "Answers are put together in another way."),
    "wider": (' AS "m1", NULL', ' AS "m1", 1 AS "x", NULL', 1, "Answers of different width are put together."),
    "no policy": ('WHERE "region" IN (:0:)', "", 1, "A part of a composite belongs to none of its topics."),
    "a table of none": ('"omni_store"."tickets"', '"omni_store"."items"', 1, "A part of a composite belongs to none"),
    "a field that is not offered": (REVENUE, '"orders.amount"', 1, "A result column is not a permitted field."),
    "a timeframe's field": (REVENUE, '"@Sales.orders.revenue[month]"', 1, ""),
    "another value": (":0:", ":'US':", 1, "A row policy is bound to another value than the scope's."),
    "a query beside": (f"{MAX}", f"(SELECT 1) AS {REVENUE}", 1, "There is a query where none belongs."),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES)
def test_a_composite_is_its_parts_and_no_more(case):
    found = both()
    old, new, count, why = CHANGES[case]
    assert old in found.text
    text = found.text.replace(old, new, count)
    if why:
        found.refuses(text, why)
    else:
        found.proves(text)


def test_a_composite_reads_its_parts():
    found = both()
    start, end = found.text.index(" FROM (SELECT"), found.text.index(END)
    rest = found.text[end + len(END) :]
    constant = 'SELECT 1 AS "@_shared_dimensions_.region"'
    found.refuses(f"{constant} LIMIT 1001", "A composite reads a table.")
    found.refuses(f'{constant} FROM "omni_store"."orders" AS "x x" LIMIT 1001', "A composite reads a table.")
    for inner in ('SELECT 1 AS "d1"', '(SELECT 1 AS "d1")'):
        with pytest.raises(UnprovenSqlError, match="A part of a composite belongs to none of its topics"):
            found.proves(f"{found.text[:start]} FROM ({inner}{END}{rest}")


def test_a_part_is_proven_by_the_rights_on_its_topic():
    found = both()
    for nested in ({}, {"Sales": found.rights.nested["Sales"]}):
        with pytest.raises(UnprovenSqlError, match="A part of a composite belongs to none of its topics"):
            replace(found, rights=replace(found.rights, nested=nested)).proves(found.text)
    narrower = replace(found, rights=replace(found.rights, fields=found.rights.fields - {"@Sales.orders.revenue"}))
    with pytest.raises(UnprovenSqlError, match="A result column is not a permitted field"):
        narrower.proves(found.text)


def test_what_one_topic_did_not_prove_is_forgotten_before_the_next():
    # The second part begins as one of the first topic might: its values must count once.
    found = both()
    sales, tickets = (
        part for part in found.text[found.text.index("(SELECT") + 1 : found.text.index(END)].split(" UNION ALL ")
    )
    found.proves(found.changed((f"{sales} UNION ALL {tickets}", f"{tickets} UNION ALL {sales}")))
