"""The type of any expression of a model, as far as files, catalogue and dialect tell it; else "unknown"."""

from collections.abc import Mapping

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types

from apps.semantic.model.types import NO_FIELDS, Dimension, FieldType, Measure, SemanticModel

Columns = Mapping[str, Mapping[str, FieldType]]
"""view → column in lower case → its type in the source"""
DATE_FRAMES = frozenset(("date", "week", "month", "quarter", "year", "fiscal_quarter"))
TIME_FRAMES = frozenset(("raw", "hour", "minute", "second", "millisecond"))
NAME_FRAMES = frozenset(("month_name", "day_of_week_name"))
CALCULATED = (exp.Mul, exp.Div, exp.IntDiv, exp.Mod)
TARGETS: dict[FieldType, str] = {
    "string": "TEXT", "number": "DOUBLE", "boolean": "BOOLEAN", "date": "DATE", "timestamp": "TIMESTAMP",
}  # fmt: skip
TEMPORAL = ("date", "timestamp")
COUNTS_DAYS = frozenset(("postgres", "redshift", "duckdb", "snowflake", "mysql"))
"""dialects in which a date less a date is a number"""
ADDS_MOMENTS = frozenset(("postgres", "duckdb"))
"""dialects in which a date and an interval are a moment"""
CLOCK = frozenset((exp.DType.TIME, exp.DType.TIMETZ))
MAX_DEPTH = 64
MAX_KIND = 200


def kind_of_column(text: str, dialect: str) -> FieldType:
    """Return the type that a source's catalogue names, in its dialect; times of day and all that is rare are unknown."""
    try:
        return _kind(exp.DataType.build(text[:MAX_KIND], dialect=dialect))
    except (SqlglotError, ValueError):
        return "unknown"


def kind_of_frame(frame: str, base: FieldType) -> FieldType:
    """Return the type of a field under a timeframe, or under an interval of a duration."""
    if not frame or frame in TIME_FRAMES:
        return base
    if frame in DATE_FRAMES:
        return "date"
    return "string" if frame in NAME_FRAMES else "number"


class Kinds:
    """Types of the fields of one model; what was worked out once is kept."""

    def __init__(self, model: SemanticModel, columns: Columns) -> None:
        self.model = model
        self.columns = columns
        self._fields: dict[str, FieldType] = {}
        self._depth = 0

    def of_name(self, name: str) -> FieldType:
        """Return the type of ``view.field`` or ``view.field[timeframe]``."""
        field_id, _, frame = name.partition("[")
        return kind_of_frame(frame.removesuffix("]"), self._of_id(field_id))

    def _of_id(self, field_id: str) -> FieldType:
        if field_id in self._fields or self._depth >= MAX_DEPTH:
            return self._fields.get(field_id, "unknown")
        self._fields[field_id] = "unknown"  # for a field that rests on itself
        found = self.model.dimension(field_id) or self.model.measure(field_id)
        self._depth += 1
        if isinstance(found, Dimension):
            self._fields[field_id] = self._of_dimension(found)
        elif found is not None:
            self._fields[field_id] = self._of_measure(found)
        self._depth -= 1
        return self._fields[field_id]

    def _of_dimension(self, item: Dimension) -> FieldType:
        if item.level_of_detail is not None:
            return "unknown" if item.level_of_detail.aggregate in ("min", "max") else "number"
        if item.duration is not None:
            return "number"
        found = self.of_tree(item.sql, item.view)
        return item.type if found == "unknown" and item.timeframes else found

    def _of_measure(self, item: Measure) -> FieldType:
        if item.aggregate in ("min", "max", "expression", "median", "percentile"):
            return "unknown"
        return item.type

    def of_tree(self, tree: exp.Expression, view: str) -> FieldType:
        """Return the type of an expression that stands in a view."""
        if isinstance(tree, exp.Paren):
            return self.of_tree(tree.this, view)
        if isinstance(tree, exp.Column):
            return self._of_column(tree.name, view)
        if isinstance(tree, exp.Placeholder):
            return "unknown" if tree.name.startswith(NO_FIELDS) else self.of_name(tree.name)
        if isinstance(tree, exp.Literal):
            return "string" if tree.is_string else "number"
        return _kind(self.annotated(tree, view).type) if not isinstance(tree, CALCULATED) else "number"

    def _of_column(self, name: str, view: str) -> FieldType:
        told = self.columns.get(view, {}).get(name.lower())
        if told is not None:
            return told
        source = self.model.views[view].query_source if view in self.model.views else None
        inner = (
            next((field for field, column in source.columns if column == name), None) if source is not None else None
        )
        if source is None or inner is None or inner.partition(".")[0] == view:
            return "unknown"
        own = self.model.of_topic(source.topic)
        return self.of_name(inner) if own is self.model else Kinds(own, self.columns).of_name(inner)

    def annotated(self, tree: exp.Expression, view: str) -> exp.Expression:
        """Return a copy with a type on each node: what is known of columns and fields is written as a cast first."""
        holder = exp.Paren(this=tree.copy())
        for node in list(holder.find_all(exp.Column, exp.Placeholder)):
            target = TARGETS.get(self.of_tree(node, view))
            if target is not None:
                node.replace(_of_type(target))
        if holder.find(exp.Sub, exp.Add) is not None:
            self._measure_time(holder)
        typed = annotate_types(holder, dialect=self.model.dialect)
        found: exp.Expression = typed.this
        return found

    def _measure_time(self, holder: exp.Paren) -> None:
        """Give differences of dates, and what is added to dates, the type that databases give them; sqlglot says date."""
        for node in reversed(list(holder.find_all(exp.Sub, exp.Add))):  # inner ones first
            typed = annotate_types(exp.Paren(this=node.copy()), dialect=self.model.dialect).this
            left, right = kind_of_node(typed.this), kind_of_node(typed.expression)
            if "date" not in (left, right) and "timestamp" not in (left, right):
                continue
            target = "INTERVAL" if self.model.dialect not in COUNTS_DAYS else "DOUBLE"
            if isinstance(node, exp.Sub) and left == right == "date":
                node.replace(_of_type(target))
            elif self.model.dialect == "mysql" and "number" in (left, right):
                node.replace(_of_type("DOUBLE"))
            elif isinstance(node, exp.Sub) and left in TEMPORAL and right in TEMPORAL:
                node.replace(_of_type("INTERVAL"))
            elif kind_of_node(typed) == "date" and _is_interval(node) and self.model.dialect in ADDS_MOMENTS:
                node.replace(_of_type("TIMESTAMP"))

    def knows_from_source(self, name: str) -> bool:
        """Say whether only the catalogue tells the type of a field."""
        found = self.model.dimension(name.partition("[")[0])
        return found is not None and found.type == "unknown"


def _of_type(name: str) -> exp.Cast:
    return exp.Cast(this=exp.column("x"), to=exp.DataType.build(name))


def _is_interval(node: exp.Binary) -> bool:
    return any(isinstance(side, exp.Interval) for side in (node.left, node.right))


def literal(node: exp.Expr | None) -> exp.Literal | None:
    """Return a literal, out of its parentheses."""
    while isinstance(node, exp.Paren):
        node = node.this
    return node if isinstance(node, exp.Literal) else None


def kind_of_node(node: exp.Expr) -> FieldType:
    """Return the type that annotation has put on a node."""
    return _kind(node.type)


def _kind(type_: exp.DataType | None) -> FieldType:
    if type_ is None or type_.this in CLOCK:
        return "unknown"
    if type_.this in exp.DataType.TEXT_TYPES:
        return "string"
    if type_.this == exp.DType.BOOLEAN:
        return "boolean"
    if type_.this in (exp.DType.DATE, exp.DType.DATE32):
        return "date"
    if type_.this in exp.DataType.TEMPORAL_TYPES:
        return "timestamp"
    return "number" if type_.this in exp.DataType.NUMERIC_TYPES else "unknown"
