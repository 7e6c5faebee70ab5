"""Order and limit: the same question gives the same rows, also when they are cut."""

from dataclasses import replace

from apps.semantic.compile.plan import Plan
from apps.semantic.query.pivoting import MAX_PIVOT_COLUMNS
from apps.semantic.query.types import SemanticQuery
from apps.semantic.scope import AccessScope


def order_and_limit(plan: Plan) -> Plan:
    """Fix the order of all rows and how many may come.

    Unless the query says otherwise: first time dimension ascending, else first measure descending,
    else first dimension. The remaining dimensions break ties. Empty values come last.
    """
    names = [use.name for use in plan.dimensions] + [use.name for use in plan.measures]
    order = [(names.index(sort.field) + 1, sort.is_descending) for sort in plan.query.sorts] or [_default(plan)]
    taken = {position for position, _ in order}
    order += [(position, False) for position in range(1, len(plan.dimensions) + 1) if position not in taken]
    return replace(plan, order=tuple(order), row_limit=row_limit(plan.query, plan.scope))


def row_limit(query: SemanticQuery, scope: AccessScope) -> int:
    """Return how many rows may come; with pivots the limit is one of the cross table, whose rows gather many of these."""
    return min(query.row_limit * (MAX_PIVOT_COLUMNS if query.pivots else 1), scope.max_rows)


def _default(plan: Plan) -> tuple[int, bool]:
    for position, use in enumerate(plan.dimensions, start=1):
        if use.type in ("date", "timestamp") or (use.timeframe is not None and use.dimension.duration is None):
            return position, False
    return (len(plan.dimensions) + 1, True) if plan.measures else (1, False)
