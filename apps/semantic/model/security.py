"""Checks of the rules that decide who sees what: attributes that exist, and rules that nobody can meet."""

import re
from collections.abc import Collection, Iterator, Mapping

from sqlglot import exp

from apps.semantic.errors import Problem
from apps.semantic.model.checks import rules_of
from apps.semantic.model.comparing import LOOSE, Comparing
from apps.semantic.model.contradictions import check_grants_meet
from apps.semantic.model.masked_columns import trees_of
from apps.semantic.model.suggestions import bounded_work, did_you_mean
from apps.semantic.model.types import ATTRIBUTE, AccessFilter, FieldFilter, QuerySource, SemanticModel, Source

FORMS = {
    "number": re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?", re.ASCII),
    "boolean": re.compile(r"true|false"),
    "date": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII),
}
"""how values of an attribute's type are written in rules; texts are written in any way"""
LOOSELY = (
    "“{}” is made of a user attribute, and this database compares texts loosely: write a comparison in its sql, and "
    "filter by its outcome"
)
MEETS = {
    "string": ("string",), "number": ("number",), "boolean": ("boolean",), "date": ("date",),
    "timestamp": ("date",),
}  # fmt: skip
"""by type of a field, the types of attributes that can equal it"""


def check_security(model: SemanticModel) -> Iterator[Problem]:
    """Yield problems and warnings about rules of access, whatever attributes there are."""
    for rule in rules_of(model):
        if len(rule.all_of) > 1 and not rule.is_joined:
            yield _at(rule.source, "all of these must hold; write “a|b” where one is enough", is_warning=True)
    for part, policy in _policies(model):
        yield from _pointless(policy, part)
    yield from _inexact(model)


def check_attributes(
    model: SemanticModel, known: Mapping[str, str], single: Collection[str] = frozenset()
) -> Iterator[Problem]:
    """Yield a problem for each rule that no attribute can meet.

    Args:
        known: type of each user attribute by its name: string, number, boolean or date.
        single: those that never have more than one value.
    """
    yield from check_grants_meet(rules_of(model), model, single)
    with bounded_work():
        unknown = [
            (name, source, did_you_mean(name, known)) for name, source in _attributes(model) if name not in known
        ]
    for name, source, hint in unknown:
        yield _at(source, f"there is no user attribute “{name}”.{hint}")
    for grant in model.access_grants.values():
        yield from _impossible(grant.user_attribute, grant.allowed_values, grant.source, known)
    for part, policy in _policies(model):
        yield from _impossible(policy.user_attribute, policy.values_for_unfiltered, policy.source, known)
        yield from _mistyped(policy, part, known)
    for part in (model, *model.topic_models.values()) if model.dialect in LOOSE else ():
        comparing = Comparing(part, model.dialect)
        yield from (
            _at(source, fault) for tree, source in expressions(part) for fault in comparing.mistyped(tree, known)
        )


def _impossible(attribute: str, values: tuple[str, ...], source: Source, known: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a problem for each value that an attribute of this type never has."""
    form = FORMS.get(known.get(attribute, ""))
    for value in values:
        if form is not None and not form.fullmatch(value):
            yield _at(source, f"“{attribute}” is a {known[attribute]}, so it is never “{value}”")


def _mistyped(policy: AccessFilter, model: SemanticModel, known: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a problem where a field and an attribute have types that never meet: no query would get a row."""
    dimension = model.dimension(policy.field)
    field_type, attribute_type = (
        dimension.type if dimension is not None else "unknown",
        known.get(policy.user_attribute),
    )
    if attribute_type is not None and attribute_type not in MEETS.get(field_type, (attribute_type,)):
        yield _at(
            policy.source,
            f"“{policy.field}” is a {field_type} and “{policy.user_attribute}” a {attribute_type}: no row could match",
        )
    elif field_type == "unknown" and attribute_type == "boolean" and model.dialect == "mysql":
        yield _at(policy.source, f"“{policy.field}” has no type, so it is not compared with yes and no: give it one")


def _at(source: Source, message: str, *, is_warning: bool = False) -> Problem:
    return Problem(source.file, source.line, source.column, message, is_warning)


def _policies(model: SemanticModel) -> Iterator[tuple[SemanticModel, AccessFilter]]:
    """Yield every row policy with the model in which its field is looked up."""
    for part, view in model.seen_views():
        for policy in view.access_filters:
            yield part, policy
    for topic in model.topics.values():
        for policy in topic.access_filters:
            yield model.of_topic(topic.name), policy


def _attributes(model: SemanticModel) -> Iterator[tuple[str, Source]]:
    """Yield every user attribute that a rule or an expression names."""
    for grant in model.access_grants.values():
        yield grant.user_attribute, grant.source
    for _, policy in _policies(model):
        yield policy.user_attribute, policy.source
    for _, view in model.seen_views():
        if view.schema_attribute is not None:
            yield view.schema_attribute, view.source
    for tree, source in expressions(model):
        for node in tree.find_all(exp.Placeholder):
            if node.name.startswith(ATTRIBUTE):
                yield node.name.removeprefix(ATTRIBUTE), source


def expressions(model: SemanticModel) -> Iterator[tuple[exp.Expr, Source]]:
    """Yield every tree of a model with its place, those of topics' own views and of joins that nobody makes among them."""
    for _, view in model.seen_views():
        for field in view.fields:
            for tree in trees_of(field):
                yield tree, field.source
        for tree in view.primary_key:
            yield tree, view.source
        if view.sql_source is not None:
            yield view.sql_source.tree, view.source
        if view.query_source is not None:
            for name, tree in view.query_source.calculations:
                yield tree, view.query_source.places.get(f"calculations.{name}", view.source)
    for topic in model.topics.values():
        yield from (*topic.placed_where, *topic.placed_having)
    joined = [join.relationship for topic in model.topics.values() for join in topic.joins]
    for item in (*joined, *(item for part in (model, *model.topic_models.values()) for item in part.relationships)):
        for condition in (item.on_sql, item.where_sql):
            if condition is not None:
                yield condition, item.source


def _inexact(model: SemanticModel) -> Iterator[Problem]:
    """Yield a problem for each place where a user attribute cannot be compared letter by letter, as this database needs it."""
    if model.dialect not in LOOSE:
        return
    for part in (model, *model.topic_models.values()):
        comparing = Comparing(part, model.dialect)
        for tree, source in expressions(part):
            for fault in comparing.faults(tree, is_query=isinstance(tree, exp.Query)):
                yield _at(source, fault)
        for view in part.views.values():
            if view.query_source is not None and _is_made_of_attributes(view.query_source, part, comparing):
                yield _at(
                    view.source,
                    "a column or filter of this query is made of a user attribute: compare it within, or leave it out",
                )
        for item, source in _own_filters(part):
            if part.dimension(item.field.partition("[")[0]) and not comparing.is_filtered_exactly(item.field):
                yield _at(item.source or source, LOOSELY.format(item.field))


def _is_made_of_attributes(source: QuerySource, model: SemanticModel, comparing: Comparing) -> bool:
    """Say whether a query view filters by a user attribute, or gives it out as a column that nobody could tell for one."""
    own = model.of_topic(source.topic)
    inner = comparing if own is model else Comparing(own, model.dialect)
    if any(comparing.carried(tree) for _, tree in source.calculations):
        return True
    fields = [*(field for field, _ in source.columns), *(item.field for item in source.filters)]
    return any(not inner.is_filtered_exactly(field) for field in fields)


def _own_filters(model: SemanticModel) -> Iterator[tuple[FieldFilter, Source]]:
    """Yield the filters that the model itself has, of measures and topics."""
    for view in model.views.values():
        for measure in view.measures.values():
            yield from ((item, measure.source) for item in measure.filters)
    for topic in model.topics.values():
        yield from ((item, topic.source) for item in topic.always_where_filters)


def _pointless(policy: AccessFilter, model: SemanticModel) -> Iterator[Problem]:
    dimension = model.dimension(policy.field)
    if dimension is not None and (dimension.level_of_detail is not None or dimension.duration is not None):
        yield _at(policy.source, f"rows cannot be chosen by “{policy.field}”: it is no column of its table")
    if dimension is not None and dimension.mask_unless_access_grants is not None and dimension.mask.kind != "hash":
        yield _at(
            policy.source, f"“{policy.field}” is masked; its rows are chosen by the value beneath", is_warning=True
        )
