"""Fields as the API lists them."""

from typing import Any

from apps.governance.types import FieldInfo


def field_body(info: FieldInfo) -> dict[str, Any]:
    """Return a field in the public interface's form; what it is not decorated with is left out."""
    body: dict[str, Any] = {
        "name": info.name, "label": info.label, "type": info.type, "kind": info.kind, "format": info.format,
        "timeframes": list(info.timeframes), "description": info.description, "is_masked": info.is_masked,
        "group_label": info.group_label, "view_label": info.view_label, "classification": info.classification, "tags": list(info.tags),
        "synonyms": list(info.synonyms),
    }  # fmt: skip
    if info.ai_context:
        body["ai_context"] = info.ai_context
    if info.links:
        body["links"] = [{"label": link.label, "url": link.url} for link in info.links]
    if info.colours is not None:
        colours = info.colours
        body["colors"] = {"series": colours.series} if colours.series else _by_value(colours.values, colours.otherwise)
    if info.drill_fields:
        body["drill_fields"] = list(info.drill_fields)
    return body


def _by_value(values: Any, otherwise: str | None) -> dict[str, Any]:
    return {"values": dict(values)} | ({"else": otherwise} if otherwise else {})
