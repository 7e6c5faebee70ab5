"""The relationships file: directed joins between views, under their own names or others."""

from collections import deque
from dataclasses import replace
from typing import get_args

from sqlglot import exp

from apps.semantic.model.context import Context
from apps.semantic.model.parameters import check_parameters, flag, text
from apps.semantic.model.suggestions import did_you_mean
from apps.semantic.model.types import JoinType, Relationship, RelationshipType, View
from apps.semantic.model.views import IDENTIFIER, moved_tree, renamed
from apps.semantic.model.yaml_nodes import Node

# The documentation's words and those that tools write.
JOIN_TYPES: dict[str, JoinType] = {
    "": "always_left", "always_left": "always_left", "left": "always_left", "left_right": "always_left",
    "inner": "inner", "always_inner": "inner", "full_outer": "full", "always_full": "full", "full": "full",
    "cross": "cross", "always_cross": "cross", "right_left": "right", "always_right": "right", "right": "right",
}  # fmt: skip
KINDS: tuple[RelationshipType, ...] = get_args(RelationshipType)
FLIPPED: dict[RelationshipType, RelationshipType] = {
    "one_to_one": "one_to_one", "many_to_one": "one_to_many", "one_to_many": "many_to_one",
    "many_to_many": "many_to_many", "assumed_many_to_one": "one_to_many",
}  # fmt: skip
TURNED: dict[JoinType, JoinType] = {"always_left": "always_left", "inner": "inner", "full": "full", "cross": "cross",
                                    "right": "right"}  # fmt: skip


def read_relationships(node: Node, views: dict[str, View], context: Context) -> list[Relationship]:
    """Return the file's relationships; a faulty one is noted and left out. Other names of views are added to ``views``."""
    if node.value in ({}, None):
        return []
    if not isinstance(node.value, list):
        context.fault(node, "the relationships file must be a list")
        return []
    found = (_relationship(item, views, context) for item in node.value if not flag(item, "ignored", context.problems))
    return [item for item in found if item is not None]


def _relationship(item: Node, views: dict[str, View], context: Context) -> Relationship | None:
    problems = context.problems
    check_parameters(item, "relationship", problems)
    before = len(problems)
    ends = [_end(item, side, views, context) for side in ("from", "to")]
    kind = text(item, "relationship_type", problems) or "assumed_many_to_one"
    if kind not in KINDS:
        context.fault(item, f"there is no relationship_type “{kind}”.{did_you_mean(kind, KINDS)}")
    written = text(item, "join_type", problems)
    join_type = JOIN_TYPES.get(written)
    if join_type is None:
        context.fault(item, f"there is no join_type “{written}”.{did_you_mean(written, JOIN_TYPES)}")
    on_sql = _condition(item, "on_sql", ends, views, context)
    where_sql = _condition(item, "where_sql", ends, views, context) if "where_sql" in item.map() else None
    if on_sql is None and join_type != "cross" and len(problems) == before:
        context.fault(item, "a relationship needs on_sql")
    if join_type == "cross" and on_sql is not None and on_sql.find(exp.Placeholder) is not None:
        text_ = "a cross join pairs each row with every row, whatever this says: join inner, or write it as where_sql"
        context.fault(item.map()["on_sql"], text_)
    if any(not problem.is_warning for problem in problems[before:]) or join_type is None:
        return None
    return Relationship(
        ends[0], ends[1], join_type, kind, on_sql if on_sql is not None else exp.true(), item.source,  # type: ignore[arg-type]  # checked above
        flag(item, "reversible", problems), where_sql,
    )  # fmt: skip


def _end(item: Node, side: str, views: dict[str, View], context: Context) -> str:
    """Return the view at one end, made if it is another name of a view."""
    name, alias = (text(item, f"join_{side}_view{suffix}", context.problems) for suffix in ("", "_as"))
    if name not in views:
        context.fault(item, f"there is no view “{name}”.{did_you_mean(name, views)}")
        return name
    if not alias or alias == name:
        return name
    if not IDENTIFIER.fullmatch(alias):
        context.fault(item, f"“{alias}” cannot be the name of a view: letters, digits and underscores")
        return name
    known = views.get(alias)
    if known is None:
        shown = text(item, f"join_{side}_view_as_label", context.problems)
        made = renamed(views[name], alias)
        views[alias] = replace(made, label=shown or made.label)
    elif (known.alias_of or known.name) != (views[name].alias_of or name):
        context.fault(item, f"“{alias}” is the name of another view already")
    return alias


def _condition(
    item: Node, name: str, ends: list[str], views: dict[str, View], context: Context
) -> exp.Expression | None:
    sql = text(item, name, context.problems)
    parsed = context.parsed(sql, "", item, name=name) if sql else None
    if parsed is None:
        return None
    tree = parsed.tree
    for end in ends:
        origin = views[end].alias_of if end in views else None
        if origin is not None and origin not in ends:
            tree = moved_tree(tree, origin, end)
    if any(node.name.startswith("filters.") for node in tree.find_all(exp.Placeholder)):
        context.fault(item.map()[name], "a filter of the query cannot decide a join")
    for node in tree.find_all(exp.Column):
        context.fault(item.map()[name], f"write ${{view.{node.name}}} instead of “{node.name}”")
    return tree


def oriented(relationships: list[Relationship], parent: str, child: str) -> Relationship | None:
    """Return the relationship from parent to child, turned round where that is allowed."""
    for item in relationships:
        if (item.from_view, item.to_view) == (parent, child):
            return item
    for item in relationships:
        is_reversible = item.is_reversible or item.relationship_type in ("one_to_one", "many_to_many")
        if (item.from_view, item.to_view) == (child, parent) and is_reversible:
            return replace(
                item, from_view=parent, to_view=child, relationship_type=FLIPPED[item.relationship_type],
                join_type=TURNED[item.join_type],
            )  # fmt: skip
    return None


def ambiguous(relationships: list[Relationship], parent: str, child: str) -> bool:
    """Say whether more than one relationship leads from parent to child."""
    return sum((item.from_view, item.to_view) == (parent, child) for item in relationships) > 1


def joins_to(relationships: list[Relationship], base: str, wanted: set[str]) -> list[tuple[str, str]] | None:
    """Return the shortest joins, as (parent, child), that reach all wanted views from a base view; None if some cannot."""
    parents: dict[str, str] = {base: ""}
    waiting = deque((base,))
    while waiting:
        view = waiting.popleft()
        ends = {item.to_view for item in relationships if item.from_view == view}
        ends |= {item.from_view for item in relationships if item.to_view == view}
        for child in sorted(ends - parents.keys()):
            if oriented(relationships, view, child) is not None:
                parents[child] = view
                waiting.append(child)
    if not wanted <= parents.keys():
        return None
    needed: dict[str, str] = {}
    for view in sorted(wanted):
        path = []
        while view != base and view not in needed:
            path.append(view)
            view = parents[view]  # noqa: PLW2901 (walks up)
        for item in reversed(path):
            needed[item] = parents[item]
    return [(parent, child) for child, parent in needed.items()]
