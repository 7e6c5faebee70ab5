"""Parameters that stand for an expression become that expression: groups of values, ranges of numbers."""

from sqlglot import exp

from apps.semantic.errors import MalformedQueryError
from apps.semantic.model.context import Context
from apps.semantic.model.expressions import ParsedExpression
from apps.semantic.model.filters import parse_condition
from apps.semantic.model.parameters import text
from apps.semantic.model.types import Condition, Scalar
from apps.semantic.model.yaml_nodes import Node

COMPARISONS: dict[str, type[exp.Binary]] = {
    "greater_than": exp.GT,
    "greater_than_or_equal_to": exp.GTE,
    "less_than": exp.LT,
    "less_than_or_equal_to": exp.LTE,
}
PATTERNS = {"contains": "%{}%", "starts_with": "{}%", "ends_with": "%{}"}


def lower_groups(item: Node, parsed: ParsedExpression, context: Context) -> ParsedExpression:
    """Return ``groups`` (and ``else``) as a CASE over the dimension's expression; without ``else`` the rest is NULL."""
    groups = item.map()["groups"]
    if not isinstance(groups.value, list) or not groups.value:
        context.fault(groups, "“groups” must be a list of {filter, name}")
        return parsed
    branches = []
    for group in groups.value:
        name, condition = text(group, "name", context.problems), group.map().get("filter")
        if not name or condition is None:
            context.fault(group, "a group needs a name and a filter")
            continue
        try:
            holds = _holds(parse_condition(condition.plain(), path="filter"), parsed.tree)
        except MalformedQueryError as error:
            context.fault(condition, error.message)
            continue
        branches.append(exp.If(this=holds, true=exp.Literal.string(name)))
    rest = text(item, "else", context.problems)
    default = exp.Literal.string(rest) if rest else None
    return ParsedExpression(exp.Case(ifs=branches, default=default), parsed.references)


def lower_bins(item: Node, parsed: ParsedExpression, context: Context) -> ParsedExpression:
    """Return ``bin_boundaries`` as a CASE: ``< 21``, ``>= 21 and < 65``, ``>= 65``; NULL stays NULL."""
    node = item.map()["bin_boundaries"]
    bounds = node.plain()
    if not isinstance(bounds, list) or not bounds or not all(_is_number(bound) for bound in bounds):
        context.fault(node, "“bin_boundaries” must be a list of numbers")
        return parsed
    if bounds != sorted(set(bounds)):
        context.fault(node, "“bin_boundaries” must grow from one to the next")
        return parsed
    branches = []
    for index, bound in enumerate(bounds):
        label = f"< {bound}" if index == 0 else f">= {bounds[index - 1]} and < {bound}"
        below = exp.LT(this=exp.Paren(this=parsed.tree.copy()), expression=exp.Literal.number(bound))
        branches.append(exp.If(this=below, true=exp.Literal.string(label)))
    last = exp.GTE(this=exp.Paren(this=parsed.tree.copy()), expression=exp.Literal.number(bounds[-1]))
    branches.append(exp.If(this=last, true=exp.Literal.string(f">= {bounds[-1]}")))
    return ParsedExpression(exp.Case(ifs=branches), parsed.references)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _holds(condition: Condition, tree: exp.Expression) -> exp.Expression:
    """Return a condition of the model over an expression, its values as literals of the model."""
    operator, values = condition.operator, condition.values
    if operator in ("and", "or"):
        children = [_holds(child, tree) for child in condition.children]
        return exp.Paren(this=(exp.and_ if operator == "and" else exp.or_)(*children))
    if operator == "not" or operator.startswith("not_"):
        positive = Condition(operator[4:] or "is", values, condition.children, condition.is_case_insensitive)
        inner = exp.Coalesce(this=_holds(positive, tree), expressions=[exp.false()])
        return exp.Not(this=inner)
    subject: exp.Expression = exp.Paren(this=tree.copy())
    if condition.is_case_insensitive:
        subject = exp.Lower(this=subject)
        values = tuple(value.lower() if isinstance(value, str) else value for value in values)
    if operator == "is":
        return _is_any(subject, values)
    if operator in COMPARISONS:
        compared: exp.Expression = COMPARISONS[operator](this=subject, expression=_literal(values[0]))  # type: ignore[assignment]  # sqlglot's stubs
        return compared
    if operator == "between":
        return exp.Between(this=subject, low=_literal(values[0]), high=_literal(values[1]))
    if operator in PATTERNS:
        likes = [exp.Like(this=subject.copy(), expression=_pattern(PATTERNS[operator], value)) for value in values]
        return exp.Paren(this=exp.or_(*likes))
    raise MalformedQueryError(f"“{operator}” cannot choose a group", "filter")


def _is_any(subject: exp.Expression, values: tuple[Scalar, ...]) -> exp.Expression:
    given = [_literal(value) for value in values if value is not None]
    found: list[exp.Expression] = [exp.In(this=subject, expressions=given)] if given else []
    if None in values:
        found.append(exp.Is(this=subject.copy(), expression=exp.null()))
    return exp.Paren(this=exp.or_(*found))


def _pattern(pattern: str, value: Scalar) -> exp.Expression:
    if not isinstance(value, str) or any(letter in value for letter in "%_\\"):
        raise MalformedQueryError("a group's pattern must be a text without %, _ or \\", "filter")
    return exp.Literal.string(pattern.format(value))


def _literal(value: Scalar) -> exp.Expression:
    if value is None:
        return exp.null()
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    return exp.Literal.string(value) if isinstance(value, str) else exp.Literal.number(value)
