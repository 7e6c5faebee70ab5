"""Relations that hold between answers, whatever the world."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from apps.semantic.errors import QueryError
from tests.reference.asking import ask, fill_tables
from tests.reference.drawing import worlds
from tests.reference.evaluator import RefusedError
from tests.reference.fields import is_dimension
from tests.reference.naming import PLACES
from tests.reference.showing import RELATED, rounded, shown
from tests.reference.worlds import World
from tests.semantic.features.engines import Engine


@RELATED
@given(world=worlds(with_query_views=False))
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
    if counts[0] is None:
        return
    assert counts[1] == counts[2]
    assert counts[0] + counts[1] == counts[3]
    present = {name: {"not": None}}
    parts = [{"and": [{name: rule}, present]}, {"and": [{"not": {name: rule}}, present]}, {name: {"is": None}}]
    assert sum(_count(database, world, part) for part in parts) == counts[3]


@RELATED
@given(world=worlds(with_query_views=False))
def test_another_filter_never_adds_and_a_wider_policy_never_takes(database: Engine, world: World) -> None:
    fill_tables(database, world)
    filters = {name: rule for name, rule in world.question["filters"].items() if is_dimension(name)}
    narrow, wide = _count(database, world, filters), _count(database, world, {})
    if narrow is not None:
        assert narrow <= wide
    open_ = replace(world, person=replace(world.person, rows={}, topics={}))
    # Fewer rows of a joined table may leave more rows of the base without a partner, never more rows of the base.
    assert _count(database, world, {}) <= _count(database, open_, {})


@RELATED
@given(world=worlds())
def test_the_order_of_fields_does_not_matter(database: Engine, world: World) -> None:
    fill_tables(database, world)
    fields = list(world.question["fields"])
    # A comparison adds columns of its own; without sorts the first field decides; a cut page shows what comes first.
    kept = {name: part for name, part in world.question.items() if name not in ("compare", "pivots", "limit")}
    world = replace(world, question=kept, person=replace(world.person, max_rows=50_000))
    turned = replace(world, question={**kept, "fields": fields[::-1]})
    try:
        found = ask(database, world)
    except QueryError:
        with pytest.raises(QueryError):
            ask(database, turned)
        return
    except RefusedError:
        with pytest.raises(RefusedError):
            ask(database, turned)
        return
    # Dimensions come first, each kind in the order asked.
    order = [*filter(is_dimension, fields), *(name for name in fields if not is_dimension(name))]
    back = [*filter(is_dimension, fields[::-1]), *(name for name in fields[::-1] if not is_dimension(name))]
    places = [back.index(name) for name in order]
    other = [tuple(row[place] for place in places) for row in ask(database, turned).rows]
    assert sorted(rounded(found.rows)) == sorted(rounded(other))


@RELATED
@given(world=worlds())
def test_a_field_answers_the_same_under_its_other_name(database: Engine, world: World) -> None:
    fill_tables(database, world)
    world = replace(world, renamed=frozenset())
    renamed = replace(world, renamed=frozenset(PLACES))
    try:
        found = shown(ask(database, world))
    except (QueryError, RefusedError) as error:
        with pytest.raises(type(error)):
            ask(database, renamed)
        return
    assert shown(ask(database, renamed)) == found


def _count(database: Engine, world: World, filters: dict[str, Any]) -> Any:
    question = {"dataset": "T", "fields": ["v0.count"], "filters": filters}
    try:
        return ask(database, replace(world, question=question)).rows[0][0]
    except RefusedError:
        return None
