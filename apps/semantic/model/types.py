"""The model as immutable values. Names are ``view.field``; expressions are sqlglot trees in the connection's dialect.

Inside an expression

- a reference to another field of the model is ``exp.Placeholder(this="view.field")`` or
  ``exp.Placeholder(this="view.field[timeframe]")``;
- a physical column of the view's own table (or of its query) is a bare ``exp.Column`` without a table;
- a user attribute is ``exp.Placeholder(this="omni_attributes.<name>")``;
- the value of a filter of the query is ``exp.Placeholder(this="filters.<view>.<field>.value")``, with
  ``range_start`` and ``range_end`` beside ``value``;
- a templated filter ``{{# view.f.filter }} e {{/ view.f.filter }}`` is
  ``exp.Anonymous(this=TEMPLATED, expressions=[exp.Placeholder(this="filters.<view>.<f>"), e, default or nothing])``:
  the query's condition on the filter, applied to ``e``; the default, else TRUE, when the query has none.

Constants are gone: the reader has put their trees in. Trees are shared: copy before changing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlglot import exp

FieldType = Literal["string", "number", "boolean", "date", "timestamp", "interval", "array", "json", "unknown"]
Aggregate = Literal[
    "count", "count_distinct", "sum", "average", "min", "max", "median", "percentile", "list", "expression"
]
JoinType = Literal["always_left", "inner", "full", "right", "cross"]
RelationshipType = Literal["one_to_one", "many_to_one", "one_to_many", "many_to_many", "assumed_many_to_one"]
MaskKind = Literal["hash", "redact", "null", "keep_last", "truncate_date", "bucket"]
Classification = Literal["", "public", "internal", "confidential", "personal", "unclassified"]
Scalar = str | int | float | bool | None

TEMPLATED = "omni_templated_filter"
TIMEFRAMES: tuple[str, ...] = (
    "raw",
    "millisecond",
    "second",
    "minute",
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
    "day_of_month",
    "day_of_quarter",
    "day_of_year",
    "fiscal_quarter",
    "fiscal_year",
)
INTERVALS: tuple[str, ...] = ("seconds", "minutes", "hours", "days", "weeks", "months", "quarters", "years")
"""What a duration can be counted in: its timeframes."""


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
    ``is_case_insensitive`` lets texts match whatever their case.
    """

    operator: str
    values: tuple[Scalar, ...] = ()
    children: tuple["Condition", ...] = ()
    is_case_insensitive: bool = False


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
class Mask:
    """What stands in for a value: a keyed hash, a fixed text, nothing, the last letters, the start of a period, a range.

    ``argument`` is the number of letters kept, the timeframe (``month``, ``quarter``, ``year``) or the width of a range.
    """

    kind: MaskKind = "hash"
    argument: str | int | float | None = None


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
    mask: Mask = Mask()
    classification: Classification = ""
    """"unclassified" fields are offered to nobody"""
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
    decoration: Mapping[str, Any] = field(default_factory=dict)

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
    percentile: float | None = None
    """between 0 and 100, for "percentile" """
    distinct_on: tuple[exp.Expression, ...] = ()
    """``*_distinct_on``: each value of this key counts once"""
    cancelled_filters: frozenset[str] = frozenset()
    """ids of dimensions whose filters of the query this measure does not heed (``cancel_query_filter``)"""
    level_of_detail: LevelOfDetail | None = None
    """``sql`` is aggregated by it first, the outcome by ``aggregate``"""
    classification: Classification = ""
    tags: tuple[str, ...] = ()
    is_ignored: bool = False
    decoration: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.view}.{self.name}"


@dataclass(frozen=True, slots=True)
class SqlSource:
    """The query of an SQL view: one SELECT (or a union of some) over tables that views of the model describe.

    ``tables`` maps each table as written in the text (``catalog.schema.table``, lower case where unquoted)
    to the view that governs it; the table is read through that view, with its policies and masks.
    """

    tree: exp.Query
    tables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class QuerySource:
    """The query of a query view: fields of a topic (or of a base view alone) under the names of the view's columns.

    ``columns`` is (field id with timeframe, column name) in order; ``binds`` maps an inner field to the field of the
    outer query whose filters it takes over; with ``binds_all_filters`` every filter on a field of the inner topic is.
    """

    topic: str
    columns: tuple[tuple[str, str], ...]
    filters: tuple[FieldFilter, ...] = ()
    sorts: tuple[tuple[str, bool], ...] = ()
    limit: int | None = None
    calculations: tuple[tuple[str, exp.Expression], ...] = ()
    """(column name, expression over the other columns, as bare columns)"""
    binds: Mapping[str, str] = field(default_factory=dict)
    binds_all_filters: bool = False


@dataclass(frozen=True, slots=True)
class Rollup:
    """The view's table holds this query's answer, column by column (``materialized_query``)."""

    base_view: str
    columns: tuple[tuple[str, str], ...]
    """(field id with timeframe, physical column), in order"""


@dataclass(frozen=True, slots=True)
class View:
    """``sql_source`` or ``query_source`` stand in for a table. ``primary_key`` is empty where no key is known."""

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
    filters: Mapping[str, FilterField] = field(default_factory=dict)
    primary_key: tuple[exp.Expression, ...] = ()
    """the columns that name a row: placeholders of primary_key dimensions, or the compound key's expressions"""
    sql_source: SqlSource | None = None
    query_source: QuerySource | None = None
    rollup: Rollup | None = None
    alias_of: str | None = None
    """the view that this is another name of (``join_to_view_as``); its table is that one's"""
    schema_attribute: str | None = None
    """``dynamic_schemas``: the user attribute that names the schema"""
    is_hidden: bool = False
    tags: tuple[str, ...] = ()
    decoration: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_derived(self) -> bool:
        return self.sql_source is not None or self.query_source is not None

    @property
    def fields(self) -> tuple["Dimension | Measure", ...]:
        return (*self.dimensions.values(), *self.measures.values())


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
    group_label: str = ""
    tags: tuple[str, ...] = ()
    decoration: Mapping[str, Any] = field(default_factory=dict)

    @property
    def views(self) -> tuple[str, ...]:
        return (self.base_view, *(join.view for join in self.joins))


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
    decoration: Mapping[str, Any] = field(default_factory=dict)


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
    fiscal_month_offset: int = 0
    """months by which the fiscal year starts after January, -11 … 11"""
    query_timezone: str | None = None
    cache_policies: Mapping[str, CachePolicy] = field(default_factory=dict)
    default_cache_policy: str | None = None
    decoration: Mapping[str, Any] = field(default_factory=dict)

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
