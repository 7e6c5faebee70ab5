"""Aggregates that databases spell differently."""

from sqlglot import exp

from apps.semantic.compile.dialects.traits import traits_of
from apps.semantic.compile.nodes import cast


def percentile(node: exp.Expr, fraction: float, dialect: str) -> exp.Expr | None:
    """Return the continuous percentile, fraction from 0 to 1; None where the database has no such aggregate."""
    if not traits_of(dialect).has_percentile:
        return None
    value = exp.Literal.number(fraction)
    if dialect == "duckdb":
        return exp.Anonymous(this="QUANTILE_CONT", expressions=[node, value])
    if dialect in ("spark", "databricks"):
        return exp.Quantile(this=node, quantile=value)  # PERCENTILE: the parser would make an estimate of the other one
    order = exp.Order(expressions=[exp.Ordered(this=node)])
    return exp.WithinGroup(this=exp.PercentileCont(this=value), expression=order)


def median(node: exp.Expr, dialect: str) -> exp.Expr | None:
    """Return the median."""
    return percentile(node, 0.5, dialect)


def listed(node: exp.Expr, dialect: str) -> exp.Expr:
    """Return all values as one text, sorted and joined by commas."""
    text = cast(node, exp.DType.TEXT)
    order = exp.Order(this=text, expressions=[exp.Ordered(this=text.copy())])
    return exp.GroupConcat(this=order, separator=exp.Literal.string(", "))
