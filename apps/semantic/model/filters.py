"""Conditions of filters: the operators of the format, as they stand in model files and in queries."""

import math
from collections.abc import Mapping
from dataclasses import replace

from apps.semantic.errors import MalformedQueryError
from apps.semantic.model.suggestions import did_you_mean
from apps.semantic.model.types import Condition, Scalar

SINGLE = ("greater_than", "greater_than_or_equal_to", "less_than", "less_than_or_equal_to", "before", "on_or_after")
PAIRS = ("between", "between_dates", "time_for_duration")
LISTS = ("is", "contains", "starts_with", "ends_with", "sql_like")
CALENDAR = ("day_of_week", "day_of_month", "day_of_quarter", "day_of_year", "hour_of_day", "month_of_year",
            "quarter_of_year")  # fmt: skip
POSITIVE = (*SINGLE, *PAIRS, *LISTS, *CALENDAR)
OPERATORS = frozenset((*POSITIVE, "not", *(f"not_{name}" for name in POSITIVE), "and", "or"))
# Only in the model: what a measure makes of the query's own filter.
MEASURE_OPERATORS = frozenset(("cancel_query_filter", "date_offset_from_query"))
# Values from another question: as a condition they would tell what its asker may not see.
BY_QUERY = ("field_name_in_query", "field_name_not_in_query", "query_structure")
CASE = "case_insensitive"
MAX_DEPTH = 8
MAX_VALUES = 2_000
MAX_TEXT = 2_000
MAX_INTEGER = 2**63 - 1


def parse_condition(value: object, *, path: str) -> Condition:
    """Read ``{operator: value}``; several operators in one map hold together (AND).

    Raises:
        MalformedQueryError: not a map, an unknown operator, or a value of a wrong type; ``path`` says where.
    """
    return _condition(value, path, 0)


def _condition(value: object, path: str, depth: int) -> Condition:
    if depth > MAX_DEPTH:
        raise MalformedQueryError("Conditions are nested too deeply.", path)
    if not isinstance(value, Mapping) or not value:
        raise MalformedQueryError("A filter is a map of operator to value, such as {“is”: “paid”}.", path)
    folds = value.get(CASE, False)
    if not isinstance(folds, bool):
        raise MalformedQueryError(f"“{CASE}” is true or false.", path)
    operators = {name: operand for name, operand in value.items() if name != CASE}
    if not operators:
        raise MalformedQueryError("A filter is a map of operator to value, such as {“is”: “paid”}.", path)
    children = tuple(_folded(_single(name, operand, path, depth), folds) for name, operand in operators.items())
    return children[0] if len(children) == 1 else Condition("and", (), children)


def _folded(condition: Condition, folds: bool) -> Condition:
    if not folds:
        return condition
    children = tuple(_folded(child, folds) for child in condition.children)
    return replace(condition, is_case_insensitive=True, children=children)


def _single(name: object, operand: object, path: str, depth: int) -> Condition:
    if name in BY_QUERY:
        raise MalformedQueryError(f"“{name}” is not supported: join a query view, whose rows are governed too.", path)
    if not isinstance(name, str) or name not in OPERATORS:
        hint = did_you_mean(str(name), OPERATORS)
        raise MalformedQueryError(f"There is no operator “{str(name)[:60]}”.{hint}", path)
    if name in ("and", "or"):
        if not isinstance(operand, list | tuple) or not operand:
            raise MalformedQueryError(f"“{name}” takes a list of conditions.", path)
        return Condition(name, (), tuple(_condition(item, path, depth + 1) for item in operand))
    if name == "not" and isinstance(operand, Mapping):
        inner = _condition(operand, path, depth + 1)
        return Condition("not_and", (), (inner,))
    return Condition(name, _values(name, operand, path))


def _values(name: str, operand: object, path: str) -> tuple[Scalar, ...]:
    values = tuple(operand) if isinstance(operand, list | tuple) else (operand,)
    base = name.removeprefix("not_")
    if len(values) > MAX_VALUES:
        raise MalformedQueryError(f"At most {MAX_VALUES} values are allowed.", path)
    if (base in SINGLE and len(values) != 1) or (base in PAIRS and len(values) != 2) or not values:
        raise MalformedQueryError(f"“{name}” takes {2 if base in PAIRS else 1} value(s).", path)
    return tuple(_scalar(value, path, may_be_null=base in ("is", "not")) for value in values)


def _scalar(value: object, path: str, *, may_be_null: bool) -> Scalar:
    if value is None and may_be_null:
        return None
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= MAX_INTEGER:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, str) and len(value) <= MAX_TEXT and _is_clean(value):
        return value
    raise MalformedQueryError("A value must be a text, a number, true or false.", path)


def _is_clean(text: str) -> bool:
    return "\x00" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)
