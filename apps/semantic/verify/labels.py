"""How far a column may go: anywhere, only into aggregates, only into counts, or only into the rule that reads it."""

from collections.abc import Mapping
from enum import IntEnum

from sqlglot import exp


class Label(IntEnum):
    """From the freest to the most confined; what rests on several columns is as confined as the worst."""

    OPEN = 0
    COUNTED = 1
    KEY = 2
    """only to be counted, or to tell rows apart"""
    RULE = 3


TELLING = frozenset(
    (exp.GroupConcat, exp.Min, exp.Max, exp.Median, exp.PercentileCont, exp.PercentileDisc, exp.Quantile)
)
"""aggregates whose result is, or holds, single values of what they aggregate"""
Telling = frozenset[type[exp.Expr]]
Columns = Mapping[str, Label]
Sources = Mapping[str, Columns]


def aggregate_of(node: exp.Expr) -> exp.Expr | None:
    """Return the aggregate of its own SELECT in which a column stands; None in a window."""
    parent = node.parent
    while parent is not None and not isinstance(parent, exp.Select):
        if isinstance(parent, exp.Window):
            return None
        if isinstance(parent, exp.AggFunc | exp.Filter | exp.WithinGroup):
            if isinstance(parent.parent, exp.Window):
                return None
            return parent if isinstance(parent, exp.AggFunc) else parent.this
        parent = parent.parent
    return None


def is_plain(node: exp.Column) -> bool:
    """Say whether a column is named by a table and itself at most, both quoted: other letters would be other names."""
    table, args = node.args.get("table"), node.args
    is_quoted = node.this.args.get("quoted") and (table is None or table.args.get("quoted"))
    return bool(is_quoted) and not args.get("db")


def label_of(node: exp.Column, sources: Sources, telling: Telling) -> Label | None:
    """Return how far a column may go where it stands; None when no source gives it.

    Args:
        telling: aggregates that give single values away and that a permitted measure is made with.
    """
    columns = sources.get(node.table) if is_plain(node) else None
    label = columns.get(node.name) if columns is not None else None
    if label is Label.COUNTED:
        aggregate = aggregate_of(node)
        is_known = type(aggregate) not in TELLING or type(aggregate) in telling
        return Label.OPEN if aggregate is not None and is_known else label
    if label is Label.KEY:
        return _key_label(node)
    return label


def _key_label(node: exp.Expr) -> Label:
    """Return what comes of a key: whether it is there says nothing, and a number of rows says no more."""
    if isinstance(node.parent, exp.Is) and isinstance(node.parent.expression, exp.Null):
        return Label.OPEN
    parent, is_itself = node.parent, True
    while parent is not None and not isinstance(parent, exp.Select | exp.Predicate):
        if isinstance(parent, exp.Window):
            return Label.COUNTED
        if isinstance(parent, exp.Count):
            return Label.OPEN if is_itself else Label.RULE
        # A function or a CASE over a key could make nothing of a single one, and so count it.
        is_itself = is_itself and isinstance(parent, exp.Distinct | exp.Paren | exp.Cast)
        parent = parent.parent
    return Label.RULE
