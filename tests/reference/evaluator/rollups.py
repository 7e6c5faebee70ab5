"""What a rollup's table holds: v0 grouped, all of it, whoever asks. Answers are the same with it and without."""

from typing import Any

from tests.reference.evaluator.rows import framed, measure, raw
from tests.reference.fields import Row
from tests.reference.worlds import World


def rolled_rows(world: World) -> list[tuple[Any, ...]]:
    """Return the rows of the world's rollup."""
    if world.rollup is None:
        return []
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in world.tables["v0"]:
        groups.setdefault(tuple(_held(name, row) for name in world.rollup.dimensions), []).append(row)
    return [
        (*key, *(measure(f"v0.{name}", [{"v0": row} for row in rows], world) for name in world.rollup.measures))
        for key, rows in groups.items()
    ]


def _held(name: str, row: Row) -> Any:
    is_framed = name.startswith("m[")
    return framed(name, row["m"], "UTC") if is_framed else raw(f"v0.{name}", {"v0": row}) if name != "m" else row["m"]
