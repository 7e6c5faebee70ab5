"""JSON of the public interface → ``SemanticQuery``; strict, because a query is written by anyone who may sign in."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from apps.semantic.errors import MalformedQueryError
from apps.semantic.model.filters import parse_condition
from apps.semantic.model.types import FieldFilter
from apps.semantic.query.groups import read_filters
from apps.semantic.query.types import Compare, FilterGroup, SemanticQuery, Sort, Top

MAX_FIELDS = 100
MAX_FILTERS = 100
MAX_LIMIT = 50_000
MAX_DEPTH = 8
MAX_ITEMS = 2_000
MAX_TEXT = 2_000
OFFSET = re.compile(r"(\d{1,4}) (day|week|month|quarter|year)s?", re.ASCII)
KEYS = frozenset((
    "dataset", "fields", "filters", "sorts", "limit", "timezone", "totals", "subtotals", "pivots", "top", "compare",
    "default_filters",
))  # fmt: skip
# The second form names a field of one topic of a composite, or one that its topics share.
FIELD_ID = re.compile(
    r"([A-Za-z_][A-Za-z0-9_]*\.|@[A-Za-z_][A-Za-z0-9_ \-]{0,100}\.([A-Za-z_][A-Za-z0-9_]*\.)?)"
    r"[A-Za-z_][A-Za-z0-9_]*(\[[a-z_]+\])?"
)
MAX_PIVOTS = 3
MAX_TOP = 1_000


def parse_query(data: object) -> SemanticQuery:
    """Read a query as it arrives from outside.

    Nothing is looked up here: a well-formed name may still not exist.

    Raises:
        MalformedQueryError: unknown key, wrong type, unknown operator; ``path`` says where.
    """
    query = _mapping(data, "")
    _refuse_unknown(query, KEYS, "")
    filters, groups = _filters(_mapping(query.get("filters", {}), "filters"))
    fields = _fields(query.get("fields"))
    return SemanticQuery(
        dataset=_text(query.get("dataset"), "dataset"),
        fields=fields,
        filters=filters,
        groups=groups,
        pivots=_some_of(query.get("pivots", []), fields, "pivots", MAX_PIVOTS),
        totals=_flag(query.get("totals", False), "totals"),
        subtotals=_some_of(query.get("subtotals", []), fields, "subtotals", MAX_FIELDS),
        top=None if query.get("top") is None else _top(query["top"]),
        compare=None if query.get("compare") is None else _compare(query["compare"]),
        sorts=_sorts(query.get("sorts", [])),
        limit=None if query.get("limit") is None else _limit(query["limit"]),
        timezone=None if query.get("timezone") is None else _timezone(query["timezone"]),
        default_filters=_flag(query.get("default_filters", False), "default_filters"),
    )


def _some_of(value: object, fields: tuple[str, ...], path: str, most: int) -> tuple[str, ...]:
    names = tuple(_field_id(item, f"{path}.{index}") for index, item in enumerate(_items(value, path, most)))
    for index, name in enumerate(names):
        if name not in fields or name in names[:index]:
            raise MalformedQueryError("Name each of the fields asked for at most once.", f"{path}.{index}")
    return names


def _flag(value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise MalformedQueryError("This must be true or false.", path)
    return value


def _top(value: object) -> Top:
    top = _mapping(value, "top")
    _refuse_unknown(top, frozenset(("field", "n", "by", "desc", "others")), "top")
    count = top.get("n")
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_TOP:
        raise MalformedQueryError(f"This must be a whole number from 1 to {MAX_TOP}.", "top.n")
    others = top.get("others", "Other")
    return Top(
        field=_field_id(top.get("field"), "top.field"),
        n=count,
        by=_field_id(top.get("by"), "top.by"),
        is_descending=_flag(top.get("desc", True), "top.desc"),
        other=None if others is None else _text(others, "top.others"),
    )


def _compare(value: object) -> Compare:
    compare = _mapping(value, "compare")
    _refuse_unknown(compare, frozenset(("field", "offset")), "compare")
    found = OFFSET.fullmatch(_text(compare.get("offset"), "compare.offset"))
    if found is None or int(found[1]) == 0:
        raise MalformedQueryError("This is not an offset such as “1 year” or “4 weeks”.", "compare.offset")
    unit: Any = found[2]
    return Compare(_field_id(compare.get("field"), "compare.field"), int(found[1]), unit)


def _fields(value: object) -> tuple[str, ...]:
    items = _items(value, "fields", MAX_FIELDS)
    if not items:
        raise MalformedQueryError("Ask for at least one field.", "fields")
    fields = tuple(_field_id(item, f"fields.{index}") for index, item in enumerate(items))
    for index, name in enumerate(fields):
        if name in fields[:index]:
            raise MalformedQueryError("The same field is asked for twice.", f"fields.{index}")
    return fields


def _filters(filters: Mapping[str, object]) -> tuple[tuple[FieldFilter, ...], tuple[FilterGroup, ...]]:
    if len(filters) > MAX_FILTERS:
        raise MalformedQueryError(f"At most {MAX_FILTERS} filters are allowed.", "filters")
    return read_filters(filters, _filter)


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
    _check_text(value, path)
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
    """Refuse bombs before anything looks at the operators; what a value may be, the reader of conditions says."""
    if depth > MAX_DEPTH:
        raise MalformedQueryError("This is nested too deeply.", path)
    if isinstance(value, dict | list):
        if len(value) > MAX_ITEMS:
            raise MalformedQueryError(f"At most {MAX_ITEMS} values are allowed.", path)
        for child in _mapping(value, path).values() if isinstance(value, dict) else value:
            _check_values(child, path, depth=depth + 1)


def _check_text(value: str, path: str) -> None:
    has_surrogate = any("\ud800" <= letter <= "\udfff" for letter in value)
    if len(value) > MAX_TEXT or "\x00" in value or has_surrogate:
        raise MalformedQueryError("This text is too long or holds characters that no column can hold.", path)
