"""Conditions as boxes of values, to see whether any value meets all of them. Pure; whatever is unsure may hold."""

import unicodedata
from dataclasses import dataclass, replace
from datetime import date

from apps.semantic.model.types import FALSEY, Condition, FieldType, Scalar

FOLDING = frozenset(("mysql", "tsql"))
"""dialects whose texts may be equal though they are written differently: case, accents, spaces at the end"""
MAX_BOXES = 64
LOWER = {"greater_than": True, "greater_than_or_equal_to": False, "on_or_after": False}
UPPER = {"less_than": True, "less_than_or_equal_to": False, "before": True}
"""operator → whether the value itself lies outside"""
TIMES = ("date", "timestamp")
Value = tuple[str, Scalar]
"""kind and value: true and 1 are equal in Python, and are not the same here"""


@dataclass(frozen=True, slots=True)
class Edge:
    """One end of an interval; ``is_open`` where the value itself lies outside."""

    value: int | float
    is_open: bool


@dataclass(frozen=True, slots=True)
class Box:
    """Values of one field: ``values`` (None: all) within an interval, less what is ``excluded``, and maybe the empty one."""

    values: frozenset[Value] | None = None
    excluded: frozenset[Value] = frozenset()
    low: Edge | None = None
    high: Edge | None = None
    has_null: bool = True


Boxes = tuple[Box, ...]
"""what a condition lets through: a value in any of them"""
ANYTHING = Box()
A_VALUE = Box(has_null=False)
NULL = Box(values=frozenset())


@dataclass(frozen=True, slots=True)
class Reading:
    """What decides on how conditions on a field are read: its type, and the dialect."""

    kind: FieldType
    dialect: str


def boxes_of(condition: Condition, reading: Reading) -> Boxes:
    """Return what a condition of the format lets through."""
    operator = condition.operator
    if operator == "or":
        found = tuple(box for child in condition.children for box in boxes_of(child, reading))
        return found if len(found) <= MAX_BOXES else (ANYTHING,)
    if operator == "and":
        return all_of([boxes_of(child, reading) for child in condition.children], reading)
    if operator == "not" or operator.startswith("not_"):
        return _outside(boxes_of(replace(condition, operator=operator[4:] or "is"), reading))
    if operator == "is":
        return (_equal(condition, reading),)
    return (_within(operator, condition.values, reading),)


def all_of(parts: list[Boxes], reading: Reading) -> Boxes:
    """Return what meets several conditions. One that would make too many boxes is left out: that is never a false alarm."""
    found: Boxes = (ANYTHING,)
    for boxes in parts:
        if len(found) * len(boxes) <= MAX_BOXES:
            both = (_both(one, other, reading) for one in found for other in boxes)
            found = tuple(box for box in both if _may_hold(box, reading))
    return found


def _equal(condition: Condition, reading: Reading) -> Box:
    values = frozenset((_kind(value), value) for value in condition.values if value is not None)
    has_null = None in condition.values
    if condition.values == (FALSEY,) and reading.kind in ("boolean", "unknown"):
        return Box(values=frozenset((("boolean", False),)), has_null=True)
    if values and (condition.is_case_insensitive or reading.kind in TIMES):
        return Box(has_null=has_null)  # a text such as 2026-01 stands for a time, not for a value
    return Box(values=values, has_null=has_null)


def _within(operator: str, values: tuple[Scalar, ...], reading: Reading) -> Box:
    numbers = [_number(value, reading) for value in values]
    if None in numbers or not numbers:
        return A_VALUE
    low = high = None
    if operator in LOWER:
        low = Edge(numbers[0] or 0, LOWER[operator])
    elif operator in UPPER:
        high = Edge(numbers[0] or 0, UPPER[operator])
    elif operator in ("between", "between_dates"):
        low, high = Edge(numbers[0] or 0, is_open=False), Edge(numbers[1] or 0, is_open=operator == "between_dates")
    return Box(low=low, high=high, has_null=False)


def _number(value: Scalar, reading: Reading) -> int | float | None:
    """Return a number, or a whole day as one; other spellings of time count from the day of the question."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if reading.kind not in TIMES else None
    try:
        return date.fromisoformat(value).toordinal() if isinstance(value, str) and len(value) == 10 else None
    except ValueError:
        return None


def _kind(value: Scalar) -> str:
    return "boolean" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"


def _outside(boxes: Boxes) -> Boxes:
    """Return the exact complement of one box, the empty value included; of several, or of an unsure one, anything."""
    if len(boxes) != 1:
        return (ANYTHING,)
    (box,) = boxes
    is_bounded = box.low is not None or box.high is not None
    if box.excluded or (is_bounded and (box.values is not None or box.has_null)):
        return (ANYTHING,)
    if is_bounded:
        below = (Box(high=Edge(box.low.value, not box.low.is_open), has_null=False),) if box.low is not None else ()
        above = (Box(low=Edge(box.high.value, not box.high.is_open), has_null=False),) if box.high is not None else ()
        return (*below, *above, NULL)
    if box.values is None:
        return (A_VALUE,) if box.has_null and box != ANYTHING else (ANYTHING,)
    return (Box(excluded=box.values, has_null=not box.has_null),)


def _both(one: Box, other: Box, reading: Reading) -> Box:
    values = one.values if other.values is None else other.values
    if one.values is not None and other.values is not None:
        values = _common(one.values, other.values, reading)
    lows = [edge for edge in (one.low, other.low) if edge is not None]
    highs = [edge for edge in (one.high, other.high) if edge is not None]
    return Box(
        values,
        one.excluded | other.excluded,
        max(lows, key=lambda edge: (edge.value, edge.is_open), default=None),
        min(highs, key=lambda edge: (edge.value, not edge.is_open), default=None),
        one.has_null and other.has_null,
    )


def _common(one: frozenset[Value], other: frozenset[Value], reading: Reading) -> frozenset[Value]:
    """Return the values of ``one`` that may equal one of the other's."""
    if len({kind for kind, _ in one | other}) > 1:
        return one
    if reading.dialect not in FOLDING:
        return one & other
    folded = {_folded(value) for _, value in other}
    return frozenset(item for item in one if _folded(item[1]) in folded)


def _folded(value: Scalar) -> Scalar:
    if not isinstance(value, str):
        return value
    letters = unicodedata.normalize("NFKD", value).casefold()
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).rstrip()


def _may_hold(box: Box, reading: Reading) -> bool:
    if box.has_null:
        return True
    if box.values is not None:
        return any(item not in box.excluded and _is_between(item, box) for item in box.values)
    if reading.kind == "boolean":
        return not box.excluded >= {("boolean", True), ("boolean", False)}
    if box.low is None or box.high is None:
        return True
    if box.low.value == box.high.value:
        return not (box.low.is_open or box.high.is_open or ("number", box.low.value) in box.excluded)
    return box.low.value < box.high.value


def _is_between(item: Value, box: Box) -> bool:
    value = item[1]
    if isinstance(value, str | bool) or value is None:
        return True
    is_above = box.low is None or value > box.low.value or (value == box.low.value and not box.low.is_open)
    return is_above and (
        box.high is None or value < box.high.value or (value == box.high.value and not box.high.is_open)
    )
