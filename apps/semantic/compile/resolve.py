"""First step: every name of the query becomes the thing it names, or one and the same refusal."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from apps.semantic.compile.facts import Facts, facts_of
from apps.semantic.compile.names import split_field, unknown_field
from apps.semantic.compile.plan import Combined, DimensionFilter, DimensionUse, MeasureFilter, MeasureUse, Plan
from apps.semantic.errors import MalformedQueryError, UnknownDatasetError
from apps.semantic.model.types import Condition, FieldFilter, SemanticModel, Topic
from apps.semantic.query.groups import both
from apps.semantic.query.types import FilterGroup, SemanticQuery
from apps.semantic.scope import AccessScope


@dataclass(frozen=True, slots=True)
class Offered:
    """The fields that may be named: ``ids`` of one model, as far as ``views`` reach."""

    facts: Facts
    ids: frozenset[str]
    views: frozenset[str]

    def use(self, name: str, path: str) -> DimensionUse | MeasureUse:
        """Return what a name stands for, or refuse it."""
        asked_id = split_field(name)[0]
        # Rules speak of a field under its own name: filters that are cancelled, moved or taken over.
        field_id, timeframe = split_field(self.facts.original(name))
        if {asked_id, field_id} <= self.ids:
            dimension = self.facts.model.dimension(field_id)
            has_timeframe = timeframe is None or (dimension is not None and timeframe in dimension.timeframes)
            if dimension is not None and has_timeframe and self.facts.views(dimension) <= self.views:
                return DimensionUse(name, dimension, timeframe)
            measure = self.facts.model.measure(field_id)
            if measure is not None and timeframe is None and self.facts.views(measure) <= self.views:
                return MeasureUse(name, measure)
        raise unknown_field(name, path)

    def is_filter_field(self, name: str) -> bool:
        """Say whether a name is a filter-only field that may be used."""
        view, _, field = name.partition(".")
        return name in self.ids and view in self.views and field in self.facts.model.views[view].filters


def resolve_names(query: SemanticQuery, model: SemanticModel, scope: AccessScope, *, dialect: str, today: date) -> Plan:
    """Return a plan whose fields exist, are offered by the topic and are in the scope, whatever clause they stand in."""
    topic = model.topics.get(query.dataset)
    if topic is None or query.dataset != scope.topic:
        raise UnknownDatasetError(f"There is no data set “{query.dataset}”.", "dataset")
    offered = Offered(facts_of(model), topic.fields & scope.fields, frozenset(topic.views))
    uses = [offered.use(name, f"fields.{index}") for index, name in enumerate(query.fields)]
    told = [item for item in query.filters if not offered.is_filter_field(item.field)]
    filters: list[DimensionFilter | MeasureFilter | Combined] = [_filter(item, offered) for item in told]
    filters += [_combined(group, offered) for group in query.groups]
    _check_names(query, offered)
    if query.compare is not None:
        query = replace(query, compare=replace(query.compare, field=offered.facts.original(query.compare.field)))
    return Plan(
        query, model, scope, topic, dialect, today,
        dimensions=tuple(use for use in uses if isinstance(use, DimensionUse)),
        measures=tuple(use for use in uses if isinstance(use, MeasureUse)),
        where=tuple(item for item in filters if not isinstance(item, MeasureFilter) and not _is_of_groups(item)),
        having=tuple(item for item in filters if not isinstance(item, DimensionFilter) and _is_of_groups(item)),
        always=tuple(_always(item, model) for item in topic.always_where_filters),
        always_having=tuple(_always_having(item, model) for item in topic.always_having_filters),
        templates=_templates(query, model, topic), grouped=_grouped(query.groups, offered.facts),
        top=query.top, ranked=_ranked(query, offered),
    )  # fmt: skip


def _ranked(query: SemanticQuery, offered: Offered) -> DimensionUse | None:
    if query.top is None or query.top.field in query.fields:
        return None
    use = offered.use(query.top.field, "top.field")
    return use if isinstance(use, DimensionUse) else None


def _filter(item: FieldFilter, offered: Offered) -> DimensionFilter | MeasureFilter:
    path = f"filters.{item.field}"
    use = offered.use(item.field, path)
    if isinstance(use, DimensionUse):
        return DimensionFilter(use, item.condition, path)
    return MeasureFilter(use, item.condition, path)


def _combined(group: FilterGroup, offered: Offered) -> Combined:
    for item in group.children:
        if isinstance(item, FieldFilter) and offered.is_filter_field(item.field):
            raise MalformedQueryError(
                f"A filter that stands for no column cannot be one of several under “{group.operator}”.",
                f"filters.{item.field}",
            )
    children = tuple(
        _combined(item, offered) if isinstance(item, FilterGroup) else _filter(item, offered) for item in group.children
    )
    if len({_is_of_groups(child) for child in children}) != 1:
        raise MalformedQueryError(
            "A condition on a measure cannot stand beside one on a dimension here: it chooses groups, not rows.",
            f"filters.{group.operator}",
        )
    return Combined(group.operator, children)


def _is_of_groups(item: DimensionFilter | MeasureFilter | Combined) -> bool:
    return _is_of_groups(item.children[0]) if isinstance(item, Combined) else isinstance(item, MeasureFilter)


def _grouped(children: Iterable[FieldFilter | FilterGroup], facts: Facts) -> frozenset[str]:
    """Return the fields, without timeframes, on which conditions hold only together with others."""
    found: frozenset[str] = frozenset()
    for item in children:
        if isinstance(item, FilterGroup):
            found |= _grouped(item.children, facts)
        else:
            found |= {split_field(facts.original(item.field))[0]}
    return found


def _always(item: FieldFilter, model: SemanticModel) -> DimensionFilter:
    """Look up a filter of the topic itself: it holds for everybody, also on fields that nobody may ask for."""
    field_id, timeframe = split_field(item.field)
    dimension = model.dimension(field_id)
    if dimension is None:
        raise unknown_field(item.field, "dataset")
    return DimensionFilter(DimensionUse(item.field, dimension, timeframe), item.condition, "dataset")


def _always_having(item: FieldFilter, model: SemanticModel) -> MeasureFilter:
    measure = model.measure(item.field)
    if measure is None:
        raise unknown_field(item.field, "dataset")
    return MeasureFilter(MeasureUse(item.field, measure), item.condition, "dataset")


def _templates(query: SemanticQuery, model: SemanticModel, topic: Topic) -> dict[str, Condition]:
    """Return the conditions that templated filters take: the query's, else a filter-only field's own."""
    found = {
        f"{view}.{name}": item.default_filter
        for view in topic.views
        for name, item in model.views[view].filters.items()
        if item.default_filter is not None
    }
    given: dict[str, Condition] = {}
    for item in query.filters:
        known = model.filter_field(item.field)
        name = known.template_id if known is not None else facts_of(model).original(item.field)
        if known is not None and name in given:
            raise MalformedQueryError("The same filter is given under two names.", f"filters.{item.field}")
        given[name] = both(given.get(name), item.condition)
    return found | given


def _check_names(query: SemanticQuery, offered: Offered) -> None:
    for index, sort in enumerate(query.sorts):
        path = f"sorts.{index}.field"
        offered.use(sort.field, path)
        if sort.field not in query.fields:
            raise MalformedQueryError("Sort by one of the fields asked for.", path)
    for name in query.pivots:
        if isinstance(offered.use(name, "pivots"), MeasureUse):
            raise MalformedQueryError("Only dimensions can be pivoted.", "pivots")
    for name in query.subtotals:
        if isinstance(offered.use(name, "subtotals"), MeasureUse):
            raise MalformedQueryError("Subtotals are for dimensions.", "subtotals")
    if query.top is not None:
        _check_top(query, offered)
    if query.compare is not None:
        use = offered.use(query.compare.field, "compare.field")
        if isinstance(use, MeasureUse) or use.type not in ("date", "timestamp"):
            raise MalformedQueryError("Compare along a date.", "compare.field")


def _check_top(query: SemanticQuery, offered: Offered) -> None:
    top = query.top
    if top is None:
        return
    field, by = offered.use(top.field, "top.field"), offered.use(top.by, "top.by")
    # Without the dimension there is nowhere to gather the rest.
    if isinstance(field, MeasureUse) or (top.field not in query.fields and top.other is not None):
        raise MalformedQueryError("The top values are those of one of the dimensions asked for.", "top.field")
    if isinstance(by, DimensionUse):
        raise MalformedQueryError("The top values are ranked by a measure.", "top.by")
