"""A policy on a query view's column meets the field that the model puts there, however the query is written."""

from dataclasses import replace

import pytest

from apps.semantic.errors import QueryError, UnprovenSqlError
from tests.semantic.features.store import FILES, everything, model, policy
from tests.semantic.verify.hand import Statement, statement

ELSE = "A policy on a query view reads something else than the model's column."
COLUMN = '"orders"."customer_id" AS "customer_id"'
QUESTION = {"dataset": "Facts", "fields": ["customer_facts.count", "customer_facts.best"]}


def facts(*, of_topic: bool = False, dialect: str = "duckdb") -> Statement:
    of = model(dialect)
    rule = (policy("customer_facts.customer_id", 1),)
    rights = everything(
        of, "Facts", **({"topic_policies": rule} if of_topic else {"row_policies": {"customer_facts": rule}})
    )
    return statement(QUESTION, of, rights)


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "mysql", "spark"])
@pytest.mark.parametrize("of_topic", [False, True])
@pytest.mark.parametrize("other", ["1", 'COALESCE("orders"."customer_id", 1)', "COUNT(*)", ":=1:"])
def test_a_policy_does_not_meet_a_value_made_for_it(dialect, of_topic, other):
    found = facts(of_topic=of_topic, dialect=dialect)
    grouped = ' GROUP BY "orders"."customer_id"'
    changes = [(COLUMN, f'{other} AS "customer_id"'), (" GROUP BY 1" if dialect != "mysql" else grouped, "")]
    found.refuses(found.changed(*[(old, new) for old, new in changes if old in found.text]), ELSE)


def test_a_policy_does_not_meet_another_column():
    found = facts()
    found.refuses(
        found.changed(('"calculated columns"."customer_id"', '"calculated columns"."lifetime_value" AS "customer_id"')),
        ELSE,
    )
    found.refuses(found.changed(('"calculated columns"."customer_id"', '1 AS "customer_id"')), ELSE)
    found.refuses(found.changed(('"calculated columns"."customer_id", ', "")), ELSE)
    found.proves(found.changed((COLUMN, '("orders"."customer_id") AS "customer_id"')))
    found.proves(
        found.changed(('"calculated columns"."customer_id"', '"calculated columns"."customer_id" AS "customer_id"'))
    )


def test_answers_under_one_another_have_no_one_origin():
    found = facts()
    start = found.text.index('(SELECT "orders"') + 1
    end = found.text.index(') AS "calculated columns"')
    inner = found.text[start:end]
    found.refuses(found.changed((inner, f"{inner} UNION ALL {inner}")), ELSE)


@pytest.mark.parametrize("field", ["lifetime_value", "doubled"])
def test_a_policy_on_what_is_no_dimension_cannot_be_proven(field):
    view = FILES["customer_facts.query.view"].replace("dimensions: {", "dimensions: {doubled: {}, ")
    of = model(**{"customer_facts.query.view": view})
    rights = everything(of, "Facts")
    found = statement(QUESTION, of, rights)
    found.proves(found.text)
    ruled = replace(rights, row_policies={"customer_facts": (policy(f"customer_facts.{field}", 5),)})
    with pytest.raises(UnprovenSqlError, match=ELSE):
        statement(QUESTION, of, ruled)


def test_a_policy_on_a_masked_column_is_refused_before_it_would_be_unproven():
    view = FILES["customer_facts.query.view"].replace("orders.customer_id", "customers.mail")
    of = model(**{"customer_facts.query.view": view.replace("base_view: orders", "topic: Sales")})
    rule = {"customer_facts": (policy("customer_facts.customer_id", 5),)}
    rights = everything(of, "Facts", row_policies=rule)
    found = statement(QUESTION, of, rights)
    found.proves(found.text)
    nested = {name: replace(inner, masked=frozenset(("customers.mail",)), mask_key=inner.mask_key or rights.mask_key)
              for name, inner in rights.nested.items()}  # fmt: skip
    with pytest.raises(QueryError, match="masked for you"):
        statement(QUESTION, of, replace(rights, nested=nested))


def test_what_comes_out_of_a_query_view_may_be_shown():
    found = facts()
    total = 'SUM(CAST("orders"."amount" AS INT)) AS "lifetime_value"'
    closed = {
        name: replace(inner, fields=inner.fields - {"orders.amount"}) for name, inner in found.rights.nested.items()
    }
    narrow = statement(QUESTION, found.model, replace(found.rights, nested=closed))
    narrow.refuses(narrow.changed((total, 'CAST("orders"."amount" AS INT) AS "lifetime_value"')),
                   "A query view lets out what it may not.")  # fmt: skip
    for why, nested in (
        ("A query view rests on a topic that the scope does not open.", {}),
        (
            "A query view rests on a topic that the scope does not open.",
            {name: replace(inner, topic="Sales") for name, inner in found.rights.nested.items()},
        ),
    ):
        with pytest.raises(UnprovenSqlError, match=why):
            replace(found, rights=replace(found.rights, nested=nested)).proves(found.text)


def test_a_query_view_rests_on_a_topic_that_there_is():
    found = facts()
    topics = {"Facts": found.model.topics["Facts"]}
    other = replace(found, model=replace(found.model, topics=topics))
    with pytest.raises(UnprovenSqlError, match="A query view rests on a topic that the scope does not open"):
        other.proves(found.text)


def test_a_query_view_reads_a_query():
    found = facts()
    view = '"view query"'
    for old, new, why in (
        (f") AS {view}", ') AS "query"', "A derived view reads no query."),
        (f") AS {view}", f') AS {view}("customer_id", "lifetime_value", "doubled")', "A subquery renames its columns."),
    ):
        found.refuses(found.changed((old, new)), why)
    start, end = found.text.index('FROM (SELECT "calculated'), found.text.index(f" AS {view}")
    found.refuses(f'{found.text[:start]}FROM "omni_store"."orders"{found.text[end:]}', "A derived view reads no query.")
