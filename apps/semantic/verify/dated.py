"""A topic's own filter that is no plain rule, most of them on time, as it must stand in the SQL: operator, and values where the model alone says them.

Most are worked out from the day of the question and its time zone, which a proof does not know. What is compared is a hole
that must read exactly the columns of the filter's field.
"""

import re

from sqlglot import exp

from apps.semantic.model.types import Condition, Dimension, FieldFilter, Scalar
from apps.semantic.verify.groups import HOLE, UNKNOWN, Columns, GroupRule, rule_of, written
from apps.semantic.verify.trees import Expected, Rule

DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ].+", re.ASCII)
DATES = frozenset(("date", "week", "month", "quarter", "year", "fiscal_quarter"))
TIMES = frozenset(("", "raw", "hour", "minute", "second", "millisecond"))
CALENDAR = frozenset((
    "day_of_week", "day_of_month", "day_of_quarter", "day_of_year", "hour_of_day", "month_of_year", "quarter_of_year",
))  # fmt: skip
ENDS = {"before": ("<",), "on_or_after": (">=",), "between_dates": (">=", "<"), "time_for_duration": (">=", "<")}
Written = tuple[str, tuple[Scalar, ...]]


def dated_rule(item: FieldFilter, dimension: Dimension, columns: Columns, expected: Expected) -> GroupRule | None:
    """Return a filter as it must stand; None where it cannot be told, and only its columns can be looked for."""
    frame = item.field.partition("[")[2].removesuffix("]")
    type_ = "date" if frame in DATES else dimension.type if frame in TIMES else "number"
    hole = exp.to_identifier(f"{HOLE}0", quoted=True).sql(expected.dialect)
    found = None if type_ in ("date", "timestamp") else written(item.condition, hole, expected)
    if found is None and type_ in ("date", "timestamp", "unknown"):
        found = _Writer(hole, type_, expected).of(item.condition)
    return rule_of(Rule(expected.read(found[0]), found[1]), (columns,)) if found is not None else None


class _Writer:
    """Writes conditions on one field."""

    def __init__(self, hole: str, type_: str, expected: Expected) -> None:
        self.hole, self.type, self.expected = hole, type_, expected
        target = exp.DType.DATE if type_ == "date" else exp.DType.TIMESTAMP
        cast = exp.Cast(this=exp.column("omni_value"), to=exp.DataType(this=target))
        self.bound = cast.sql(expected.dialect).replace("omni_value", expected.mark)

    def of(self, condition: Condition) -> Written | None:
        operator = condition.operator
        if condition.is_case_insensitive or not (condition.values or condition.children):
            return None
        if operator in ("and", "or"):
            return self._joined([self.of(child) for child in condition.children], operator.upper())
        if operator == "not" or operator.startswith("not_"):
            inner = self.of(Condition(operator[4:] or "is", condition.values, condition.children))
            return None if inner is None else (f"NOT COALESCE({inner[0]}, FALSE)", inner[1])
        if operator in ENDS:
            return self._between(ENDS[operator], condition.values if operator != "time_for_duration" else ())
        if operator in CALENDAR:
            return f"{self.hole} IN ({', '.join(self.expected.mark for _ in condition.values)})", tuple(
                UNKNOWN for _ in condition.values
            )
        if operator == "is" and self.type != "unknown":
            return self._is(condition.values)
        return None

    def _joined(self, parts: list[Written | None], word: str) -> Written | None:
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        return f" {word} ".join(f"({text})" for text, _ in known), tuple(
            value for _, values in known for value in values
        )

    def _is(self, values: tuple[Scalar, ...]) -> Written | None:
        given = [value for value in values if value is not None]
        parts: list[Written | None] = [
            self._between(("=",) if isinstance(value, str) and MOMENT.fullmatch(value.strip()) else (">=", "<"), ())
            for value in given
        ]
        return self._joined([*parts, *([(f"{self.hole} IS NULL", ())] if len(given) < len(values) else [])], "OR")

    def _between(self, signs: tuple[str, ...], values: tuple[Scalar, ...]) -> Written:
        text = " AND ".join(f"{self.hole} {sign} {self.bound}" for sign in signs)
        told = [self._value(value) for value in values] or [UNKNOWN] * len(signs)
        return text, tuple(told)

    def _value(self, value: Scalar) -> Scalar:
        """Return a whole day, which a date is compared with as it stands; a moment depends on the question's time zone."""
        is_told = self.type == "date" and isinstance(value, str) and DAY.fullmatch(value.strip()) is not None
        return str(value).strip() if is_told else UNKNOWN
