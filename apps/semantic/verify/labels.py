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


Columns = Mapping[str, Label]
Sources = Mapping[str, Columns]


def is_aggregated(node: exp.Expr) -> bool:
    """Say whether a column stands inside an aggregate of its own SELECT, a window aside."""
    parent = node.parent
    while parent is not None and not isinstance(parent, exp.Select):
        if isinstance(parent, exp.Window):
            return False
        if isinstance(parent, exp.AggFunc | exp.Filter | exp.WithinGroup):
            return not isinstance(parent.parent, exp.Window)
        parent = parent.parent
    return False


def label_of(node: exp.Column, sources: Sources) -> Label | None:
    """Return how far a column may go where it stands; None when no source gives it."""
    columns = sources.get(node.table) if not node.args.get("db") else None
    label = columns.get(node.name) if columns is not None else None
    if label is Label.COUNTED and is_aggregated(node):
        return Label.OPEN
    if label is Label.KEY:
        return _key_label(node)
    return label


def _key_label(node: exp.Expr) -> Label:
    """Return what comes of a key: whether it is there says nothing, and a number of rows says no more."""
    if isinstance(node.parent, exp.Is) and isinstance(node.parent.expression, exp.Null):
        return Label.OPEN
    parent = node.parent
    while parent is not None and not isinstance(parent, exp.Select):
        if isinstance(parent, exp.Window) and isinstance(parent.this, exp.RowNumber):
            return Label.COUNTED
        if isinstance(parent, exp.Count):
            return Label.OPEN
        parent = parent.parent
    return Label.RULE
