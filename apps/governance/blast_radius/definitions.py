"""Where values and rows come from, as hashes: the same name over another column is another thing. Pure."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from sqlglot import exp

from apps.governance.blast_radius.candidates import Candidate
from apps.governance.blast_radius.hashing import hash_of
from apps.governance.blast_radius.turning import OF_GROUPS, OF_ROWS, turning
from apps.governance.blast_radius.types import RowRule
from apps.governance.fields import table_fields
from apps.semantic.compile.facts import FILTER_PREFIX, facts_of, references
from apps.semantic.model.rollups import rollups_of
from apps.semantic.model.types import Dimension, Measure, QuerySource, SemanticModel, Topic, TopicJoin, View

Field = Dimension | Measure
LEFT = "always_left"
INNER = "inner"
CALENDAR = "the model's calendar"


@lru_cache(maxsize=1024)
def definitions(candidate: Candidate, path: tuple[str, ...]) -> "Definitions":
    """Return the definitions of the last topic of a path, worked out once per state of a model.

    The path leads from the data set that is asked to what its query views ask: a topic with views of its own sees what
    lies beneath with them.
    """
    model = candidate.model
    for topic in path:
        model = model.of_topic(topic)
    return Definitions(model, path[-1])


class Definitions:
    """Hashes of the fields of one topic, and of what decides on its rows whoever asks.

    Attributes:
        rules: what decides on rows, by a name for people.
        turning: where fewer rows may mean other ones, and what chooses them.
    """

    def __init__(self, model: SemanticModel, topic: str, views: tuple[str, ...] = ()) -> None:
        """``views`` are the query views that lead here."""
        self.model, self.views = model, views
        self._fields: dict[str, str] = {}
        self._owns: dict[str, str] = {}
        self._sources: dict[str, str] = {}
        found = model.topics[topic]
        self.rules = dict(_always(found, self))
        self.rules |= dict(_bases(found, self))
        self.turning = frozenset(turning(model, topic))
        self.rules |= {f"the join of {join.view}": _join(found, join, self) for join in found.joins}

    def of(self, field_id: str) -> str:
        """Return the hash of everything that a field's values come from."""
        name = field_id.partition("[")[0]
        if name not in self._fields:
            self._fields[name] = hash_of(name, self.beneath((name,)))
        return self._fields[name]

    def of_rule(self, field_id: str) -> str:
        """Return the hash of everything that a row policy on a field compares."""
        return hash_of(self.ruled((field_id,)))

    def beneath(self, names: Iterable[str]) -> dict[str, str]:
        """Return what fields rest on, to any depth, themselves included: by its name for people, a hash of its own."""
        found: dict[str, str] = {}
        waiting = [name.partition("[")[0] for name in names]
        while waiting:
            name = waiting.pop()
            field = self.model.dimension(name) or self.model.measure(name)
            if f"`{name}`" in found:
                continue
            found[f"`{name}`"] = self._owned(name, field)
            if field is not None:
                found[f"the source of {field.view}"] = self.source(field.view)
                waiting += _named(field, self.model)
        return found

    def ruled(self, names: Iterable[str]) -> dict[str, str]:
        """Return what the fields of a rule rest on: a rule compares them as what they are, so that their types count."""
        plain = sorted({name.partition("[")[0] for name in names})
        types = {f"`{name}`": found.type for name in plain if (found := self.model.dimension(name)) is not None}
        return {item: hash_of(value, types.get(item)) for item, value in self.beneath(plain).items()}

    def _owned(self, name: str, field: Field | None) -> str:
        if name not in self._owns:
            self._owns[name] = hash_of(*self._own(field)) if field is not None else name
        return self._owns[name]

    def source(self, view: str) -> str:
        """Return the hash of the table or query behind a view."""
        if view not in self._sources:
            self._sources[view] = hash_of(*self._source(self.model.views[view]))
        return self._sources[view]

    def _own(self, field: Field) -> Iterator[Any]:
        """Yield what a field is by itself. Its frames do not count: without one it shows as much or more."""
        yield field.sql
        yield field.level_of_detail
        if isinstance(field, Dimension):
            yield (field.duration.start, field.duration.end) if field.duration is not None else None
            yield (field.top_n, field.converts_timezone)
        else:
            yield (field.aggregate, field.filters, field.percentile, field.distinct_on, field.cancelled_filters)
        yield self._left_open(_trees(field))

    def _left_open(self, trees: Iterable[exp.Expr]) -> list[Any]:
        """Return what holds where the filters in expressions are left open: within a query view, or closed, nobody fills them in."""
        nodes = (node for tree in trees for node in tree.find_all(exp.Placeholder))
        names = sorted({node.name for node in nodes if node.name.startswith(FILTER_PREFIX)})
        views = (name.removeprefix(FILTER_PREFIX).split(".") for name in names)
        fields = (self.model.filter_field(".".join(parts[:2])) for parts in views)
        return [field.default_filter if field is not None else None for field in fields]

    def _source(self, view: View) -> Iterator[Any]:
        yield _table(view)
        yield view.alias_of
        if view.sql_source is not None:
            yield (view.sql_source.tree, view.sql_source.tables)
            yield [(name, _table(self.model.views[name])) for name in self.model.governed_tables(view.name)]
            yield self._read(sorted(table_fields(view, self.model)))
        if view.query_source is not None and view.name not in self.views:
            yield from self._query(view.query_source, (*self.views, view.name))

    def _read(self, names: Iterable[str]) -> list[tuple[str, Any]]:
        """Return the dimensions of the tables that an SQL view reads."""
        found = ((name, self.model.dimension(name)) for name in names)
        return [(name, dimension.sql if dimension is not None else None) for name, dimension in found]

    def _query(self, query: QuerySource, views: tuple[str, ...]) -> Iterator[Any]:
        yield (query.topic, query.columns, query.filters, query.binds, query.binds_all_filters, query.calculations)
        yield (query.limit, query.sorts) if query.limit is not None else None
        own = self.model.of_topic(query.topic)
        if query.topic not in own.topics:
            return
        inner = Definitions(own, query.topic, views)
        yield {name: (rule.conditions, rule.rests_on) for name, rule in inner.rules.items()}
        names = {name for name, _ in query.columns} | set(query.binds)
        names |= {name for name, _ in query.sorts} if query.limit is not None else set()
        yield (inner.beneath(sorted(names)), inner.ruled(rule.field for rule in query.filters))
        yield (_calendar(own), _counting(own.topics[query.topic], own)) if query.filters else None


def _table(view: View) -> tuple[str | None, ...]:
    return (view.catalog, view.schema, view.table_name, view.schema_attribute)


def _calendar(model: SemanticModel) -> tuple[Any, ...]:
    return (model.week_start, model.fiscal_month_offset, model.query_timezone)


def _named(field: Field, model: SemanticModel) -> list[str]:
    """Return the ids of the fields that a field names, in whatever parameter but what it is sorted by."""
    names = {name.partition("[")[0] for name in (*facts_of(model).named(field), *field.references)}
    order = field.order_by_field if isinstance(field, Dimension) else None
    if order is not None and order not in references(field.sql):
        names.discard(order.partition("[")[0])  # nothing is sorted by what the reader may not use
    return sorted(name for name in names if model.filter_field(name) is None)


def _trees(field: Field) -> list[exp.Expr]:
    trees: list[exp.Expr | None] = [field.sql]
    if isinstance(field, Measure):
        trees += field.distinct_on
    elif field.duration is not None:
        trees += (field.duration.start, field.duration.end)
    return [tree for tree in trees if tree is not None]


def _always(topic: Topic, found: Definitions) -> Iterator[tuple[str, RowRule]]:
    """Yield the conditions that always hold: each more leaves fewer rows."""
    for name, filters, trees in (
        (OF_ROWS, topic.always_where_filters, topic.always_where),
        (OF_GROUPS, topic.always_having_filters, topic.always_having),
    ):
        parts = [part for tree in trees for part in _conjuncts(tree)]
        named = [rule.field for rule in filters] + [name for part in parts for name in references(part)]
        rests_on = found.ruled(named)
        if filters:
            rests_on[CALENDAR] = hash_of(_calendar(found.model))
        if name == OF_GROUPS and (filters or trees):
            rests_on |= _counting(topic, found.model)
        yield name, RowRule(frozenset(map(hash_of, (*filters, *parts))), rests_on, "fewer")


def _counting(topic: Topic, model: SemanticModel) -> dict[str, str]:
    """Return what tells rows that a join repeats from others: with another word on it, a small group may count as a large one."""
    found = {f"how many rows of {join.view} match": join.relationship.relationship_type for join in topic.joins}
    keys = {view: model.views[view].primary_key for view in topic.views}
    return {**found, **{f"the primary key of {view}": hash_of(key) for view, key in keys.items()}}


def _conjuncts(tree: exp.Expr) -> Iterator[exp.Expr]:
    tree = tree.unnest()
    if isinstance(tree, exp.And):
        yield from _conjuncts(tree.this)
        yield from _conjuncts(tree.expression)
    else:
        yield tree


def _bases(topic: Topic, found: Definitions) -> Iterator[tuple[str, RowRule]]:
    """Yield where the rows come from that all else is joined to, and the tables that may answer in its stead."""
    base = topic.base_view
    yield f"its base view {base}", RowRule(frozenset((base,)), {f"the source of {base}": found.source(base)}, "other")
    for name in () if found.views else rollups_of(found.model, base):
        view = found.model.views[name]
        held = view.rollup.columns if view.rollup is not None else ()
        yield f"the rollup {name}", RowRule(frozenset((hash_of(held, _table(view)),)), {}, "other")


def _join(topic: Topic, join: TopicJoin, found: Definitions) -> RowRule:
    """Return a join as what decides on rows; where it keeps rows without a match, its place among the others counts."""
    rule = join.relationship
    parts: list[Any] = [join.parent, rule.join_type, rule.on_sql, rule.where_sql, rule.is_reversible]
    if rule.join_type not in (LEFT, INNER):
        parts.append([other.view for other in topic.joins[: topic.joins.index(join)]])
    rests_on = found.ruled((*references(rule.on_sql), *references(rule.where_sql)))
    rests_on[f"the source of {join.view}"] = found.source(join.view)
    comes = {LEFT: "none", INNER: "fewer"}.get(rule.join_type, "other")
    return RowRule(frozenset((hash_of(*parts),)), rests_on, comes)  # type: ignore[arg-type]  # one of the three words
