"""The answer to a question in plain Python: slow, obvious, and knowing nothing of the compiler."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from tests.reference.conditions import Moment, holds, shifted
from tests.reference.worlds import DETAILS, DIMENSIONS, FRAMES, MASKS, MISSING, RESTS_ON_S, TIMES, Row, World

Joined = Mapping[str, Row | None]
MASK_KEY = "0123456789abcdef0123456789abcdef"
ACROSS = ("far", "both")


class RefusedError(Exception):
    """The question must be refused for this person."""


def answer(world: World) -> list[tuple[Any, ...]]:
    """Return the rows of the world's question, in no order.

    Raises:
        RefusedError: it names what the person may not have.
    """
    question = world.question
    top, compare = question.get("top"), question.get("compare")
    asked = (
        *question["fields"],
        *named(question["filters"]),
        *([top["by"]] if top else []),
        *([compare["field"]] if compare else []),
    )
    for name in asked:
        check_rights(name, world)
    if compare is None:
        return grouped(world)
    offset = compare["offset"]
    earlier = grouped(replace(world, moved=(compare["field"], offset)))
    count = sum(map(is_dimension, question["fields"]))
    before = {row[:count]: row[count:] for row in earlier}
    nothing = (None,) * (len(question["fields"]) - count)
    return [(*row, *before.get(row[:count], nothing)) for row in grouped(world)]


def grouped(world: World) -> list[tuple[Any, ...]]:
    """Return the groups of the rows that the person may see and that the question asks for."""
    question = world.question
    rows = wanted_rows(world)
    dimensions = [name for name in question["fields"] if is_dimension(name)]
    measures = [name for name in question["fields"] if not is_dimension(name)]
    kept = top_values(rows, world)
    top = question.get("top") or {}

    def shown(name: str, row: Joined) -> Any:
        found = value(name, row, world)
        if name != top.get("field") or top["others"] is None:
            return found
        return (None if found is None else str(found)) if found in kept else top["others"]

    groups: dict[tuple[Any, ...], list[Joined]] = {}
    for row in rows:
        if not top or top["others"] is not None or value(top["field"], row, world) in kept:
            groups.setdefault(tuple(shown(name, row) for name in dimensions), []).append(row)
    if not dimensions:
        groups.setdefault((), [])
    having = [(name, rule) for name, rule in question["filters"].items() if "." in name and not is_dimension(name)]
    return [
        (*key, *(measure(name, group, world) for name in measures))
        for key, group in groups.items()
        if all(holds(rule, measure(name, group, world)) for name, rule in having)
    ]


@lru_cache(maxsize=16)
def wanted_rows(world: World, without: str = "") -> list[Joined]:
    """Return the joined rows that meet the question's filters; those that rest on ``without`` do not count."""
    rows = [row for row in joined_rows(world) if is_visible(row, world)]
    conditions = {
        name: rule
        for name, rule in world.question["filters"].items()
        if ("." not in name or is_dimension(name)) and (not without or without not in named({name: rule}))
    }
    return [row for row in rows if meets(conditions, row, world)]


def named(filters: Mapping[str, Any]) -> list[str]:
    """Return the fields that filters name, groups looked into."""
    found: list[str] = []
    for name, rule in filters.items():
        if "." in name:
            found.append(name)
        else:
            found += [inner for part in (rule if isinstance(rule, list) else [rule]) for inner in named(part)]
    return found


def meets(filters: Mapping[str, Any], row: Joined, world: World) -> bool:
    """Say whether a row meets conditions on fields."""

    def met(name: str, rule: Any) -> bool:
        if name == "not":
            return not meets(rule, row, world)
        if name in ("and", "or"):
            return (all if name == "and" else any)(meets(part, row, world) for part in rule)
        return holds(rule, value(name, row, world))

    return all(met(name, rule) for name, rule in filters.items())


def top_values(rows: list[Joined], world: World) -> list[Any]:
    """Return the values of the ranked dimension that are kept: by the measure, then by themselves, missing ones last."""
    top = world.question.get("top")
    if top is None:
        return []
    groups: dict[Any, list[Joined]] = {}
    for row in rows:
        groups.setdefault(value(top["field"], row, world), []).append(row)
    ranked = {found: measure(top["by"], group, world) for found, group in groups.items()}
    present = sorted((found for found in groups if found is not None), key=lambda found: found)
    order = [*present, *(found for found in groups if found is None)]
    known = sorted(
        (found for found in order if ranked[found] is not None), key=lambda found: ranked[found], reverse=top["desc"]
    )
    return [*known, *(found for found in order if ranked[found] is None)][: top["n"]]


def is_dimension(name: str) -> bool:
    field = name.partition(".")[2]
    return field in DIMENSIONS or field in TIMES or field == "own"


def check_rights(name: str, world: World) -> None:
    view, _, field = name.partition(".")
    plain = field.partition("[")[0]
    if f"{view}.{plain}" in world.person.forbidden:
        raise RefusedError(name)
    if f"{view}.s" in world.person.masked and plain in RESTS_ON_S and not can_stand_masked(plain):
        raise RefusedError(name)
    if plain == "far" and "v1.s" in world.person.masked:
        raise RefusedError(name)


def can_stand_masked(field: str) -> bool:
    # A hash can be shown, compared and counted; a group of it, or a filter inside a measure, would speak of the value.
    return field in ("s", "states", "kind")


@lru_cache(maxsize=16)
def joined_rows(world: World) -> list[Joined]:
    """Join by nested loops, each table's policy applied to it first."""
    tables = {
        name: [row for row in rows if name not in world.person.rows or row["s"] in world.person.rows[name]]
        for name, rows in world.tables.items()
    }
    found: list[Joined] = [{"v0": row} for row in tables["v0"]]
    for edge in world.joins:
        grown: list[Joined] = []
        used: set[int] = set()
        for row in found:
            parent = row.get(edge.parent)
            partners = [child for child in tables[edge.child] if parent is not None and edge.matches(parent, child)]
            used |= {id(child) for child in partners}
            grown += [{**row, edge.child: child} for child in partners]
            if not partners and edge.join_type in ("always_left", "full_outer"):
                grown.append({**row, edge.child: None})
        if edge.join_type in ("full_outer", "right_left"):
            grown += [{edge.child: child} for child in tables[edge.child] if id(child) not in used]
        found = grown
    return found


def is_visible(row: Joined, world: World) -> bool:
    policy = world.person.topic
    if policy is not None and raw(f"{policy[0]}.s", row) not in policy[1]:
        return False
    return world.always is None or raw("v0.s", row) != world.always


def raw(name: str, row: Joined) -> Any:
    view, _, field = name.partition(".")
    return DIMENSIONS[field](row.get(view) or MISSING)


def value(name: str, row: Joined, world: World) -> Any:
    """Return a dimension as the person sees it."""
    view, _, field = name.partition(".")
    if field in DETAILS:
        return detail(name, value(f"{view}.s", row, world), world)
    if field.startswith("m"):
        return framed(field, (row.get(view) or MISSING)["m"], world.question.get("timezone", "UTC"))
    if f"{view}.{field}" in world.person.masked and field in MASKS:
        found = raw(name, row)
        return None if found is None else MASKS[field](found)
    if f"{view}.s" in world.person.masked and field in RESTS_ON_S:
        text = raw(f"{view}.s", row)
        hashed = None if text is None else hashlib.sha256((MASK_KEY + text).encode()).hexdigest()[:16]
        return hashed if field == "s" else DIMENSIONS[field]({**MISSING, "s": hashed})
    if world.moved is not None and name.partition("[")[0] == world.moved[0]:
        own = row.get(view) or MISSING
        day = own["d"]
        return DIMENSIONS[field]({**own, "d": None if day is None else shifted(day, world.moved[1])})
    return raw(name, row)


def framed(field: str, moment: datetime | None, zone: str) -> Any:
    """Return a moment as the reader's clock shows it, cut to a timeframe; as it is stored without one."""
    if moment is None:
        return None
    if field == "m":
        return Moment(moment, zone)
    local = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    return FRAMES[field[2:-1]](local)


@lru_cache(maxsize=64)
def detail(name: str, key: Any, world: World) -> Any:
    """Return a level of detail: the sum of a view's rows with the same state, among the rows asked for."""
    view = name.partition(".")[0]
    rows = [row for row in wanted_rows(world, without=name) if value(f"{view}.s", row, world) == key]
    return measure(f"{view}.total", rows, world)


def measure(name: str, group: Iterable[Joined], world: World) -> Any:
    """Return a measure of a view over joined rows: each row of the view counts once, a missing one not at all."""
    view, _, field = name.partition(".")
    group = list(group)
    if field in ACROSS:
        return across(field, group)
    if field == "per_s":
        keys = {value(f"{view}.s", row, world) for row in group}
        found = [total for key in keys if (total := detail(name, key, world)) is not None]
        return sum(found) / len(found) if found else None
    rows = {row[view]["id"]: row[view] for row in group if row.get(view) is not None}  # type: ignore[index]  # not None
    own = list(rows.values())
    if field == "a_total":
        own = [row for row in own if row["s"] == "a"]
    if field == "not_a":
        own = [row for row in own if row["s"] != "a"]
    numbers = sorted(row["n"] for row in own if row["n"] is not None)
    texts = sorted(row["s"] for row in own if row["s"] is not None)
    total = sum(numbers) if numbers else None
    found_by: dict[str, Callable[[], Any]] = {
        "count": lambda: len(own), "not_a": lambda: len(own), "total": lambda: total, "a_total": lambda: total,
        "mean": lambda: total / len(numbers) if total is not None else None,
        "least": lambda: min(numbers, default=None), "most": lambda: max(numbers, default=None), "states": lambda: len(set(texts)),
        "filled": lambda: sum(1 if row["n"] is None else row["n"] for row in own) if own else None,
        "ratio": lambda: total / len(own) if own and total is not None else None,
        "written": lambda: None if total is None else total + len(set(texts)),
        "names": lambda: ", ".join(texts) or None,
        "middle": lambda: percentile(numbers, 0.5), "upper": lambda: percentile(numbers, 0.75),
    }  # fmt: skip
    return found_by[field]()


def across(field: str, group: list[Joined]) -> Any:
    """Return a sum over pairs of rows of two views, each pair once; or over one's rows that the other chooses."""
    pairs = {
        (row["v0"]["id"], row["v1"]["id"]): (row["v0"], row["v1"]) for row in group if row.get("v0") and row.get("v1")
    }  # type: ignore[index]  # both there
    if field == "both":
        found = [
            one["n"] + other["n"] for one, other in pairs.values() if one["n"] is not None and other["n"] is not None
        ]
    else:
        chosen = {one["id"]: one["n"] for one, other in pairs.values() if other["s"] == "a"}
        found = [number for number in chosen.values() if number is not None]
    return sum(found) if found else None


def percentile(numbers: list[int], fraction: float) -> Any:
    """Return a percentile between the two values next to it; ``numbers`` are in order."""
    if not numbers:
        return None
    place = fraction * (len(numbers) - 1)
    below = int(place)
    above = min(below + 1, len(numbers) - 1)
    return numbers[below] + (numbers[above] - numbers[below]) * (place - below)
