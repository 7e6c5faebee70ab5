"""Texts cut down."""

from sqlglot import exp

from apps.semantic.compile.nodes import call, literal_number


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
