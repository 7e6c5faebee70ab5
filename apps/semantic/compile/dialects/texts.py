"""Texts cut down, and texts compared letter by letter."""

from sqlglot import exp

from apps.semantic.compile.nodes import call, cast, literal_number
from apps.semantic.model.types import Scalar

FOLDING = frozenset(("mysql",))
"""dialects whose columns compare texts without regard to case and trailing blanks, unless told otherwise"""

GUESSING = frozenset(("duckdb", "mysql", "spark"))
"""dialects that turn a column of texts into numbers, or into yes and no, to compare it with such a value"""


def keep_last(node: exp.Expr, count: int, *, dialect: str) -> exp.Expr:
    """Return a text with all but its last letters as stars; one that is no longer than that is stars alone."""
    length = exp.Length(this=node.copy())
    hidden = exp.Sub(this=length, expression=literal_number(count))
    stars = call("REPEAT", exp.Literal.string("*"), hidden)
    longer = exp.GT(this=length.copy(), expression=literal_number(count))
    kept = exp.Right(this=node.copy(), expression=literal_number(count))
    all_stars = call("REPEAT", exp.Literal.string("*"), length.copy())
    return exp.Case(
        ifs=[exp.If(this=longer, true=exp.DPipe(this=stars, expression=kept, safe=True))], default=all_stars
    )


def exact(node: exp.Expr, *, dialect: str) -> exp.Expr:
    """Return a text as something of which no two different texts are equal: a rule must not widen by a collation."""
    if dialect == "spark":
        return cast(node, exp.DType.TEXT)  # without the collation that a column may have
    if dialect not in FOLDING:
        return node
    utf8 = exp.DataType(this=exp.DType.CHARACTER_SET, kind=exp.Var(this="utf8mb4"))
    return cast(exp.Cast(this=node, to=utf8), exp.DType.BINARY)


def spelt(value: Scalar, *, dialect: str) -> str | None:
    """Return how a column that holds a value spells it when it is cast to a text; None where that is not certain.

    A number with a fraction may have zeros at its end, and yes and no are numbers to MySQL.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower() if dialect not in FOLDING else None
    return str(value) if isinstance(value, int) else None
