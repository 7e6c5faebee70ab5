"""Relationships, topics and composite topics."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from apps.semantic.model.types.values import AccessFilter, FieldFilter, GrantRule, Source
from apps.semantic.model.types.words import JoinType, RelationshipType


@dataclass(frozen=True, slots=True)
class Relationship:
    """A directed join. ``on_sql`` and ``where_sql`` refer to fields of both views with placeholders."""

    from_view: str
    to_view: str
    join_type: JoinType
    relationship_type: RelationshipType
    on_sql: exp.Expression
    source: Source
    is_reversible: bool = False
    where_sql: exp.Expression | None = None
    """holds on the joined rows whenever the join is made"""


@dataclass(frozen=True, slots=True)
class TopicJoin:
    """One joined view of a topic and the view it hangs on."""

    view: str
    parent: str
    relationship: Relationship


@dataclass(frozen=True, slots=True)
class Topic:
    """A data set. ``fields`` are the ids that the topic offers after its ``fields:`` rules."""

    name: str
    base_view: str
    source: Source
    label: str = ""
    description: str = ""
    joins: tuple[TopicJoin, ...] = ()
    fields: frozenset[str] = frozenset()
    required_access_grants: GrantRule | None = None
    access_filters: tuple[AccessFilter, ...] = ()
    always_where_filters: tuple[FieldFilter, ...] = ()
    default_filters: tuple[FieldFilter, ...] = ()
    default_row_limit: int | None = None
    always_where: tuple[exp.Expression, ...] = ()
    """``always_where_sql``"""
    always_having_filters: tuple[FieldFilter, ...] = ()
    always_having: tuple[exp.Expression, ...] = ()
    """``always_having_sql``, over measures"""
    cache_policy: str | None = None
    is_hidden: bool = False
    """not in lists; whoever may ask it still may, by name"""
    hidden_unless_access_grants: GrantRule | None = None
    """in lists only for those whose grants pass; no rule of access"""
    group_label: str = ""
    tags: tuple[str, ...] = ()
    decoration: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[str, tuple[Source, ...]] = field(default_factory=dict, compare=False)
    """where the values of a parameter stand, for messages"""

    @property
    def views(self) -> tuple[str, ...]:
        return (self.base_view, *(join.view for join in self.joins))

    @property
    def placed_where(self) -> tuple[tuple[exp.Expression, Source], ...]:
        """Return the conditions of ``always_where_sql``, each with its place."""
        return self._placed("always_where_sql", self.always_where)

    @property
    def placed_having(self) -> tuple[tuple[exp.Expression, Source], ...]:
        """Return the conditions of ``always_having_sql``, each with its place."""
        return self._placed("always_having_sql", self.always_having)

    def _placed(self, name: str, trees: tuple[exp.Expression, ...]) -> tuple[tuple[exp.Expression, Source], ...]:
        places = self.places.get(name, ())
        return tuple(zip(trees, places if len(places) == len(trees) else (self.source,) * len(trees), strict=True))


@dataclass(frozen=True, slots=True)
class SharedDimension:
    """One dimension that the topics of a composite have in common: topic → field id in it (timeframes as asked)."""

    name: str
    label: str
    mappings: Mapping[str, str]
    source: Source


@dataclass(frozen=True, slots=True)
class CompositeTopic:
    """Topics side by side: each aggregated alone, then stitched on shared dimensions. A data set of its own.

    Fields are named ``@<topic>.<view>.<field>``; shared dimensions ``@_shared_dimensions_.<name>``.
    """

    name: str
    topics: tuple[str, ...]
    shared_dimensions: Mapping[str, SharedDimension]
    source: Source
    label: str = ""
    description: str = ""
    fields: frozenset[str] = frozenset()
    joins_all_topics: bool = False
    required_access_grants: GrantRule | None = None
    is_hidden: bool = False
    hidden_unless_access_grants: GrantRule | None = None
    decoration: Mapping[str, Any] = field(default_factory=dict)
