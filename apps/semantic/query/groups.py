"""Conditions on several fields: ``{"or": [{field: condition, …}, …]}`` beside the fields of ``filters``."""

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from apps.semantic.errors import MalformedQueryError
from apps.semantic.model.types import Condition, FieldFilter
from apps.semantic.query.types import FilterGroup

OPERATORS: tuple[Literal["and", "or", "not"], ...] = ("and", "or", "not")
MAX_DEPTH = 8
MAX_CHILDREN = 100
ReadFilter = Callable[[str, object], FieldFilter]


def read_filters(
    filters: Mapping[str, object], read_filter: ReadFilter
) -> tuple[tuple[FieldFilter, ...], tuple[FilterGroup, ...]]:
    """Return the conditions that hold whatever else does, at most one for each field, and the groups beside them.

    The fields of one map hold together, and ``and`` says no more than that: what stands in such a group is the same
    question as beside it, for whatever looks for a condition on its field.

    Raises:
        MalformedQueryError: not a list of maps (``not`` takes one map), too deep, too many.
    """
    conditions: dict[str, Condition] = {}
    groups: list[FilterGroup] = []
    for name, value in filters.items():
        operator = _operator(name)
        read = _group(operator, value, read_filter, f"filters.{name}", 1) if operator else read_filter(name, value)
        for item in _side_by_side(read):
            if isinstance(item, FilterGroup):
                groups.append(item)
            else:
                conditions[item.field] = both(conditions.get(item.field), item.condition)
    groups.sort(key=lambda group: OPERATORS.index(group.operator))
    return tuple(FieldFilter(name, condition) for name, condition in conditions.items()), tuple(groups)


def both(one: Condition | None, other: Condition) -> Condition:
    """Return the condition that two on one field make together."""
    return other if one is None else Condition("and", (), (one, other))


def _side_by_side(item: FieldFilter | FilterGroup) -> Iterator[FieldFilter | FilterGroup]:
    if isinstance(item, FilterGroup) and (
        item.operator == "and" or (item.operator == "or" and len(item.children) == 1)
    ):
        for child in item.children:
            yield from _side_by_side(child)
    else:
        yield item


def _operator(name: object) -> Literal["and", "or", "not"] | None:
    return next((operator for operator in OPERATORS if operator == name), None)


def _group(
    name: Literal["and", "or", "not"], value: object, read_filter: ReadFilter, path: str, depth: int
) -> FilterGroup:
    items = [value] if name == "not" else value
    if depth > MAX_DEPTH:
        raise MalformedQueryError("Conditions are nested too deeply.", path)
    if not isinstance(items, list | tuple) or not 1 <= len(items) <= MAX_CHILDREN:
        raise MalformedQueryError(f"“{name}” takes a list of maps of field to condition.", path)
    children = tuple(_together(item, read_filter, f"{path}.{index}", depth) for index, item in enumerate(items))
    return FilterGroup(name, children)


def _together(item: object, read_filter: ReadFilter, path: str, depth: int) -> FieldFilter | FilterGroup:
    if not isinstance(item, Mapping) or not 1 <= len(item) <= MAX_CHILDREN:
        raise MalformedQueryError("This must be a map of field to condition.", path)
    parts: list[FieldFilter | FilterGroup] = []
    for name, value in item.items():
        if not isinstance(name, str):
            raise MalformedQueryError("A name must be a text.", path)
        operator = _operator(name)
        parts.append(_group(operator, value, read_filter, path, depth + 1) if operator else read_filter(name, value))
    return parts[0] if len(parts) == 1 else FilterGroup("and", tuple(parts))
