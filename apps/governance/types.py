"""Frozen values that cross apps."""

from dataclasses import dataclass

from apps.datamodels.models import Dataset, ModelVersion
from apps.semantic.model.decorations import Colours, Link
from apps.semantic.model.types import SemanticModel
from apps.semantic.scope import AccessScope


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """A field that the actor may use."""

    name: str
    label: str
    type: str
    kind: str
    format: str | None
    timeframes: tuple[str, ...]
    description: str
    is_masked: bool
    is_hidden: bool
    group_label: str
    classification: str = ""
    tags: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()
    ai_context: str = ""
    links: tuple[Link, ...] = ()
    """those whose every field the actor may use"""
    colours: Colours | None = None
    drill_fields: tuple[str, ...] = ()
    """ids among those that the actor may use"""
    suggested: tuple[tuple[str, str], ...] = ()
    """(value, label) that the model suggests for filters; none of a masked field"""
    suggests_from: str = ""
    """the field whose values are suggested instead, where the actor may use it"""
    view_label: str = ""
    """under what it stands: its own word for it, else the topic's or the join's for its view, else the view's"""


@dataclass(frozen=True, slots=True)
class Governed:
    """One data set as one actor may have it, in the model version that was current when they asked."""

    dataset: Dataset
    version: ModelVersion
    model: SemanticModel
    scope: AccessScope
    limits: tuple[str, ...]
    hides_values: bool = False
