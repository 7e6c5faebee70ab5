"""Fields: dimensions, measures, filter-only fields."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlglot import exp

from apps.semantic.model.types.values import HASHED, Condition, FieldFilter, GrantRule, Mask, Source
from apps.semantic.model.types.words import Aggregate, Classification, FieldType


@dataclass(frozen=True, slots=True)
class Duration:
    """Time from ``start`` to ``end``, two expressions; counted in whole units that lie between them."""

    start: exp.Expression
    end: exp.Expression


@dataclass(frozen=True, slots=True)
class TopN:
    """The ``n`` values of a dimension with the most (or least) of the measure ``by``; ``other`` stands for the rest."""

    n: int
    by: str
    is_descending: bool = True
    other: str = "Other"


@dataclass(frozen=True, slots=True)
class LevelOfDetail:
    """An aggregate at a grain of its own, brought back to the rows.

    ``grain`` names dimensions. ``strategy`` "fixed": exactly these; "include": those of the query and these;
    "exclude": those of the query without these.
    """

    aggregate: Aggregate
    strategy: Literal["fixed", "include", "exclude"]
    grain: tuple[str, ...]
    ignores_query_filters: bool = False


@dataclass(frozen=True, slots=True)
class Dimension:
    name: str
    view: str
    label: str
    sql: exp.Expression
    type: FieldType
    source: Source
    description: str = ""
    format: str | None = None
    group_label: str = ""
    is_hidden: bool = False
    is_primary_key: bool = False
    timeframes: tuple[str, ...] = ()
    required_access_grants: GrantRule | None = None
    mask_unless_access_grants: GrantRule | None = None
    references: frozenset[str] = frozenset()
    """ids that ``sql`` and the rules below rest on, closed over nothing: direct references only"""
    mask: Mask = HASHED
    reads_in_clear: bool = False
    """shows masked columns on purpose"""
    classification: Classification = ""
    """the field's own, else its view's; "unclassified" fields are offered to nobody"""
    converts_timezone: bool = True
    order_by_field: str | None = None
    duration: Duration | None = None
    """set for durations: ``timeframes`` are its intervals, ``sql`` the whole days"""
    top_n: TopN | None = None
    level_of_detail: LevelOfDetail | None = None
    """``sql`` is then what is aggregated"""
    tags: tuple[str, ...] = ()
    is_ignored: bool = False
    decoration: Mapping[str, Any] = field(default_factory=dict)
    """parameters that only decorate, as plain values: links, colors, synonyms, ai_context, suggestion_list …"""

    @property
    def id(self) -> str:
        return f"{self.view}.{self.name}"


@dataclass(frozen=True, slots=True)
class FilterField:
    """A filter-only field: nothing that can be shown, only a condition that templated filters and expressions use."""

    name: str
    view: str
    label: str
    type: FieldType
    source: Source
    description: str = ""
    default_filter: Condition | None = None
    required_access_grants: GrantRule | None = None
    is_hidden: bool = False
    former_of: str = ""
    """the name that it has today, where this is a former one"""
    decoration: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.view}.{self.name}"

    @property
    def template_id(self) -> str:
        """Return the id under which templated filters know it."""
        return f"{self.view}.{self.former_of or self.name}"


@dataclass(frozen=True, slots=True)
class Measure:
    """``sql`` is what is aggregated (None for a plain count), or the whole expression when ``aggregate`` is "expression"."""

    name: str
    view: str
    label: str
    aggregate: Aggregate
    sql: exp.Expression | None
    source: Source
    type: FieldType = "number"
    description: str = ""
    format: str | None = None
    group_label: str = ""
    is_hidden: bool = False
    filters: tuple[FieldFilter, ...] = ()
    required_access_grants: GrantRule | None = None
    references: frozenset[str] = frozenset()
    percentile: float | None = None
    """between 0 and 100, for "percentile" """
    distinct_on: tuple[exp.Expression, ...] = ()
    """``*_distinct_on``: each value of this key counts once"""
    cancelled_filters: frozenset[str] = frozenset()
    """ids of dimensions whose filters of the query this measure does not heed (``cancel_query_filter``)"""
    level_of_detail: LevelOfDetail | None = None
    """``sql`` is aggregated by it first, the outcome by ``aggregate``"""
    reads_in_clear: bool = False
    classification: Classification = ""
    """as on a dimension"""
    is_closed_by_label: bool = False
    """its classification masks, and a measure has no mask: closed to whom that mask is for"""
    tags: tuple[str, ...] = ()
    is_ignored: bool = False
    decoration: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.view}.{self.name}"
