"""The whole model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.semantic.model.types.fields import Dimension, FilterField, Measure
from apps.semantic.model.types.topics import CompositeTopic, Relationship, Topic
from apps.semantic.model.types.values import AccessGrant, LabelAccess, Source
from apps.semantic.model.types.views import View


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How old a kept answer may be, in seconds; 0 keeps nothing."""

    name: str
    max_age_s: int
    source: Source


@dataclass(frozen=True, slots=True)
class SemanticModel:
    """Everything the files say, checked. ``warnings`` are problems that do not stop it."""

    dialect: str
    views: Mapping[str, View]
    topics: Mapping[str, Topic]
    access_grants: Mapping[str, AccessGrant]
    week_start: int = 0
    """0 = Monday … 6 = Sunday"""
    warnings: tuple[object, ...] = ()
    composites: Mapping[str, CompositeTopic] = field(default_factory=dict)
    topic_models: Mapping[str, "SemanticModel"] = field(default_factory=dict)
    """for topics with views of their own: the model as that topic sees it"""
    seen_by: str = ""
    """the topic with whose own views this is the model; empty where it is the model of all others"""
    of_all: "SemanticModel | None" = field(default=None, repr=False, compare=False)
    """of a topic's own model, the model of all others; None where it is that one itself"""
    fiscal_month_offset: int = 0
    """months by which the fiscal year starts after January, -11 … 11"""
    query_timezone: str | None = None
    cache_policies: Mapping[str, CachePolicy] = field(default_factory=dict)
    default_cache_policy: str | None = None
    classification_access: Mapping[str, LabelAccess] = field(default_factory=dict)
    """by classification: rules for every field that bears it"""
    decoration: Mapping[str, Any] = field(default_factory=dict)
    relationships: tuple[Relationship, ...] = ()
    """those that files say, whether a topic uses them or not; of a topic's own model, those that the topic adds"""

    def seen_views(self) -> "Iterator[tuple[SemanticModel, View]]":
        """Yield every view with the model in which it stands: the views of all, then those that a topic changes or adds."""
        for view in self.views.values():
            yield self, view
        for own in self.topic_models.values():
            for name, view in own.views.items():
                if self.views.get(name) is not view:
                    yield own, view

    def of_topic(self, name: str) -> "SemanticModel":
        """Return the model as a topic sees it."""
        return self.topic_models.get(name, self)

    @property
    def datasets(self) -> "Mapping[str, Topic | CompositeTopic]":
        """Everything that can be asked by name: topics, but those that stand behind query views, and composites."""
        offered = {name: topic for name, topic in self.topics.items() if not name.startswith("__")}
        return {**offered, **self.composites}

    def governed_tables(self, view: str) -> tuple[str, ...]:
        """Return the views through which an SQL view reads its tables; none for other views."""
        source = self.views[view].sql_source
        return tuple(dict.fromkeys(source.tables.values())) if source is not None else ()

    def dimension(self, field_id: str) -> Dimension | None:
        view, _, name = field_id.partition(".")
        found = self.views.get(view)
        return found.dimensions.get(name) if found else None

    def filter_field(self, field_id: str) -> FilterField | None:
        view, _, name = field_id.partition(".")
        found = self.views.get(view)
        return found.filters.get(name) if found else None

    def measure(self, field_id: str) -> Measure | None:
        view, _, name = field_id.partition(".")
        found = self.views.get(view)
        return found.measures.get(name) if found else None
