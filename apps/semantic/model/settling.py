"""What can only be said when all views are known: columns that are implied, types of references, tables of SQL views."""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace

from sqlglot import exp

from apps.semantic.model.classification import labelled_dimension
from apps.semantic.model.closed_columns import warn_of_closed_columns
from apps.semantic.model.context import Context
from apps.semantic.model.dimensions import readable
from apps.semantic.model.expressions import inferred_type
from apps.semantic.model.kinds.inferring import kind_of_frame
from apps.semantic.model.masked_columns import follow_masks
from apps.semantic.model.other_names import with_own_names
from apps.semantic.model.parameters import MAX_PROBLEMS
from apps.semantic.model.sources import govern_tables
from apps.semantic.model.suggestions import closest, is_spent
from apps.semantic.model.types import (
    Dimension,
    FieldType,
    Measure,
    Relationship,
    SemanticModel,
    Source,
    View,
)
from apps.semantic.model.yaml_nodes import Node

MAX_DEPTH = 32
IMPLIED = {"is_implied": True}
"""marks a column that other fields rest on and that nobody may ask for"""
ALIKE = 0.8
DIGITS = re.compile(r"[0-9]+")
MAX_IMPLIED = 300
"""columns of one view"""


def settled(
    views: dict[str, View], relationships: list[Relationship], context: Context, beneath: Collection[View] = ()
) -> tuple[dict[str, View], list[Relationship]]:
    """Return views whose references all lead somewhere if they can, and whose types are known as far as they can be.

    ``beneath`` are the views that others here take the place of: what those mask is masked here.
    """
    views = _with_implied(views, relationships, context)
    for name, view in views.items():
        if view.sql_source is not None and not all(view.sql_source.tables.values()):
            views[name] = replace(view, sql_source=govern_tables(view, view.sql_source, views, context.problems))
    warn_of_closed_columns(views, context)
    return _typed(with_own_names(follow_masks(views, context, beneath)), context.dialect), relationships


def _with_implied(views: dict[str, View], relationships: list[Relationship], context: Context) -> dict[str, View]:
    """Give a view a hidden dimension for each column that other fields name and the files do not describe.

    Such files rest on what the database says. A name that is nearly one that is described is a mistake, not a column.
    """
    found = dict(views)
    described = {name: {item.lower() for item in (*view.dimensions, *view.measures)} for name, view in views.items()}
    implied: Counter[str] = Counter()
    mistyped = 0
    for name, source in _named(views, relationships):
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
                decoration=IMPLIED,
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
        for tree in view.primary_key:
            for node in tree.find_all(exp.Placeholder):
                yield node.name, view.source
    for item in relationships:
        for node in item.on_sql.find_all(exp.Placeholder):
            if not node.name.startswith(("omni_attributes.", "filters.")):
                yield node.name.partition("[")[0], item.source


def _typed(views: dict[str, View], dialect: str) -> dict[str, View]:
    model = SemanticModel(dialect, views, {}, {})
    found = {}
    for name, view in views.items():
        changed = {
            key: replace(item, type=type_)
            for key, item in view.dimensions.items()
            if item.type == "unknown" and (type_ := _type_of_tree(item.sql, model)) != "unknown"
        }
        named = {
            key: replace(item, type=type_)
            for key, item in view.measures.items()
            if item.aggregate in ("min", "max")
            and item.level_of_detail is None
            and (type_ := _type_of_tree(item.sql, model)) not in ("unknown", "number")
        }
        found[name] = (
            replace(view, dimensions={**view.dimensions, **changed}, measures={**view.measures, **named})
            if changed or named
            else view
        )
    return found


def _type_of_tree(tree: exp.Expression | None, model: SemanticModel, depth: int = 0) -> FieldType:
    """Return the type of an expression: what its shape tells, or the field that it merely refers to."""
    if not isinstance(tree, exp.Placeholder) or depth > MAX_DEPTH:
        return "unknown" if tree is None else inferred_type(tree)
    field_id, _, frame = tree.name.partition("[")
    if (told := kind_of_frame(frame.removesuffix("]"), "unknown")) != "unknown":
        return told
    found = model.dimension(field_id)
    if found is None:
        return "unknown"
    return found.type if found.type != "unknown" else _type_of_tree(found.sql, model, depth + 1)
