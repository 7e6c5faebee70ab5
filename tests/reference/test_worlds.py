"""Compiled questions over random worlds equal the slow evaluator, on every database, all of it shown as to a reader."""

from dataclasses import replace

import pytest
from hypothesis import given, reject

from apps.semantic.errors import QueryError
from tests.reference.asking import ask, fill_tables
from tests.reference.conditions import named
from tests.reference.drawing import worlds
from tests.reference.evaluator import RefusedError, UncertainError, answer
from tests.reference.evaluator.composites import topics_of
from tests.reference.showing import CHECKED, HALF, shown
from tests.reference.worlds import World
from tests.semantic.features.engines import Engine

JOIN_TYPES = ("always_left", "always_left", "always_left", "inner", "inner", "right_left", "full_outer", "cross")


def lacks(dialect: str, world: World) -> bool:
    """Say whether MariaDB cannot answer: it has neither an aggregate for percentiles nor full outer joins."""
    if dialect != "mysql":
        return False
    top = world.question.get("top", {}).get("by", "")
    asked = (*world.question["fields"], *named(world.question["filters"]), top)
    joins = [edge for topic in topics_of(world) for edge in replace(world, topic=topic).joins]
    is_full = any(edge.join_type == "full_outer" for edge in joins)
    return is_full or any(name.endswith((".middle", ".upper")) for name in asked)


def check(database: Engine, world: World) -> None:
    """Compare the database's page with the evaluator's."""
    fill_tables(database, world)
    if lacks(database.dialect, world):
        with pytest.raises((QueryError, RefusedError)):
            ask(database, world)
        return
    try:
        expected = answer(world)
    except UncertainError:
        reject()
    except RefusedError:
        with pytest.raises(RefusedError):
            ask(database, world)
        return
    assert shown(ask(database, world)) == shown(expected)


@CHECKED
@given(world=worlds(JOIN_TYPES))
def test_compiled_sql_equals_the_evaluator(database: Engine, world: World) -> None:
    check(database, world)


@HALF
@given(world=worlds(JOIN_TYPES, composite=True))
def test_composites_equal_the_evaluator(database: Engine, world: World) -> None:
    check(database, world)
