"""JSON of the public interface → ``SemanticQuery``; strict, because a query is written by anyone who may sign in."""

import math
import re
from collections.abc import Mapping
from functools import cache
from zoneinfo import available_timezones

from apps.semantic.errors import MalformedQueryError
from apps.semantic.model.filters import parse_condition
from apps.semantic.model.types import FieldFilter
from apps.semantic.query.types import SemanticQuery, Sort

MAX_FIELDS = 100
MAX_FILTERS = 100
MAX_LIMIT = 50_000
MAX_DEPTH = 8
MAX_ITEMS = 2_000
MAX_TEXT = 2_000
KEYS = frozenset(("dataset", "fields", "filters", "sorts", "limit", "timezone", "totals", "pivots"))
FIELD_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\.[A-Za-z_][A-Za-z0-9_]*(\[[a-z_]+\])?")


def parse_query(data: object) -> SemanticQuery:
    """Read a query as it arrives from outside.

    Nothing is looked up here: a well-formed name may still not exist. A data set's ``default_filters``
    are for the page that offers them and are never added here.

    Raises:
        MalformedQueryError: unknown key, wrong type, unknown operator; ``path`` says where.
    """
    query = _mapping(data, "")
    _refuse_unknown(query, KEYS, "")
    _refuse_unavailable(query)
    return SemanticQuery(
        dataset=_text(query.get("dataset"), "dataset"),
        fields=_fields(query.get("fields")),
        filters=_filters(query.get("filters", {})),
        sorts=_sorts(query.get("sorts", [])),
        limit=_limit(query.get("limit", 1000)),
        timezone=_timezone(query.get("timezone", "UTC")),
    )


def _refuse_unavailable(query: Mapping[str, object]) -> None:
    if query.get("totals", False) is not False:
        raise MalformedQueryError("Totals are not available in this version.", "totals")
    if query.get("pivots", []) != []:
        raise MalformedQueryError("Pivots are not available in this version.", "pivots")


def _fields(value: object) -> tuple[str, ...]:
    items = _items(value, "fields", MAX_FIELDS)
    if not items:
        raise MalformedQueryError("Ask for at least one field.", "fields")
    fields = tuple(_field_id(item, f"fields.{index}") for index, item in enumerate(items))
    for index, name in enumerate(fields):
        if name in fields[:index]:
            raise MalformedQueryError("The same field is asked for twice.", f"fields.{index}")
    return fields


def _filters(value: object) -> tuple[FieldFilter, ...]:
    filters = _mapping(value, "filters")
    if len(filters) > MAX_FILTERS:
        raise MalformedQueryError(f"At most {MAX_FILTERS} filters are allowed.", "filters")
    return tuple(_filter(name, condition) for name, condition in filters.items())


def _filter(name: str, value: object) -> FieldFilter:
    path = f"filters.{name[:200]}"
    field = _field_id(name, path)
    _check_values(value, path, depth=0)
    return FieldFilter(field, parse_condition(value, path=path))


def _sorts(value: object) -> tuple[Sort, ...]:
    sorts = tuple(_sort(item, f"sorts.{index}") for index, item in enumerate(_items(value, "sorts", MAX_FIELDS)))
    for index, sort in enumerate(sorts):
        if any(sort.field == earlier.field for earlier in sorts[:index]):
            raise MalformedQueryError("The same field is sorted twice.", f"sorts.{index}.field")
    return sorts


def _sort(value: object, path: str) -> Sort:
    sort = _mapping(value, path)
    _refuse_unknown(sort, frozenset(("field", "desc")), path)
    is_descending = sort.get("desc", False)
    if not isinstance(is_descending, bool):
        raise MalformedQueryError("This must be true or false.", f"{path}.desc")
    return Sort(_field_id(sort.get("field"), f"{path}.field"), is_descending)


def _limit(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_LIMIT:
        raise MalformedQueryError(f"The limit must be a whole number from 1 to {MAX_LIMIT}.", "limit")
    return value


def _timezone(value: object) -> str:
    name = _text(value, "timezone")
    if name not in _timezones():
        raise MalformedQueryError("This is not a time zone name such as “Europe/Oslo”.", "timezone")
    return name


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones())


def _field_id(value: object, path: str) -> str:
    name = _text(value, path)
    if not FIELD_ID.fullmatch(name):
        raise MalformedQueryError("A field is written “view.field” or “view.field[timeframe]”.", path)
    return name


def _text(value: object, path: str) -> str:
    if not isinstance(value, str) or not value or len(value) > MAX_TEXT:
        raise MalformedQueryError("This must be a text.", path)
    return value


def _items(value: object, path: str, most: int) -> list[object]:
    if not isinstance(value, list):
        raise MalformedQueryError("This must be a list.", path)
    if len(value) > most:
        raise MalformedQueryError(f"At most {most} are allowed.", path)
    return value


def _mapping(value: object, path: str) -> dict[str, object]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise MalformedQueryError("This must be an object.", path)
    return value


def _refuse_unknown(mapping: Mapping[str, object], known: frozenset[str], path: str) -> None:
    for key in mapping:
        if key not in known:
            where = f"{path}.{key[:100]}" if path else key[:100]
            raise MalformedQueryError("There is no such key.", where)


def _check_values(value: object, path: str, *, depth: int) -> None:
    """Refuse bombs and values that no column can hold, before anything looks at the operators."""
    if depth > MAX_DEPTH:
        raise MalformedQueryError("This is nested too deeply.", path)
    if isinstance(value, dict | list):
        if len(value) > MAX_ITEMS:
            raise MalformedQueryError(f"At most {MAX_ITEMS} values are allowed.", path)
        for child in _mapping(value, path).values() if isinstance(value, dict) else value:
            _check_values(child, path, depth=depth + 1)
    else:
        _check_scalar(value, path)


def _check_scalar(value: object, path: str) -> None:
    if isinstance(value, str) and (len(value) > MAX_TEXT or "\x00" in value or not value.isprintable()):
        _check_text(value, path)
    elif isinstance(value, float) and not math.isfinite(value):
        raise MalformedQueryError("This must be a finite number.", path)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise MalformedQueryError("This number is too large.", path)
    elif value is not None and not isinstance(value, str | int | float | bool):
        raise MalformedQueryError("This must be a text, a number, true, false or null.", path)


def _check_text(value: str, path: str) -> None:
    has_surrogate = any("\ud800" <= letter <= "\udfff" for letter in value)
    if len(value) > MAX_TEXT or "\x00" in value or has_surrogate:
        raise MalformedQueryError("This text is too long or holds characters that no column can hold.", path)
