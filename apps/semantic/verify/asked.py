"""What the question of a query view demands of the SELECT that stands in its table's place, worked out from the model alone.

Its filters, conditions on groups, columns, order and limit are as much a part of the model as a topic's own rules: a view
of the orders from Europe shows no others, whoever asks it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from apps.semantic.model.former import ALIAS, is_other_name
from apps.semantic.model.types import FieldFilter, Measure, QuerySource, SemanticModel, Topic
from apps.semantic.query.types import Top
from apps.semantic.scope import AccessScope
from apps.semantic.verify.conditions import Columns, HoleRule, filter_rule, group_rule, type_of
from apps.semantic.verify.groups import GroupRules, group_filter
from apps.semantic.verify.places import MeasurePlace, Place, Places, reached
from apps.semantic.verify.trees import Expected, columns_of

OFFSET = "date_offset_from_query"
TIMES = ("date", "timestamp")


@dataclass(frozen=True, slots=True)
class OwnFilter:
    """A filter of the view on rows, and what must stand at its holes."""

    rule: HoleRule
    place: Place


@dataclass(frozen=True, slots=True)
class Asked:
    """The demands of one query view.

    Attributes:
        keys: what its answer is grouped by, by column; tops: the rankings that the model gives of them.
        measures: what it shows of each group, by column.
        filters: those that its rows are chosen by; held: those that its measures heed each by itself, by column.
        groups: conditions on its groups, the topic's own among them.
        order: columns and whether each descends; only where there is a limit.
        calculations: trees over the other columns, by column.
        bound: columns by which the filters of the question around it may choose rows; None where it takes over none.
    """

    keys: Mapping[str, Place]
    tops: Mapping[str, Top]
    measures: Mapping[str, MeasurePlace]
    filters: tuple[OwnFilter, ...]
    held: Mapping[str, tuple[OwnFilter, ...]]
    groups: GroupRules
    order: tuple[tuple[str, bool], ...]
    limit: int | None
    calculations: Mapping[str, exp.Expr]
    bound: Columns | None


class Asker:
    """Reads the question of one query view.

    Args:
        model: as the topic sees it that the question is over; ``scope`` is that on this topic.
        groups: the conditions of this topic on groups.
    """

    def __init__(
        self, source: QuerySource, model: SemanticModel, scope: AccessScope, expected: Expected, groups: GroupRules
    ) -> None:
        self.source, self.model, self.scope, self.expected, self.groups = source, model, scope, expected, groups
        self.topic: Topic = model.topics[source.topic]
        self.places = Places(model, scope.masked, expected)

    def asked(self, outer: SemanticModel, masked: frozenset[str], keys: Columns) -> Asked:
        """Return the demands.

        Args:
            outer: the model as the topic around the view sees it; ``masked`` are the dimensions masked there.
            keys: columns by which the topic's rows are told apart.
        """
        source, model = self.source, self.model
        dimensions = {column: name for name, column in source.columns if model.measure(name) is None}
        measures = {column: found for name, column in source.columns if (found := model.measure(name)) is not None}
        of_rows = [rule for rule in source.filters if self._is_of_rows(rule)]
        of_groups = [rule for rule in source.filters if model.measure(rule.field) is not None]
        unheeded = self._unheeded([*measures.values(), *self._conditions()])
        own = tuple(group_filter(rule, model, self.expected) for rule in of_groups)
        return Asked(
            keys={column: self.places.of(name) for column, name in dimensions.items()},
            tops={column: top for column, name in dimensions.items() if (top := self.places.top(name)) is not None},
            measures={column: self.places.measure(measure) for column, measure in measures.items()},
            filters=tuple(self._filter(rule) for rule in of_rows if self._own_id(rule.field) not in unheeded),
            held={
                column: tuple(self._filter(rule) for rule in of_rows if self._heeds(measure, rule, unheeded))
                for column, measure in measures.items()
            },
            groups=replace(self.groups, own=own),
            order=self._order(dimensions, measures) if source.limit is not None else (),
            limit=source.limit,
            calculations={column: self._calculation(tree) for column, tree in source.calculations},
            bound=self._bound(outer, masked, keys),
        )

    def _is_of_rows(self, rule: FieldFilter) -> bool:
        return self.model.dimension(rule.field.partition("[")[0]) is not None

    def _own_id(self, name: str) -> str:
        """Return the id under which rules know a dimension that may be named by a former name."""
        found = self.places.dimension(name)
        return f"{found.view}.{found.decoration[ALIAS]}" if is_other_name(found) else found.id

    def _conditions(self) -> Iterator[Measure]:
        names = [rule.field for rule in (*self.source.filters, *self.topic.always_having_filters)]
        names += [node.name for tree in self.topic.always_having for node in tree.find_all(exp.Placeholder)]
        yield from (found for name in names if (found := self.model.measure(name)) is not None)

    def _unheeded(self, measures: Iterable[Measure]) -> frozenset[str]:
        """Return the ids of dimensions whose filters some measure does not take as they are."""
        found: set[str] = set()
        for name in reached((measure.id for measure in measures), self.model):
            measure = self.model.measure(name)
            if measure is not None:
                found |= measure.cancelled_filters
                found |= {rule.field for rule in measure.filters if rule.condition.operator == OFFSET}
        return frozenset(found)

    def _heeds(self, measure: Measure, rule: FieldFilter, unheeded: frozenset[str]) -> bool:
        """Say whether a measure must apply a filter by itself; what a level of detail does is not followed."""
        name = self._own_id(rule.field)
        fields = [self.model.measure(item) for item in reached((measure.id,), self.model)]
        has_detail = any(item is not None and item.level_of_detail is not None for item in fields)
        return name in unheeded and name not in self._unheeded((measure,)) and not has_detail

    def _filter(self, rule: FieldFilter) -> OwnFilter:
        dimension, place = self.places.dimension(rule.field), self.places.of(rule.field)
        if place.reading == "exactly":
            return OwnFilter(filter_rule(rule, dimension, place.columns, self.expected), place)
        type_ = type_of(rule.field, dimension)
        return OwnFilter(group_rule(rule.condition, type_, place.columns, self.expected), place)

    def _order(self, dimensions: Mapping[str, str], measures: Mapping[str, Measure]) -> tuple[tuple[str, bool], ...]:
        """Return the view's order: its sorts, or else by time, else by the first measure; what is left breaks ties."""
        columns = dict(self.source.columns)
        found = [(columns.get(name, name), is_descending) for name, is_descending in self.source.sorts]
        if not found:
            time = next((column for column, name in dimensions.items() if self._is_time(name)), None)
            first = next(iter(dimensions), "") if time is None else time
            found = [(first, False) if time is not None or not measures else (next(iter(measures)), True)]
        taken = {column for column, _ in found}
        return (*found, *((column, False) for column in dimensions if column not in taken))

    def _is_time(self, name: str) -> bool:
        dimension = self.places.dimension(name)
        if dimension.duration is not None:
            return False
        return "[" in name or type_of(name, dimension) in TIMES

    def _calculation(self, tree: exp.Expr) -> exp.Expr:
        holder = exp.Paren(this=tree.copy())
        for node in [*holder.find_all(exp.Column)]:
            node.replace(exp.column(exp.to_identifier(node.name, quoted=True)))
        return self.expected.normal(holder.this)

    def _bound(self, outer: SemanticModel, masked: frozenset[str], keys: Columns) -> Columns | None:
        """Return the columns of the dimensions whose filters the view takes over.

        Not of those whose values are masked around it: within, the same values would be compared as they are.
        """
        source = self.source
        if not source.binds and not source.binds_all_filters:
            return None
        pairs = [*source.binds.items()]
        if source.binds_all_filters:
            pairs += [(name, name) for name in self.topic.fields & self.scope.fields]
        names = [inner for inner, around in pairs if not masked & reached((around,), outer)]
        found = [item for name in names if (item := self.model.dimension(name.partition("[")[0])) is not None]
        if any(part.level_of_detail is not None for item in found for part in self.places.parts(item)):
            asked = [self.model.dimension(name.partition("[")[0]) for name, _ in source.columns]
            found += [item for item in asked if item is not None]
            details = [part.level_of_detail for item in found for part in self.places.parts(item)]
            found += [self.places.dimension(name) for detail in details if detail is not None for name in detail.grain]
        else:
            keys = frozenset()
        columns = (columns_of(item, self.model, frozenset(), self.expected.dialect) for item in found)
        return keys.union(*columns)
