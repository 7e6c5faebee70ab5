"""Long rows → a cross table: the values of the pivots become columns. Pure presentation of an answer that is governed already."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apps.semantic.query.calendar import DAYS, MONTHS

MAX_PIVOT_COLUMNS = 200
CALENDAR = {"month_name": MONTHS, "day_of_week_name": DAYS}


@dataclass(frozen=True, slots=True)
class PivotColumn:
    """One column of a cross table: a result column under one combination of pivot values (empty for row headers)."""

    name: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class CrossTable:
    """``rows`` have a cell for each column; a combination without rows is None."""

    columns: tuple[PivotColumn, ...]
    rows: tuple[tuple[Any, ...], ...]
    is_truncated: bool


def pivot(
    names: Sequence[str], rows: Sequence[Sequence[Any]], *, pivots: Sequence[str], measures: Sequence[str], limit: int
) -> CrossTable:
    """Return the cross table of long rows, in the order in which rows and pivot values first appear.

    Args:
        names: of the columns of ``rows``; those neither pivot nor measure are the headers of rows.
        limit: rows of the cross table at most; at most 200 combinations of pivot values are shown.
    """
    headers = [index for index, name in enumerate(names) if name not in pivots and name not in measures]
    across = [names.index(name) for name in pivots]
    cells = [names.index(name) for name in measures]
    combinations: dict[tuple[Any, ...], int] = {}
    found: dict[tuple[Any, ...], dict[int, list[Any]]] = {}
    is_cut = False
    for row in rows:
        header, combination = tuple(row[index] for index in headers), tuple(row[index] for index in across)
        if (header not in found and len(found) >= limit) or (
            combination not in combinations and len(combinations) >= MAX_PIVOT_COLUMNS
        ):
            is_cut = True
            continue
        place = combinations.setdefault(combination, len(combinations))
        found.setdefault(header, {})[place] = [row[index] for index in cells]
    ordered = sorted(combinations, key=lambda combination: _order(combination, pivots))
    columns = [PivotColumn(names[index], ()) for index in headers]
    columns += [PivotColumn(names[cell], combination) for combination in ordered for cell in cells]
    empty = [None] * len(cells)
    table = tuple(
        (*header, *(value for combination in ordered for value in by_place.get(combinations[combination], empty)))
        for header, by_place in found.items()
    )
    return CrossTable(tuple(columns), table, is_cut)


def _order(combination: tuple[Any, ...], pivots: Sequence[str]) -> tuple[tuple[bool, str, Any], ...]:
    """Order values of one type among themselves, names of months and weekdays as the calendar has them; nothing is last."""
    return tuple(_place(value, name) for value, name in zip(combination, pivots, strict=True))


def _place(value: Any, name: str) -> tuple[bool, str, Any]:
    names = CALENDAR.get(name.partition("[")[2].removesuffix("]"), ())
    if value in names:
        return False, "", names.index(value)
    return value is None, type(value).__name__, 0 if value is None else value
