"""Views, and what stands in for their table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from apps.semantic.model.types.fields import Dimension, FilterField, Measure
from apps.semantic.model.types.values import AccessFilter, FieldFilter, GrantRule, Source
from apps.semantic.model.types.words import Classification


def table_text(node: exp.Table) -> str:
    """Return a table's name as written: ``catalog.schema.table``, lower case where unquoted."""
    parts = [part for part in (node.args.get("catalog"), node.args.get("db"), node.this) if part is not None]
    return ".".join(part.name if part.args.get("quoted") else part.name.lower() for part in parts)


@dataclass(frozen=True, slots=True)
class SqlSource:
    """The query of an SQL view: one SELECT (or a union of some) over tables that views of the model describe.

    ``tables`` maps each table as written in the text (``catalog.schema.table``, lower case where unquoted)
    to the view that governs it; the table is read through that view, with its policies and masks.
    """

    tree: exp.Query
    tables: Mapping[str, str]
    place: Source | None = field(default=None, compare=False)
    """where the text stands, for messages"""


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
    places: Mapping[str, Source] = field(default_factory=dict, compare=False)
    """where parameters, fields, calculations and sorts stand, for messages; the latter two as ``calculations.x``, ``sorts.x``"""


@dataclass(frozen=True, slots=True)
class Rollup:
    """The view's table holds this query's answer, column by column (``materialized_query``)."""

    base_view: str
    columns: tuple[tuple[str, str], ...]
    """(field id with timeframe, physical column), in order"""
    places: Mapping[str, Source] = field(default_factory=dict, compare=False)


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
    is_worked_out: bool = False
    """whether the source may work out the table's columns when they are read, as a view's: reading one may fail"""
    is_hidden: bool = False
    classification: Classification = ""
    """of its fields, where they have none of their own"""
    tags: tuple[str, ...] = ()
    decoration: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_derived(self) -> bool:
        return self.sql_source is not None or self.query_source is not None

    @property
    def fields(self) -> tuple["Dimension | Measure", ...]:
        return (*self.dimensions.values(), *self.measures.values())
