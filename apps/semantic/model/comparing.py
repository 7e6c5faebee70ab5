"""Comparisons in which a user attribute takes part, and how each is made exact on databases that compare loosely.

MySQL and MariaDB take "acme", "Acme " and "ÁCME" for one text, and any text for the number 0. What a user attribute is
compared with must be told apart letter by letter there, or not be compared at all.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from sqlglot import exp

from apps.semantic.model.types import ATTRIBUTE, FILTER, TEMPLATED, FieldType, Scalar, SemanticModel

LOOSE = frozenset(("mysql",))
CHOICES = (exp.EQ, exp.NEQ, exp.In, exp.Like)
ORDERS = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between)
COMPARED = (*CHOICES, *ORDERS)
WITHIN = (exp.Nullif, exp.ILike, exp.Greatest, exp.Least, exp.StrPosition, exp.StartsWith, exp.EndsWith, exp.Contains,
          exp.Replace, exp.SplitPart)  # fmt: skip
"""functions that compare what they are given"""
TRUTHS = (*COMPARED, exp.ILike, exp.Is, exp.And, exp.Or, exp.Not, exp.Boolean)
NUMBERS = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg, exp.Abs, exp.Round, exp.Floor, exp.Ceil,
           exp.Sqrt, exp.Pow, exp.Sum, exp.Avg)  # fmt: skip
COUNTS = (exp.Length, exp.Extract, exp.Count)
TEXTS = (exp.DPipe, exp.Concat, exp.Upper, exp.Lower, exp.Trim, exp.Substring, exp.Left, exp.Right)
DATE_FRAMES = frozenset(("date", "week", "month", "quarter", "year", "fiscal_quarter"))
TIME_FRAMES = frozenset(("raw", "hour", "minute", "second", "millisecond"))
NAME_FRAMES = frozenset(("month_name", "day_of_week_name"))
TIMES = frozenset(("date", "timestamp"))
SAMPLES: Mapping[str, tuple[Scalar, ...]] = {
    "string": ("a",), "number": (1,), "boolean": (True,), "date": ("2026-01-31",),
}  # fmt: skip
"""by type of an attribute, a value that it may have"""
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?", re.ASCII)
MAX_DEPTH = 64
Attributes = Mapping[str, tuple[Scalar, ...]]
Manner = Literal["as it is", "as bytes", "as spelt", "refused"]
"""``as spelt`` is as bytes too, a whole number being bound as its text"""


class Comparing:
    """Finds the comparisons of one model's expressions that user attributes take part in, be it through other fields."""

    def __init__(self, model: SemanticModel, dialect: str) -> None:
        self.model = model
        self.is_loose = dialect in LOOSE
        self._carried: dict[str, frozenset[str]] = {}

    def comparisons(self, tree: exp.Expr) -> list[exp.Expr]:
        """Return the comparisons of a tree that must be exact, inner ones first; none on databases that are exact."""
        if not self.is_loose:
            return []
        found: list[exp.Expr] = [
            node for node in tree.find_all(*COMPARED) if any(self.carried(item) for item in operands(node))
        ]
        return found[::-1]

    def carried(self, tree: exp.Expr, depth: int = 0) -> frozenset[str]:
        """Return the attributes that the value of an expression may be, or be made of; a comparison's outcome is not."""
        found: set[str] = set()
        waiting = [tree]
        while waiting:
            node = waiting.pop()
            if isinstance(node, (*COMPARED, exp.Is)) or (isinstance(node, exp.Anonymous) and node.this == TEMPLATED):
                continue
            if not isinstance(node, exp.Placeholder):
                waiting += node.iter_expressions()
            elif node.name.startswith(ATTRIBUTE):
                found.add(node.name.removeprefix(ATTRIBUTE))
            elif not node.name.startswith(FILTER):
                found |= self.carried_by(node.name, depth + 1)
        return frozenset(found)

    def carried_by(self, name: str, depth: int = 0) -> frozenset[str]:
        """Return the attributes that the value of a field may be made of."""
        field_id = name.partition("[")[0]
        if field_id not in self._carried:
            field = self.model.dimension(field_id) or self.model.measure(field_id)
            sql = field.sql if field is not None else None
            is_read = sql is not None and depth < MAX_DEPTH
            self._carried[field_id] = frozenset()  # for a field that rests on itself
            self._carried[field_id] = self.carried(sql, depth) if is_read and sql is not None else frozenset()
        return self._carried[field_id]

    def compared_in(self, node: exp.Expr) -> frozenset[str]:
        """Return the attributes that a comparison compares."""
        return frozenset[str]().union(*(self.carried(item) for item in operands(node)))

    def manner(self, node: exp.Expr, attributes: Attributes) -> Manner:
        """Return how a comparison is made exact for the values that attributes have."""
        parts = operands(node)
        if isinstance(node, exp.In) and not node.expressions:
            return "refused"
        values = [value for name in self.compared_in(node) for value in attributes.get(name, ())]
        kinds = {self.kind(item, attributes) for item in parts if not isinstance(item, exp.Null)}
        if kinds <= {"number"} or kinds <= {"boolean"}:
            return "as it is"
        if all(isinstance(value, str) for value in values):
            return self._of_texts(node, kinds, values)
        own = [item for item in parts if is_attribute(item)]
        others = {self.kind(item, attributes) for item in parts if not is_attribute(item)}
        is_whole = all(isinstance(value, int) and not isinstance(value, bool) for value in values)
        is_plain = isinstance(node, exp.EQ | exp.In) and node.find_ancestor(exp.Not, exp.Case, exp.If) is None
        carriers = [item for item in parts if self.carried(item)]
        # Where rows are left out by it, 5 is not to be taken for another number than 5.00.
        if is_whole and is_plain and len(carriers) == len(own) and others <= {"unknown", "string"}:
            return "as spelt"
        return "refused"

    def _of_texts(self, node: exp.Expr, kinds: set[FieldType], values: list[Scalar]) -> Manner:
        if kinds & TIMES:
            is_day = all(isinstance(value, str) and MOMENT.fullmatch(value) for value in values)
            return (
                "as it is" if is_day and kinds <= {*TIMES, "string"} and not isinstance(node, exp.Like) else "refused"
            )
        if isinstance(node, CHOICES):
            return "as bytes" if kinds <= {"string", "unknown"} else "refused"
        return "as bytes" if kinds <= {"string"} else "refused"

    def kind(self, node: exp.Expr, attributes: Attributes) -> FieldType:
        """Return the type of an operand, as far as its own text and the model tell it."""
        node = node.unnest()
        if isinstance(node, exp.Placeholder):
            return self._of_name(node.name, attributes)
        if isinstance(node, exp.Literal):
            return "string" if node.is_string else "number"
        if isinstance(node, TRUTHS):
            return "boolean"
        if isinstance(node, COUNTS):
            return "number"
        if isinstance(node, TEXTS):
            return "string"
        if isinstance(node, exp.Coalesce | exp.Min | exp.Max):
            return self._common([node.this, *node.expressions], attributes)
        if isinstance(node, exp.Case):
            results = [branch.args["true"] for branch in node.args.get("ifs", [])]
            return self._common([*results, *([node.args["default"]] if node.args.get("default") else [])], attributes)
        found: FieldType = "unknown"
        if isinstance(node, exp.Cast):
            found = _of_cast(node)
        elif isinstance(node, NUMBERS) and node.find(exp.Interval) is None:
            found = "number"
        values = [value for name in self.carried(node) for value in attributes.get(name, ())]
        is_made_of_texts = found != "string" and any(isinstance(value, str) for value in values)
        return "unknown" if is_made_of_texts else found

    def _common(self, nodes: list[exp.Expr], attributes: Attributes) -> FieldType:
        kinds = {self.kind(item, attributes) for item in nodes if not isinstance(item, exp.Null)}
        return kinds.pop() if len(kinds) == 1 else "unknown"

    def _of_name(self, name: str, attributes: Attributes) -> FieldType:
        if name.startswith(ATTRIBUTE):
            return kind_of_values(attributes.get(name.removeprefix(ATTRIBUTE), ()))
        field_id, _, frame = name.partition("[")
        field = self.model.dimension(field_id) or self.model.measure(field_id)
        frame = frame.removesuffix("]")
        if field is None or name.startswith(FILTER):
            return "unknown"
        if self.carried_by(field_id) and not frame and field.sql is not None:
            return self.kind(field.sql, attributes)
        if not frame or frame in TIME_FRAMES:
            return field.type
        if frame in DATE_FRAMES:
            return "date"
        return "string" if frame in NAME_FRAMES else "number"

    def is_filtered_exactly(self, name: str) -> bool:
        """Say whether conditions on a field compare no user attribute, only the outcome of a comparison at most."""
        return not self.carried_by(name) or self._of_name(name, {}) == "boolean"

    def faults(self, tree: exp.Expr, *, is_query: bool = False) -> Iterator[str]:
        """Yield what is wrong with each place of an attribute in an expression, whatever values it has."""
        for node in self.comparisons(tree):
            names = self.compared_in(node)
            if all(self.manner(node, dict.fromkeys(names, value)) == "refused" for value in SAMPLES.values()):
                yield _said(names, "is compared with what has no type that suits it: cast it to one")
        for node in tree.find_all(*WITHIN):
            if names := frozenset[str]().union(*map(self.carried, node.iter_expressions())):
                yield _said(names, "cannot stand in what compares texts by itself: write a comparison")
        for node in tree.find_all(exp.Case):
            chosen = [node.this, *(item.this for item in node.args.get("ifs", []))] if node.this is not None else []
            if names := frozenset[str]().union(*map(self.carried, chosen)):
                yield _said(names, "cannot stand in a CASE of one value: write a comparison in each WHEN")
        if is_query and (names := self._loose_in(tree)):
            yield _said(names, "can only be compared in an SQL view")

    def mistyped(self, tree: exp.Expr, known: Mapping[str, str]) -> Iterator[str]:
        """Yield what is wrong with comparisons for attributes of known types."""
        for node in self.comparisons(tree):
            names = self.compared_in(node)
            given = {name: SAMPLES[known[name]] for name in names if known.get(name) in SAMPLES}
            if len(given) == len(names) and self.manner(node, given) == "refused":
                told = ", ".join(f"a {known[name]}" for name in sorted(names))
                yield _said(names, f"({told}) is compared with what is of another type, or of none: cast it to one")

    def _loose_in(self, tree: exp.Expr) -> frozenset[str]:
        """Return the attributes of an SQL view that are no part of a comparison: columns could be made of them."""
        nodes = [node for node in tree.find_all(exp.Placeholder) if node.name.startswith(ATTRIBUTE)]
        loose = [node for node in nodes if not isinstance(node.find_ancestor(*COMPARED, exp.Select), COMPARED)]
        return frozenset(node.name.removeprefix(ATTRIBUTE) for node in loose)


def operands(node: exp.Expr) -> list[exp.Expr]:
    """Return what a comparison compares."""
    keys = ("this", "expression", "low", "high", "query")
    return [item for key in keys if isinstance(item := node.args.get(key), exp.Expr)] + list(node.expressions)


def is_attribute(node: exp.Expr) -> bool:
    """Say whether a node is nothing but a user attribute."""
    inner = node.unnest()
    return isinstance(inner, exp.Placeholder) and inner.name.startswith(ATTRIBUTE)


def kind_of_values(values: tuple[Scalar, ...]) -> FieldType:
    """Return the type that all values have."""
    if values and all(isinstance(value, str) for value in values):
        return "string"
    if values and all(isinstance(value, bool) for value in values):
        return "boolean"
    is_number = values and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return "number" if is_number else "unknown"


def _said(names: frozenset[str], fault: str) -> str:
    return f"on this database, the user attribute “{'”, “'.join(sorted(names))}” {fault}"


def _of_cast(node: exp.Cast) -> FieldType:
    if node.is_type(exp.DType.DATE):
        return "date"
    if node.is_type(*exp.DataType.TEMPORAL_TYPES):
        return "timestamp"
    if node.is_type(*exp.DataType.TEXT_TYPES, exp.DType.CHARACTER_SET):
        return "string"
    if node.is_type(*exp.DataType.NUMERIC_TYPES):
        return "number"
    return "boolean" if node.is_type(exp.DType.BOOLEAN) else "unknown"
