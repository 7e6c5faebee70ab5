"""Access rules as they stand in files: grants, required grants, row policies, filters of fields."""

from apps.semantic.errors import MalformedQueryError, Problem
from apps.semantic.model.filters import parse_condition
from apps.semantic.model.grants import GrantSyntaxError, parse_grant_rule
from apps.semantic.model.parameters import add, check_parameters, flag, submap, text, texts
from apps.semantic.model.types import ATTRIBUTE, AccessFilter, AccessGrant, FieldFilter, GrantRule
from apps.semantic.model.yaml_nodes import Node


def read_rule(node: Node, name: str, problems: list[Problem], *, may_be_empty: bool = False) -> GrantRule | None:
    """Return ``required_access_grants`` or ``mask_unless_access_grants``; an unreadable one is a problem, never no rule.

    An empty one closes nothing, so it is a problem too but where it stands against a default on purpose.
    """
    value = node.map().get(name)
    if value is None:
        return None
    items = texts(node, name, problems)
    if not items:
        is_list = isinstance(value.value, list) and not value.value
        if (value.value is None or is_list) and not (may_be_empty and is_list):
            add(problems, value, f"“{name}” names no grant, so it would close nothing: name one, or leave it out")
        return None
    try:
        return parse_grant_rule(items, source=value.source)
    except GrantSyntaxError as error:
        add(problems, value, str(error))
        return None


def read_hiding(node: Node, defaults: Node, problems: list[Problem]) -> GrantRule | None:
    """Return whose lists show a data set: its own ``hidden_unless_access_grants``, else the model's default; ``[]`` opts out."""
    name = "hidden_unless_access_grants"
    if name in node.map():
        return read_rule(node, name, problems, may_be_empty=True)
    return read_rule(defaults, f"default_topic_{name}", [], may_be_empty=True)


def read_grants(node: Node, problems: list[Problem]) -> dict[str, AccessGrant]:
    """Return ``access_grants``."""
    found: dict[str, AccessGrant] = {}
    for name, item in submap(node, "access_grants", problems).items():
        attribute, allowed = _attribute(item, problems), texts(item, "allowed_values", problems)
        if not attribute.isidentifier():
            add(problems, item, f"the grant “{name}” needs a user_attribute")
        elif not allowed:
            add(problems, item, f"the grant “{name}” allows no value, so nobody passes it")
        check_parameters(item, "grant", problems)
        if flag(item, "access_boostable", problems):
            add(problems, item, "access_boostable is not supported: nothing steps around a grant")
        if name in found or not name.replace("_", "a").replace("-", "a").isalnum():
            add(problems, item, f"“{name}” cannot be the name of a grant: letters, digits and underscores")
        found[name] = AccessGrant(name, attribute, tuple(allowed), item.source)
    return found


def _attribute(item: Node, problems: list[Problem]) -> str:
    """Return a user attribute, which tools also write as a reference."""
    name = text(item, "user_attribute", problems).strip()
    return name.removeprefix("{{").removesuffix("}}").strip().removeprefix(ATTRIBUTE)


def read_policies(node: Node, name: str, problems: list[Problem], *, view: str = "") -> tuple[AccessFilter, ...]:
    """Return ``access_filters``; in a view a field may be named without the view."""
    value = node.map().get(name)
    if value is None:
        return ()
    if not isinstance(value.value, list):
        fault = "is empty: list its filters, or leave it out" if value.value is None else "must be a list"
        add(problems, value, f"“{name}” {fault}")
        return ()
    if not value.value:
        add(problems, value, f"“{name}: []” closes nothing: list its filters, or leave it out", is_warning=True)
    return tuple(found for item in value.value if (found := _policy(item, view, problems)) is not None)


def _policy(item: Node, view: str, problems: list[Problem]) -> AccessFilter | None:
    field, attribute = text(item, "field", problems), _attribute(item, problems)
    if view and field and "." not in field:
        field = f"{view}.{field}"
    if not field or not attribute.isidentifier():
        add(problems, item, "an access filter needs a field and a user_attribute")
        return None
    if flag(item, "enable_sql_like_wildcards", problems):
        add(problems, item, "enable_sql_like_wildcards is not supported: a value is never a pattern")
    for unknown in item.map().keys() - {
        "field",
        "user_attribute",
        "values_for_unfiltered",
        "enable_sql_like_wildcards",
    }:
        add(problems, item.map()[unknown], f"“{unknown}” is not a parameter of an access filter")
    return AccessFilter(field, attribute, tuple(texts(item, "values_for_unfiltered", problems)), item.source)


def read_filters(node: Node, name: str, problems: list[Problem], *, view: str = "") -> tuple[FieldFilter, ...]:
    """Return a map of field to condition."""
    value = node.map().get(name)
    if value is None or value.value is None:
        return ()
    if not isinstance(value.value, dict):
        add(problems, value, f"“{name}” must be a map of field to condition")
        return ()
    found = []
    for field, condition in value.value.items():
        named = f"{view}.{field}" if view and "." not in field else field
        try:
            found.append(FieldFilter(named, parse_condition(condition.plain(), path=field), condition.source))
        except MalformedQueryError as error:
            add(problems, condition, f"{field}: {error.message}")
    return tuple(found)
