"""Names of fields in what only decorates: one that leads nowhere is left out of pages, so it is a warning."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from apps.semantic.errors import Problem
from apps.semantic.model.suggestions import did_you_mean
from apps.semantic.model.types import SemanticModel, Source, View

OF_FIELDS = ("drill_fields", "suggest_from_field", "parent_field")
OF_VIEWS = ("default_drill_fields",)
PATTERNS = ("*", ":")
"""in names that stand for several fields"""


def check_decorating_names(model: SemanticModel) -> Iterator[Problem]:
    """Yield a warning for each decoration that names a field, or a topic, which there is not."""
    for part, view in model.seen_views():
        if view.alias_of is not None:
            continue
        yield from _missing(view.decoration, OF_VIEWS, view.source, view, part)
        for item in (*view.fields, *view.filters.values()):
            yield from _missing(item.decoration, OF_FIELDS, item.source, view, part)
            topic = item.decoration.get("suggest_from_topic")
            if isinstance(topic, str) and topic not in model.topics:
                hint = did_you_mean(topic, model.topics)
                yield _warning(item.source, f"suggest_from_topic: there is no topic “{topic}”.{hint}")


def _missing(
    given: Mapping[str, Any], parameters: Iterable[str], source: Source, view: View, model: SemanticModel
) -> Iterator[Problem]:
    for parameter in parameters:
        value = given.get(parameter)
        for written in value if isinstance(value, list) else [value]:
            if not isinstance(written, str) or any(sign in written for sign in PATTERNS):
                continue
            plain = written.removeprefix("${").removesuffix("}").partition("[")[0].strip()
            name = plain if "." in plain else f"{view.name}.{plain}"
            if plain and (model.dimension(name) or model.measure(name) or model.filter_field(name)) is None:
                hint = did_you_mean(name, _names(model.views.get(name.partition(".")[0], view)))
                yield _warning(source, f"{parameter}: there is no field “{name}”.{hint}")


def _names(view: View) -> list[str]:
    return [item.id for item in view.fields]


def _warning(source: Source, message: str) -> Problem:
    return Problem(source.file, source.line, source.column, message, is_warning=True)
