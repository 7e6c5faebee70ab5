"""Composite topics: each topic asked alone, its groups laid beside those of the others."""

from dataclasses import replace
from typing import Any

from tests.reference.evaluator.groups import RefusedError, both, groups
from tests.reference.evaluator.rows import meets
from tests.reference.fields import is_dimension
from tests.reference.texts import SHARED
from tests.reference.worlds import World


def composite_groups(world: World) -> list[tuple[Any, ...]]:
    """Return the rows of a question to C, in no order: a row for each value of the shared dimensions that a topic has.

    Raises:
        RefusedError: a part of it is not for this person, or conditions are put on a topic of which nothing is asked.
    """
    question = world.question
    shared = [name for name in question["fields"] if name.startswith("@_")]
    measures = [name for name in question["fields"] if not name.startswith("@_")]
    topics = topics_of(world)
    if not {topic_of(name) for name in question["filters"]} <= {*topics, "_shared_dimensions_"}:
        raise RefusedError("conditions on a topic that is not asked")
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for topic in topics:
        own = [name for name in measures if topic_of(name) == topic]
        for row in groups(part(world, topic, shared, own)):
            found.setdefault(row[: len(shared)], {}).update(zip(own, row[len(shared) :], strict=True))
    having = {name: rule for name, rule in question["filters"].items() if name in measures}
    return [(*key, *(cells.get(name) for name in measures)) for key, cells in found.items() if meets(having, cells.get)]


def topics_of(world: World) -> list[str]:
    """Return the topics that a question asks."""
    if world.question["dataset"] == "T":
        return ["T"]
    asked = {topic_of(name) for name in world.question["fields"]}
    return [topic for topic in ("T", "U") if world.joins_all_topics or topic in asked] or ["T"]


def topic_of(name: str) -> str:
    return name[1:].partition(".")[0]


def part(world: World, topic: str, shared: list[str], measures: list[str]) -> World:
    """Return the world with what is asked of one topic."""
    own = replace(world, topic=topic)

    def mapped(name: str) -> str:
        field = name.partition(".")[2]
        return f"{own.base}.{SHARED.get(field, field)}" if name.startswith("@_") else field

    filters: dict[str, Any] = {}
    for name, rule in world.question["filters"].items():
        if name.startswith("@_") or (topic_of(name) == topic and is_dimension(mapped(name))):
            filters = both(filters, [{mapped(name): rule}])
    question = {
        "dataset": topic, "fields": [mapped(name) for name in (*shared, *measures)], "filters": filters,
        "timezone": world.question["timezone"],
    }  # fmt: skip
    return replace(own, question=question)
