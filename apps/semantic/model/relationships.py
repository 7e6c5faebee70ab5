"""The relationships file: directed joins between views."""

from dataclasses import replace
from typing import get_args

from apps.semantic.errors import Problem
from apps.semantic.model.expressions import ExpressionError, parse_expression
from apps.semantic.model.parameters import add, check_parameters, flag, text
from apps.semantic.model.suggestions import did_you_mean
from apps.semantic.model.types import Relationship, View
from apps.semantic.model.yaml_nodes import Node

JOIN_TYPES = {"": "always_left", "always_left": "always_left", "inner": "inner", "always_inner": "inner"}
KINDS = get_args(Relationship.__annotations__["relationship_type"])
FLIPPED = {"one_to_one": "one_to_one", "many_to_one": "one_to_many", "one_to_many": "many_to_one",
           "many_to_many": "many_to_many", "assumed_many_to_one": "one_to_many"}  # fmt: skip


def read_relationships(
    node: Node, views: dict[str, View], *, dialect: str, problems: list[Problem]
) -> list[Relationship]:
    """Return the file's relationships; a faulty one is noted and left out."""
    if node.value in ({}, None):
        return []
    if not isinstance(node.value, list):
        add(problems, node, "the relationships file must be a list")
        return []
    found = (_relationship(item, views, dialect, problems) for item in node.value)
    return [item for item in found if item is not None]


def _relationship(item: Node, views: dict[str, View], dialect: str, problems: list[Problem]) -> Relationship | None:
    before = len(problems)
    check_parameters(item, "relationship", problems)
    ends = [text(item, name, problems) for name in ("join_from_view", "join_to_view")]
    for name in ends:
        if name not in views:
            add(problems, item, f"there is no view “{name}”.{did_you_mean(name, views)}")
    kind = text(item, "relationship_type", problems) or "assumed_many_to_one"
    if kind not in KINDS:
        add(problems, item, f"there is no relationship_type “{kind}”.{did_you_mean(kind, KINDS)}")
    join_type = JOIN_TYPES.get(text(item, "join_type", problems))
    if join_type is None:
        add(problems, item, f"the join_type “{text(item, 'join_type', problems)}” is not supported in this version")
    try:
        parsed = parse_expression(text(item, "on_sql", problems), view="", dialect=dialect)
    except ExpressionError as error:
        add(problems, item.map().get("on_sql", item), str(error))
        return None
    for reference in sorted(parsed.references):
        view, _, field = reference.partition(".")
        if view not in ends or view not in views or field not in views[view].dimensions:
            add(problems, item.map().get("on_sql", item), f"“{reference}” is no dimension of the two views")
    if any(not problem.is_warning for problem in problems[before:]):
        return None
    return Relationship(
        ends[0], ends[1], join_type, kind, parsed.tree, item.source, flag(item, "reversible", problems)  # type: ignore[arg-type]  # checked above
    )  # fmt: skip


def oriented(relationships: list[Relationship], parent: str, child: str) -> Relationship | None:
    """Return the relationship from parent to child, turned round where that is allowed."""
    for item in relationships:
        if (item.from_view, item.to_view) == (parent, child):
            return item
    for item in relationships:
        is_reversible = item.is_reversible or item.relationship_type in ("one_to_one", "many_to_many")
        if (item.from_view, item.to_view) == (child, parent) and is_reversible:
            return replace(
                item, from_view=parent, to_view=child, relationship_type=FLIPPED[item.relationship_type]  # type: ignore[arg-type]  # values of the table
            )  # fmt: skip
    return None
