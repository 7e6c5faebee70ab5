"""Numbers in ranges."""

from sqlglot import exp

from apps.semantic.compile.nodes import operand


def bucket(node: exp.Expr, width: float, *, dialect: str) -> exp.Expr:
    """Return the lower bound of the range of that width that a number lies in."""
    size = exp.Literal.number(width)
    floor = exp.Floor(this=exp.Div(this=operand(node), expression=size))
    return exp.Mul(this=floor, expression=size.copy())
