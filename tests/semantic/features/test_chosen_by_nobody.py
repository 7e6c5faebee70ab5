"""What fails on hidden rows beneath a fence fails whatever is asked: no condition of a reader chooses the rows on which it does.

A column of a view of the source, of an SQL view or of a query view is worked out before joins and rules have chosen. If it
fails on a hidden row, the question fails for everybody; that it fails with ``note is secret`` and not with another text would
tell what stands in the hidden row.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import duckdb
import pytest

from apps.semantic.model.reading import read_model
from apps.semantic.model.stored import StoredTables
from tests.semantic.features.engines import Engine, engine
from tests.semantic.features.store import Store, ask, everything, policy
from tests.semantic.features.test_fences import FAILURES

SCHEMAS = ("omni_first", "omni_second")
TOTAL = "GREATEST(big + 9223372036854775000, 1)"
ROWS = f"""
CREATE SCHEMA {{schema}};
CREATE TABLE {{schema}}.owners (id INT, region VARCHAR(9));
INSERT INTO {{schema}}.owners VALUES (1, 'EU'), (2, 'US'), (3, 'EU');
CREATE TABLE {{schema}}.orders (id INT, owner_id INT, kin INT, big BIGINT, note VARCHAR(9));
INSERT INTO {{schema}}.orders VALUES (1, 1, 1, 10, 'a'), (2, 3, 1, 20, 'b'){{hidden}};
CREATE TABLE {{schema}}.raw_lines (id INT, order_id INT, big BIGINT, note VARCHAR(9));
INSERT INTO {{schema}}.raw_lines VALUES (1, 1, 10, 'a'), (2, 2, 20, 'b'){{lines}};
CREATE VIEW {{schema}}.plain_lines AS SELECT id, order_id, note, {TOTAL} AS total FROM {{schema}}.raw_lines;
CREATE VIEW {{schema}}.more_lines AS SELECT id, order_id, note, {TOTAL} AS total FROM {{schema}}.raw_lines
  UNION ALL SELECT id, order_id, note, {TOTAL} AS total FROM {{schema}}.raw_lines
"""
HIDDEN = {"hidden": ", (4, 2, 2, 5000, 'secret')", "lines": ", (3, 4, 5000, 'secret')"}
NOTHING = {"hidden": "", "lines": ""}
OF_LINES = "dimensions: {id: {primary_key: true}, order_id: {}, total: {}, note: {}}\n"
FILES = {
    "model": "access_grants: {sees: {user_attribute: department, allowed_values: [mail]}}\n",
    "relationships": "".join(
        f'- {{join_from_view: orders, join_to_view: {view}, relationship_type: one_to_many, on_sql: "${{orders.id}} = ${{{view}.order_id}}"}}\n'
        for view in ("plain_lines", "more_lines", "text_lines", "asked_lines")
    ) + "".join(
        f'- {{join_from_view: {view}, join_to_view: owners, relationship_type: many_to_one, join_type: inner, on_sql: "${{{view}.owner_id}} = ${{owners.id}}"}}\n'
        for view in ("orders", "texts", "asked")
    ),
    "owners.view": "schema: {schema}\ndimensions: {id: {primary_key: true}, region: {}}\nmeasures: {count: {aggregate_type: count}}\n",
    "orders.view": f"""
schema: {{schema}}
dimensions: {{id: {{primary_key: true}}, owner_id: {{}}, kin: {{}}, big: {{}}, note: {{}}, total: {{sql: "{TOTAL}"}},
  rough: {{sql: big, mask: {{bucket: 10}}, mask_unless_access_grants: [sees]}}}}
""",
    "raw_lines.view": f"""
schema: {{schema}}
dimensions: {{id: {{primary_key: true}}, order_id: {{}}, big: {{}}, note: {{}}, total: {{sql: "{TOTAL}"}}}}
""",
    "plain_lines.view": f"schema: {{schema}}\n{OF_LINES}",
    "more_lines.view": f"schema: {{schema}}\n{OF_LINES}",
    "text_lines.view": f'sql: "SELECT id, order_id, note, {TOTAL} AS total FROM raw_lines"\n{OF_LINES}',
    "asked_lines.view": f"""
query: {{topic: Raw, fields: {{raw_lines.id: id, raw_lines.order_id: order_id, raw_lines.total: total, raw_lines.note: note}}}}
{OF_LINES}""",
    "texts.view": f"""
sql: "SELECT id, owner_id, note, {TOTAL} AS total FROM orders"
dimensions: {{id: {{primary_key: true}}, owner_id: {{}}, total: {{}}, note: {{}}}}
measures: {{most: {{aggregate_type: max, sql: "${{total}}"}}, plain: {{sql: "${{id}}"}}}}
""",
    "asked.view": """
query: {topic: Plain, fields: {orders.id: id, orders.owner_id: owner_id, orders.total: total, orders.note: note}}
dimensions: {id: {primary_key: true}, owner_id: {}, total: {}, note: {}}
measures: {count: {aggregate_type: count}}
""",
    "Raw.topic": "base_view: raw_lines\n",
    "Plain.topic": "base_view: orders\n",
    "Orders.topic": "base_view: orders\njoins: {owners: {}, plain_lines: {}, more_lines: {}, text_lines: {}, asked_lines: {}}\n",
    "Ruled.topic": "base_view: orders\njoins: {owners: {}, plain_lines: {}, more_lines: {}, text_lines: {}, asked_lines: {}}\n"
    "always_where_sql: \"${owners.region} = 'EU'\"\n",
    "Texts.topic": "base_view: texts\njoins: {owners: {}}\n",
    "Asked.topic": "base_view: asked\njoins: {owners: {}}\n",
    "Lines.topic": "base_view: plain_lines\n",
    "More.topic": "base_view: more_lines\n",
}  # fmt: skip
OF_OWNERS = {"row_policies": {"owners": (policy("owners.region", "EU"),)}}
OF_ORDERS = {"row_policies": {"orders": (policy("orders.kin", 1),)}}
TOTALS = (9223372036854775010, 9223372036854775020)

OF_BOTH = {
    "row_policies": {**OF_OWNERS["row_policies"], **OF_ORDERS["row_policies"]}, "masked": frozenset({"orders.rough"}),
}  # fmt: skip


def own(view: str) -> dict[str, Any]:
    return {"row_policies": {view: (policy(f"{view}.order_id", 1, 2),)}}


SHAPES: dict[str, tuple[tuple[str, ...], str, dict[str, Any]]] = {
    "SQL view": (("Texts", "texts.id", "texts.total"), "texts.note", OF_OWNERS),
    "aggregate over an SQL view": (("Texts", "texts.most"), "texts.note", OF_OWNERS),
    "mask beside both policies": (("Orders", "orders.id", "orders.rough"), "orders.note", OF_BOTH),
    "own policy that fails": (("Plain", "orders.id"), "orders.note", {"row_policies": {"orders": (policy("orders.total", *TOTALS),)}}),
    "own policy of a view": (("Lines", "plain_lines.id", "plain_lines.total"), "plain_lines.note", own("plain_lines")),
    "own policy of a union": (("More", "more_lines.id", "more_lines.total"), "more_lines.note", own("more_lines")),
    "query view": (("Asked", "asked.id", "asked.total"), "asked.note", OF_OWNERS),
    "query view that is counted": (("Asked", "asked.count"), "asked.note", OF_OWNERS),
    **{
        f"{view}, {name}": ((dataset, "orders.id", f"{view}.total"), on or f"{view}.note", rules)
        for view in ("plain_lines", "more_lines", "text_lines", "asked_lines")
        for name, dataset, on, rules in (
            ("policy of owners", "Orders", "", OF_OWNERS), ("policy of orders", "Orders", "", OF_ORDERS),
            ("rule", "Ruled", "", {}), ("by the base", "Orders", "orders.note", OF_OWNERS),
        )
    },
}  # fmt: skip
CONDITIONS: tuple[dict[str, Any], ...] = (
    {}, {"is": "secret"}, {"is": "othe"}, {"starts_with": "sec"}, {"starts_with": "x"}, {"not": {"is": "secret"}}, {"is": None},
)  # fmt: skip


class Pair:
    """The tables twice, with and without rows that nobody may see."""

    def __init__(self, engines: list[Engine], dialect: str) -> None:
        self.stores = [_store(*parts, dialect) for parts in zip(engines, SCHEMAS, (HIDDEN, NOTHING), strict=True)]

    def outcomes(self, question: dict[str, Any], rules: dict[str, Any]) -> list[Any]:
        """Return what both answer: rows in order, or that the database failed."""
        return [_outcome(store, question, rules) for store in self.stores]


def _store(source: Engine, schema: str, rows: dict[str, str], dialect: str) -> Store:
    source.rows(ROWS.format(schema=schema, **rows))
    store = Store.__new__(Store)
    store.engine = source
    tables = StoredTables((schema, name, True) for name in ("owners", "orders", "raw_lines"))
    files = {name: text.replace("{schema}", schema) for name, text in FILES.items()}
    store.model = read_model(files, dialect=dialect, stored=tables)
    return store


def _outcome(store: Store, question: dict[str, Any], rules: dict[str, Any]) -> Any:
    rights = everything(store.model, question["dataset"], **rules)
    policies = rules.get("row_policies", {})
    nested = {name: replace(item, row_policies=policies) for name, item in rights.nested.items()}
    try:
        return sorted(map(repr, store.ask(question, replace(rights, nested=nested))))
    except FAILURES as error:
        return type(error).__name__


@pytest.fixture(scope="module", params=["duckdb", "postgres", "mysql"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair([stack.enter_context(engine(request.param, name)) for name in SCHEMAS], request.param)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_fails_on_hidden_rows_fails_whatever_is_asked(pair, shape):
    (dataset, *fields), on, rules = SHAPES[shape]
    found = [
        pair.outcomes(ask(dataset, *fields, filters={on: condition} if condition else {}), rules)
        for condition in CONDITIONS
    ]
    assert all(isinstance(without, list) for _, without in found)
    is_unlike = [with_hidden != without for with_hidden, without in found]
    assert not any(is_unlike) or all(isinstance(with_hidden, str) for with_hidden, _ in found)


@pytest.mark.parametrize("is_apart", [False, True])
def test_conditions_on_groups_that_aggregate_nothing_choose_no_hidden_rows(pair, is_apart):
    fields = ("texts.id", "texts.plain", *(("owners.count",) if is_apart else ()), "texts.most")
    found = [
        pair.outcomes(ask("Texts", *fields, filters={"texts.plain": {"is": place}}), OF_OWNERS) for place in (1, 2, 4)
    ]
    assert all(isinstance(without, list) for _, without in found)
    is_unlike = [with_hidden != without for with_hidden, without in found]
    assert not any(is_unlike) or all(isinstance(with_hidden, str) for with_hidden, _ in found)


MANY = "INSERT INTO {schema}.orders SELECT 5 + i, 2, 2, 5000 + i, 'hidden' FROM range(10) t(i)"


def test_what_duckdb_knows_of_a_columns_values_decides_nothing():
    # A text beside a number that it is not fails on each row that gets there, those that everybody may see too.
    found = []
    for settings in (None, "common_subplan"):
        with ExitStack() as stack:
            source = stack.enter_context(engine("duckdb", SCHEMAS[0]))
            if settings is not None:
                source.database = duckdb.connect(config={"disabled_optimizers": settings})  # type: ignore[attr-defined]  # only DuckDB's has one
            store = _store(source, SCHEMAS[0], NOTHING, "duckdb")
            source.rows(MANY.format(schema=SCHEMAS[0]))
            questions = [
                ask("Plain", "orders.id", filters={"orders.note": {"is": 2**40}, "orders.big": {"greater_than": least}})
                for least in (5000, 6000)
            ]
            found.append([_outcome(store, question, OF_ORDERS) for question in questions])
    assert found == [["ConversionException"] * 2, ["ConversionException", []]]
