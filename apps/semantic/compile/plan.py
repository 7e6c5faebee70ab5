"""The value that the rewrites pass on: a query whose names are looked up and whose rights are settled."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlglot import exp

from apps.semantic.errors import MalformedQueryError
from apps.semantic.model.types import (
    INTERVALS,
    Condition,
    Dimension,
    FieldType,
    Mask,
    Measure,
    SemanticModel,
    Topic,
    TopicJoin,
)
from apps.semantic.query.types import SemanticQuery, Top
from apps.semantic.scope import AccessScope, RowPolicy

DATE_FRAMES = frozenset(("date", "week", "month", "quarter", "year", "fiscal_quarter"))
TIME_FRAMES = frozenset(("hour", "minute", "second", "millisecond"))
NAME_FRAMES = frozenset(("day_of_week_name", "month_name"))
MASKED_TYPES: Mapping[str, FieldType] = {
    "hash": "string", "redact": "string", "keep_last": "string", "null": "string",
    "truncate_date": "date", "bucket": "number",
}  # fmt: skip


def masked_type(mask: Mask) -> FieldType:
    """Return the type of what stands in for a masked value."""
    return MASKED_TYPES[mask.kind]


@dataclass(frozen=True, slots=True)
class DimensionUse:
    """A dimension as asked for; ``name`` is the requested text, with its timeframe.

    ``later`` are steps in time, as count and unit, by which the reader's clock is put forward before anything else.
    """

    name: str
    dimension: Dimension
    timeframe: str | None = None
    is_masked: bool = False
    later: tuple[tuple[int, str], ...] = ()

    @property
    def type(self) -> FieldType:
        if self.is_masked:
            return masked_type(self.dimension.mask) if self.dimension.mask_unless_access_grants else "string"
        if self.timeframe in NAME_FRAMES or (self.dimension.top_n is not None and self.timeframe is None):
            return "string"
        if self.dimension.duration is not None or self.timeframe in INTERVALS:
            return "number"
        if self.timeframe is None or self.timeframe == "raw":
            return self.dimension.type
        if self.timeframe in DATE_FRAMES:
            return "date"
        return "timestamp" if self.timeframe in TIME_FRAMES else "number"

    @property
    def label(self) -> str:
        if self.timeframe is None or self.timeframe == "raw":
            return self.dimension.label
        return f"{self.dimension.label} {self.timeframe.replace('_', ' ')}"


@dataclass(frozen=True, slots=True)
class MeasureUse:
    """A measure as asked for."""

    name: str
    measure: Measure


@dataclass(frozen=True, slots=True)
class DimensionFilter:
    """A condition on rows; ``path`` is where it stands in the request."""

    use: DimensionUse
    condition: Condition
    path: str


@dataclass(frozen=True, slots=True)
class MeasureFilter:
    """A condition on groups."""

    use: MeasureUse
    condition: Condition
    path: str


@dataclass(frozen=True, slots=True)
class Combined:
    """Filters under ``and``, ``or`` or ``not``; all of rows, or all of groups."""

    operator: str
    children: tuple["DimensionFilter | MeasureFilter | Combined", ...]


@dataclass(frozen=True, slots=True)
class PolicyUse:
    """A row policy with its dimension looked up."""

    dimension: Dimension
    policy: RowPolicy


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be read. The rewrites fill it from top to bottom; ``order`` holds (result column from 1, descending).

    ``templates`` are the query's conditions by the field that templated filters name.
    """

    query: SemanticQuery
    model: SemanticModel
    scope: AccessScope
    topic: Topic
    dialect: str
    today: date
    dimensions: tuple[DimensionUse, ...] = ()
    measures: tuple[MeasureUse, ...] = ()
    where: tuple[DimensionFilter | Combined, ...] = ()
    having: tuple[MeasureFilter | Combined, ...] = ()
    always: tuple[DimensionFilter, ...] = ()
    always_having: tuple[MeasureFilter, ...] = ()
    templates: Mapping[str, Condition] = field(default_factory=dict)
    grouped: frozenset[str] = frozenset()
    """fields on which the query has conditions under ``or`` and ``not``: nothing can take such a condition for its own"""
    row_policies: Mapping[str, tuple[PolicyUse, ...]] = field(default_factory=dict)
    topic_policies: tuple[PolicyUse, ...] = ()
    joins: tuple[TopicJoin, ...] = ()
    repeated: frozenset[str] = frozenset()
    """views whose rows the chosen joins repeat"""
    order: tuple[tuple[int, bool], ...] = ()
    row_limit: int = 0
    top: Top | None = None
    ranked: DimensionUse | None = None
    """the dimension of ``top`` where it is not among those asked for: its other rows are dropped, as for a total"""
    now: "Plan | None" = None
    """of the earlier part of a comparison: the part beside it, whose rows decide which values are at the top in both"""

    @property
    def always_sql(self) -> tuple[exp.Expression, ...]:
        """Conditions in SQL that hold for everybody: the topic's, and those of the joins that are made."""
        joined = (join.relationship.where_sql for join in self.joins)
        return (*self.topic.always_where, *(sql for sql in joined if sql is not None))


def check_alone(field_id: str, plan: Plan) -> None:
    """Refuse to take a condition on a field out of the group that it holds in.

    Raises:
        MalformedQueryError: the question has one under ``or`` or ``not``.
    """
    if field_id in plan.grouped:
        raise MalformedQueryError(
            "A field of the answer takes the condition on this one by itself, so it cannot stand under “or” or “not”.",
            f"filters.{field_id}",
        )


def single_filters(filters: Iterable[DimensionFilter | MeasureFilter | Combined]) -> Iterator[Any]:
    """Yield the filters inside all groups."""
    for item in filters:
        if isinstance(item, Combined):
            yield from single_filters(item.children)
        else:
            yield item
