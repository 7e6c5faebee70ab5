"""First step: every name of the query becomes the thing it names, or one and the same refusal."""

from dataclasses import dataclass
from datetime import date

from apps.semantic.compile.facts import Facts, facts_of
from apps.semantic.compile.names import split_field, unknown_field
from apps.semantic.compile.plan import DimensionFilter, DimensionUse, MeasureFilter, MeasureUse, Plan
from apps.semantic.errors import MalformedQueryError, UnknownDatasetError
from apps.semantic.model.types import FieldFilter, SemanticModel
from apps.semantic.query.types import SemanticQuery
from apps.semantic.scope import AccessScope


@dataclass(frozen=True, slots=True)
class Offered:
    """The fields that may be named: ``ids`` of one model, as far as ``views`` reach."""

    facts: Facts
    ids: frozenset[str]
    views: frozenset[str]

    def use(self, name: str, path: str) -> DimensionUse | MeasureUse:
        """Return what a name stands for, or refuse it."""
        field_id, timeframe = split_field(name)
        if field_id in self.ids:
            dimension = self.facts.model.dimension(field_id)
            has_timeframe = timeframe is None or (dimension is not None and timeframe in dimension.timeframes)
            if dimension is not None and has_timeframe and self.facts.views(dimension) <= self.views:
                return DimensionUse(name, dimension, timeframe)
            measure = self.facts.model.measure(field_id)
            if measure is not None and timeframe is None and self.facts.views(measure) <= self.views:
                return MeasureUse(name, measure)
        raise unknown_field(name, path)


def resolve_names(query: SemanticQuery, model: SemanticModel, scope: AccessScope, *, dialect: str, today: date) -> Plan:
    """Return a plan whose fields exist, are offered by the topic and are in the scope, whatever clause they stand in."""
    topic = model.topics.get(query.dataset)
    if topic is None or query.dataset != scope.topic:
        raise UnknownDatasetError(f"There is no data set “{query.dataset}”.", "dataset")
    offered = Offered(facts_of(model), topic.fields & scope.fields, frozenset(topic.views))
    uses = [offered.use(name, f"fields.{index}") for index, name in enumerate(query.fields)]
    filters = [_filter(item, offered) for item in query.filters]
    _check_sorts(query, offered)
    return Plan(
        query, model, scope, topic, dialect, today,
        dimensions=tuple(use for use in uses if isinstance(use, DimensionUse)),
        measures=tuple(use for use in uses if isinstance(use, MeasureUse)),
        where=tuple(item for item in filters if isinstance(item, DimensionFilter)),
        having=tuple(item for item in filters if isinstance(item, MeasureFilter)),
        always=tuple(_always(item, model) for item in topic.always_where_filters),
    )  # fmt: skip


def _filter(item: FieldFilter, offered: Offered) -> DimensionFilter | MeasureFilter:
    path = f"filters.{item.field}"
    use = offered.use(item.field, path)
    if isinstance(use, DimensionUse):
        return DimensionFilter(use, item.condition, path)
    return MeasureFilter(use, item.condition, path)


def _always(item: FieldFilter, model: SemanticModel) -> DimensionFilter:
    """Look up a filter of the topic itself: it holds for everybody, also on fields that nobody may ask for."""
    field_id, timeframe = split_field(item.field)
    dimension = model.dimension(field_id)
    if dimension is None:
        raise unknown_field(item.field, "dataset")
    return DimensionFilter(DimensionUse(item.field, dimension, timeframe), item.condition, "dataset")


def _check_sorts(query: SemanticQuery, offered: Offered) -> None:
    for index, sort in enumerate(query.sorts):
        path = f"sorts.{index}.field"
        offered.use(sort.field, path)
        if sort.field not in query.fields:
            raise MalformedQueryError("Sort by one of the fields asked for.", path)
