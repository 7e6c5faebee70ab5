"""What the compiler returns."""

from dataclasses import dataclass

from apps.semantic.model.types import FieldType, Scalar
from apps.semantic.query.types import Top


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """One column of the answer, in request order of the result: dimensions first."""

    name: str
    label: str
    type: FieldType
    format: str | None
    is_measure: bool
    is_masked: bool = False


@dataclass(frozen=True, slots=True)
class CompiledQuery:
    """One SELECT.

    Attributes:
        sql: text in the dialect, with positional placeholders of the dialect's driver
            (``%s`` for PostgreSQL, ``?`` for DuckDB); values are never in the text. It asks for one row
            more than ``row_limit`` so that a cut can be seen.
        parameters: the values, in the order of the placeholders.
        columns: of the result, in order.
        dialect: sqlglot's name of the dialect.
        row_limit: rows that may be returned.
        shape: hex SHA-256 of ``sql``; together with the parameters the governed query.
        top: the ranking that the question asks for, if any.
        rollup: the view whose table answers in the base view's stead, if any.
    """

    sql: str
    parameters: tuple[Scalar, ...]
    columns: tuple[ResultColumn, ...]
    dialect: str
    row_limit: int
    shape: str
    rollup: str | None = None
    top: Top | None = None
