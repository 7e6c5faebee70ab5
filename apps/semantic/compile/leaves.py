"""Aggregates at the leaves of a measure: taken straight from the joined rows, or from rows told apart by key.

Where a join repeats rows, the joined rows go through an inner SELECT first, which numbers the repetitions of each key
within its group; the aggregate outside then takes the first of each.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from sqlglot import exp

from apps.semantic.compile.nodes import all_hold, column, literal_number, name

Build = Callable[[exp.Expr], exp.Expr]
ROWS = "joined rows"


class Leaves(Protocol):
    """Where aggregates take their rows from."""

    def leaf(
        self,
        build: Build,
        operand: exp.Expr | None,
        *,
        conditions: Sequence[exp.Expr] = (),
        present: Sequence[exp.Expr] = (),
        key: Sequence[exp.Expr] = (),
    ) -> exp.Expr:
        """Return an aggregate.

        Args:
            build: makes the aggregate of an operand.
            operand: what is aggregated; None counts rows.
            conditions: all must hold for a row to count.
            present: none may be NULL for a row to count.
            key: rows with equal keys count once within their group; empty: every row counts.
        """
        ...

    def plain(self, node: exp.Expr) -> exp.Expr:
        """Return something that is not aggregated."""
        ...


class JoinedRows:
    """Aggregates over the joined rows themselves."""

    def __init__(self, *, has_filter_clause: bool) -> None:
        self.has_filter_clause = has_filter_clause

    def leaf(
        self,
        build: Build,
        operand: exp.Expr | None,
        *,
        conditions: Sequence[exp.Expr] = (),
        present: Sequence[exp.Expr] = (),
        key: Sequence[exp.Expr] = (),
    ) -> exp.Expr:
        if operand is None and len(present) == 1:
            operand, present = present[0], ()
        return conditional(build, operand, [*conditions, *map(is_given, present)], self.has_filter_clause)

    def plain(self, node: exp.Expr) -> exp.Expr:
        return node


class DistinctRows:
    """Aggregates over an inner SELECT of the joined rows; collects what that must project."""

    def __init__(self, dimensions: Sequence[exp.Expr], *, has_filter_clause: bool) -> None:
        self.has_filter_clause = has_filter_clause
        self.dimensions = dimensions
        self.projections: list[exp.Expr] = [
            exp.Alias(this=node, alias=name(f"d{index}")) for index, node in enumerate(dimensions, start=1)
        ]

    def leaf(
        self,
        build: Build,
        operand: exp.Expr | None,
        *,
        conditions: Sequence[exp.Expr] = (),
        present: Sequence[exp.Expr] = (),
        key: Sequence[exp.Expr] = (),
    ) -> exp.Expr:
        outer = None if operand is None else self._project(operand)
        needed = [*conditions, *map(is_given, present)]
        if key:
            flag = self._project(_numbered(self.dimensions, key, needed))
        elif needed:
            flag = self._project(_flag(needed))
        else:
            return conditional(build, outer, [], self.has_filter_clause)
        first = exp.EQ(this=flag, expression=literal_number(1))
        return conditional(build, outer, [first], self.has_filter_clause)

    def plain(self, node: exp.Expr) -> exp.Expr:
        return self._project(node)

    def dimension(self, position: int) -> exp.Expr:
        """Return a dimension of the answer, counted from 1."""
        return column(ROWS, f"d{position}")

    def _project(self, node: exp.Expr) -> exp.Expr:
        for known in self.projections:
            if known.this == node:
                return column(ROWS, known.alias)
        alias = f"c{len(self.projections) + 1}"
        self.projections.append(exp.Alias(this=node, alias=name(alias)))
        return column(ROWS, alias)


def conditional(
    build: Build, operand: exp.Expr | None, conditions: list[exp.Expr], has_filter_clause: bool
) -> exp.Expr:
    """Return an aggregate over the rows that meet all conditions."""
    condition = all_hold(conditions)
    if condition is None:
        return build(exp.Star() if operand is None else operand)
    if has_filter_clause:
        aggregate = build(exp.Star() if operand is None else operand)
        return exp.Filter(this=aggregate, expression=exp.Where(this=condition))
    return build(_case(condition, literal_number(1) if operand is None else operand))


def is_given(node: exp.Expr) -> exp.Expr:
    """Return that a value is not missing."""
    return exp.Not(this=exp.Is(this=node, expression=exp.Null()))


def _case(condition: exp.Expr, value: exp.Expr) -> exp.Expr:
    return exp.Case(ifs=[exp.If(this=condition, true=value)])


def _flag(conditions: list[exp.Expr]) -> exp.Expr:
    holds = all_hold(conditions)
    return exp.Null() if holds is None else _case(holds, literal_number(1))


def _numbered(dimensions: Sequence[exp.Expr], key: Sequence[exp.Expr], conditions: list[exp.Expr]) -> exp.Expr:
    """Return 1 for one of the rows with the same key in a group that count at all, NULL or more for the others."""
    holds = all_hold(conditions)
    parts = [node.copy() for node in (*dimensions, *key)]
    if holds is not None:
        parts.append(_case(holds.copy(), literal_number(1)))
    number = exp.Window(this=exp.RowNumber(), partition_by=parts, order=exp.Order(expressions=[key[0].copy()]))
    return number if holds is None else _case(holds, number)
