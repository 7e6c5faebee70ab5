"""Checks over the whole model: references, cycles, grants, policies and filters that name what does not exist."""

from collections.abc import Iterator

from apps.semantic.errors import Problem
from apps.semantic.model.grants import grant_names
from apps.semantic.model.suggestions import did_you_mean
from apps.semantic.model.types import (
    AccessFilter,
    Dimension,
    FieldFilter,
    GrantRule,
    Measure,
    SemanticModel,
    Source,
    Topic,
)
from apps.semantic.model.views import all_fields


def check_model(model: SemanticModel) -> list[Problem]:
    """Return what does not fit together."""
    known = all_fields(dict(model.views))
    problems = [problem for field in _fields(model) for problem in _field(field, model, known)]
    for rule in _rules(model):
        for name in sorted(grant_names(rule) - model.access_grants.keys()):
            problems.append(
                _at(rule.source, f"there is no access grant “{name}”.{did_you_mean(name, model.access_grants)}")
            )
    for view in model.views.values():
        for policy in view.access_filters:
            problems += _policy(policy, model, (view.name,), known)
    for topic in model.topics.values():
        problems += _topic(topic, model, known)
    return problems + _cycles(model)


def _at(source: Source, message: str) -> Problem:
    return Problem(source.file, source.line, source.column, message)


def _fields(model: SemanticModel) -> Iterator[Dimension | Measure]:
    for view in model.views.values():
        yield from view.dimensions.values()
        yield from view.measures.values()


def _rules(model: SemanticModel) -> Iterator[GrantRule]:
    holders = [*model.views.values(), *model.topics.values(), *_fields(model)]
    for holder in holders:
        if holder.required_access_grants is not None:
            yield holder.required_access_grants
        if isinstance(holder, Dimension) and holder.mask_unless_access_grants is not None:
            yield holder.mask_unless_access_grants


def _field(field: Dimension | Measure, model: SemanticModel, known: set[str]) -> Iterator[Problem]:
    for reference in sorted(field.references):
        if reference not in known:
            yield _at(field.source, f"there is no field “{reference}”.{did_you_mean(reference, known)}")
        elif isinstance(field, Dimension) and model.measure(reference):
            yield _at(field.source, f"the dimension “{field.name}” cannot rest on the measure “{reference}”")
        elif isinstance(field, Measure) and field.aggregate != "expression" and model.measure(reference):
            yield _at(
                field.source, f"“{field.name}” aggregates the measure “{reference}”, which is an aggregate already"
            )
    if isinstance(field, Measure):
        for rule in field.filters:
            yield from _filter(rule, model, field.source, known)


def _filter(rule: FieldFilter, model: SemanticModel, source: Source, known: set[str]) -> Iterator[Problem]:
    name, _, frame = rule.field.partition("[")
    dimension = model.dimension(name)
    if dimension is None:
        yield _at(source, f"the filter's “{rule.field}” is no dimension.{did_you_mean(name, known)}")
    elif frame and frame.removesuffix("]") not in dimension.timeframes:
        yield _at(source, f"“{name}” has no timeframe “{frame.removesuffix(']')}”")


def _policy(rule: AccessFilter, model: SemanticModel, views: tuple[str, ...], known: set[str]) -> Iterator[Problem]:
    dimension = model.dimension(rule.field)
    if dimension is None or dimension.view not in views:
        yield _at(
            rule.source, f"the access filter's “{rule.field}” is no dimension here.{did_you_mean(rule.field, known)}"
        )


def _topic(topic: Topic, model: SemanticModel, known: set[str]) -> Iterator[Problem]:
    for policy in topic.access_filters:
        yield from _policy(policy, model, topic.views, known)
    for rule in (*topic.always_where_filters, *topic.default_filters):
        yield from _filter(rule, model, topic.source, known)


def _cycles(model: SemanticModel) -> list[Problem]:
    """Return a problem for each field that rests on itself."""
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
        for reference in sorted(field.references):
            visit(reference, (*path, name))
        done.add(name)

    for field in _fields(model):
        visit(field.id, ())
    return list(found.values())
