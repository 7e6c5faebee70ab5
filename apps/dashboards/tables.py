"""Answers → tables as people read them: formats, links, totals, values of pivots as columns. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from apps.dashboards.formats import format_value, timeframe_of
from apps.dashboards.types import Anchor, Cell, Column, Rows, Table
from apps.queries.types import Answer
from apps.semantic.model.decorations import Link
from apps.semantic.query.pivoting import CrossTable

Links = Mapping[str, Sequence[Link]]
TOTAL = "Total"


def readable_table(columns: Sequence[Column], rows: Rows, links: Links | None = None) -> Table:
    """Return the rows as people read them; numbers that are parts of dates are words here."""
    head = tuple(Cell(column.label, _is_number(column), column.is_masked) for column in columns)
    return Table(head, tuple(_row(columns, row, links or {}) for row in rows))


def answer_table(answer: Answer, links: Links) -> Table:
    """Return the whole answer: a cross table where pivots were asked for, and a last row of totals."""
    cross = answer.cross_table
    if cross is None:
        table = readable_table(answer.columns, answer.rows, links)
        return Table(table.columns, table.rows, _totals(answer))
    return _cross(cross, {column.name: column for column in answer.columns}, answer.pivots)


def _is_number(column: Column) -> bool:
    return column.type == "number" and not timeframe_of(column.name)


def _row(columns: Sequence[Column], row: Sequence[object], links: Links) -> tuple[Cell, ...]:
    values = {column.name: value for column, value in zip(columns, row, strict=True)} if links else {}
    return tuple(
        Cell(_text(column, value), _is_number(column), anchors=_anchors(column, values, links))
        for column, value in zip(columns, row, strict=True)
    )


def _text(column: Column, value: object) -> str:
    return format_value(value, name=column.name, format_name=column.format)


def _anchors(column: Column, values: Mapping[str, object], links: Links) -> tuple[Anchor, ...]:
    """Return the links of one cell. A link whose fields are not all in the table is left out: nothing else is read."""
    found = []
    for link in links.get(column.name, ()):
        address = link.address(values)
        if address is not None:
            found.append(Anchor(link.label, address))
    return tuple(found)


def _totals(answer: Answer) -> tuple[Cell, ...]:
    totals = answer.totals
    if totals is None or not totals.rows:
        return ()
    values = {column.name: value for column, value in zip(totals.columns, totals.rows[0], strict=True)}
    cells = [
        Cell(_text(column, values[column.name]) if column.name in values else "", _is_number(column))
        for column in answer.columns
    ]
    if cells and answer.columns[0].name not in values:
        cells[0] = Cell(TOTAL)
    return tuple(cells)


def _cross(cross: CrossTable, columns: Mapping[str, Any], pivots: Sequence[str]) -> Table:
    measures = {column.name for column in cross.columns if column.values}
    head = []
    for place in cross.columns:
        column = columns[place.name]
        text = ", ".join(_text(columns[name], value) for name, value in zip(pivots, place.values, strict=False))
        label = column.label if not text else text if len(measures) == 1 else f"{text}: {column.label}"
        head.append(Cell(label, _is_number(column), column.is_masked))
    rows = tuple(
        tuple(
            Cell(_text(columns[place.name], value), _is_number(columns[place.name]))
            for place, value in zip(cross.columns, row, strict=True)
        )
        for row in cross.rows
    )
    return Table(tuple(head), rows)
