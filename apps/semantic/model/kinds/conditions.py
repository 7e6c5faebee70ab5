"""Whether the values of a filter suit the type of its field."""

from collections.abc import Iterator

from apps.semantic.model.types import FALSEY, Condition, FieldType, Scalar

NUMERIC = frozenset(("greater_than", "greater_than_or_equal_to", "less_than", "less_than_or_equal_to", "between"))
TEXTUAL = frozenset(("contains", "starts_with", "ends_with", "sql_like"))
TEMPORAL = frozenset((
    "before", "on_or_after", "between_dates", "time_for_duration", "day_of_week", "day_of_month", "day_of_quarter",
    "day_of_year", "hour_of_day", "month_of_year", "quarter_of_year",
))  # fmt: skip
TIMES = ("date", "timestamp")
WORDS: dict[FieldType, str] = {
    "string": "text", "number": "number", "boolean": "true or false", "date": "date", "timestamp": "moment",
}  # fmt: skip


def unsuited(condition: Condition, kind: FieldType) -> Iterator[str]:
    """Yield what in a condition no field of this type can answer, as the end of a sentence; of unknown ones nothing."""
    if kind not in WORDS:
        return
    for child in condition.children:
        yield from unsuited(child, kind)
    operator = condition.operator.removeprefix("not_")
    if operator in NUMERIC and kind != "number":
        yield f"“{operator}” is for numbers"
    elif operator in TEXTUAL and kind != "string":
        yield f"“{operator}” is for texts"
    elif operator in TEMPORAL and kind not in TIMES:
        yield f"“{operator}” is for dates"
    elif operator in ("is", "not"):
        for value in condition.values:
            if not _suits(value, kind):
                yield f"it never equals {told(value)}"
    elif operator in NUMERIC:
        yield from (f"{told(value)} is no number" for value in condition.values if not _suits(value, "number"))


def told(value: Scalar) -> str:
    """Return a value as it is told in a message."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"“{value[:60]}”" if isinstance(value, str) else str(value)


def _suits(value: Scalar, kind: FieldType) -> bool:
    if value is None:
        return True
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "boolean":
        return isinstance(value, bool) or value == FALSEY
    return isinstance(value, str)
