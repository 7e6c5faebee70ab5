"""What stands in a table's place for a value that someone may not see. NULL stays NULL."""

from sqlglot import exp

from apps.semantic.compile.dialects.frames import framed
from apps.semantic.compile.dialects.hashing import keyed_hash
from apps.semantic.compile.dialects.numbers import bucket
from apps.semantic.compile.dialects.texts import keep_last
from apps.semantic.compile.nodes import cast
from apps.semantic.compile.reads import Reads
from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import Dimension

REDACTED = "•••"


def masked_value(dimension: Dimension, reads: Reads) -> exp.Expr:
    """Return the mask of a dimension over the bare columns of its own table."""
    mask, dialect = dimension.mask, reads.plan.dialect
    if mask.kind == "hash":
        key = cast(reads.values.bind(reads.plan.scope.mask_key), exp.DType.TEXT)
        return keyed_hash(key, cast(reads.inside(dimension), exp.DType.TEXT), dialect=dialect)
    if mask.kind == "null":
        return cast(exp.Null(), exp.DType.TEXT)
    value = reads.inside(dimension)
    if mask.kind == "redact":
        given = exp.Not(this=exp.Is(this=value, expression=exp.Null()))
        return exp.Case(ifs=[exp.If(this=given, true=exp.Literal.string(REDACTED))])
    if mask.kind == "keep_last" and isinstance(mask.argument, int):
        return keep_last(cast(value, exp.DType.TEXT), mask.argument, dialect=dialect)
    if mask.kind == "truncate_date" and isinstance(mask.argument, str):
        return framed(value, mask.argument, week_start=0, fiscal_offset=0, dialect=dialect)
    if mask.kind == "bucket" and isinstance(mask.argument, int | float):
        return bucket(value, mask.argument, dialect=dialect)
    raise UnprovenSqlError(f"{dimension.id} has a mask that cannot be written.")
