"""Columns that files name and do not describe: taken to be columns of their tables, hidden, with a warning."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from sqlglot import exp

from apps.semantic.model.classification import labelled_dimension
from apps.semantic.model.closed_columns import is_closed, is_same_table
from apps.semantic.model.context import Context
from apps.semantic.model.dimensions import qualified, readable
from apps.semantic.model.masked_columns import trees_of
from apps.semantic.model.parameters import MAX_PROBLEMS
from apps.semantic.model.suggestions import closest, is_spent
from apps.semantic.model.types import NO_FIELDS, Dimension, Measure, Relationship, Source, View
from apps.semantic.model.yaml_nodes import Node

IMPLIED = {"is_implied": True}
"""marks a column that other fields rest on and that nobody may ask for"""
ALIKE = 0.8
WORDS = re.compile(r"[a-z]+")
FIELD = re.compile(r"\$\{([A-Za-z_][\w.]*(?:\[[a-z_]+\])?)(?://)?\}")
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
        closing = _closing(field, view, views, context) if name in asked else None
        if closing is not None:
            context.fault(at, f"“{name}” is not described, and “{closing}” over that column is closed: describe both")
            continue
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
    """Say whether a name is nearly one that is described, word by word.

    “line_1” and “line_2” are two columns all the same, as “created_by” and “created_at” are.
    """
    if name in described:
        return False
    near = closest(name, described, cutoff=ALIKE)
    if near is None:
        return False
    words, others = WORDS.findall(name), WORDS.findall(near)
    if len(words) != len(others):
        return True
    pairs = [(word, other) for word, other in zip(words, others, strict=True) if word != other]
    return bool(pairs) and all(closest(word, [other], cutoff=ALIKE) is not None for word, other in pairs)


def _closing(column: str, view: View, views: Mapping[str, View], context: Context) -> str | None:
    """Return a field that is closed, or masked, and made of a column: asked for by its own name, the column would be open.

    It may be one of another view over the same table.
    """
    for other in views.values():
        for item in other.fields if other is view or is_same_table(other, view) else ():
            mask = item.mask_unless_access_grants if isinstance(item, Dimension) else None
            is_made = any(_names(tree, column, other) for tree in trees_of(item))
            if is_made and (mask is not None or is_closed(item, other, context)):
                return item.id
    return None


def _names(tree: exp.Expr, column: str, view: View) -> bool:
    """Say whether an expression is made of a column: as it stands, or by the name that a field of its own would have."""
    columns = {node.name.lower() for node in tree.find_all(exp.Column)}
    fields = {node.name.partition("[")[0].lower() for node in tree.find_all(exp.Placeholder)}
    return column.lower() in columns or f"{view.name}.{column}".lower() in fields


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
            if not node.name.startswith(NO_FIELDS):
                yield node.name.partition("[")[0], item.source


def _asked_by(view: View) -> Iterator[tuple[str, Source]]:
    """Yield what a query view asks for."""
    query = view.query_source
    for name, _ in query.columns if query is not None else ():
        yield name.partition("[")[0], query.places.get(name, view.source) if query is not None else view.source


def _named_in(topics: Iterable[Node]) -> Iterator[tuple[str, Source]]:
    """Yield the fields that rules on rows name in topics.

    What a policy chooses by must be described, and so must a default filter's field, which readers may name: that is
    checked.
    """
    for node in topics:
        given = node.map()
        base = str(given["base_view"].value) if "base_view" in given else ""
        for name, value in given["always_where_filters"].map().items() if "always_where_filters" in given else ():
            yield qualified(name.partition("[")[0], base), value.source
        if "always_where_sql" in given:
            for match in FIELD.finditer(str(given["always_where_sql"].value)):
                yield qualified(match[1].partition("[")[0], base), given["always_where_sql"].source
