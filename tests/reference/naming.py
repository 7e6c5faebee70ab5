"""The other names of fields: a question, or the model itself, names them as one likes, and nothing else changes."""

from collections.abc import Mapping
from typing import Any

from tests.reference.texts import OTHER_NAMES

OWN_NAMES = {other: name for name, other in OTHER_NAMES.items()}
PLACES = ("fields", "filters", "model")


def other_name(name: str) -> str:
    """Return a field's other name, with its view and timeframe; the name itself where it has none."""
    return _named(name, OTHER_NAMES)


def own_name(name: str) -> str:
    return _named(name, OWN_NAMES)


def _named(name: str, names: Mapping[str, str]) -> str:
    view, _, field = name.rpartition(".")
    plain, bracket, frame = field.partition("[")
    # Dimensions that the topics of a composite share have names of their own.
    return name if view.startswith("@_") else f"{view}.{names.get(plain, plain)}{bracket}{frame}"


def under_other_names(question: Mapping[str, Any], places: frozenset[str]) -> dict[str, Any]:
    """Return a question that names fields by their other names where it asks for them, and where it sets conditions."""
    found = dict(question)
    if "fields" in places:
        for part in ("fields", "pivots", "subtotals"):
            if part in found:
                found[part] = [other_name(name) for name in found[part]]
        if "sorts" in found:
            found["sorts"] = [{**sort, "field": other_name(sort["field"])} for sort in found["sorts"]]
        if found.get("top"):
            found["top"] = {**found["top"], "field": other_name(found["top"]["field"])}
    if "filters" in places:
        found["filters"] = conditions_renamed(found["filters"])
        if found.get("top"):
            found["top"] = {**found["top"], "by": other_name(found["top"]["by"])}
        if found.get("compare"):
            found["compare"] = {**found["compare"], "field": other_name(found["compare"]["field"])}
    return found


def conditions_renamed(part: Any) -> Any:
    """Return filters, and groups of them, on fields under their other names."""
    if isinstance(part, list):
        return [conditions_renamed(item) for item in part]
    return {
        (other_name(name) if "." in name else name): (rule if "." in name else conditions_renamed(rule))
        for name, rule in part.items()
    }


def model_renamed(text: str) -> str:
    """Return a view's text that refers to its own fields by their other names."""
    for name, other in OTHER_NAMES.items():
        text = text.replace(f"${{{name}}}", f"${{{other}}}").replace(f"filters: {{{name}:", f"filters: {{{other}:")
    return text


def composite_renamed(text: str) -> str:
    """Return a composite topic's text whose shared dimensions stand for fields under their other names."""
    for name, other in OTHER_NAMES.items():
        for end in (",", "}", "[", '"'):
            text = text.replace(f"v0.{name}{end}", f"v0.{other}{end}").replace(f"@.{name}{end}", f"@.{other}{end}")
    return text
