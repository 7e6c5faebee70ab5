"""What only decorates a field, read strictly: links that lead to a place the model names, colours that are colours. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from apps.semantic.model.types import Dimension, FilterField, Measure, SemanticModel

REFERENCE = re.compile(r"\$\{([A-Za-z0-9_.\[\]]+)\}")
COLOUR = re.compile(r"#[0-9A-Fa-f]{3,8}|[A-Za-z]{3,30}|(?:rgb|hsl)a?\([0-9.,%/ deg]{1,60}\)")
MAX_ADDRESS = 2_000


@dataclass(frozen=True, slots=True)
class Link:
    """A link with a template of its address; ``fields`` are the ids whose values go into it."""

    label: str
    url: str
    fields: tuple[str, ...]

    def address(self, values: Mapping[str, object]) -> str | None:
        """Return the address for one row, each value percent-encoded; None where a value is missing."""
        if any(values.get(name) is None for name in self.fields):
            return None
        found = REFERENCE.sub(lambda match: quote(str(values[match[1]]), safe=""), self.url)
        return found if len(found) <= MAX_ADDRESS else None


@dataclass(frozen=True, slots=True)
class Colours:
    """``series`` is a measure's; ``values`` and ``otherwise`` are a dimension's."""

    series: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    otherwise: str | None = None


def field_of(model: SemanticModel, name: str) -> Dimension | Measure | None:
    """Return the field of a column's name, with or without a timeframe."""
    bare = name.partition("[")[0]
    return model.dimension(bare) or model.measure(bare)


def links_of(item: Dimension | Measure) -> tuple[Link, ...]:
    """Return the field's links. One whose host depends on data, or that is no web address, is left out."""
    return tuple(link for given in _maps(item.decoration.get("links")) if (link := _link(given, item)) is not None)


def _link(given: Mapping[str, Any], item: Dimension | Measure) -> Link | None:
    url = given.get("url")
    if not isinstance(url, str) or not _leads_to_a_fixed_place(url):
        return None
    own = REFERENCE.sub(lambda match: f"${{{match[1] if '.' in match[1] else f'{item.view}.{match[1]}'}}}", url)
    return Link(str(given.get("label") or item.label), own, tuple(dict.fromkeys(REFERENCE.findall(own))))


def _leads_to_a_fixed_place(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_web = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.username is None
    return is_web and "$" not in parts.netloc and url.isprintable() and "{{" not in url and "\\" not in url


def colours_of(item: Dimension | Measure) -> Colours | None:
    """Return the field's colours, None where it has none; what is no CSS colour is left out."""
    given = item.decoration.get("colors")
    if not isinstance(given, dict):
        return None
    if isinstance(item, Measure):
        series = _colour(given.get("series"))
        return Colours(series) if series else None
    values = dict(_by_value(_maps(given.get("conditions"))))
    return Colours(None, values, _colour(given.get("else"))) if values else None


def _by_value(conditions: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, str]]:
    for item in conditions:
        condition, colour = item.get("condition"), _colour(item.get("color"))
        wanted = condition.get("is") if isinstance(condition, dict) and len(condition) == 1 else None
        for value in wanted if isinstance(wanted, list) else [wanted]:
            if colour and isinstance(value, str | int | float):
                yield str(value), colour


def _colour(value: object) -> str | None:
    return value if isinstance(value, str) and COLOUR.fullmatch(value) else None


def suggested_values(item: Dimension | Measure | FilterField) -> tuple[tuple[str, str], ...]:
    """Return ``suggestion_list`` as (value, label); a value without a label is its own."""
    given = item.decoration.get("suggestion_list")
    found = [one if isinstance(one, dict) else {"value": one} for one in given] if isinstance(given, list) else []
    named = [(one.get("value"), one.get("label")) for one in found]
    return tuple((str(value), str(label or value)) for value, label in named if isinstance(value, str | int | float))


def _maps(value: object) -> tuple[Mapping[str, Any], ...]:
    return tuple(item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()
