"""The value that the rewrites pass on: a query whose names are looked up and whose rights are settled."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from apps.semantic.model.types import Condition, Dimension, FieldType, Measure, SemanticModel, Topic, TopicJoin
from apps.semantic.query.types import SemanticQuery
from apps.semantic.scope import AccessScope, RowPolicy

DATE_FRAMES = frozenset(("date", "week", "month", "quarter", "year"))
NAME_FRAMES = frozenset(("day_of_week_name", "month_name"))


@dataclass(frozen=True, slots=True)
class DimensionUse:
    """A dimension as asked for; ``name`` is the requested text, with its timeframe."""

    name: str
    dimension: Dimension
    timeframe: str | None = None
    is_masked: bool = False

    @property
    def type(self) -> FieldType:
        if self.is_masked or self.timeframe in NAME_FRAMES:
            return "string"
        if self.timeframe is None or self.timeframe == "raw":
            return self.dimension.type
        if self.timeframe in DATE_FRAMES:
            return "date"
        return "timestamp" if self.timeframe == "hour" else "number"

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
class PolicyUse:
    """A row policy with its dimension looked up."""

    dimension: Dimension
    policy: RowPolicy


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be read. The rewrites fill it from top to bottom; ``order`` holds (result column from 1, descending)."""

    query: SemanticQuery
    model: SemanticModel
    scope: AccessScope
    topic: Topic
    dialect: str
    today: date
    dimensions: tuple[DimensionUse, ...] = ()
    measures: tuple[MeasureUse, ...] = ()
    where: tuple[DimensionFilter, ...] = ()
    having: tuple[MeasureFilter, ...] = ()
    always: tuple[DimensionFilter, ...] = ()
    row_policies: Mapping[str, tuple[PolicyUse, ...]] = field(default_factory=dict)
    topic_policies: tuple[PolicyUse, ...] = ()
    joins: tuple[TopicJoin, ...] = ()
    order: tuple[tuple[int, bool], ...] = ()
    row_limit: int = 0
