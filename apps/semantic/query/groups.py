"""Conditions on several fields: ``{"or": [{field: condition, …}, …]}`` beside the fields of ``filters``."""

from collections.abc import Callable, Mapping
from typing import Literal

from apps.semantic.errors import MalformedQueryError
from apps.semantic.model.types import FieldFilter
from apps.semantic.query.types import FilterGroup

OPERATORS: tuple[Literal["and", "or", "not"], ...] = ("and", "or", "not")
MAX_DEPTH = 8
MAX_CHILDREN = 100
ReadFilter = Callable[[str, object], FieldFilter]


def read_groups(filters: Mapping[str, object], read_filter: ReadFilter) -> tuple[FilterGroup, ...]:
    """Return the groups among ``filters``; the fields of one map hold together (AND).

    Raises:
        MalformedQueryError: not a list of maps (``not`` takes one map), too deep, too many.
    """
    return tuple(
        _group(name, filters[name], read_filter, f"filters.{name}", 1) for name in OPERATORS if name in filters
    )


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
        operator = next((operator for operator in OPERATORS if operator == name), None)
        parts.append(_group(operator, value, read_filter, path, depth + 1) if operator else read_filter(name, value))
    return parts[0] if len(parts) == 1 else FilterGroup("and", tuple(parts))
