"""Composite topics: each topic answers alone, under its own rights; the answers are stitched on what they share."""

from dataclasses import dataclass, replace
from datetime import date
from typing import NoReturn

from sqlglot import exp

from apps.semantic.compile.blocks import block
from apps.semantic.compile.conditions import Conditions, Subject
from apps.semantic.compile.facts import facts_of
from apps.semantic.compile.moments import Calendar
from apps.semantic.compile.names import split_field, unknown_field
from apps.semantic.compile.nodes import all_hold, cast, column
from apps.semantic.compile.order import row_limit
from apps.semantic.compile.plan import Plan
from apps.semantic.compile.prepare import prepare
from apps.semantic.compile.render import columns_of, finished
from apps.semantic.compile.stitched import PARTS, add_sort_keys, part, stitched_keys, together
from apps.semantic.compile.types import CompiledQuery, ResultColumn
from apps.semantic.compile.values import Values
from apps.semantic.errors import MalformedQueryError, UnknownDatasetError
from apps.semantic.model.types import CompositeTopic, FieldFilter, FieldType, SemanticModel
from apps.semantic.query.types import SemanticQuery
from apps.semantic.scope import AccessScope

SHARED = "_shared_dimensions_"


@dataclass(frozen=True, slots=True)
class _Name:
    """A requested name taken apart: the topic (or the shared dimensions) and the field in it."""

    asked: str
    topic: str
    field: str

    @property
    def is_shared(self) -> bool:
        return self.topic == SHARED


def compile_composite(
    query: SemanticQuery, model: SemanticModel, scope: AccessScope, *, dialect: str, today: date
) -> CompiledQuery:
    """Return one SELECT over the parts of a composite topic; see :func:`compile_query`."""
    composite = model.composites[query.dataset]
    if scope.topic != query.dataset:
        raise UnknownDatasetError(f"There is no data set “{query.dataset}”.", "dataset")
    if query.top is not None or query.compare is not None or query.groups:
        raise MalformedQueryError("Top values, comparisons and groups of filters are for single data sets.", "dataset")
    names = [_name(text, composite, scope, f"fields.{index}") for index, text in enumerate(query.fields)]
    shared, measures = [item for item in names if item.is_shared], [item for item in names if not item.is_shared]
    filters = [(item, _name(item.field, composite, scope, f"filters.{item.field}")) for item in query.filters]
    topics = _topics(composite, measures)
    _check_names(query, names, filters, topics)
    plans = {
        topic: _plan(topic, query, (shared, measures, filters), composite, model, scope, dialect, today)
        for topic in topics
    }
    return _stitched(query, plans, shared, measures, filters, scope, dialect, today, model)


def _name(text: str, composite: CompositeTopic, scope: AccessScope, path: str) -> _Name:
    topic, _, field = text.removeprefix("@").partition(".")
    is_known = text.startswith("@") and split_field(text)[0] in composite.fields & scope.fields
    if not is_known or (topic != SHARED and topic not in composite.topics):
        raise unknown_field(text, path)
    return _Name(text, topic, field)


def _topics(composite: CompositeTopic, measures: list[_Name]) -> list[str]:
    asked = {item.topic for item in measures}
    found = [topic for topic in composite.topics if topic in asked or composite.joins_all_topics]
    return found or list(composite.topics[:1])


def _check_names(
    query: SemanticQuery, names: list[_Name], filters: list[tuple[FieldFilter, _Name]], topics: list[str]
) -> None:
    """Refuse what would be passed over in silence: conditions on a topic of which nothing is asked, other sorts."""
    for item, name_ in filters:
        if not name_.is_shared and name_.topic not in topics:
            raise MalformedQueryError(f"Nothing of “{name_.topic}” is asked for.", f"filters.{item.field}")
    for index, sort in enumerate(query.sorts):
        if sort.field not in query.fields:
            raise MalformedQueryError("Sort by one of the fields asked for.", f"sorts.{index}.field")
    shared = [item.asked for item in names if item.is_shared]
    for path in ("pivots", "subtotals"):
        if not set(getattr(query, path)) <= set(shared):
            raise MalformedQueryError("Name dimensions here, not measures.", path)


def _mapped(item: _Name, topic: str, composite: CompositeTopic) -> str | None:
    if not item.is_shared:
        return item.field if item.topic == topic else None
    field, frame = split_field(item.field)
    mapping = composite.shared_dimensions[field].mappings.get(topic)
    if mapping is None:
        raise MalformedQueryError(f"“{item.asked}” is not shared by “{topic}”.", "fields")
    return mapping if frame is None else f"{split_field(mapping)[0]}[{frame}]"


def _plan(
    topic: str,
    query: SemanticQuery,
    asked: tuple[list[_Name], list[_Name], list[tuple[FieldFilter, _Name]]],
    composite: CompositeTopic,
    model: SemanticModel,
    scope: AccessScope,
    dialect: str,
    today: date,
) -> Plan:
    shared, measures, filters = asked
    nested = scope.nested.get(topic)
    if nested is None:
        raise UnknownDatasetError(f"There is no data set “{query.dataset}”.", "dataset")
    own = model.of_topic(topic)
    fields = [found for item in (*shared, *measures) if (found := _mapped(item, topic, composite)) is not None]
    kept = tuple(
        FieldFilter(found, item.condition)
        for item, name_ in filters
        if (found := _mapped(name_, topic, composite)) is not None and own.measure(found) is None
    )
    inner = replace(
        query, dataset=topic, fields=tuple(fields), filters=kept, sorts=(), pivots=(), subtotals=(), totals=False
    )
    plan = prepare(inner, own, nested, dialect=dialect, today=today)
    if len(plan.dimensions) != len(shared):
        _refuse_own_dimension(measures)
    return plan


def _refuse_own_dimension(measures: list[_Name]) -> NoReturn:
    raise MalformedQueryError(
        "A dimension of one topic cannot stand beside others; use a shared dimension.", f"fields.{measures[0].asked}"
    )


def _stitched(
    query: SemanticQuery,
    plans: dict[str, Plan],
    shared: list[_Name],
    measures: list[_Name],
    filters: list[tuple[FieldFilter, _Name]],
    scope: AccessScope,
    dialect: str,
    today: date,
    model: SemanticModel,
) -> CompiledQuery:
    values = Values()
    keys = [f"d{index}" for index in range(1, len(shared) + 1)]
    aliases = {item.asked: f"m{index}" for index, item in enumerate(measures, start=1)}
    by_field = {_own_field(item, plans): aliases[item.asked] for item in measures}
    blocks = [
        block(plan, values, [*keys, *(aliases[item.asked] for item in measures if item.topic == topic)])
        for topic, plan in plans.items()
    ]
    spelt = _spelt(plans, len(keys))
    for item in blocks:
        for place in spelt:
            output = item.select.expressions[place]
            output.set("this", cast(output.this, exp.DType.TEXT))
    sorts = add_sort_keys(blocks, len(keys))
    parts = [part(item.select, len(keys), [*aliases.values(), *sorts], set()) for item in blocks]
    names = [item.asked for item in shared] + [item.asked for item in measures]
    tree = together(parts, keys, list(aliases.values()), names, dialect)
    conditions = Conditions(values, Calendar(today, model.week_start), dialect)
    having = all_hold(
        [_having(item, name_, by_field, plans, conditions) for item, name_ in filters if _is_measure(name_, plans)]
    )
    tree.set("having", exp.Having(this=having) if having is not None else None)
    columns = _columns(shared, measures, plans, spelt)
    sort_keys = (*stitched_keys(sorts, len(keys)), *(None for _ in measures))
    places = [(names.index(sort.field), sort.is_descending) for sort in query.sorts]
    places += [(place, False) for place in range(len(shared)) if place not in dict(places)]
    order = [(sort_keys[place], place + 1, is_descending) for place, is_descending in places]
    return finished(tree, order or [(None, 1, True)], columns, row_limit(query, scope), values, dialect)


def _is_measure(item: _Name, plans: dict[str, Plan]) -> bool:
    return item.topic in plans and plans[item.topic].model.measure(item.field) is not None


def _own_field(item: _Name, plans: dict[str, Plan]) -> tuple[str, str]:
    """Return the topic and the field of a measure under its own name."""
    return item.topic, facts_of(plans[item.topic].model).original(item.field)


def _having(
    item: FieldFilter,
    asked: _Name,
    by_field: dict[tuple[str, str], str],
    plans: dict[str, Plan],
    conditions: Conditions,
) -> exp.Expr:
    path = f"filters.{item.field}"
    alias = by_field.get(_own_field(asked, plans))
    if alias is None:
        raise MalformedQueryError("Ask for the measure that groups are chosen by.", path)
    measure = plans[asked.topic].model.measure(asked.field)
    type_: FieldType = measure.type if measure is not None else "number"
    subject = Subject(lambda: exp.Max(this=column(PARTS, alias)), type_, path)
    return conditions.translate(item.condition, subject)


def _spelt(plans: dict[str, Plan], count: int) -> list[int]:
    """Return the places of shared dimensions that a mask makes a text in one topic, and that are something else in another.

    They are texts in all of them: databases put together what is of one type.
    """
    found = []
    for place in range(count):
        uses = [plan.dimensions[place] for plan in plans.values()]
        has_mask = any(use.is_masked and use.type == "string" for use in uses)
        if has_mask and any(not use.is_masked and use.dimension.type != "string" for use in uses):
            found.append(place)
    return found


def _columns(
    shared: list[_Name], measures: list[_Name], plans: dict[str, Plan], spelt: list[int]
) -> tuple[ResultColumn, ...]:
    first = next(iter(plans.values()))
    found = [replace(item, name=asked.asked) for item, asked in zip(columns_of(first), shared, strict=False)]
    for place in spelt:
        found[place] = replace(found[place], type="string", format=None)
    for asked in measures:
        own = {item.name: item for item in columns_of(plans[asked.topic])}
        found.append(replace(own[asked.field], name=asked.asked))
    return tuple(found)
