"""Asks a world's question of a real database, through the reader, the compiler and the proof."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

from hypothesis import assume

from apps.semantic.compile import compile_query
from apps.semantic.compile.dialects.traits import traits_of
from apps.semantic.compile.types import CompiledQuery
from apps.semantic.errors import QueryError
from apps.semantic.model.reading import read_model
from apps.semantic.model.stored import StoredTables
from apps.semantic.model.types import SemanticModel
from apps.semantic.query.pivoting import pivot
from apps.semantic.query.reading import parse_query
from apps.semantic.query.totals import subtotals_of, total_of
from apps.semantic.query.types import SemanticQuery
from apps.semantic.query.writing import public_form
from apps.semantic.scope import AccessScope, RowPolicy
from apps.semantic.verify import verify
from tests.reference.evaluator import Page, RefusedError
from tests.reference.evaluator.rollups import rolled_rows
from tests.reference.evaluator.rows import MASK_KEY
from tests.reference.fields import CLAIM_COLUMN, CLAIM_VALUE, HELD
from tests.reference.naming import own_name, under_other_names
from tests.reference.texts import OTHER_NAMES
from tests.reference.worlds import NAMES, World, rollup_column
from tests.semantic.features.engines import Engine
from tests.semantic.features.store import TODAY

COLUMNS = ("id", "fk", "s", "n", "d", "m")


def make_tables(engine: Engine) -> None:
    """Create the tables that all worlds share."""
    if engine.dialect == "spark":
        engine.rows("CREATE SCHEMA omni_worlds")
        return
    collation = " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" if engine.dialect == "mysql" else ""
    moment = "DATETIME" if engine.dialect == "mysql" else "TIMESTAMP"
    engine.rows("CREATE SCHEMA omni_worlds")
    for name in NAMES:
        engine.rows(
            f"CREATE TABLE omni_worlds.t{name} (id INT, fk INT, s VARCHAR(10){collation}, n INT, d DATE, m {moment})"
        )
    types = {"text": f"VARCHAR(10){collation}", "number": "INT", "date": "DATE", "moment": moment}
    columns = ", ".join(f"{rollup_column(name)} {types[kind]}" for name, kind in HELD.items())
    engine.rows(f"CREATE TABLE omni_worlds.tr ({columns}, {CLAIM_COLUMN} INT DEFAULT {CLAIM_VALUE})")


def fill_tables(engine: Engine, world: World) -> None:
    """Replace all rows."""
    if engine.dialect == "spark":
        _show_rows(engine, world)
        return
    for name in NAMES:
        engine.rows(f"DELETE FROM omni_worlds.t{name}")
        rows = world.tables.get(name, ())
        if rows:
            engine.rows(
                f"INSERT INTO omni_worlds.t{name} VALUES {_values([[row[column] for column in COLUMNS] for row in rows])}"
            )
    engine.rows("DELETE FROM omni_worlds.tr")
    if world.rollup is not None and world.tables["v0"]:
        columns = ", ".join(map(rollup_column, world.rollup.fields))
        engine.rows(f"INSERT INTO omni_worlds.tr ({columns}) VALUES {_values(rolled_rows(world))}")


def _show_rows(engine: Engine, world: World) -> None:
    """Make views of the rows: Spark's files have no DELETE, and would take seconds."""
    kinds = {"id": "INT", "fk": "INT", "s": "STRING", "n": "INT", "d": "DATE", "m": "TIMESTAMP"}
    for name in NAMES:
        rows = world.tables.get(name, ())
        _show(engine, f"t{name}", kinds, [[row[column] for column in COLUMNS] for row in rows])
    types = {"text": "STRING", "number": "INT", "date": "DATE", "moment": "TIMESTAMP"}
    held = {rollup_column(name): types[kind] for name, kind in HELD.items()}
    if world.rollup is None or not world.tables["v0"]:
        _show(engine, "tr", held, [])
        return
    places = {rollup_column(name): place for place, name in enumerate(world.rollup.fields)}
    _show(
        engine,
        "tr",
        held,
        [[row[places[name]] if name in places else None for name in held] for row in rolled_rows(world)],
    )


def _show(engine: Engine, table: str, kinds: dict[str, str], rows: Sequence[Sequence[Any]]) -> None:
    columns = ", ".join(f"CAST({column} AS {kind}) AS {column}" for column, kind in kinds.items())
    held = _values(rows or [[None] * len(kinds)])
    where = "" if rows else " WHERE false"
    engine.rows(
        f"CREATE OR REPLACE VIEW omni_worlds.{table} AS SELECT {columns} FROM VALUES {held} AS t({', '.join(kinds)}){where}"
    )


def _values(rows: Iterable[Sequence[Any]]) -> str:
    return ", ".join(f"({', '.join(map(_literal, row))})" for row in rows)


def _literal(value: Any) -> str:
    return "NULL" if value is None else str(value) if isinstance(value, int) else f"'{value}'"


@cache
def has_zones(engine: Engine) -> bool:
    """Say whether a MariaDB server knows time zones by name."""
    return engine.rows("SELECT CONVERT_TZ('2024-01-01 00:00:00', '+00:00', 'Europe/Oslo')")[0][0] is not None


@lru_cache(maxsize=256)
def _read(files: tuple[tuple[str, str], ...], dialect: str, claim: str, worked_out: frozenset[str]) -> SemanticModel:
    stored = StoredTables(("omni_worlds", f"t{name}", name not in worked_out) for name in (*NAMES, "r"))
    found = read_model(dict(files), dialect=dialect, stored=stored)
    return claiming(found, claim) if claim else found


def claiming(model: SemanticModel, field: str) -> SemanticModel:
    """Return a model whose rollup is said to hold a field more; its reader would refuse that."""
    holder = model.views["r"]
    if holder.rollup is None:
        raise AssertionError("the view r is a rollup")
    rollup = replace(holder.rollup, columns=(*holder.rollup.columns, (f"v0.{field}", CLAIM_COLUMN)))
    return replace(model, views={**model.views, "r": replace(holder, rollup=rollup)})


def model_of(world: World, dialect: str) -> SemanticModel:
    """Return the world's model."""
    claim = world.rollup.claim if world.rollup is not None else ""
    return _read(tuple(sorted(world.files().items())), dialect, claim, world.worked_out)


def scope_of(world: World, dialect: str = "duckdb") -> AccessScope:
    """Return the person's rights on the data set that the question asks, and on what it rests on."""
    model = model_of(world, dialect)
    if world.question["dataset"] == "T":
        return of_topic("T", world, model)
    fields = model.composites["C"].fields
    closed = {name for name in fields if name.partition(".")[2] in world.person.forbidden}
    nested = {name: of_topic(name, world, model) for name in ("T", "U")}
    return AccessScope("C", fields - closed, nested=nested, mask_key=MASK_KEY, max_rows=world.person.max_rows)


def of_topic(name: str, world: World, model: SemanticModel) -> AccessScope:
    person, topic = world.person, model.of_topic(name).topics[name]
    sources = (model.views[view].query_source for view in topic.views)
    policy = person.topics.get(name)
    return AccessScope(
        name, topic.fields - with_other_names(person.forbidden), with_other_names(person.masked),
        row_policies={view: (RowPolicy(f"{view}.s", values, "x", "w:1"),) for view, values in person.rows.items()},
        topic_policies=() if policy is None else (RowPolicy(f"{policy[0]}.s", policy[1], "x", "w:1"),),
        nested={source.topic: of_topic(source.topic, world, model) for source in sources if source is not None},
        mask_key=MASK_KEY, max_rows=person.max_rows,
    )  # fmt: skip


def with_other_names(fields: frozenset[str]) -> frozenset[str]:
    """Return fields with their other names, which have the same rules."""
    others = {
        f"{view}.{OTHER_NAMES[name]}"
        for view, _, name in (field.partition(".") for field in fields)
        if name in OTHER_NAMES
    }
    return fields | others


def ask(engine: Engine, world: World) -> Page:
    """Return what the person is shown, from the database.

    Raises:
        RefusedError: the compiler refuses the question.
    """
    asked = parse_query(under_other_names(world.question, world.renamed))
    rows, compiled = run(engine, world, asked)
    limit = compiled.row_limit
    page = Page(rows[:limit], len(rows) > limit)
    if asked.pivots:
        names = [column.name for column in compiled.columns]
        measures = [column.name for column in compiled.columns if column.is_measure]
        table = pivot(names, page.rows, pivots=asked.pivots, measures=measures, limit=asked.limit)
        page.cross = [(own_name(column.name), column.values) for column in table.columns], list(table.rows)
        page.is_cross_cut = table.is_truncated
    model = model_of(world, engine.dialect)
    total, subtotals = total_of(asked, model) if asked.totals else None, subtotals_of(asked, model)
    page.totals = None if total is None else cut(*run(engine, world, again(total)))
    page.subtotals = None if subtotals is None else cut(*run(engine, world, again(subtotals)))
    return page


def again(query: SemanticQuery) -> SemanticQuery:
    """Return a question as it is asked by whoever puts it into words again."""
    return parse_query(public_form(query))


def cut(rows: list[tuple[Any, ...]], compiled: CompiledQuery) -> list[tuple[Any, ...]]:
    return rows[: compiled.row_limit]


def fetched(engine: Engine, compiled: CompiledQuery) -> list[tuple[Any, ...]]:
    """Return the rows of a compiled question; a text without values is still written for a driver that looks for them."""
    is_bare = not compiled.parameters and traits_of(engine.dialect).escapes_percent
    return engine.rows(compiled.sql.replace("%%", "%") if is_bare else compiled.sql, compiled.parameters)


def run(engine: Engine, world: World, query: SemanticQuery) -> tuple[list[tuple[Any, ...]], CompiledQuery]:
    """Return the rows of one question, one more than its limit if there are more."""
    model, scope = model_of(world, engine.dialect), scope_of(world, engine.dialect)
    if engine.dialect == "mysql" and not has_zones(engine) and query.timezone != "UTC":
        # load them to have these cases too: mysql_tzinfo_to_sql /usr/share/zoneinfo | mysql mysql
        assume(condition=False)
    try:
        compiled = compile_query(query, model=model, scope=scope, today=TODAY)
    except QueryError as error:
        # by what the SQL is made of, of which the evaluator knows nothing: features/test_taken_over.py says when
        assume("takes over a filter" not in error.message)
        raise RefusedError(error.message) from None
    verify(compiled, model=model, scope=scope)
    return fetched(engine, compiled), compiled
