"""Checks over the whole model: references, cycles, grants, policies and filters that name what does not exist."""

from collections.abc import Iterator
from dataclasses import replace

from sqlglot import exp

from apps.semantic.errors import Problem
from apps.semantic.model.decorating_names import check_decorating_names
from apps.semantic.model.grants import grant_names
from apps.semantic.model.open_rollups import check_open_rollups
from apps.semantic.model.source_checks import check_sources, source_cycles, sql_views
from apps.semantic.model.suggestions import did_you_mean
from apps.semantic.model.types import (
    NO_FIELDS,
    AccessFilter,
    CompositeTopic,
    Dimension,
    FieldFilter,
    GrantRule,
    Measure,
    QuerySource,
    Relationship,
    SemanticModel,
    Source,
    Topic,
)
from apps.semantic.model.views import all_fields

MAX_DEPTH = 64
"""fields that rest on one another, end to end"""
OF_ROWS = "“{}” is worked out of the rows of a question, so it cannot choose them for all questions"


def check_model(model: SemanticModel) -> Iterator[Problem]:
    """Yield what does not fit together."""
    known = {id(part): all_fields(dict(part.views)) for part in (model, *model.topic_models.values())}
    for part, view in model.seen_views():
        for field in view.fields:
            yield from _field(field, part, known[id(part)])
    for rule in rules_of(model):
        for name in sorted(grant_names(rule) - model.access_grants.keys()):
            yield _at(rule.source, f"there is no access grant “{name}”.{did_you_mean(name, model.access_grants)}")
    yield from check_decorating_names(model)
    yield from _hiding(model)
    yield from _templates(model)
    for part, view in model.seen_views():
        for policy in view.access_filters:
            yield from _policy(policy, part, (view.name,), known[id(part)])
    for topic in model.topics.values():
        own = model.of_topic(topic.name)
        yield from _topic(topic, own, known[id(own)])
    for part in (model, *model.topic_models.values()):
        for relationship in part.relationships:
            yield from _join(relationship, part)
    for part, view in model.seen_views():
        yield from check_sources(view, part, known[id(part)])
    for view, own in sql_views(model):
        for problem in check_sources(view, own, known[id(own)]):
            yield replace(problem, message=f"as the topic “{own.seen_by}” has it: {problem.message}")
    for composite in model.composites.values():
        yield from _composite(composite, model)
    yield from _cycles(model)
    for own in model.topic_models.values():
        yield from _cycles(own, model)
    yield from source_cycles(model)
    yield from check_open_rollups(model)


def _at(source: Source, message: str, *, is_warning: bool = False) -> Problem:
    return Problem(source.file, source.line, source.column, message, is_warning)


def _hiding(model: SemanticModel) -> Iterator[Problem]:
    """Yield a warning for each grant that does not exist and hides a data set from every list."""
    datasets: list[Topic | CompositeTopic] = [*model.topics.values(), *model.composites.values()]
    for dataset in datasets:
        rule = dataset.hidden_unless_access_grants
        if rule is None:
            continue
        for name in sorted(grant_names(rule) - model.access_grants.keys()):
            text = f"there is no access grant “{name}”, so nobody passes it.{did_you_mean(name, model.access_grants)}"
            yield _at(rule.source, text, is_warning=True)


def _templates(model: SemanticModel) -> Iterator[Problem]:
    """Yield a warning for each templated filter, or value of a filter, that nothing can ever be chosen for."""
    seen = [view for _, view in model.seen_views()]
    offered = {f"{view.name}.{name}" for view in seen for name in (*view.dimensions, *view.filters)}
    fields = [item for view in seen for item in view.fields]
    trees: list[tuple[exp.Expr, Source]] = [(item.sql, item.source) for item in fields if item.sql is not None]
    trees += [(view.sql_source.tree, view.source) for view in seen if view.sql_source is not None]
    for tree, source in trees:
        for name in sorted({node.name for node in tree.find_all(exp.Placeholder) if node.name.startswith("filters.")}):
            field = ".".join(name.split(".")[1:3])
            if field not in offered:
                hint = did_you_mean(field, offered)
                yield _at(
                    source, f"there is no filter “{field}”, so nothing is ever chosen for it.{hint}", is_warning=True
                )


def rules_of(model: SemanticModel) -> Iterator[GrantRule]:
    """Yield every rule that asks for grants: of labels, of views, those of topics among them, their fields, topics and composites."""
    for label in model.classification_access.values():
        yield from (
            rule for rule in (label.required_access_grants, label.mask_unless_access_grants) if rule is not None
        )
    seen = [view for _, view in model.seen_views()]
    filters = [item for view in seen for item in view.filters.values()]
    fields = [item for view in seen for item in view.fields]
    for holder in (*seen, *model.topics.values(), *model.composites.values(), *filters, *fields):
        if holder.required_access_grants is not None:
            yield holder.required_access_grants
        if isinstance(holder, Dimension) and holder.mask_unless_access_grants is not None:
            yield holder.mask_unless_access_grants


def _field(field: Dimension | Measure, model: SemanticModel, known: set[str]) -> Iterator[Problem]:
    for reference in sorted(field.references):
        if reference not in known:
            yield _at(field.source, f"there is no field “{reference}”.{did_you_mean(reference, known)}")
        elif _is_ignored(reference, model):
            yield _at(field.source, f"“{reference}” is ignored, so nothing can rest on it")
        elif isinstance(field, Dimension) and model.measure(reference) and not _is_ranking(field, reference):
            yield _at(field.source, f"the dimension “{field.name}” cannot rest on the measure “{reference}”")
        elif isinstance(field, Measure) and field.aggregate != "expression" and model.measure(reference):
            yield _at(
                field.source, f"“{field.name}” aggregates the measure “{reference}”, which is an aggregate already"
            )
    yield from _frames(field, model)
    if isinstance(field, Dimension) and field.mask_unless_access_grants is not None and _is_constant(field):
        yield _at(field.source, f"“{field.name}” is the same in every row: there is nothing to mask")
    if isinstance(field, Measure):
        if (bare := _bare_value(field, model)) is not None:
            message = f"“{field.name}” does not aggregate {bare}: give it an aggregate_type, or write SUM(…) and the like; questions fail that do not show the same value as well"
            yield _at(field.source, message, is_warning=True)
        for rule in field.filters:
            yield from _filter(rule, model, field.source, known)
    elif field.top_n is not None and field.top_n.by in known and model.measure(field.top_n.by) is None:
        yield _at(field.source, f"the top values are ranked by a measure; “{field.top_n.by}” is none")


def _bare_value(field: Measure, model: SemanticModel) -> str | None:
    """Return what of a measure's SQL is a value of single rows, outside any aggregate; None where there is nothing of the kind."""
    if field.aggregate != "expression" or field.sql is None or field.level_of_detail is not None:
        return None
    is_aggregated = False
    for node in field.sql.find_all(exp.Column, exp.Placeholder, exp.AggFunc):
        if isinstance(node, exp.Placeholder) and node.name.startswith(NO_FIELDS):
            continue
        is_of_rows = isinstance(node, exp.Column) or model.dimension(node.name.partition("[")[0]) is not None
        if not is_of_rows:
            is_aggregated = True
        elif node.find_ancestor(exp.AggFunc, exp.Filter, exp.WithinGroup) is None:
            return f"“{node.name}”"
    return None if is_aggregated else "anything"


def _frames(field: Dimension | Measure, model: SemanticModel) -> Iterator[Problem]:
    """Yield timeframes that there are not, of what a field is sorted by and of the grain that it is worked out for."""
    names = list(field.level_of_detail.grain) if field.level_of_detail is not None else []
    if isinstance(field, Dimension) and field.order_by_field is not None:
        names.append(field.order_by_field)
    for text in names:
        name, _, frame = text.partition("[")
        dimension = model.dimension(name)
        if dimension is not None and frame and frame.removesuffix("]") not in dimension.timeframes:
            yield _at(field.source, f"“{name}” has no timeframe “{frame.removesuffix(']')}”")


def _is_ignored(reference: str, model: SemanticModel) -> bool:
    found = model.dimension(reference) or model.measure(reference)
    return found is not None and found.is_ignored


def _is_ranking(field: Dimension, reference: str) -> bool:
    return field.top_n is not None and field.top_n.by == reference


def _filter(rule: FieldFilter, model: SemanticModel, source: Source, known: set[str]) -> Iterator[Problem]:
    name, _, frame = rule.field.partition("[")
    dimension, at = model.dimension(name), rule.source or source
    if dimension is None:
        yield _at(at, f"the filter's {_no_dimension(name, model, known)}")
    elif frame and frame.removesuffix("]") not in dimension.timeframes:
        yield _at(at, f"“{name}” has no timeframe “{frame.removesuffix(']')}”")


def _no_dimension(name: str, model: SemanticModel, known: set[str]) -> str:
    """Say what a name is that should be a dimension's."""
    if model.measure(name) is not None:
        return f"“{name}” is a measure, not a dimension"
    if model.filter_field(name) is not None:
        return f"“{name}” is a filter-only field, not a dimension"
    return f"“{name}” is no dimension here.{did_you_mean(name, known)}"


def _policy(
    rule: AccessFilter, model: SemanticModel, views: tuple[str, ...], known: set[str], topic: str = ""
) -> Iterator[Problem]:
    dimension = model.dimension(rule.field)
    if dimension is None:
        yield _at(rule.source, f"the access filter's {_no_dimension(rule.field, model, known)}")
    elif dimension.view not in views and topic:
        yield _at(rule.source, f"the access filter's “{rule.field}”: {_unreached(topic, dimension.view)}")
    elif dimension.view not in views:
        yield _at(rule.source, f"a row policy of “{views[0]}” chooses by a dimension of its own, not by “{rule.field}”")
    elif _is_constant(dimension):
        yield _at(rule.source, f"the access filter's “{rule.field}” is the same in every row, so it chooses none")
    else:
        source = model.views[dimension.view].query_source
        if source is not None and not all(_is_plain(column.name, source, model) for column in _bare_columns(dimension)):
            text = "a row policy on a query's answer reads dimensions of its topic, not measures, timeframes or calculations"
            yield _at(rule.source, f"“{rule.field}”: {text}")


def _is_constant(dimension: Dimension) -> bool:
    """Say whether nothing of a row decides a dimension's value; what rests on such a one is seen as resting on a field."""
    is_made = dimension.level_of_detail is not None or dimension.duration is not None or dimension.top_n is not None
    return not is_made and dimension.sql.find(exp.Column, exp.Placeholder) is None


def _unreached(topic: str, view: str) -> str:
    return f"the topic “{topic}” does not reach “{view}”"


def _bare_columns(dimension: Dimension) -> list[exp.Column]:
    return list(dimension.sql.find_all(exp.Column))


def _is_plain(column: str, source: QuerySource, model: SemanticModel) -> bool:
    """Say whether a query view's column is a dimension of its topic as it is."""
    field = {name: field for field, name in source.columns}.get(column, "")
    return model.of_topic(source.topic).dimension(field) is not None


def _topic(topic: Topic, model: SemanticModel, known: set[str]) -> Iterator[Problem]:
    for policy in topic.access_filters:
        yield from _policy(policy, model, topic.views, known, topic.name)
    yield from _filters(topic, model, known)
    yield from _conditions(topic, model, known)
    kept = topic.cache_policy
    if kept is not None and kept not in model.cache_policies:
        at = topic.places.get("cache_policy", (topic.source,))[0]
        yield _at(at, f"there is no cache policy “{kept}”.{did_you_mean(kept, model.cache_policies)}")
    for join in topic.joins:
        yield from _join(join.relationship, model)


def _filters(topic: Topic, model: SemanticModel, known: set[str]) -> Iterator[Problem]:
    """Yield what is wrong with the filters of a topic."""
    for rule in (*topic.always_where_filters, *topic.default_filters):
        yield from _filter(rule, model, topic.source, known)
        found = model.dimension(rule.field.partition("[")[0])
        if found is not None and found.view not in topic.views:
            yield _at(rule.source or topic.source, f"the filter's “{rule.field}”: {_unreached(topic.name, found.view)}")
    for rule in topic.always_having_filters:
        if model.dimension(rule.field) is not None:
            text = f"“{rule.field}” is a dimension, not a measure; filters on rows go into always_where_filters"
            yield _at(rule.source or topic.source, text)
        elif model.measure(rule.field) is None:
            yield _at(rule.source or topic.source, f"“{rule.field}” is no measure.{did_you_mean(rule.field, known)}")
    for rule in topic.always_where_filters:
        name = rule.field.partition("[")[0]
        if _is_of_rows(name, model):
            yield _at(rule.source or topic.source, OF_ROWS.format(name))


def _conditions(topic: Topic, model: SemanticModel, known: set[str]) -> Iterator[Problem]:
    """Yield what is wrong with the conditions that a topic's files write in SQL."""
    for tree, at in (*topic.placed_where, *topic.placed_having):
        for name in sorted(_named(tree)):
            view = name.partition(".")[0]
            if name not in known:
                yield _at(at, f"“{name}” is no field of this topic.{did_you_mean(name, known)}")
            elif view not in topic.views:
                yield _at(at, f"“{name}” is no field of this topic: {_unreached(topic.name, view)}")
    for tree, at in topic.placed_where:
        for name in sorted(_named(tree)):
            if model.measure(name) is not None:
                yield _at(at, f"“{name}” is a measure; conditions on measures go into always_having_sql")
            elif _is_of_rows(name, model):
                yield _at(at, OF_ROWS.format(name))
    for tree, at in topic.placed_having:
        for name in sorted(_named(tree)):
            if model.dimension(name) is not None:
                yield _at(at, f"“{name}” is no measure; conditions on rows go into always_where_sql")


def _join(item: Relationship, model: SemanticModel) -> Iterator[Problem]:
    for tree in (item.on_sql, item.where_sql):
        for name in sorted(_named(tree)) if tree is not None else ():
            view, _, field = name.partition(".")
            if view not in (item.from_view, item.to_view) or field not in model.views[view].dimensions:
                yield _at(item.source, f"“{name}” is no dimension of the two views")
            elif _is_of_rows(name, model):
                yield _at(item.source, OF_ROWS.format(name))


def _is_of_rows(name: str, model: SemanticModel) -> bool:
    """Say whether a dimension rests on a level of detail."""
    seen, waiting = set[str](), [name]
    while waiting:
        field = model.dimension(waiting.pop())
        if field is None or field.id in seen:
            continue
        if field.level_of_detail is not None:
            return True
        seen.add(field.id)
        waiting += field.references
    return False


def _named(tree: exp.Expr) -> set[str]:
    names = {node.name.partition("[")[0] for node in tree.find_all(exp.Placeholder)}
    return {name for name in names if not name.startswith(NO_FIELDS)}


def _composite(item: CompositeTopic, model: SemanticModel) -> Iterator[Problem]:
    for shared in item.shared_dimensions.values():
        rests: set[str | None] = set()
        for topic, mapped in shared.mappings.items():
            name, _, frame = mapped.partition("[")
            dimension = model.of_topic(topic).dimension(name)
            if dimension is None:
                yield _at(shared.source, f"“{shared.name}” is mapped to “{name}” of “{topic}”, which is no dimension")
            elif frame and frame.removesuffix("]") not in dimension.timeframes:
                yield _at(shared.source, f"“{name}” has no timeframe “{frame.removesuffix(']')}”")
            else:
                rests.add(dimension.top_n.other if dimension.top_n is not None and not frame else None)
        if len(rests) > 1:
            labels = ", ".join(f"“{label}”" for label in sorted(label for label in rests if label is not None))
            text = f"“{shared.name}”: a value called {labels} in one topic would stand for the rest of another;"
            yield _at(shared.source, f"{text} map dimensions whose dynamic_top_n has the same else in all, or none")


def _cycles(model: SemanticModel, below: SemanticModel | None = None) -> list[Problem]:
    """Return a problem for each field that rests on itself; those that are not as in the model below are tried first.

    So the place that is told is one where something was written for this model.
    """
    done: set[str] = set()
    found: dict[str, Problem] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        field = model.dimension(name) or model.measure(name)
        if field is None or name in done:
            return
        if name in path:
            chain = " → ".join((*path[path.index(name) :], name))
            found.setdefault(name, _at(field.source, f"a field rests on itself: {chain}"))
            return
        if len(path) >= MAX_DEPTH:
            found.setdefault("", _at(field.source, f"more than {MAX_DEPTH} fields rest on one another here"))
            return
        for reference in sorted(field.references):
            visit(reference, (*path, name))
        if "" not in found:
            done.add(name)

    fields = [item for view in model.views.values() for item in view.fields]
    if below is not None:
        inherited = {item.source for view in below.views.values() for item in view.fields}
        fields.sort(key=lambda item: item.source in inherited)
    for field in fields:
        if "" not in found:
            visit(field.id, ())
    return list(found.values())
