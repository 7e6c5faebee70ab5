"""``sql:`` texts → trees. References become placeholders on the tree; what is not on the allow-list is refused."""

import re
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from apps.semantic.model.types import TIMEFRAMES, FieldType
from apps.semantic.verify.allowed import FUNCTIONS

NODES = frozenset((
    exp.Column, exp.Identifier, exp.Placeholder, exp.Literal, exp.Boolean, exp.Null, exp.Var, exp.Interval,
    exp.DataType, exp.DataTypeParam, exp.Distinct, exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.GT, exp.GTE,
    exp.LT, exp.LTE, exp.Is, exp.In, exp.Between, exp.Like, exp.ILike, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv,
    exp.Mod, exp.Neg, exp.DPipe, exp.Case, exp.If, exp.Cast, exp.TryCast, exp.Coalesce, exp.Nullif,
))  # fmt: skip
AGGREGATES = (exp.AggFunc,)
VOLATILE = (exp.CurrentDate,)
REFERENCE = re.compile(r"\$\{([^{}]*)\}|\{\{([^{}]*)\}\}")
NAME = re.compile(r"(?:([A-Za-z_]\w*)\.)?([A-Za-z_]\w*)(?:\[([a-z_]+)\])?")
ATTRIBUTE = re.compile(r"\s*omni_attributes\.([A-Za-z_]\w*)\s*")
TEMPLATE = re.compile(r"\{\{|\{%|@\{|\$\{|\{#")
MAX_TEXT = 20_000
COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.In, exp.Between, exp.Like, exp.ILike,
               exp.And, exp.Or, exp.Not, exp.Boolean)  # fmt: skip
NUMBERS = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg, exp.Abs, exp.Round, exp.Floor, exp.Ceil,
           exp.Length, exp.Extract, exp.Sqrt, exp.Pow)  # fmt: skip
TEXTS = (exp.DPipe, exp.Concat, exp.Upper, exp.Lower, exp.Trim, exp.Substring, exp.Replace, exp.Left, exp.Right)


class ExpressionError(ValueError):
    """A ``sql:`` text is refused; the message says why."""


@dataclass(frozen=True, slots=True)
class ParsedExpression:
    """A tree with placeholders, and the ids that it refers to directly."""

    tree: exp.Expression
    references: frozenset[str]


def parse_expression(text: str, *, view: str, dialect: str, may_aggregate: bool = False) -> ParsedExpression:
    """Parse one expression of a view in the connection's dialect.

    Raises:
        ExpressionError: a query, a forbidden function, a reference inside a text, or no SQL at all.
    """
    if len(text) > MAX_TEXT:
        raise ExpressionError("the expression is too long")
    tokens: dict[str, str] = {}

    def tokenize(match: re.Match[str]) -> str:
        token = f"omni_reference_{len(tokens)}_"
        tokens[token] = _reference(match, view)
        return f" {token} "

    if "omni_reference_" in text:
        raise ExpressionError("“omni_reference_” is a reserved name")
    plain = REFERENCE.sub(tokenize, text)
    if TEMPLATE.search(plain):
        raise ExpressionError("only ${field} and {{omni_attributes.name}} can stand in an expression")
    tree = _parse(plain, dialect)
    tree = _resolved(tree, tokens)
    _check(tree, may_aggregate=may_aggregate)
    fields = frozenset(name.partition("[")[0] for name in tokens.values() if not name.startswith("omni_attributes."))
    return ParsedExpression(tree, fields)


def _reference(match: re.Match[str], view: str) -> str:
    if match.group(2) is not None:
        attribute = ATTRIBUTE.fullmatch(match.group(2))
        if attribute is None:
            raise ExpressionError(f"“{match.group(0)}” is not supported; only omni_attributes can stand there")
        return f"omni_attributes.{attribute.group(1)}"
    name = NAME.fullmatch(match.group(1).strip())
    if name is None:
        raise ExpressionError(f"“{match.group(0)}” is no reference to a field")
    timeframe = name.group(3)
    if timeframe and timeframe not in TIMEFRAMES:
        raise ExpressionError(f"there is no timeframe “{timeframe}”")
    return f"{name.group(1) or view}.{name.group(2)}" + (f"[{timeframe}]" if timeframe else "")


def _parse(text: str, dialect: str) -> exp.Expression:
    try:
        trees = sqlglot.parse(text, read=dialect)
    except sqlglot.errors.SqlglotError as error:
        details = error.errors if isinstance(error, sqlglot.errors.ParseError) else []
        reason = details[0].get("description") if details else None
        raise ExpressionError(f"not valid SQL: {reason or 'cannot be read'}") from None
    except RecursionError:
        raise ExpressionError("the expression is nested too deeply") from None
    if len(trees) != 1 or trees[0] is None:
        raise ExpressionError("exactly one expression is expected")
    return trees[0]  # type: ignore[return-value]  # sqlglot's stubs name a wider base


def _resolved(tree: exp.Expression, tokens: dict[str, str]) -> exp.Expression:
    found: list[str] = []

    def replace(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Column) and not node.table and node.name in tokens:
            found.append(node.name)
            return exp.Placeholder(this=tokens[node.name])
        return node

    result = tree.transform(replace)
    if sorted(found) != sorted(tokens):
        raise ExpressionError("a reference cannot stand inside a text, a name or a comment")
    return result


def _check(tree: exp.Expression, *, may_aggregate: bool) -> None:
    for node in tree.walk():
        if node.comments:
            raise ExpressionError("comments cannot stand in an expression")
        if isinstance(node, exp.Column) and (node.table or isinstance(node.this, exp.Star)):
            raise ExpressionError(f"write ${{view.field}} instead of “{node.sql()}”")
        if isinstance(node, exp.Placeholder) and not node.name:
            raise ExpressionError("a parameter cannot stand in an expression")
        if isinstance(node, AGGREGATES) and not may_aggregate:
            raise ExpressionError("an aggregate cannot stand here; use aggregate_type")
        if isinstance(node, VOLATILE) or (type(node) not in NODES and type(node) not in FUNCTIONS):
            name = node.name if isinstance(node, exp.Anonymous) else node.key
            raise ExpressionError(f"“{str(name)[:40]}” is not allowed in an expression")


def inferred_type(tree: exp.Expression) -> FieldType:
    """Return the type that the shape of an expression tells, else "unknown"."""
    node = tree
    while isinstance(node, exp.Paren):
        node = node.this
    if isinstance(node, exp.Cast):
        return _cast_type(node)
    if isinstance(node, COMPARISONS):
        return "boolean"
    if isinstance(node, NUMBERS) or (isinstance(node, exp.Literal) and not node.is_string):
        return "number"
    if isinstance(node, TEXTS) or (isinstance(node, exp.Literal) and node.is_string):
        return "string"
    if isinstance(node, exp.Case):
        kinds = {inferred_type(branch.args["true"]) for branch in node.args.get("ifs", [])}
        return kinds.pop() if len(kinds) == 1 else "unknown"
    return "unknown"


def _cast_type(node: exp.Cast) -> FieldType:
    if node.is_type(exp.DataType.Type.DATE):
        return "date"
    if node.is_type(*exp.DataType.TEMPORAL_TYPES):
        return "timestamp"
    if node.is_type(*exp.DataType.TEXT_TYPES):
        return "string"
    if node.is_type(*exp.DataType.NUMERIC_TYPES):
        return "number"
    return "boolean" if node.is_type(exp.DataType.Type.BOOLEAN) else "unknown"
