"""The joined rows of a world, their values as the person sees them, and measures over them."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any
from zoneinfo import ZoneInfo

from tests.reference.conditions import Moment, holds, named, shifted
from tests.reference.fields import (
    ACROSS,
    DETAILS,
    DIMENSIONS,
    FRAMES,
    MADE_OF,
    MASKS,
    MISSING,
    OFFSET,
    RESTS_ON_S,
    TWICE,
    UNHEEDED,
    Row,
    is_dimension,
)
from tests.reference.worlds import World

Joined = Mapping[str, Row | None]
MASK_KEY = "0123456789abcdef0123456789abcdef"


@lru_cache(maxsize=16)
def joined_rows(world: World) -> list[Joined]:
    """Join by nested loops, each table's policy applied to it first."""
    tables = {
        name: [row for row in rows if name not in world.person.rows or row["s"] in world.person.rows[name]]
        for name, rows in world.tables.items()
    }
    found: list[Joined] = [{world.base: row} for row in tables[world.base]]
    for edge in world.joins:
        grown: list[Joined] = []
        used: set[int] = set()
        for row in found:
            parent = row.get(edge.parent)
            partners = [child for child in tables[edge.child] if edge.matches(parent, child)]
            used |= {id(child) for child in partners}
            grown += [{**row, edge.child: child} for child in partners]
            if not partners and edge.join_type in ("always_left", "full_outer"):
                grown.append({**row, edge.child: None})
        if edge.join_type in ("full_outer", "right_left"):
            grown += [{edge.child: child} for child in tables[edge.child] if id(child) not in used]
        found = grown
    return found


def is_visible(row: Joined, world: World) -> bool:
    policy = world.person.topics.get(world.topic)
    if policy is not None and raw(f"{policy[0]}.s", row) not in policy[1]:
        return False
    return world.topic != "T" or world.always is None or raw("v0.s", row) != world.always


@lru_cache(maxsize=16)
def wanted_rows(world: World, without: str = "", held: tuple[str, ...] = ()) -> list[Joined]:
    """Return the joined rows that meet the question's filters; those ``held`` or resting on ``without`` do not count."""
    rows = [row for row in joined_rows(world) if is_visible(row, world)]
    conditions = {
        name: rule
        for name, rule in world.question["filters"].items()
        if not chooses_groups(name, rule) and name not in held and (not without or without not in named({name: rule}))
    }
    return [row for row in rows if meets(conditions, partial(value, row=row, world=world))]


def meets(filters: Mapping[str, Any], look: Callable[[str], Any]) -> bool:
    """Say whether what ``look`` finds under the names meets conditions on fields."""

    def met(name: str, rule: Any) -> bool:
        if name == "not":
            return not meets(rule, look)
        if name in ("and", "or"):
            return (all if name == "and" else any)(meets(part, look) for part in rule)
        return holds(rule, look(name))

    return all(met(name, rule) for name, rule in filters.items())


def chooses_groups(name: str, rule: Any) -> bool:
    """Say whether a filter, or all in a group of filters, are on measures."""
    return not any(map(is_dimension, named({name: rule})))


def raw(name: str, row: Joined) -> Any:
    view, _, field = name.partition(".")
    return {**DIMENSIONS, **TWICE}[field](row.get(view) or MISSING)


def value(name: str, row: Joined, world: World) -> Any:
    """Return a dimension as the person sees it."""
    view, _, field = name.partition(".")
    if field in DETAILS:
        return detail(name, value(f"{view}.s", row, world), world)
    if field.startswith("m"):
        offset = world.moved[1] if world.moved is not None and name.partition("[")[0] == world.moved[0] else None
        return framed(field, (row.get(view) or MISSING)["m"], world.question.get("timezone", "UTC"), offset)
    if f"{view}.{field}" in world.person.masked and field in MASKS:
        found = raw(name, row)
        return None if found is None else MASKS[field](found)
    if field == "knot":
        return DIMENSIONS["knot"]({**MISSING, "s": value(f"{view}.tail", row, world)})
    if f"{view}.s" in world.person.masked and field in RESTS_ON_S:
        text = raw(f"{view}.s", row)
        hashed = None if text is None else hashlib.sha256((MASK_KEY + text).encode()).hexdigest()[:16]
        return hashed if field == "s" else DIMENSIONS[field]({**MISSING, "s": hashed})
    if world.moved is not None and name.partition("[")[0] == world.moved[0]:
        return raw(name, later(row, view, world.moved[1]))
    return raw(name, row)


def later(row: Joined, view: str, offset: str) -> Joined:
    """Return a row with the day of a view some time later."""
    own = row.get(view) or MISSING
    return {**row, view: {**own, "d": None if own["d"] is None else shifted(own["d"], offset)}}


def held_filters(measures: Iterable[str], world: World) -> tuple[str, ...]:
    """Return the filters of rows that some of the measures do not heed: each measure applies them for itself."""
    fields = unheeded(measures)
    return tuple(name for name in world.question["filters"] if name.partition("[")[0] in fields)


def unheeded(names: Iterable[str]) -> set[str]:
    """Return the fields whose filters some measures among ``names`` do not take as they are."""
    return {
        f"{view}.{UNHEEDED[part]}"
        for view, _, name in (m.partition(".") for m in names)
        for part in (name, *MADE_OF.get(name, ()))
        if part in UNHEEDED
    }


def heeded(name: str, group: Iterable[Joined], world: World, held: Iterable[str]) -> list[Joined]:
    """Return the rows that meet the held filters as a measure takes them."""
    view, _, field = name.partition(".")
    other = f"{view}.{UNHEEDED[field]}" if field in UNHEEDED else ""

    def met(row: Joined, item: str) -> bool:
        if item.partition("[")[0] == other and other.endswith(".s"):
            return True
        found = value(item, row, world)
        if item.partition("[")[0] == other:
            is_moved = world.moved is not None and world.moved[0] == other
            now = later(row, view, world.moved[1]) if is_moved else row  # type: ignore[index]  # not None
            found = raw(item, later(now, view, OFFSET))
        return holds(world.question["filters"][item], found)

    return [row for row in group if all(met(row, item) for item in held)]


def framed(field: str, moment: datetime | None, zone: str, offset: str | None = None) -> Any:
    """Return a moment as the reader's clock shows it, cut to a timeframe; as it is stored without one.

    With an offset the clock on the wall is put forward by it.
    """
    if moment is None:
        return None
    local = Moment(moment, zone).local
    local = local if offset is None else shifted(local, offset)
    if field == "m":
        return Moment(
            local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None) if offset else moment, zone
        )
    return FRAMES[field[2:-1]](local)


@lru_cache(maxsize=64)
def detail(name: str, key: Any, world: World) -> Any:
    """Return a level of detail: the sum of a view's rows with the same state, among the rows asked for."""
    view = name.partition(".")[0]
    rows = [row for row in wanted_rows(world, without=name) if value(f"{view}.s", row, world) == key]
    return measure(f"{view}.total", rows, world)


def measure(name: str, group: Iterable[Joined], world: World, held: Iterable[str] = ()) -> Any:
    """Return a measure of a view over joined rows: each row of the view counts once, a missing one not at all."""
    view, _, field = name.partition(".")
    if field in MADE_OF:
        return made(name, list(group), world, held)
    group = heeded(name, group, world, held)
    if field in DETAILS:
        return of_details(name, group, world)
    if field in ACROSS:
        return across(field, group)
    rows = {row[view]["id"]: row[view] for row in group if row.get(view) is not None}  # type: ignore[index]  # not None
    own = list(rows.values())
    if field == "a_total":
        own = [row for row in own if row["s"] == "a"]
    if field in ("not_a", "ends"):
        own = [row for row in own if row["s"] != "a"]
    if field in ("roughly", "tall"):
        own = [row for row in own if is_high(row)]
    numbers = sorted(row["n"] for row in own if row["n"] is not None)
    texts = sorted(row["s"] for row in own if row["s"] is not None)
    total = sum(numbers) if numbers else None

    def seen(dimension: str) -> Counter[Any]:
        """Return how often the person sees which values of a dimension."""
        found = Counter(value(f"{view}.{dimension}", {view: row}, world) for row in own)
        return Counter({item: count for item, count in found.items() if item is not None})

    found_by: dict[str, Callable[[], Any]] = {
        "count": lambda: len(own), "not_a": lambda: len(own), "total": lambda: total, "a_total": lambda: total,
        "ends": lambda: len(own), "roughly": lambda: total, "tall": lambda: None if total is None else total + len(own),
        "shades": lambda: len(seen("rough")), "endings": lambda: len(seen("tail")), "given": lambda: seen("void").total(),
        "mean": lambda: total / len(numbers) if total is not None else None,
        "least": lambda: min(numbers, default=None), "most": lambda: max(numbers, default=None), "states": lambda: len(set(texts)),
        "filled": lambda: sum(1 if row["n"] is None else row["n"] for row in own) if own else None,
        "ratio": lambda: total / len(own) if own and total is not None else None,
        "written": lambda: None if total is None else total + len(set(texts)),
        "names": lambda: ", ".join(texts) or None,
        "last": lambda: max(texts, default=None), "anyway": lambda: total, "before": lambda: len(own),
        "middle": lambda: percentile(numbers, 0.5), "upper": lambda: percentile(numbers, 0.75),
    }  # fmt: skip
    return found_by[field]()


def is_high(row: Row | None) -> bool:
    return row is not None and row["n"] is not None and row["n"] > 2


def made(name: str, group: list[Joined], world: World, held: Iterable[str]) -> Any:
    """Return a measure made of two others; what narrows its rows narrows theirs."""
    view, _, field = name.partition(".")
    if field == "few":
        group = [row for row in group if is_high(row.get(view))]
    if field in UNHEEDED:
        group, held = heeded(name, group, world, held), ()
    one, other = (measure(f"{view}.{part}", group, world, held) for part in MADE_OF[field])
    if one is None or other is None:
        return None
    return one + other if field in ("free", "later") else one - other


def of_details(name: str, group: list[Joined], world: World) -> Any:
    """Return the average of a level of detail over the keys that some of the rows have."""
    view, _, field = name.partition(".")
    if field == "high_per_s":
        group = [row for row in group if is_high(row.get(view))]
    if field == "far_per_s":
        group = [row for row in group if raw("v1.s", row) == "a"]
    keys = {value(f"{view}.s", row, world) for row in group}
    found = [total for key in keys if (total := detail(name, key, world)) is not None]
    return sum(found) / len(found) if found else None


def across(field: str, group: list[Joined]) -> Any:
    """Return a sum over pairs of rows of two views, each pair once; or of one's rows that the other chooses."""
    if field == "far_few":
        return len({row["v0"]["id"] for row in group if row.get("v0") and not (raw("v1.n", row) or 0) > 1})  # type: ignore[index]  # the row is there
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
