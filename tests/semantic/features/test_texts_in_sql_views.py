"""Masks in an SQL view are texts: one that takes such a column for another type answers nobody who sees the mask."""

from dataclasses import replace

import pytest

from apps.semantic.compile import compile_query
from apps.semantic.compile.ruled import closed_views
from apps.semantic.errors import UnknownFieldError, UnprovenSqlError
from apps.semantic.query.reading import parse_query
from apps.semantic.verify import verify
from tests.semantic.features.store import FILES, MASK_KEY, TODAY, ask, everything, model

CUSTOMERS = FILES["customers.view"].replace(
    "measures:\n", "  code: {sql: limit_, mask_unless_access_grants: [sees_mail]}\n"
    "  held: {sql: manager_id, mask: {bucket: 10}, mask_unless_access_grants: [sees_mail]}\nmeasures:\n", 1
)  # fmt: skip
MASKED = frozenset(("customers.code", "customers.held"))
TAKEN = {
    "a cast": "SELECT c.id AS id, CAST(c.limit_ AS {int}) AS x FROM omni_store.customers c",
    "a sum": "SELECT c.id AS id, SUM(c.limit_) AS x FROM omni_store.customers c GROUP BY c.id",
    "a calculation": "SELECT c.id AS id, c.limit_ * 2 AS x FROM omni_store.customers c",
    "a comparison": "SELECT c.id AS id, CASE WHEN c.limit_ > 100 THEN 1 ELSE 0 END AS x FROM omni_store.customers c",
    "a number in its place": "SELECT c.id AS id, COALESCE(c.limit_, 0) AS x FROM omni_store.customers c",
    "a number beside it": "SELECT c.id AS id, CASE WHEN c.id = 1 THEN c.limit_ ELSE 0 END AS x FROM omni_store.customers c",
    "a cast further out": "SELECT q.id AS id, CAST(q.y AS {int}) AS x FROM (SELECT c.id AS id, c.limit_ AS y FROM omni_store.customers c) AS q",
    "a cast of the greatest": "SELECT q.id AS id, CAST(q.y AS {int}) AS x FROM (SELECT c.id AS id, MAX(c.limit_) AS y FROM omni_store.customers c GROUP BY c.id) AS q",
    "a cast of a query": "SELECT c.id AS id, CAST((SELECT MAX(d.limit_) FROM omni_store.customers d) AS {int}) AS x FROM omni_store.customers c",
    "a cast of a part": "SELECT c.id AS id, CAST(LEFT(CAST(c.limit_ AS {text}), 1) AS {int}) AS x FROM omni_store.customers c",
    "a cast above a union": "SELECT q.id AS id, CAST(q.y AS {int}) AS x FROM (SELECT c.id AS id, c.limit_ AS y FROM omni_store.customers c UNION ALL SELECT d.id, d.limit_ FROM omni_store.customers d) AS q",
}
FINE = {
    "as it is": "SELECT c.id AS id, c.limit_ AS x FROM omni_store.customers c",
    "as a text": "SELECT c.id AS id, UPPER(CAST(c.limit_ AS {text})) AS x FROM omni_store.customers c",
    "counted": "SELECT q.id AS id, q.n * 2 AS x FROM (SELECT c.id AS id, COUNT(c.limit_) AS n FROM omni_store.customers c GROUP BY c.id) AS q",
    "whether it is there": "SELECT q.id AS id, q.n + 1 AS x FROM (SELECT c.id AS id, CASE WHEN c.limit_ IS NULL THEN 0 ELSE 1 END AS n FROM omni_store.customers c) AS q",
    "of another column": "SELECT c.id AS id, c.limit_ AS y, CAST(c.id AS {int}) AS x FROM omni_store.customers c",
    "a mask that is a number": "SELECT c.id AS id, c.manager_id * 2 AS x FROM omni_store.customers c",
    "of one so called": "SELECT q.id AS id, CAST(q.limit_ AS {int}) AS x FROM (SELECT c.id AS id, c.id AS limit_ FROM omni_store.customers c) AS q",
}  # fmt: skip


def over(dialect, text):
    types = {"int": "SIGNED" if dialect == "mysql" else "INT", "text": "CHAR" if dialect == "mysql" else "TEXT"}
    view = f'sql: "{text.format(**types)}"\ndimensions: {{id: {{}}, x: {{}}}}\nmeasures: {{count: {{aggregate_type: count}}}}\n'
    return model(dialect, **{"customers.view": CUSTOMERS, "v.view": view, "V.topic": "base_view: v"})


def asking(of, masked=frozenset()):
    return ask("V", "v.id", "v.x"), replace(everything(of, "V"), masked=masked, mask_key=MASK_KEY)


@pytest.mark.parametrize("name", TAKEN)
def test_an_sql_view_that_takes_a_mask_for_no_text_answers_nobody_who_sees_it(store, name):
    of = over(store.engine.dialect, TAKEN[name])
    question, clear = asking(of)
    assert len(store.ask(question, clear, of)) in (4, 8)
    _, masked = asking(of, MASKED)
    with pytest.raises(UnknownFieldError) as refusal:
        store.ask(question, masked, of)
    assert refusal.value.path == "fields.0"
    assert closed_views(of, masked) == frozenset(("v",))
    assert [str(item) for item in of.warnings if "takes it for another type" in str(item)]


@pytest.mark.parametrize("name", FINE)
def test_an_sql_view_that_takes_a_mask_as_it_is_answers_everybody(store, name):
    of = over(store.engine.dialect, FINE[name])
    question, masked = asking(of, MASKED)
    assert len(store.ask(question, masked, of)) == 4
    assert not closed_views(of, masked)
    assert not [str(item) for item in of.warnings if "takes it for another type" in str(item)]


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "mysql", "spark"])
def test_the_proof_refuses_it_by_itself(dialect, name, monkeypatch):
    of = replace(over(dialect, TAKEN[name]))  # a model of its own: what is known of one is kept with it
    question, masked = asking(of, MASKED)
    # A compiler that knew nothing of it would write this.
    monkeypatch.setattr("apps.semantic.compile.facts.mistaken_masks", lambda view, model: ())
    compiled = compile_query(parse_query(question), model=of, scope=masked, today=TODAY)
    with pytest.raises(UnprovenSqlError, match="A masked text"):
        verify(compiled, model=of, scope=masked)


def test_a_view_for_those_who_see_the_values_is_not_warned_of():
    of = model(**{"customers.view": CUSTOMERS, "v.view": f'sql: "{TAKEN["a sum"]}"\nrequired_access_grants: [sees_mail]\ndimensions: {{x: {{}}}}\n',
                  "V.topic": "base_view: v"})  # fmt: skip
    assert not [str(item) for item in of.warnings if "takes it for another type" in str(item)]
