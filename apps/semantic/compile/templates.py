"""User attributes, values of filters and templated filters inside model expressions: bound values, never text."""

from sqlglot import exp

from apps.semantic.compile.conditions import Conditions, Subject
from apps.semantic.compile.dialects.texts import exact
from apps.semantic.compile.facts import FILTER_PREFIX
from apps.semantic.compile.plan import Plan, check_alone
from apps.semantic.compile.values import Values
from apps.semantic.errors import MissingAttributeError, UnprovenSqlError
from apps.semantic.model.comparing import Comparing, is_attribute, operands
from apps.semantic.model.types import TEMPLATED, Condition, FieldType, Scalar
from apps.semantic.scope import AccessScope

ATTRIBUTE = "omni_attributes."
EXACT = "exact"
SPELT = "spelt"
"""marks a user attribute whose value is bound as its text"""


def attribute_values(name: str, scope: AccessScope) -> tuple[Scalar, ...]:
    """Return the actor's values of ``omni_attributes.<name>``.

    Raises:
        MissingAttributeError: there is none; nothing is assumed in its place.
    """
    attribute = name.removeprefix(ATTRIBUTE)
    values = scope.attributes.get(attribute, ())
    if not values:
        raise MissingAttributeError(attribute)
    return values


def compare_exactly(tree: exp.Expr, plan: Plan, comparing: Comparing) -> None:
    """Turn what user attributes are compared with into bytes, once, where the database takes different texts for one.

    Raises:
        MissingAttributeError: a value is not of the type of what it is compared with.
    """
    for node in comparing.comparisons(tree):
        if node.meta.get(EXACT):
            continue
        node.meta[EXACT] = True
        names = sorted(comparing.compared_in(node))
        given = {name: attribute_values(name, plan.scope) for name in names}
        manner = comparing.manner(node, given)
        if manner == "refused":
            raise MissingAttributeError(names[0], is_unsure=True)
        if manner == "as it is":
            continue
        for item in operands(node):
            if manner == "as spelt" and is_attribute(item):
                item.unnest().set("kind", SPELT)
            # The values of a list need no cast: what they are compared with is bytes.
            if not (is_attribute(item) and item.arg_key == "expressions"):
                item.replace(exact(item.copy(), dialect=plan.dialect))


def fill_attribute(node: exp.Expr, scope: AccessScope, values: Values) -> None:
    """Put the bound value of a user attribute in its place; several values only in an IN list.

    Raises:
        MissingAttributeError: no value, or several where one is meant.
    """
    found = attribute_values(node.name, scope)
    if node.args.get("kind") == SPELT:
        found = tuple(str(value) for value in found)
    parent = node.parent
    if isinstance(parent, exp.In) and node.arg_key == "expressions":
        others = [item for item in parent.expressions if item is not node]
        parent.set("expressions", [*others, *(values.bind(value) for value in found)])
    elif len(found) == 1:
        node.replace(values.bind(found[0]))
    else:
        raise MissingAttributeError(node.name.removeprefix(ATTRIBUTE), has_several=True)


def fill_value(node: exp.Expr, plan: Plan, values: Values) -> bool:
    """Put the value of a filter in its place, NULL without one; say whether it marks a templated filter instead."""
    parent = node.parent
    if isinstance(parent, exp.Anonymous) and parent.this == TEMPLATED and parent.expressions[0] is node:
        return True
    field, _, part = node.name.removeprefix(FILTER_PREFIX).rpartition(".")
    check_alone(field, plan)
    value = _part(plan.templates.get(field), part)
    node.replace(exp.Null() if value is None else values.bind(value))
    return False


def _part(condition: Condition | None, part: str) -> Scalar:
    if condition is None or not condition.values:
        return None
    if part == "range_end":
        return condition.values[-1] if len(condition.values) > 1 else None
    return condition.values[0]


def templated(node: exp.Expr, plan: Plan, conditions: Conditions) -> exp.Expr:
    """Return the query's condition on a filter, applied to the expression that the template wraps."""
    mark, wrapped, *default = node.expressions
    field = mark.name.removeprefix(FILTER_PREFIX)
    check_alone(field, plan)
    condition = plan.templates.get(field)
    if condition is None:
        return default[0].copy() if default else exp.Boolean(this=True)
    type_ = _type(field, plan)
    return exp.Paren(this=conditions.translate(condition, Subject(wrapped.copy, type_, f"filters.{field}")))


def _type(field: str, plan: Plan) -> FieldType:
    view, _, name = field.partition(".")
    found = plan.model.views.get(view)
    if found is None:
        raise UnprovenSqlError(f"A templated filter names {field}, which the model does not have.")
    if name in found.filters:
        return found.filters[name].type
    dimension = found.dimensions.get(name)
    if dimension is None:
        raise UnprovenSqlError(f"A templated filter names {field}, which is no filter.")
    return dimension.type
