"""What can only be said when all views are known: columns that are implied, types of references, tables of SQL views."""

from collections.abc import Collection
from dataclasses import replace

from sqlglot import exp

from apps.semantic.model.closed_columns import warn_of_closed_columns
from apps.semantic.model.context import Context
from apps.semantic.model.expressions import inferred_type
from apps.semantic.model.implied import with_implied
from apps.semantic.model.kinds.inferring import kind_of_frame
from apps.semantic.model.masked_columns import follow_masks
from apps.semantic.model.other_names import with_own_names
from apps.semantic.model.sources import govern_tables
from apps.semantic.model.types import FieldType, Relationship, SemanticModel, View
from apps.semantic.model.yaml_nodes import Node

MAX_DEPTH = 32


def settled(
    views: dict[str, View],
    relationships: list[Relationship],
    context: Context,
    beneath: Collection[View] = (),
    topics: Collection[Node] = (),
) -> tuple[dict[str, View], list[Relationship]]:
    """Return views whose references all lead somewhere if they can, and whose types are known as far as they can be.

    ``beneath`` are the views that others here take the place of: what those mask is masked here. ``topics`` are read
    for the columns that their rules name.
    """
    views = with_implied(views, relationships, topics, context)
    for name, view in views.items():
        if view.sql_source is not None and not all(view.sql_source.tables.values()):
            views[name] = replace(view, sql_source=govern_tables(view, view.sql_source, views, context.problems))
    warn_of_closed_columns(views, context)
    return _typed(with_own_names(follow_masks(views, context, beneath)), context.dialect), relationships


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
