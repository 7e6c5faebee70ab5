"""PostgreSQL leaves off early where an index's order lets it: how far it reads before hidden rows decides nothing.

A hidden row on which something fails stands at the end of an index. A question that is cut off before it, or that joins an
answer which ends before it, must fail as one does that reads on: else a reader could search for where it stands.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from apps.semantic.model.reading import read_model
from apps.semantic.model.stored import StoredTables
from tests.semantic.features.engines import engine
from tests.semantic.features.store import Store, ask, everything, policy

COUNT = 20_000
LATE = COUNT - 1
TOTAL = "GREATEST(big + 9223372036854775000, 1)"
ROWS = f"""
CREATE TABLE owners (id INT PRIMARY KEY, region VARCHAR(9));
INSERT INTO owners SELECT i, CASE WHEN i = 7 THEN 'US' ELSE 'EU' END FROM generate_series(1, 50) s(i);
CREATE TABLE orders (id INT PRIMARY KEY, owner_id INT, kin INT, big BIGINT);
INSERT INTO orders SELECT i, CASE WHEN i = {LATE} THEN 7 ELSE 8 + i % 42 END, i, CASE WHEN i = {LATE} THEN 5000 ELSE 1 END
FROM generate_series(1, {COUNT}) s(i);
CREATE VIEW worked_out AS SELECT id, owner_id, kin, {TOTAL} AS total FROM orders
  UNION ALL SELECT id + {COUNT}, owner_id, kin, {TOTAL} AS total FROM orders;
CREATE INDEX orders_kin ON orders (kin);
ANALYZE owners, orders
"""
DIMENSIONS = """
dimensions:
  id: {primary_key: true}
  owner_id: {}
  kin: {}
  total: {}
  height: {sql: "${kin}", level_of_detail: {aggregate_type: sum, fixed: [VIEW.kin]}}
measures: {most: {aggregate_type: max, sql: "${total}"}, count: {aggregate_type: count}}
"""
VIEWS = {
    "texts": f'sql: "SELECT id, owner_id, kin, {TOTAL} AS total FROM orders"',
    "asked": "query: {topic: Plain, fields: {orders.id: id, orders.owner_id: owner_id, orders.kin: kin, orders.total: total}}",
    "worked_out": "",
}
FILES = {
    "model": "{}",
    "relationships": "".join(
        f'- {{join_from_view: {view}, join_to_view: owners, relationship_type: many_to_one, join_type: inner, on_sql: "${{{view}.owner_id}} = ${{owners.id}}"}}\n'
        for view in VIEWS
    ),
    "owners.view": "dimensions: {id: {primary_key: true}, region: {}}\n",
    "orders.view": f'dimensions: {{id: {{primary_key: true}}, owner_id: {{}}, kin: {{}}, big: {{}}, total: {{sql: "{TOTAL}"}}}}\n',
    "Plain.topic": "base_view: orders\n",
    **{f"{view}.view": head + DIMENSIONS.replace("VIEW", view) for view, head in VIEWS.items()},
    **{f"Of_{view}.topic": f"base_view: {view}\njoins: {{owners: {{}}}}\n" for view in VIEWS},
}  # fmt: skip
OF_OWNERS = {"owners": (policy("owners.region", "EU"),)}


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with ExitStack() as stack:
        source = stack.enter_context(engine("postgres", "omni_whole"))
        source.rows(ROWS)
        made = Store.__new__(Store)
        made.engine = source
        tables = StoredTables(("omni_whole", name, True) for name in ("owners", "orders"))
        made.model = read_model(FILES, dialect="postgres", stored=tables)
        yield made


def _outcome(store: Store, question: dict[str, Any], policies: dict[str, Any], *, is_fenced: bool = True) -> Any:
    """Return how many rows come, or that the database failed; ``is_fenced``: its text is as the compiler makes it."""
    rights = everything(store.model, question["dataset"], row_policies=policies)
    nested = {name: replace(item, row_policies=policies) for name, item in rights.nested.items()}
    try:
        compiled = store.compiled(question, replace(rights, nested=nested))
        sql = compiled.sql if is_fenced else compiled.sql.replace(" OFFSET 0", "")
        return len(store.engine.rows(sql, compiled.parameters))
    except psycopg.DataError as error:
        return type(error).__name__


def _questions(view: str) -> dict[str, list[dict[str, Any]]]:
    """Return questions about a view by what tells them apart: each kind, if anything, fails as one."""
    dataset = f"Of_{view}"
    cut = {
        f"by {key} {'down' if is_descending else 'up'}": [
            ask(dataset, f"{view}.{key}", f"{view}.most", limit=limit, sorts=[{"field": f"{view}.{key}", "desc": is_descending}])
            for limit in (1, 100, 5000)
        ]
        for key in ("id", "kin")
        for is_descending in (False, True)
    }  # fmt: skip
    bounds = ({"less_than": 10}, {"less_than": 5000}, {"less_than": COUNT}, {"greater_than": LATE})
    return {
        **cut,
        "by an answer": [ask(dataset, f"{view}.most", filters={f"{view}.height": bound}) for bound in bounds],
        "by an answer, grouped": [
            ask(dataset, f"{view}.id", f"{view}.most", limit=1, filters={f"{view}.height": bound}) for bound in bounds
        ],
        "by a ranking": [
            ask(dataset, f"{view}.kin", f"{view}.most", top={"field": f"{view}.kin", "n": n, "by": f"{view}.count"}, limit=5)
            for n in (1, 100, 500)
        ],
    }  # fmt: skip


KINDS = [*_questions("texts")]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("kind", KINDS)
def test_how_far_is_read_decides_nothing(store, view, kind):
    found = [_outcome(store, question, OF_OWNERS) for question in _questions(view)[kind]]
    assert len({isinstance(item, str) for item in found}) == 1


def test_without_fences_it_would(store):
    found = set()
    for kind in KINDS:
        for view in VIEWS:
            outcomes = [_outcome(store, question, OF_OWNERS, is_fenced=False) for question in _questions(view)[kind]]
            found.add(len({isinstance(item, str) for item in outcomes}))
    assert found == {1, 2}


def test_an_answer_is_not_compared_with_each_row(store):
    question = _questions("texts")["by an answer"][0]
    compiled = store.compiled(question, everything(store.model, "Of_texts", row_policies=OF_OWNERS))
    plan = [line for (line,) in store.engine.rows(f"EXPLAIN {compiled.sql}", compiled.parameters)]
    assert any("ARRAY[" in line and ("Hash Cond" in line or "Merge Cond" in line) for line in plan)
    assert not any("Nested Loop" in line for line in plan)
