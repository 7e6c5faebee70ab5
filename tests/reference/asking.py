"""Asks a world's question of a real database, through the reader, the compiler and the proof."""

from functools import lru_cache
from typing import Any

from apps.semantic.compile import compile_query
from apps.semantic.errors import UnknownFieldError
from apps.semantic.model.reading import read_model
from apps.semantic.model.types import SemanticModel
from apps.semantic.query.reading import parse_query
from apps.semantic.scope import AccessScope, RowPolicy
from apps.semantic.verify import verify
from tests.reference.evaluator import MASK_KEY, RefusedError
from tests.reference.worlds import NAMES, World
from tests.semantic.features.engines import Engine
from tests.semantic.features.store import TODAY

COLUMNS = ("id", "fk", "s", "n", "d", "m")


def make_tables(engine: Engine) -> None:
    """Create the tables that all worlds share."""
    collation = " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" if engine.dialect == "mysql" else ""
    moment = "DATETIME" if engine.dialect == "mysql" else "TIMESTAMP"
    engine.rows("CREATE SCHEMA omni_worlds")
    for name in NAMES:
        engine.rows(
            f"CREATE TABLE omni_worlds.t{name} (id INT, fk INT, s VARCHAR(10){collation}, n INT, d DATE, m {moment})"
        )


def fill_tables(engine: Engine, world: World) -> None:
    """Replace all rows."""
    for name in NAMES:
        engine.rows(f"DELETE FROM omni_worlds.t{name}")
        rows = world.tables.get(name, ())
        if rows:
            values = ", ".join(f"({', '.join(_literal(row[column]) for column in COLUMNS)})" for row in rows)
            engine.rows(f"INSERT INTO omni_worlds.t{name} VALUES {values}")


def _literal(value: Any) -> str:
    return "NULL" if value is None else str(value) if isinstance(value, int) else f"'{value}'"


@lru_cache(maxsize=64)
def _read(files: tuple[tuple[str, str], ...], dialect: str) -> SemanticModel:
    return read_model(dict(files), dialect=dialect)


def model_of(world: World, dialect: str) -> SemanticModel:
    """Return the world's model."""
    return _read(tuple(sorted(world.files().items())), dialect)


def scope_of(world: World) -> AccessScope:
    """Return the person's rights; forbidden fields are closed with what rests on them."""
    model = model_of(world, "duckdb")
    fields = model.topics["T"].fields - world.person.forbidden
    topic = world.person.topic
    return AccessScope(
        "T", fields, world.person.masked,
        row_policies={view: (RowPolicy(f"{view}.s", values, "x", "w:1"),) for view, values in world.person.rows.items()},
        topic_policies=() if topic is None else (RowPolicy(f"{topic[0]}.s", topic[1], "x", "w:1"),),
        mask_key=MASK_KEY,
    )  # fmt: skip


def ask(engine: Engine, world: World) -> list[tuple[Any, ...]]:
    """Return the database's rows.

    Raises:
        RefusedError: the compiler refuses the question.
    """
    model = model_of(world, engine.dialect)
    scope = scope_of(world)
    try:
        compiled = compile_query(parse_query(world.question), model=model, scope=scope, today=TODAY)
    except UnknownFieldError as error:
        raise RefusedError(error.message) from None
    verify(compiled, model=model, scope=scope)
    return engine.rows(compiled.sql, compiled.parameters)
