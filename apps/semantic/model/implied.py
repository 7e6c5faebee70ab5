"""Columns that files name and do not describe: taken to be columns of their tables, hidden, with a warning."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from sqlglot import exp

from apps.semantic.model.classification import labelled_dimension
from apps.semantic.model.context import Context
from apps.semantic.model.dimensions import qualified, readable
from apps.semantic.model.parameters import MAX_PROBLEMS
from apps.semantic.model.suggestions import closest, is_spent
from apps.semantic.model.types import Dimension, Measure, Relationship, Source, View
from apps.semantic.model.yaml_nodes import Node

IMPLIED = {"is_implied": True}
"""marks a column that other fields rest on and that nobody may ask for"""
ALIKE = 0.8
DIGITS = re.compile(r"[0-9]+")
FIELD = re.compile(r"\$\{([A-Za-z_][\w.]*(?:\[[a-z_]+\])?)(?://)?\}")
BY_FIELD = ("always_where_filters", "default_filters")
MAX_IMPLIED = 300
"""columns of one view"""


def with_implied(
    views: dict[str, View], relationships: list[Relationship], topics: Collection[Node], context: Context
) -> dict[str, View]:
    """Give a view a hidden dimension for each column that other fields name and the files do not describe.

    Such files rest on what the database says. A name that is nearly one that is described is a mistake, not a column.
    """
    found = dict(views)
    described = {name: {item.lower() for item in (*view.dimensions, *view.measures)} for name, view in views.items()}
    implied: Counter[str] = Counter()
    mistyped = 0
    asked = {name for view in views.values() for name, _ in _asked_by(view)}
    for name, source in (*_named(views, relationships), *_named_in(topics)):
        view_name, _, field = name.partition(".")
        view = found.get(view_name)
        if (
            view is None
            or view.is_derived
            or field in view.dimensions
            or field in view.measures
            or field in view.filters
        ):
            continue
        if is_spent():
            at = Node({}, source.file, source.line, source.column)
            context.fault(at, "too many names are described nowhere; describe the columns, from this one on")
            break
        if _is_mistyped(field.lower(), described[view_name]):
            mistyped += 1
            if mistyped > MAX_PROBLEMS:
                break
            continue
        at = Node({}, source.file, source.line, source.column)
        implied[view_name] += 1
        if implied[view_name] > MAX_IMPLIED:
            context.fault(at, f"more than {MAX_IMPLIED} columns of “{view_name}” are named and not described")
            break
        context.warn(at, f"“{name}” is not described; it is taken to be a column of the table, hidden")
        column = context.parsed(field, view_name, at)
        if column is not None:
            dimension = Dimension(
                field, view_name, readable(field), column.tree, "unknown", view.source, is_hidden=True,
                decoration={} if name in asked else IMPLIED,
            )  # fmt: skip
            dimension = labelled_dimension(dimension, view.classification, context)
            found[view_name] = replace(view, dimensions={**view.dimensions, field: dimension})
    return found


def _is_mistyped(name: str, described: set[str]) -> bool:
    """Say whether a name is nearly one that is described; “line_1” and “line_2” are two columns all the same."""
    if name in described:
        return False
    near = closest(name, described, cutoff=ALIKE)
    return near is not None and DIGITS.sub("", near) != DIGITS.sub("", name)


def _named(views: dict[str, View], relationships: list[Relationship]) -> Iterator[tuple[str, Source]]:
    for view in views.values():
        fields: list[Dimension | Measure] = [*view.dimensions.values(), *view.measures.values()]
        for field in fields:
            top = field.top_n if isinstance(field, Dimension) else None
            for name in sorted(field.references):
                if top is None or name != top.by:
                    yield name, field.source
            for rule in field.filters if isinstance(field, Measure) else ():
                yield rule.field.partition("[")[0], field.source
        yield from _asked_by(view)
        for tree in view.primary_key:
            for node in tree.find_all(exp.Placeholder):
                yield node.name, view.source
    for item in relationships:
        for node in item.on_sql.find_all(exp.Placeholder):
            if not node.name.startswith(("omni_attributes.", "filters.")):
                yield node.name.partition("[")[0], item.source


def _asked_by(view: View) -> Iterator[tuple[str, Source]]:
    """Yield what a query view asks for, and chooses its rows by."""
    query = view.query_source
    if query is None:
        return
    for name, _ in query.columns:
        yield name.partition("[")[0], query.places.get(name, view.source)
    for rule in query.filters:
        yield rule.field.partition("[")[0], rule.source or view.source


def _named_in(topics: Iterable[Node]) -> Iterator[tuple[str, Source]]:
    """Yield the fields that filters on rows name in topics. What a policy chooses by must be described: that is checked."""
    for node in topics:
        given = node.map()
        base = str(given["base_view"].value) if "base_view" in given else ""
        for parameter in BY_FIELD:
            for name, value in given[parameter].map().items() if parameter in given else ():
                yield qualified(name.partition("[")[0], base), value.source
        if "always_where_sql" in given:
            for match in FIELD.finditer(str(given["always_where_sql"].value)):
                yield qualified(match[1].partition("[")[0], base), given["always_where_sql"].source
