"""The answer to a question in plain Python: slow, obvious, and knowing nothing of the compiler."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from tests.reference.worlds import DIMENSIONS, MISSING, RESTS_ON_S, Row, World

Joined = Mapping[str, Row | None]
MASK_KEY = "0123456789abcdef0123456789abcdef"


class RefusedError(Exception):
    """The question must be refused for this person."""


def answer(world: World) -> list[tuple[Any, ...]]:
    """Return the rows of the world's question, in no order.

    Raises:
        RefusedError: it names what the person may not have.
    """
    question = world.question
    for name in (*question["fields"], *question["filters"]):
        check_rights(name, world)
    rows = [row for row in joined_rows(world) if is_visible(row, world)]
    asked = {name: rule for name, rule in question["filters"].items() if is_dimension(name)}
    rows = [row for row in rows if all(holds(rule, value(name, row, world)) for name, rule in asked.items())]
    dimensions = [name for name in question["fields"] if is_dimension(name)]
    measures = [name for name in question["fields"] if not is_dimension(name)]
    groups: dict[tuple[Any, ...], list[Joined]] = {}
    for row in rows:
        groups.setdefault(tuple(value(name, row, world) for name in dimensions), []).append(row)
    if not dimensions:
        groups.setdefault((), [])
    having = {name: rule for name, rule in question["filters"].items() if not is_dimension(name)}
    return [
        (*key, *(measure(name, group, world) for name in measures))
        for key, group in groups.items()
        if all(holds(rule, measure(name, group, world)) for name, rule in having.items())
    ]


def is_dimension(name: str) -> bool:
    return name.partition(".")[2] in DIMENSIONS


def check_rights(name: str, world: World) -> None:
    view, _, field = name.partition(".")
    plain = field.partition("[")[0]
    if f"{view}.{plain}" in world.person.forbidden:
        raise RefusedError(name)
    if f"{view}.s" in world.person.masked and plain in RESTS_ON_S and not can_stand_masked(plain):
        raise RefusedError(name)


def can_stand_masked(field: str) -> bool:
    # A hash can be shown, compared and counted; a group of it, or a filter inside a measure, would speak of the value.
    return field in ("s", "states", "kind")


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
    if f"{view}.s" not in world.person.masked or field not in RESTS_ON_S:
        return raw(name, row)
    text = raw(f"{view}.s", row)
    hashed = None if text is None else hashlib.sha256((MASK_KEY + text).encode()).hexdigest()[:16]
    return hashed if field == "s" else DIMENSIONS[field]({**MISSING, "s": hashed})


def measure(name: str, group: Iterable[Joined], world: World) -> Any:
    """Return a measure of a view over joined rows: each row of the view counts once, a missing one not at all."""
    view, _, field = name.partition(".")
    rows = {row[view]["id"]: row[view] for row in group if row.get(view) is not None}  # type: ignore[index]  # not None
    own = list(rows.values())
    if field == "a_total":
        own = [row for row in own if row["s"] == "a"]
    if field == "not_a":
        own = [row for row in own if row["s"] != "a"]
    numbers = [row["n"] for row in own if row["n"] is not None]
    states = {row["s"] for row in own if row["s"] is not None}
    total = sum(numbers) if numbers else None
    return {
        "count": len(own), "not_a": len(own), "total": total, "a_total": total,
        "mean": total / len(numbers) if total is not None else None,
        "least": min(numbers, default=None), "most": max(numbers, default=None), "states": len(states),
        "filled": sum(1 if row["n"] is None else row["n"] for row in own) if own else None,
        "ratio": total / len(own) if own and total is not None else None,
        "written": None if total is None else total + len(states),
    }[field]  # fmt: skip


def holds(rule: Mapping[str, Any], found: Any) -> bool:
    """Say whether a value meets a condition; a negation is the exact complement."""
    return all(_holds(operator, given, found) for operator, given in rule.items())


def _holds(operator: str, given: Any, found: Any) -> bool:
    if operator in ("and", "or"):
        return (all if operator == "and" else any)(holds(item, found) for item in given)
    if operator == "not" or operator.startswith("not_"):
        return not _holds(operator[4:] or "is", given, found)
    values = given if isinstance(given, list) else [given]
    if operator == "is":
        return found in values
    if found is None:
        return False
    if operator == "contains":
        return any(text in found for text in values)
    if operator == "between":
        return bool(values[0] <= found <= values[1])
    if operator == "before":
        return bool(found < date.fromisoformat(given))
    if operator == "on_or_after":
        return bool(found >= date.fromisoformat(given))
    return bool({"greater_than": found > given, "less_than": found < given}[operator])
