"""Small SQL trees, built directly: parsing text here would cost more than all the rest."""

from collections.abc import Iterable
from functools import reduce

from sqlglot import exp

SAFE_OPERANDS = (exp.Column, exp.Func, exp.Literal, exp.Paren, exp.Var, exp.Boolean, exp.Null)


def name(text: str) -> exp.Identifier:
    """Return a quoted identifier."""
    return exp.Identifier(this=text, quoted=True)


def column(view: str | None, text: str) -> exp.Column:
    """Return ``"view"."text"``, or ``"text"`` inside the view's own subquery."""
    if view is None:
        return exp.Column(this=name(text))
    return exp.Column(this=name(text), table=name(view))


def operand(node: exp.Expr) -> exp.Expr:
    """Put a node into parentheses where a stronger operator around it could tear it apart."""
    if isinstance(node, SAFE_OPERANDS) and not isinstance(node, exp.Binary):
        return node
    return exp.Paren(this=node)


def cast(node: exp.Expr, type_: exp.DType) -> exp.Expr:
    return exp.Cast(this=node, to=exp.DataType(this=type_, nested=False))


def call(function: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=function, expressions=list(arguments))


def all_hold(conditions: Iterable[exp.Expr]) -> exp.Expr | None:
    """Combine with AND; None when there is nothing to hold."""
    wrapped = [condition_operand(item) for item in conditions]
    return reduce(lambda left, right: exp.And(this=left, expression=right), wrapped) if wrapped else None


def any_holds(conditions: Iterable[exp.Expr]) -> exp.Expr:
    """Combine with OR; nothing to choose from is false."""
    wrapped = [condition_operand(item) for item in conditions]
    if not wrapped:
        return exp.Boolean(this=False)
    return exp.Paren(this=reduce(lambda left, right: exp.Or(this=left, expression=right), wrapped))


def condition_operand(node: exp.Expr) -> exp.Expr:
    """Parenthesize what AND or OR would tear apart: a connector, or model text that may hold one."""
    return exp.Paren(this=node) if isinstance(node, exp.Connector) else node


def literal_number(value: int) -> exp.Expr:
    return exp.Literal(this=str(value), is_string=False)


def shifted(node: exp.Expr, count: int, unit: str) -> exp.Expr:
    """Return a moment so many units later; a quarter is three months, as not every database knows quarters."""
    if unit.lower() in ("quarter", "quarters"):
        count, unit = 3 * count, "month"
    step = exp.Interval(this=exp.Literal.string(str(count)), unit=exp.Var(this=unit.upper()))
    return exp.Paren(this=exp.Add(this=operand(node), expression=step))
