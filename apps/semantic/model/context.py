"""What every part of the reader needs beside the node it reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from apps.semantic.errors import Problem
from apps.semantic.model.expressions import ExpressionError, ParsedExpression, parse_expression
from apps.semantic.model.parameters import add
from apps.semantic.model.stored import StoredTables
from apps.semantic.model.types import LabelAccess
from apps.semantic.model.yaml_nodes import Node


@dataclass(slots=True)
class Context:
    """One reading of one model: its dialect, its constants, and the problems found so far."""

    dialect: str
    problems: list[Problem]
    constants: dict[str, exp.Expression] = field(default_factory=dict)
    formats: dict[str, str] = field(default_factory=dict)
    """``custom_formats``"""
    texts: dict[str, str] = field(default_factory=dict)
    """``constants`` as they are written, for formats"""
    fiscal_month_offset: int | None = None
    default_timeframes: tuple[str, ...] = ()
    labels: Mapping[str, LabelAccess] = field(default_factory=dict)
    """``classification_access``"""
    extended: dict[tuple[int, str], Node] = field(default_factory=dict)
    """by identity of the files and name: what ``extends`` has come to, worked out once"""
    dynamic_schemas: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """schema as written → (schema that the model was made from, user attribute that names the real one)"""
    stored: StoredTables | None = None
    """of the source; None where the files are read by themselves"""

    def parsed(
        self, sql: str, view: str, at: Node, *, name: str = "sql", may_aggregate: bool = False
    ) -> ParsedExpression | None:
        """Return an expression, or None with the problem noted where it stands."""
        try:
            return parse_expression(
                sql, view=view, dialect=self.dialect, may_aggregate=may_aggregate, constants=self.constants
            )
        except ExpressionError as error:
            add(self.problems, at.map().get(name, at), str(error))
            return None

    def fault(self, at: Node, message: str) -> None:
        """Note a problem."""
        add(self.problems, at, message)

    def warn(self, at: Node, message: str) -> None:
        """Note something that does not stop the model."""
        add(self.problems, at, message, is_warning=True)

    def column(self, name: str) -> ParsedExpression:
        """Return a physical column of the view's own table; where unquoted names are upper case, as such."""
        if self.dialect == "snowflake":
            return parse_expression(name, view="", dialect=self.dialect)
        quote = "`" if self.dialect in ("mysql", "bigquery", "databricks", "spark") else '"'
        return parse_expression(f"{quote}{name}{quote}", view="", dialect=self.dialect)
