"""Fewer rights never show more, and equal fingerprints mean equal answers; rights as governance works them out."""

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from apps.governance.fields import masked_fields, open_fields
from apps.governance.selectors import fingerprint
from apps.semantic.compile import compile_query
from apps.semantic.compile.facts import facts_of
from apps.semantic.errors import QueryError
from apps.semantic.model.types import SemanticModel
from apps.semantic.query.reading import parse_query
from apps.semantic.scope import AccessScope
from apps.semantic.verify import verify
from tests.reference.asking import fetched, fill_tables, model_of, scope_of
from tests.reference.drawing import worlds
from tests.reference.fields import is_dimension
from tests.reference.showing import RELATED, rounded
from tests.reference.worlds import World
from tests.semantic.features.engines import Engine
from tests.semantic.features.store import TODAY

GRANTS = frozenset(("sees", "counts", "dates"))
Rows = list[tuple[Any, ...]]


def answered(engine: Engine, world: World, scope: AccessScope, question: dict[str, Any]) -> Rows | None:
    """Return the rows of a question under a scope; None when it is refused."""
    model = model_of(world, engine.dialect)
    try:
        compiled = compile_query(parse_query(question), model=model, scope=scope, today=TODAY)
    except QueryError:
        return None
    verify(compiled, model=model, scope=scope)
    return fetched(engine, compiled)


def with_grants(scope: AccessScope, model: SemanticModel, passed: frozenset[str]) -> AccessScope:
    """Return the scope of a person who passes some grants, its inner scopes too."""
    own = model.of_topic(scope.topic)
    nested = {name: with_grants(inner, model, passed) for name, inner in scope.nested.items()}
    fields, masked = open_fields(own, scope.topic, passed), masked_fields(own, scope.topic, passed)
    # Where rows are cut off, masks order them otherwise, and others come.
    return replace(scope, fields=fields, masked=masked, nested=nested, max_rows=50_000)


@RELATED
@given(world=worlds(), passed=st.frozensets(st.sampled_from(sorted(GRANTS))), lost=st.sampled_from(sorted(GRANTS)))
def test_removing_a_grant_never_adds_a_value(database: Engine, world: World, passed: frozenset[str], lost: str) -> None:
    fill_tables(database, world)
    model = model_of(world, database.dialect)
    # Conditions on a mask are conditions on something else, and so are the rows that they choose.
    question = {
        "dataset": "T",
        "fields": world.question["fields"],
        "timezone": world.question["timezone"],
        "limit": 50_000,
    }
    more = with_grants(scope_of(world, database.dialect), model, passed | {lost})
    fewer = with_grants(scope_of(world, database.dialect), model, passed - {lost})
    assert fewer.fields <= more.fields
    assert fewer.masked >= more.masked
    before, after = answered(database, world, more, question), answered(database, world, fewer, question)
    if before is None or after is None:
        assert after is None
        return
    names = columns(question, model, more)
    kept = [place for place, name in enumerate(names) if is_untouched(name, model, fewer, more)]
    if len(kept) == sum(map(is_dimension, names)) and not any(name.startswith("q.") for name in names):
        # In the same groups, a measure that is still shown says the same, unless it is made of what is masked by now.
        kept += [place for place, name in enumerate(names) if is_measure_of_the_same(name, model, fewer, more)]
        assert len(after) == len(before)
    assert projected(after, kept) <= projected(before, kept)


def columns(question: dict[str, Any], model: SemanticModel, scope: AccessScope) -> list[str]:
    compiled = compile_query(parse_query(question), model=model, scope=scope, today=TODAY)
    return [column.name for column in compiled.columns]


def is_untouched(name: str, model: SemanticModel, fewer: AccessScope, more: AccessScope) -> bool:
    """Say whether a column is one of values that the lost grant does not mask: measures are of the groups there are."""
    field = model.dimension(name.partition("[")[0])
    if field is None or field.level_of_detail is not None:
        return False
    reached, waiting = set(), [field.id]
    while waiting:
        item = waiting.pop()
        reached.add(item)
        inner = model.dimension(item)
        waiting += [found for found in (inner.references if inner is not None else ()) if found not in reached]
    return not reached & (fewer.masked - more.masked) and field.view != "q"


def is_measure_of_the_same(name: str, model: SemanticModel, fewer: AccessScope, more: AccessScope) -> bool:
    """Say whether a column is a measure that needs no value that the lost grant masks."""
    measure = model.measure(name)
    return measure is not None and not facts_of(model).closure(measure) & (fewer.masked - more.masked)


def projected(rows: Rows, places: list[int]) -> set[str]:
    return set(rounded([tuple(row[place] for place in places) for row in rows]))


def variations(scope: AccessScope, values: tuple[str, ...]) -> Iterator[AccessScope]:
    """Yield the same rights written another way, and rights that differ in one place."""
    rows = dict(reversed(scope.row_policies.items()))
    found = replace(scope, row_policies=rows, fields=frozenset(sorted(scope.fields, reverse=True)))
    yield found
    for view, (policy,) in rows.items():
        yield replace(found, row_policies={**rows, view: (replace(policy, values=values),)})
        yield replace(found, row_policies={name: rules for name, rules in rows.items() if name != view})
    yield replace(found, topic_policies=())
    yield replace(found, topic_policies=tuple(replace(policy, values=values) for policy in scope.topic_policies))
    yield replace(found, masked=scope.masked ^ {"v0.s", "v0.state"})
    yield replace(found, fields=scope.fields - {"v0.fk"})
    yield replace(found, max_rows=1)
    for name, inner in scope.nested.items():
        for other in variations(inner, values):
            yield replace(found, nested={**scope.nested, name: other})


@RELATED
@given(world=worlds(), values=st.sampled_from(((), ("a",), ("a", "b"))))
def test_equal_fingerprints_mean_equal_answers(database: Engine, world: World, values: tuple[str, ...]) -> None:
    fill_tables(database, world)
    scope = scope_of(world, database.dialect)
    for other in variations(scope, values):
        if fingerprint_of(scope) == fingerprint_of(other):
            first, second = (answered(database, world, item, world.question) for item in (scope, other))
            assert (first is None) == (second is None)
            assert rounded(first or []) == rounded(second or [])
        else:
            assert (scope.row_policies, scope.topic_policies, scope.fields, scope.masked, scope.max_rows, scope.nested) != (
                other.row_policies, other.topic_policies, other.fields, other.masked, other.max_rows, other.nested
            )  # fmt: skip


def fingerprint_of(scope: AccessScope) -> str:
    return fingerprint(scope, SimpleNamespace(pk=1), "1", hides_values=False)  # type: ignore[arg-type]  # its key alone is read
