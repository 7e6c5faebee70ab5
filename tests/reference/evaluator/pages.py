"""From groups to what a reader is shown: rows in their order and cut, totals under them, the cross table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.reference.conditions import Moment
from tests.reference.evaluator.rows import chooses_groups
from tests.reference.fields import MONTHS, is_dimension

CROSS_COLUMNS = 200
"""combinations of the pivots' values at most"""
Rows = list[tuple[Any, ...]]


@dataclass
class Page:
    """``cross`` is (columns as (name, values), rows) where pivots are asked for; ``*_cut`` say that there is more."""

    rows: Rows
    is_cut: bool
    totals: Rows | None = None
    subtotals: Rows | None = None
    cross: tuple[list[tuple[str, tuple[Any, ...]]], Rows] | None = None
    is_cross_cut: bool = False
    features: set[str] = field(default_factory=set, compare=False)


def is_time(name: str) -> bool:
    return (name.partition(".")[2].startswith(("d", "m")) and is_dimension(name)) or name.endswith(".period")


def default_sort(columns: Sequence[str]) -> tuple[str, bool]:
    """Return what rows are sorted by unless the question says: the first time, else the first measure, most first."""
    for name in columns:
        if is_time(name):
            return name, False
    measures = [name for name in columns if not is_dimension(name)]
    return (measures[0], True) if measures else (columns[0], False)


def in_order(rows: Rows, columns: Sequence[str], sorts: Sequence[tuple[str, bool]], dimensions: Sequence[str]) -> Rows:
    """Return rows sorted by some columns, then by the dimensions; missing values are last both ways."""
    keys = [*sorts, *((name, False) for name in dimensions if name not in dict(sorts))]
    for name, is_descending in reversed(keys):
        place = columns.index(name)
        known = [row for row in rows if row[place] is not None]
        known.sort(key=lambda row, place=place, name=name: comparable(name, row[place]), reverse=is_descending)  # type: ignore[misc]  # looser than the type on purpose
        rows = known + [row for row in rows if row[place] is None]
    return rows


def comparable(name: str, value: Any) -> Any:
    """Return what a value is sorted by: names of months as the year has them."""
    if isinstance(value, Moment):
        return value.at
    return MONTHS.index(value) if name.endswith("[month_name]") else value


def asked_sorts(question: Mapping[str, Any]) -> list[tuple[str, bool]]:
    return [(sort["field"], sort["desc"]) for sort in question.get("sorts", [])]


def reduced(question: Mapping[str, Any], kept: Sequence[str], dimensions: Sequence[str]) -> dict[str, Any]:
    """Return the question of a total: the same rows in the groups of ``kept``; conditions that choose groups go."""
    found = dict(question)
    found["fields"] = [name for name in question["fields"] if name in kept or name not in dimensions]
    found["filters"] = {name: rule for name, rule in question["filters"].items() if not chooses_groups(name, rule)}
    found["sorts"] = [sort for sort in question.get("sorts", []) if sort["field"] in found["fields"]]
    top = question.get("top")
    if top and top["field"] not in kept and top["others"] is not None:
        # With the rest gathered, all rows are there.
        found["top"] = None
    return found


def cross_table(
    page: Page, columns: Sequence[str], question: Mapping[str, Any], headers: Sequence[str], measures: Sequence[str]
) -> None:
    """Put the values of the pivots at the top; headers stay where they first appeared. What comes too late is cut."""
    pivots = question["pivots"]
    found: dict[tuple[Any, ...], None] = {}
    cells: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    seen: dict[tuple[Any, ...], None] = {}
    for row in page.rows:
        header = tuple(row[columns.index(name)] for name in headers)
        top = tuple(row[columns.index(name)] for name in pivots)
        is_late = header not in found and len(found) == question["limit"]
        if is_late or (top not in seen and len(seen) == CROSS_COLUMNS):
            page.is_cross_cut = True
            continue
        found[header] = seen[top] = None
        cells[(*header, *top)] = tuple(row[columns.index(name)] for name in measures)
    tops = in_order(list(seen), pivots, [(name, False) for name in pivots], ())
    empty = (None,) * len(measures)
    shown = [(*header, *(value for top in tops for value in cells.get((*header, *top), empty))) for header in found]
    page.cross = [(name, ()) for name in headers] + [(name, top) for top in tops for name in measures], shown
