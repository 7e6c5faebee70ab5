"""The rest beyond the top values of a dimension, under a label that no value beside it has."""

from sqlglot import exp

from apps.semantic.compile.dialects.texts import FOLDING
from apps.semantic.compile.nodes import cast, literal_number
from apps.semantic.compile.values import Values

MARK = " (value)"


def gathered(node: exp.Expr, is_kept: exp.Expr, label: str, values: Values, *, dialect: str) -> exp.Expr:
    """Return a dimension's kept values as texts, and the label for all others.

    A value that is the label itself is shown as ``Other (value)``, and one that begins so has the mark once more at its
    end: so no two values become one, and none becomes the label. What is equal the database says, as it does in groups:
    to MySQL by a column's collation, which a cast would take away.
    """
    keeps_collation = dialect in FOLDING

    def text() -> exp.Expr:
        if keeps_collation:
            return exp.Concat(expressions=[node.copy(), exp.Literal.string("")])
        return cast(node.copy(), exp.DType.TEXT)

    def bound(value: str) -> exp.Expr:
        return values.bind(value) if keeps_collation else cast(values.bind(value), exp.DType.TEXT)

    marked = label + MARK
    begins = exp.Substring(this=text(), start=literal_number(1), length=literal_number(len(marked)))
    again = exp.DPipe(this=text(), expression=exp.Literal.string(MARK), safe=True)
    cases: list[tuple[exp.Expr, exp.Expr]] = [
        (exp.And(this=is_kept.copy(), expression=exp.EQ(this=text(), expression=bound(label))), bound(marked)),
        (exp.And(this=is_kept.copy(), expression=exp.EQ(this=begins, expression=bound(marked))), again),
        (is_kept, text()),
    ]
    return exp.Case(ifs=[exp.If(this=condition, true=value) for condition, value in cases], default=bound(label))
