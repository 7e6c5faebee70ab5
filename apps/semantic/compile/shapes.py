"""Questions that differ in the values of their filters alone share one text: it is made once, and the values put in.

Values of plain conditions are marked before compiling and found again among the parameters. A condition that makes
something else of its values, such as a date, loses the marks; its shape is then compiled each time.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from threading import Lock

from apps.semantic.compile.types import CompiledQuery
from apps.semantic.model.types import FALSEY, Condition, FieldFilter, Scalar, SemanticModel
from apps.semantic.query.types import FilterGroup, SemanticQuery
from apps.semantic.scope import AccessScope, rights_key

KEPT = 2048
DIRECT = frozenset(
    prefix + name
    for prefix in ("", "not_")
    for name in ("is", "greater_than", "greater_than_or_equal_to", "less_than", "less_than_or_equal_to", "between")
) | {"not"}
Compile = Callable[[SemanticQuery], CompiledQuery]


class _Text(str):
    """A marked text."""

    __slots__ = ("place",)
    place: int


class _Whole(int):
    """A marked whole number."""

    place: int


class _Real(float):
    """A marked number."""

    __slots__ = ("place",)
    place: int


MARKED: dict[type, type[_Text] | type[_Whole] | type[_Real]] = {str: _Text, int: _Whole, float: _Real}
MARKS = (_Text, _Whole, _Real)


@dataclass(frozen=True, slots=True)
class Shape:
    """A compiled question whose parameters are values, or the place of a value of the question; None: not kept."""

    model: SemanticModel
    scope: AccessScope
    compiled: CompiledQuery | None
    places: tuple[int | None, ...] = ()

    def filled(self, compiled: CompiledQuery, values: list[Scalar]) -> CompiledQuery:
        """Return the compiled question with other values."""
        pairs = zip(self.places, compiled.parameters, strict=True)
        parameters = tuple(kept if place is None else values[place] for place, kept in pairs)
        return replace(compiled, parameters=parameters)


_kept: OrderedDict[object, Shape] = OrderedDict()
_lock = Lock()


def forget() -> None:
    """Forget all shapes."""
    with _lock:
        _kept.clear()


def by_shape(
    query: SemanticQuery, model: SemanticModel, scope: AccessScope, today: date, dialect: str, compile_: Compile
) -> CompiledQuery:
    """Return the compiled question, from a question of the same shape where there has been one."""
    values: list[Scalar] = []
    skeleton = tuple(_skeleton(item, values) for item in query.filters)
    conditions: tuple[FieldFilter | FilterGroup, ...] = (*query.filters, *query.groups)
    kinds = tuple(map(_kinds, conditions))  # true equals 1, and is another question
    key = id(model), replace(query, filters=()), skeleton, kinds, rights_key(scope), scope.mask_key, today, dialect
    shape = _kept.get(key)
    if shape is None or shape.model is not model:
        shape = _made(query, model, scope, compile_, len(values))
        with _lock:
            _kept[key] = shape
            while len(_kept) > KEPT:
                _kept.popitem(last=False)
    return compile_(query) if shape.compiled is None else shape.filled(shape.compiled, values)


def _kinds(item: FieldFilter | FilterGroup | Condition) -> object:
    """Return the types of a condition's values, and of those within it."""
    if isinstance(item, FieldFilter):
        return _kinds(item.condition)
    own = tuple(map(type, item.values)) if isinstance(item, Condition) else ()
    return own, tuple(map(_kinds, item.children))


def _skeleton(item: FieldFilter, values: list[Scalar]) -> object:
    """Return a filter without the values that can be put in later, which go to the list; with all others."""
    condition = item.condition
    is_direct = condition.operator in DIRECT and condition.values != (FALSEY,)
    if not is_direct or condition.is_case_insensitive or condition.children:
        return item
    types = tuple(type(value) for value in condition.values)
    if not all(kind in MARKED for kind in types):
        return item
    values += condition.values
    return item.field, condition.operator, types


def _made(query: SemanticQuery, model: SemanticModel, scope: AccessScope, compile_: Compile, count: int) -> Shape:
    place = iter(range(count))
    unplaced: list[Scalar] = []
    marked = replace(
        query,
        filters=tuple(
            item if isinstance(_skeleton(item, unplaced), FieldFilter) else _marked(item, place)
            for item in query.filters
        ),
    )
    compiled = compile_(marked)
    places = tuple(item.place if isinstance(item, MARKS) else None for item in compiled.parameters)
    if {item for item in places if item is not None} != set(range(count)):
        return Shape(model, scope, None)
    return Shape(model, scope, compiled, places)


def _marked(item: FieldFilter, places: Iterator[int]) -> FieldFilter:
    values: list[Scalar] = []
    for value in item.condition.values:
        mark = MARKED[type(value)](value)  # type: ignore[arg-type]  # of the value's own type
        mark.place = next(places)
        values.append(mark)
    return replace(item, condition=replace(item.condition, values=tuple(values)))
