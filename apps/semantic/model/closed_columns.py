"""A closed field closes itself, not its column: whatever else reads the column is told of, and stays as open as it is.

Masks follow columns, as a mask says that values must not be seen. Who closes ``cost`` and offers ``margin`` means just that.
"""

from collections.abc import Iterator, Mapping

from sqlglot import exp

from apps.semantic.model.context import Context
from apps.semantic.model.former import is_other_name
from apps.semantic.model.masked_columns import trees_of
from apps.semantic.model.types import Dimension, Measure, View
from apps.semantic.model.yaml_nodes import Node


def warn_of_closed_columns(views: Mapping[str, View], context: Context) -> None:
    """Warn of each open field that reads a column which another field over the same table closes.

    ``reads_in_clear: true`` on a field says that it is meant.
    """
    for group in _tables(views):
        closed = {**dict(_held(group, views, context)), **dict(_closed(group, context))}
        for view in group if closed else ():
            for item in view.fields:
                if is_closed(item, view, context) or item.reads_in_clear or is_other_name(item):
                    continue
                for column in sorted(_columns(item) & closed.keys()):
                    at = Node({}, item.source.file, item.source.line, item.source.column)
                    context.warn(at, f"“{item.id}” reads a column that {closed[column]} closes, and is open itself")


def is_same_table(view: View, other: View) -> bool:
    """Say whether two views are over one table."""
    is_table = not (view.is_derived or other.is_derived or view.alias_of or other.alias_of)
    return is_table and _table(view) == _table(other)


def _table(view: View) -> tuple[str, str]:
    return (view.schema or "").lower(), view.table_name.lower()


def _tables(views: Mapping[str, View]) -> list[list[View]]:
    """Return the views over each table by themselves; a topic's own names for them are the same views."""
    found: dict[tuple[str, str], list[View]] = {}
    for view in views.values():
        if not view.is_derived and not view.alias_of:
            found.setdefault(_table(view), []).append(view)
    return list(found.values())


def _closed(group: list[View], context: Context) -> Iterator[tuple[str, str]]:
    """Yield (column, id) of the dimensions that are a column and are closed by a rule of their own."""
    for view in group:
        for item in view.dimensions.values():
            if isinstance(item.sql, exp.Column) and not is_other_name(item) and _has_rule(item, context):
                yield item.sql.name.lower(), item.id


def _held(group: list[View], views: Mapping[str, View], context: Context) -> Iterator[tuple[str, str]]:
    """Yield (column, id) of the closed fields of a base view that the table holds as a rollup."""
    for rollup in [view.rollup for view in group if view.rollup is not None]:
        base = views.get(rollup.base_view)
        for written, column in rollup.columns if base is not None else ():
            name = written.partition("[")[0].partition(".")[2]
            item = base.dimensions.get(name) or base.measures.get(name) if base is not None else None
            if base is not None and item is not None and is_closed(item, base, context):
                yield column.lower(), item.id


def _has_rule(item: Dimension | Measure, context: Context) -> bool:
    label = context.labels.get(item.classification)
    by_label = label is not None and label.required_access_grants is not None
    return item.required_access_grants is not None or by_label or item.classification == "unclassified"


def is_closed(item: Dimension | Measure, view: View, context: Context) -> bool:
    """Say whether a field is closed to some: by grants of its own or its view's, by those of its label, or for want of one."""
    return view.required_access_grants is not None or _has_rule(item, context)


def _columns(item: Dimension | Measure) -> set[str]:
    return {node.name.lower() for tree in trees_of(item) for node in tree.find_all(exp.Column)}
