"""The groups of a question to one topic, without their order: what it asks, what the person may not ask, what is left."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from tests.reference.evaluator.rows import (
    Joined,
    chooses_groups,
    held_filters,
    measure,
    meets,
    named,
    unheeded,
    value,
    wanted_rows,
)
from tests.reference.fields import RESTS_ON_S, is_dimension
from tests.reference.worlds import World

BELOW = {"last": "gone", "ends": "tail", "roughly": "rough"}
"""of a measure: the field whose mask it cannot be made of"""


class RefusedError(Exception):
    """The question must be refused for this person."""


def groups(world: World) -> list[tuple[Any, ...]]:
    """Return the rows of the world's question, in no order, with earlier values behind them if they are asked for.

    Raises:
        RefusedError: it names what the person may not have.
    """
    question = world.question
    top, compare = question.get("top"), question.get("compare")
    asked = (
        *question["fields"], *named(question["filters"]), *([top["by"]] if top else []),
        *([compare["field"]] if compare else []),
    )  # fmt: skip
    for name in asked:
        check_rights(name, world)
    if in_groups(question) & unheeded((*asked,)):
        raise RefusedError("a measure takes a condition for its own that holds only together with others")
    if compare is None:
        return grouped(world)
    earlier = grouped(replace(world, moved=(compare["field"], compare["offset"])))
    count = sum(map(is_dimension, question["fields"]))
    before = {row[:count]: row[count:] for row in earlier}
    nothing = (None,) * (len(question["fields"]) - count)
    return [(*row, *before.get(row[:count], nothing)) for row in grouped(world)]


def in_groups(question: Mapping[str, Any]) -> set[str]:
    """Return the dimensions, without timeframes, on which conditions hold only together with others."""
    groups = {name: rule for name, rule in question["filters"].items() if name in ("or", "not")}
    return {name.partition("[")[0] for name in named(groups) if is_dimension(name)}


def grouped(world: World) -> list[tuple[Any, ...]]:
    """Return the groups of the rows that the person may see and that the question asks for."""
    question = world.question
    dimensions = [name for name in question["fields"] if is_dimension(name)]
    measures = [name for name in question["fields"] if not is_dimension(name)]
    having = {name: rule for name, rule in question["filters"].items() if chooses_groups(name, rule)}
    held = held_filters((*measures, *named(having)), world)
    rows = wanted_rows(world, held=held)
    kept = top_values(world)
    top = question.get("top") or {}

    def shown(name: str, row: Joined) -> Any:
        found = value(name, row, world)
        if name != top.get("field") or top["others"] is None:
            return found
        return apart(None if found is None else str(found), top["others"]) if found in kept else top["others"]

    groups: dict[tuple[Any, ...], list[Joined]] = {}
    for row in rows:
        if not top or top["others"] is not None or value(top["field"], row, world) in kept:
            groups.setdefault(tuple(shown(name, row) for name in dimensions), []).append(row)
    if not dimensions:
        groups.setdefault((), [])
    return [
        (*key, *(measure(name, group, world, held) for name in measures))
        for key, group in groups.items()
        if meets(having, partial(measure, group=group, world=world, held=held))
    ]


def apart(text: str | None, label: str) -> str | None:
    """Return a value as it is shown beside the label of the rest."""
    if text is None or not (text == label or text.startswith(f"{label} (value)")):
        return text
    return f"{text} (value)"


def top_values(world: World) -> list[Any]:
    """Return the values of the ranked dimension that are kept: by the measure, then by themselves, missing ones last."""
    top = world.question.get("top")
    if top is None:
        return []
    # Beside earlier values, too, stand those that are at the top now.
    world = replace(world, moved=None)
    held = held_filters((top["by"],), world)
    groups: dict[Any, list[Joined]] = {}
    for row in wanted_rows(world, held=held):
        groups.setdefault(value(top["field"], row, world), []).append(row)
    ranked = {found: measure(top["by"], group, world, held) for found, group in groups.items()}
    present = sorted((found for found in groups if found is not None), key=lambda found: found)
    order = [*present, *(found for found in groups if found is None)]
    known = sorted(
        (found for found in order if ranked[found] is not None), key=lambda found: ranked[found], reverse=top["desc"]
    )
    return [*known, *(found for found in order if ranked[found] is None)][: top["n"]]


def check_rights(name: str, world: World) -> None:
    view, _, field = name.partition(".")
    plain = field.partition("[")[0]
    if f"{view}.{plain}" in world.person.forbidden:
        raise RefusedError(name)
    if f"{view}.s" in world.person.masked and plain in RESTS_ON_S and not can_stand_masked(plain):
        raise RefusedError(name)
    if f"{view}.{BELOW.get(plain, '')}" in world.person.masked:
        raise RefusedError(name)
    if plain in ("far", "far_per_s") and "v1.s" in world.person.masked:
        raise RefusedError(name)


def can_stand_masked(field: str) -> bool:
    # A hash can be shown, compared and counted; a group of it, or a filter inside a measure, would speak of the value.
    return field in ("s", "states", "kind")


def both(first: Mapping[str, Any], bound: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return filters that hold together, also where some are on one field."""
    found = dict(first)
    for rules in bound:
        for name, rule in rules.items():
            found[name] = {"and": [found[name], rule]} if name in found else rule
    return found
