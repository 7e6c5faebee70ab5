"""Conditions of a topic's own filters as they must stand in the SQL: operator, and values where the model alone says them.

Dates are worked out from the day of the question and its time zone, which a proof does not know: there it demands the form.
What is compared with them is a hole, into which an expression over exactly the columns of the dimension must fit, and
into that of a measure an aggregate over its columns. A condition that cannot be written out is never taken as met.
"""

import re
from dataclasses import dataclass, replace

from sqlglot import exp

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import Condition, Dimension, FieldFilter, FieldType, Scalar
from apps.semantic.verify.demands import demand
from apps.semantic.verify.trees import Expected, Rule, Written, conjuncts, in_text_order

HOLE = "omni measure "
UNKNOWN = "\x00 a value that the proof does not know"
"""no value of a model holds such a letter"""
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ].+", re.ASCII)
DATES = frozenset(("date", "week", "month", "quarter", "year", "fiscal_quarter"))
TIMES = frozenset(("hour", "minute", "second", "millisecond"))
NAMED = frozenset(("day_of_week_name", "month_name"))
CALENDAR = frozenset((
    "day_of_week", "day_of_month", "day_of_quarter", "day_of_year", "hour_of_day", "month_of_year", "quarter_of_year",
))  # fmt: skip
ENDS = {"before": ("<",), "on_or_after": (">=",), "between_dates": (">=", "<"), "time_for_duration": (">=", "<")}
Columns = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class HoleRule:
    """A condition with holes.

    ``parts`` must all stand in the WHERE or the HAVING. ``columns`` are those that are read at each hole, ``values``
    those that the placeholders must have, by identity of their node in ``parts``.
    """

    parts: tuple[exp.Expr, ...]
    columns: tuple[Columns, ...]
    values: dict[int, Scalar]


def rule_of(rule: Rule, columns: tuple[Columns, ...]) -> HoleRule:
    """Return a rule whose tree has a hole for each set of columns."""
    marks = [node for node in in_text_order(rule.tree) if isinstance(node, exp.Placeholder)]
    values = {id(node): value for node, value in zip(marks, rule.values, strict=True)}
    return HoleRule(tuple(conjuncts(rule.tree)), columns, values)


def filter_rule(item: FieldFilter, dimension: Dimension, columns: Columns, expected: Expected) -> HoleRule:
    """Return a topic's own filter on rows as it must stand.

    Raises:
        UnprovenSqlError: it cannot be written out.
    """
    writer = _Writer(type_of(item.field, dimension), expected)
    text, values = writer.of(item.condition)
    own, bound = expected.value(dimension)
    if writer.is_free or "[" in item.field:
        demand(not bound, "A filter of the data set is on a date that rests on a user attribute.")
        return rule_of(Rule(expected.read(text), values), (columns,))
    parts = text.split(writer.hole)
    left = iter(values)
    told = [[next(left) for _ in range(part.count(expected.mark))] for part in parts]
    whole = [value for place, some in enumerate(told) for value in ((*bound, *some) if place else some)]
    return rule_of(Rule(expected.read(own.join(parts)), tuple(whole)), ())


def group_rule(condition: Condition, type_: FieldType, columns: Columns, expected: Expected) -> HoleRule:
    """Return a condition on a measure that reads columns.

    Raises:
        UnprovenSqlError: it cannot be written out.
    """
    text, values = _Writer(type_, expected).of(condition)
    return rule_of(Rule(expected.read(text), values), (columns,))


def type_of(name: str, dimension: Dimension) -> FieldType:
    """Return the type of what a filter compares: ``orders.ordered_at[month_name]`` is a text."""
    frame = name.partition("[")[2].removesuffix("]")
    if frame in NAMED or (dimension.top_n is not None and not frame):
        return "string"
    if frame in DATES:
        return "date"
    if frame in TIMES:
        return "timestamp"
    return dimension.type if frame in ("", "raw") else "number"


class _Writer:
    """Writes conditions on values of one type; ``is_free`` once one of them is on dates, for which a value is turned about."""

    def __init__(self, type_: FieldType, expected: Expected) -> None:
        self.type, self.expected = type_, expected
        self.hole = exp.to_identifier(f"{HOLE}0", quoted=True).sql(expected.dialect)
        target = exp.DType.DATE if type_ == "date" else exp.DType.TIMESTAMP
        cast = exp.Cast(this=exp.column("omni_value"), to=exp.DataType(this=target))
        self.is_free = False
        self.bound = cast.sql(expected.dialect).replace("omni_value", expected.mark)

    def of(self, condition: Condition) -> Written:
        operator = condition.operator
        if operator in ("and", "or"):
            return _joined([self.of(child) for child in condition.children], operator.upper())
        if operator == "not" or operator.startswith("not_"):
            text, values = self.of(replace(condition, operator=operator[4:] or "is"))
            return f"NOT COALESCE({text}, FALSE)", values
        is_date = self.type in ("date", "timestamp")
        found = None if is_date else self.expected.positive(condition, self.hole, self.type)
        return found or self._dated(operator, condition.values)

    def _dated(self, operator: str, values: tuple[Scalar, ...]) -> Written:
        self.is_free = True
        if operator in ENDS:
            return self._between(ENDS[operator], values if operator != "time_for_duration" else ())
        if operator in CALENDAR:
            marks = ", ".join(self.expected.mark for _ in values)
            return f"{self.hole} IN ({marks})", tuple(UNKNOWN for _ in values)
        if operator == "is":
            return self._is(values)
        raise UnprovenSqlError("A filter of the data set cannot be proven.")

    def _is(self, values: tuple[Scalar, ...]) -> Written:
        given = [value for value in values if value is not None]
        parts = [self._between(("=",) if MOMENT.fullmatch(str(value).strip()) else (">=", "<"), ()) for value in given]
        return _joined([*parts, *([(f"{self.hole} IS NULL", ())] if len(given) < len(values) else [])], "OR")

    def _between(self, signs: tuple[str, ...], values: tuple[Scalar, ...]) -> Written:
        text = " AND ".join(f"{self.hole} {sign} {self.bound}" for sign in signs)
        told = [self._value(value) for value in values] or [UNKNOWN] * len(signs)
        return text, tuple(told)

    def _value(self, value: Scalar) -> Scalar:
        """Return a whole day, which a date is compared with as it stands; a moment depends on the question's time zone."""
        text = str(value).strip()
        return text if self.type == "date" and DAY.fullmatch(text) else UNKNOWN


def _joined(parts: list[Written], word: str) -> Written:
    return f" {word} ".join(f"({text})" for text, _ in parts), tuple(value for _, values in parts for value in values)
