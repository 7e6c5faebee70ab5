"""Where values and rows come from, as hashes: the same name over another column is another thing. Pure."""

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from sqlglot import exp

from apps.governance.blast_radius.candidates import Candidate
from apps.governance.fields import table_fields
from apps.semantic.model.types import Dimension, Measure, QuerySource, SemanticModel, Topic, View


@lru_cache(maxsize=256)
def definitions(candidate: Candidate, topic: str) -> "Definitions":
    """Return the definitions of a topic, worked out once per state of a model."""
    return Definitions(candidate.model.of_topic(topic), topic)


class Definitions:
    """Hashes of the fields of one topic, and of what decides on its rows apart from policies."""

    def __init__(self, model: SemanticModel, topic: str) -> None:
        self.model = model
        self._fields: dict[str, str] = {}
        self.joined = dict(_joined(model.topics[topic], model, ()))

    def of(self, field_id: str) -> str:
        """Return the hash of everything that a field's values come from."""
        if field_id not in self._fields:
            self._fields[field_id] = _hash(*_parts(self.model, field_id, (), ()))
        return self._fields[field_id]


def _parts(model: SemanticModel, field_id: str, fields: tuple[str, ...], views: tuple[str, ...]) -> Iterator[Any]:
    """Yield what a field's values come from, to any depth; ``fields`` and ``views`` have been met on the way."""
    name = field_id.partition("[")[0]
    field = model.dimension(name) or model.measure(name)
    if field is None or name in fields:
        yield name
        return
    yield from _own(field)
    yield _source(model.views[field.view], model, views)
    inner = set(field.references) | {rule.field for rule in getattr(field, "filters", ())}
    for reference in sorted(inner):
        yield reference
        yield from _parts(model, reference, (*fields, name), views)


def _own(field: Dimension | Measure) -> Iterator[Any]:
    return _dimension(field) if isinstance(field, Dimension) else _measure(field)


def _dimension(field: Dimension) -> Iterator[Any]:
    yield field.sql
    if field.duration is not None:
        yield from (field.duration.start, field.duration.end)
    yield from (field.top_n, field.level_of_detail)


def _measure(field: Measure) -> Iterator[Any]:
    yield from (field.aggregate, field.sql, field.filters, field.percentile, field.level_of_detail)
    yield from field.distinct_on
    yield sorted(field.cancelled_filters)


def _source(view: View, model: SemanticModel, views: tuple[str, ...]) -> str:
    """Return the hash of the table or query behind a view."""
    parts: list[Any] = [view.catalog, view.schema, view.table_name, view.schema_attribute, view.alias_of]
    if view.sql_source is not None:
        parts += [view.sql_source.tree, sorted(view.sql_source.tables.items())]
        for name in model.governed_tables(view.name):
            table = model.views[name]
            parts += [table.catalog, table.schema, table.table_name, table.schema_attribute]
        for field_id in sorted(table_fields(view, model)):
            dimension = model.dimension(field_id)
            parts += [field_id, dimension.sql if dimension is not None else None]
    if view.query_source is not None and view.name not in views:
        parts += _query_parts(view.query_source, model, (*views, view.name))
    return _hash(*parts)


def _query_parts(query: QuerySource, model: SemanticModel, views: tuple[str, ...]) -> Iterator[Any]:
    yield from (query.topic, query.columns, query.filters, query.limit, sorted(query.binds.items()))
    yield query.binds_all_filters
    for name, tree in query.calculations:
        yield from (name, tree)
    own = model.of_topic(query.topic)
    if query.topic in own.topics:
        yield sorted(_joined(own.topics[query.topic], own, views))
        for field_id, _ in query.columns:
            yield from _parts(own, field_id, (), views)


def _joined(topic: Topic, model: SemanticModel, views: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield what decides on rows besides policies, each under a name for people."""
    always = (topic.always_where_filters, *topic.always_where, topic.always_having_filters, *topic.always_having)
    yield "what always filters it", _hash(*always)
    yield f"its base view {topic.base_view}", _source(model.views[topic.base_view], model, views)
    for join in topic.joins:
        rule = join.relationship
        parts = (join.parent, rule.join_type, rule.on_sql, rule.where_sql, rule.is_reversible)
        yield f"the join of {join.view}", _hash(*parts)


def _hash(*parts: Any) -> str:
    texts = (part.sql() if isinstance(part, exp.Expression) else repr(part) for part in parts)
    return hashlib.sha256("\x00".join(texts).encode()).hexdigest()[:20]
