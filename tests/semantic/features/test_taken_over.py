"""What a query view takes over of a question chooses no hidden rows, for the view's query to fail on or to count with.

A row policy of the view itself, of a table beside it, or a rule of the data set hides rows around the view's query. What is
worked out within the query fails on such rows too, and they take places within its limit. It must not depend on a condition of
a reader, which stands in it, whether they do.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from apps.semantic.compile import chosen, compile_query
from apps.semantic.errors import QueryError, UnprovenSqlError
from apps.semantic.model.reading import read_model
from apps.semantic.model.stored import StoredTables
from apps.semantic.query.reading import parse_query
from apps.semantic.scope import AccessScope
from apps.semantic.verify import selects
from tests.semantic.features.engines import engine
from tests.semantic.features.store import TODAY, Store, ask, everything, policy
from tests.semantic.features.test_fences import FAILURES

TOTAL = "GREATEST(big + 9223372036854775000, 1)"
ROWS = """
CREATE SCHEMA omni_taken;
CREATE TABLE omni_taken.owners (id INT, region VARCHAR(9));
INSERT INTO omni_taken.owners VALUES (1, 'EU'), (2, 'US');
CREATE TABLE omni_taken.orders (id INT, owner_id INT, big BIGINT, note VARCHAR(9));
INSERT INTO omni_taken.orders VALUES (1, 1, 10, 'a'), (2, 1, 20, 'b'), (4, 2, 5000, 'secret')
"""
ASKED = """
query:
  topic: %s
  fields: {orders.id: id, orders.owner_id: owner_id, orders.note: note, %s}
  bind: {orders.note: asked.note}
%s
dimensions: {id: {primary_key: true}, owner_id: {}, note: {}, total: {}}
measures: {count: {aggregate_type: count}}
"""
JOIN = """
- {join_from_view: %s, join_to_view: owners, relationship_type: many_to_one, join_type: inner, on_sql: "${%s.owner_id} = ${owners.id}"}
"""
FILES = {
    "relationships": JOIN % ("asked", "asked") + JOIN % ("orders", "orders"),
    "owners.view": "schema: omni_taken\ndimensions: {id: {primary_key: true}, region: {}}\n",
    "orders.view": f"""
schema: omni_taken
dimensions:
  id: {{primary_key: true}}
  owner_id: {{}}
  note: {{}}
  big: {{}}
  total: {{sql: "{TOTAL}"}}
  all_bigs: {{sql: "${{big}}", level_of_detail: {{aggregate_type: sum, fixed: []}}}}
  best: {{sql: "${{note}}", dynamic_top_n: {{n: 1, by: bigs, else: Other}}}}
measures: {{bigs: {{aggregate_type: sum, sql: "${{big}}"}}}}
""",
    "Orders.topic": "base_view: orders\n",
    "Owned.topic": "base_view: orders\njoins: {owners: {}}\n",
    "Alone.topic": "base_view: asked\n",
    "Asked.topic": "base_view: asked\njoins: {owners: {}}\n",
    "Ruled.topic": "base_view: asked\njoins: {owners: {}}\nalways_where_sql: \"${owners.region} = 'EU'\"\n",
}  # fmt: skip
OWN = {"row_policies": {"asked": (policy("asked.owner_id", 1),)}}
OF_OWNERS = {"row_policies": {"owners": (policy("owners.region", "EU"),)}}
HIDING: dict[str, tuple[str, dict[str, Any]]] = {
    "the view's own policy": ("Alone", OWN), "a policy of a table beside it": ("Asked", OF_OWNERS), "a rule": ("Ruled", {}),
}  # fmt: skip


class Taken(Store):
    """The tables above."""

    def __init__(self, found: Any) -> None:
        self.engine = found
        found.rows(ROWS)

    def has(self, column: str, *, over: str = "Orders", rest: str = "") -> None:
        """Have the view show a column, of the topic ``over``; ``rest`` is what else its question says."""
        stored = StoredTables(("omni_taken", name, True) for name in ("owners", "orders"))
        files = FILES | {"asked.view": ASKED % (over, column, rest)}
        self.model = read_model(files, dialect=self.engine.dialect, stored=stored)

    def rights(self, dataset: str, rules: dict[str, Any]) -> AccessScope:
        """Return a scope whose row policies also hold in the data sets that it rests on."""
        found = everything(self.model, dataset, **rules)
        policies = rules.get("row_policies", {})
        return replace(
            found, nested={name: replace(item, row_policies=policies) for name, item in found.nested.items()}
        )

    def ids(self, dataset: str, rules: dict[str, Any], condition: object) -> list[int]:
        """Return the rows that are answered, their column that may fail among what is asked."""
        question = ask(dataset, "asked.id", "asked.total", filters={"asked.note": condition})
        return [int(row[0]) for row in self.ask(question, self.rights(dataset, rules))]


@pytest.fixture(scope="module", params=["duckdb", "postgres", "mysql"])
def taken(request: pytest.FixtureRequest) -> Iterator[Taken]:
    with engine(request.param, "omni_taken") as found:
        yield Taken(found)


@pytest.fixture
def unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the compiler write what it refuses."""
    monkeypatch.setattr(chosen, "refuse_probing", lambda *_, **__: None)


@pytest.mark.parametrize("hiding", HIDING)
def test_a_condition_that_a_view_takes_over_chooses_no_hidden_rows_to_fail_on(taken, hiding):
    dataset, rules = HIDING[hiding]
    taken.has("orders.total: total")
    for condition in ({"is": "a"}, {"is": "secret"}, {"is": "othe"}, {"contains": "secret"}):
        with pytest.raises(QueryError, match="takes over a filter"):
            taken.ids(dataset, rules, condition)


@pytest.mark.parametrize("hiding", ["a policy of a table beside it", "a rule"])
def test_its_failure_would_tell_what_a_hidden_row_holds(taken, hiding, unguarded, monkeypatch):
    monkeypatch.setattr(selects, "demand_unprobed", lambda *_, **__: None)
    dataset, rules = HIDING[hiding]
    taken.has("orders.total: total")
    assert taken.ids(dataset, rules, {"is": "othe"}) == []
    with pytest.raises(FAILURES):
        taken.ids(dataset, rules, {"is": "secret"})


def test_what_cannot_fail_or_hides_nothing_is_answered(taken):
    taken.has("orders.total: total")
    assert taken.ids("Alone", {}, {"is": "b"}) == [2]
    taken.has("orders.bigs: total")
    for dataset, rules in HIDING.values():
        assert taken.ids(dataset, rules, {"contains": "a"}) == [1]
        assert taken.ids(dataset, rules, {"contains": "secret"}) == []


def test_a_policy_that_holds_within_the_view_too_hides_none_of_its_rows(taken):
    taken.has("orders.total: total", over="Owned")
    assert taken.ids("Asked", OF_OWNERS, {"is": "a"}) == [1]
    assert taken.ids("Asked", OF_OWNERS, {"is": "secret"}) == []
    with pytest.raises(QueryError, match="takes over a filter"):
        taken.ids("Ruled", OF_OWNERS, {"is": "a"})


MIXING = {
    "a limit": ("orders.bigs: total", "  sorts: [{field: orders.bigs, desc: true}]\n  limit: 1"),
    "a level of detail": ("orders.all_bigs: total", ""),
    "a ranking": ("orders.best: total", ""),
}


@pytest.mark.parametrize("mixing", MIXING)
@pytest.mark.parametrize("hiding", HIDING)
def test_nor_does_one_choose_hidden_rows_that_decide_what_is_shown_of_others(taken, hiding, mixing):
    dataset, rules = HIDING[hiding]
    column, rest = MIXING[mixing]
    taken.has(column, rest=rest)
    with pytest.raises(QueryError, match="takes over a filter"):
        taken.ids(dataset, rules, {"contains": "e"})
    assert taken.ids("Alone", {}, {"contains": "e"}) == [4]
    taken.has(column, over="Owned", rest=rest)
    assert taken.ids("Asked", OF_OWNERS, {"contains": "a"}) == [1]


def test_a_limit_would_tell_which_hidden_row_comes_first(taken, unguarded, monkeypatch):
    monkeypatch.setattr(selects, "demand_unprobed", lambda *_, **__: None)
    taken.has(*MIXING["a limit"][:1], rest=MIXING["a limit"][1])
    assert taken.ids("Asked", OF_OWNERS, {"not": "secret"}) == [2]
    assert taken.ids("Asked", OF_OWNERS, {"not": "b"}) == []


@pytest.mark.parametrize("column", ["orders.total: total", *(column for column, _ in MIXING.values())])
@pytest.mark.parametrize("hiding", HIDING)
def test_the_proof_refuses_it_by_itself(taken, hiding, column, unguarded):
    dataset, rules = HIDING[hiding]
    taken.has(column, rest=dict(MIXING.values()).get(column, ""))
    with pytest.raises(UnprovenSqlError, match="takes over a condition"):
        taken.ids(dataset, rules, {"contains": "secret"})


@pytest.mark.parametrize("dialect", ["spark", "bigquery", "snowflake", "trino", "clickhouse", "tsql", "redshift"])
def test_no_database_is_asked_it(dialect: str) -> None:
    """Also where nothing fails, hidden rows would take the places within a limit."""
    column, rest = MIXING["a limit"]
    files = FILES | {"asked.view": ASKED % ("Orders", column, rest)}
    model = read_model(files, dialect=dialect, stored=StoredTables([("omni_taken", "orders", True)]))
    question = ask("Alone", "asked.id", filters={"asked.note": {"contains": "e"}})
    with pytest.raises(QueryError, match="takes over a filter"):
        compile_query(parse_query(question), model=model, scope=everything(model, "Alone", **OWN), today=TODAY)
    assert compile_query(parse_query(question), model=model, scope=everything(model, "Alone"), today=TODAY).sql


def test_where_nothing_fails_hidden_rows_still_decide_about_others():
    spark = Taken.__new__(Taken)
    spark.engine = type("Spark", (), {"dialect": "spark"})()
    for column, rest in (("orders.total: total", ""), *MIXING.values()):
        spark.has(column, rest=rest)
        question = ask("Asked", "asked.id", filters={"asked.note": {"is": "a"}})
        if column.startswith("orders.total"):
            assert spark.text(question, spark.rights("Asked", OF_OWNERS))
        else:
            with pytest.raises(QueryError, match="takes over a filter"):
                spark.text(question, spark.rights("Asked", OF_OWNERS))
