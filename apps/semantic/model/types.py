"""The model as immutable values. Names are ``view.field``; expressions are sqlglot trees in the connection's dialect.

Inside an expression a reference to another field of the model is ``exp.Placeholder(this="view.field")``
or ``exp.Placeholder(this="view.field[timeframe]")``; a physical column of the view's own table is a bare
``exp.Column`` without a table; a user attribute is ``exp.Placeholder(this="omni_attributes.<name>")``.
Trees are shared: copy before changing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sqlglot import exp

FieldType = Literal["string", "number", "boolean", "date", "timestamp", "unknown"]
Aggregate = Literal["count", "count_distinct", "sum", "average", "min", "max", "expression"]
Scalar = str | int | float | bool | None

TIMEFRAMES: tuple[str, ...] = (
    "raw",
    "date",
    "week",
    "month",
    "quarter",
    "year",
    "hour",
    "hour_of_day",
    "day_of_week_num",
    "day_of_week_name",
    "month_num",
    "month_name",
    "quarter_of_year",
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where something was written, for messages and for explain. Lines and columns count from 1."""

    file: str
    line: int
    column: int = 1


@dataclass(frozen=True, slots=True)
class Condition:
    """Operator and values of one filter, e.g. ``Condition("is", ("paid", "open"))``; see part 4.10 of the format.

    ``operator`` may carry the prefix ``not_``; ``and``, ``or`` hold ``children`` instead of values.
    """

    operator: str
    values: tuple[Scalar, ...] = ()
    children: tuple["Condition", ...] = ()


@dataclass(frozen=True, slots=True)
class FieldFilter:
    """A condition on a field ``view.field`` (or ``view.field[timeframe]``)."""

    field: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class GrantRule:
    """``required_access_grants`` and the like, parsed: every element of ``all_of`` must hold, each is an OR of ANDs.

    ``a|b&c`` means a OR (b AND c); parentheses are allowed; several list items are combined with AND.
    An element is a tuple of alternatives, an alternative a tuple of grant names that must all pass.
    """

    all_of: tuple[tuple[tuple[str, ...], ...], ...]
    source: Source


@dataclass(frozen=True, slots=True)
class AccessGrant:
    """Passes when any value of the user attribute is among the allowed values."""

    name: str
    user_attribute: str
    allowed_values: tuple[str, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class AccessFilter:
    """Row policy: ``field`` must equal one of the actor's values of ``user_attribute``, unless one of them lifts it."""

    field: str
    user_attribute: str
    values_for_unfiltered: tuple[str, ...]
    source: Source


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

    @property
    def id(self) -> str:
        return f"{self.view}.{self.name}"


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

    @property
    def id(self) -> str:
        return f"{self.view}.{self.name}"


@dataclass(frozen=True, slots=True)
class View:
    name: str
    schema: str | None
    table_name: str
    source: Source
    catalog: str | None = None
    label: str = ""
    description: str = ""
    dimensions: Mapping[str, Dimension] = field(default_factory=dict)
    measures: Mapping[str, Measure] = field(default_factory=dict)
    required_access_grants: GrantRule | None = None
    access_filters: tuple[AccessFilter, ...] = ()


@dataclass(frozen=True, slots=True)
class Relationship:
    """A directed join. ``on_sql`` refers to fields of both views with placeholders."""

    from_view: str
    to_view: str
    join_type: Literal["always_left", "inner"]
    relationship_type: Literal["one_to_one", "many_to_one", "one_to_many", "many_to_many", "assumed_many_to_one"]
    on_sql: exp.Expression
    source: Source
    is_reversible: bool = False


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

    @property
    def views(self) -> tuple[str, ...]:
        return (self.base_view, *(join.view for join in self.joins))


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

    def dimension(self, field_id: str) -> Dimension | None:
        view, _, name = field_id.partition(".")
        found = self.views.get(view)
        return found.dimensions.get(name) if found else None

    def measure(self, field_id: str) -> Measure | None:
        view, _, name = field_id.partition(".")
        found = self.views.get(view)
        return found.measures.get(name) if found else None
