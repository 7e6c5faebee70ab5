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

from apps.semantic.model.types.fields import Dimension, Duration, FilterField, LevelOfDetail, Measure, TopN
from apps.semantic.model.types.models import CachePolicy, SemanticModel
from apps.semantic.model.types.topics import CompositeTopic, Relationship, SharedDimension, Topic, TopicJoin
from apps.semantic.model.types.values import (
    AccessFilter,
    AccessGrant,
    Condition,
    FieldFilter,
    GrantRule,
    LabelAccess,
    Mask,
    Source,
)
from apps.semantic.model.types.views import QuerySource, Rollup, SqlSource, View, table_text
from apps.semantic.model.types.words import (
    ATTRIBUTE,
    FALSEY,
    FILTER,
    INTERVALS,
    LABELS,
    NO_FIELDS,
    TEMPLATED,
    TIMEFRAMES,
    Aggregate,
    Classification,
    FieldType,
    JoinType,
    MaskKind,
    RelationshipType,
    Scalar,
)

__all__ = [
    "ATTRIBUTE",
    "FALSEY",
    "FILTER",
    "INTERVALS",
    "LABELS",
    "NO_FIELDS",
    "TEMPLATED",
    "TIMEFRAMES",
    "AccessFilter",
    "AccessGrant",
    "Aggregate",
    "CachePolicy",
    "Classification",
    "CompositeTopic",
    "Condition",
    "Dimension",
    "Duration",
    "FieldFilter",
    "FieldType",
    "FilterField",
    "GrantRule",
    "JoinType",
    "LabelAccess",
    "LevelOfDetail",
    "Mask",
    "MaskKind",
    "Measure",
    "QuerySource",
    "Relationship",
    "RelationshipType",
    "Rollup",
    "Scalar",
    "SemanticModel",
    "SharedDimension",
    "Source",
    "SqlSource",
    "TopN",
    "Topic",
    "TopicJoin",
    "View",
    "table_text",
]
