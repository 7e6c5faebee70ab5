"""Compiled questions over random worlds equal the slow evaluator, on every database; and some relations hold."""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from apps.semantic.errors import QueryError
from tests.reference.asking import ask, fill_tables, make_tables
from tests.reference.conditions import Moment
from tests.reference.evaluator import RefusedError, answer, is_dimension
from tests.reference.worlds import World, worlds
from tests.semantic.features.engines import Engine, engine

CASES = int(os.environ.get("OMNI_FUZZ_CASES", "200"))
SHRINKS = os.environ.get("OMNI_FUZZ_SHRINK", "1") == "1"
CHECKED = settings(
    max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, *((Phase.shrink,) if SHRINKS else ())),
)  # fmt: skip
RELATED = settings(CHECKED, max_examples=max(CASES // 4, 1))
# MariaDB has no full outer join.
JOIN_TYPES = ("always_left", "always_left", "inner", "right_left")


@pytest.fixture(scope="module", params=["duckdb", "postgres", "mysql"])
def database(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with engine(request.param, "omni_worlds") as found:
        make_tables(found)
        yield found


def rounded(rows: list[tuple[Any, ...]]) -> list[str]:
    return sorted(repr(tuple(_rounded(value) for value in row)) for row in rows)


def _rounded(value: Any) -> Any:
    if isinstance(value, Moment):
        return value.at
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    # MySQL divides to four places more than its operands have.
    return round(float(value), 3) + 0.0


def has_percentile(world: World) -> bool:
    """Say whether a question needs a percentile, which MariaDB cannot aggregate."""
    top = world.question.get("top", {}).get("by", "")
    return any(
        name.endswith((".middle", ".upper")) for name in (*world.question["fields"], *world.question["filters"], top)
    )


@CHECKED
@given(world=worlds(JOIN_TYPES))
def test_compiled_sql_equals_the_evaluator(database: Engine, world: World) -> None:
    fill_tables(database, world)
    if database.dialect == "mysql" and has_percentile(world):
        with pytest.raises((QueryError, RefusedError)):
            ask(database, world)
        return
    try:
        expected = answer(world)
    except RefusedError:
        with pytest.raises(RefusedError):
            ask(database, world)
        return
    assert rounded(ask(database, world)) == rounded(expected)


@RELATED
@given(world=worlds())
def test_a_condition_and_its_negation_share_all_rows(database: Engine, world: World) -> None:
    # A row of the base that a join repeats may meet a condition on the other side once and fail it once.
    asked = {
        name: rule for name, rule in world.question["filters"].items() if is_dimension(name) and name.startswith("v0.")
    }
    if not asked:
        return
    fill_tables(database, world)
    name, rule = next(iter(asked.items()))
    counts = [
        _count(database, world, filters) for filters in ({name: rule}, {name: {"not": rule}}, {"not": {name: rule}}, {})
    ]
    if counts[0] is not None:
        assert counts[1] == counts[2]
        assert counts[0] + counts[1] == counts[3]


@RELATED
@given(world=worlds())
def test_another_filter_never_adds_and_a_wider_policy_never_takes(database: Engine, world: World) -> None:
    fill_tables(database, world)
    filters = {name: rule for name, rule in world.question["filters"].items() if is_dimension(name)}
    narrow, wide = _count(database, world, filters), _count(database, world, {})
    if narrow is not None:
        assert narrow <= wide
    open_ = replace(world, person=replace(world.person, rows={}, topic=None))
    # Fewer rows of a joined table may leave more rows of the base without a partner, never more rows of the base.
    assert _count(database, world, {}) <= _count(database, open_, {})


@RELATED
@given(world=worlds())
def test_the_order_of_fields_does_not_matter(database: Engine, world: World) -> None:
    fill_tables(database, world)
    fields = list(world.question["fields"])
    turned = replace(world, question={**world.question, "fields": fields[::-1]})
    try:
        found = ask(database, world)
    except RefusedError:
        with pytest.raises(RefusedError):
            ask(database, turned)
        return
    # Dimensions come first, each kind in the order asked.
    order = [*filter(is_dimension, fields), *(name for name in fields if not is_dimension(name))]
    back = [*filter(is_dimension, fields[::-1]), *(name for name in fields[::-1] if not is_dimension(name))]
    places = [back.index(name) for name in order]
    assert rounded(found) == rounded([tuple(row[place] for place in places) for row in ask(database, turned)])


def _count(database: Engine, world: World, filters: dict[str, Any]) -> Any:
    question = {"dataset": "T", "fields": ["v0.count"], "filters": filters}
    try:
        return ask(database, replace(world, question=question))[0][0]
    except RefusedError:
        return None
