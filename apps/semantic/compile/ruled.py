"""Rules must not compare masks: somebody for whom a value is masked would get other rows than the rule lets through.

Rules on a table read its values, whoever asks. What comes out of a derived view is masked in it already.
"""

from collections.abc import Iterable, Iterator

from sqlglot import exp

from apps.semantic.compile.facts import Facts, facts_of, references
from apps.semantic.compile.inner_masks import asked_by, masks_of_outputs
from apps.semantic.compile.names import split_field, unknown_field
from apps.semantic.compile.plan import Plan
from apps.semantic.errors import QueryError
from apps.semantic.model.deciding import deciding_names
from apps.semantic.model.kept_apart import is_chosen_by_masks
from apps.semantic.model.types import AccessFilter, Dimension, Measure, SemanticModel, Topic, TopicJoin, table_text
from apps.semantic.scope import AccessScope

Spared = frozenset[tuple[str, tuple[str, ...]]]
"""(user attribute, values that lift it) of row policies that do not hold for somebody"""


def check_rules(plan: Plan) -> Plan:
    """Refuse a plan with a rule that would compare masks, or over an SQL view that reads what is closed to it.

    Raises:
        QueryError: the former; its text says no more, as the rule is not the asker's to know.
        UnknownFieldError: the latter, on the first field of the view.
    """
    topic, scope = plan.topic, plan.scope
    if not _masks_any(scope):
        return plan
    names = {*_of_topic(topic), *(name for join in plan.joins for name in _of_join(join))}
    is_told = any(compares_masks(name, plan.model, scope) for name in sorted(names))
    if is_told or chooses_groups_by_masks(plan.model, scope):
        raise QueryError("A rule of this data set rests on a value that is masked for you.", "dataset")
    for view in (topic.base_view, *(join.view for join in plan.joins)):
        if chooses_rows_by_masks(view, plan.model, scope):
            raise QueryError("A view of this data set chooses its rows by a value that is masked for you.", "dataset")
        if reads_closed_column(view, plan.model, scope):
            found = [index for index, name in enumerate(plan.query.fields) if name.startswith(f"{view}.")]
            index = found[0] if found else 0
            raise unknown_field(plan.query.fields[index], f"fields.{index}")
    return plan


def closed_views(model: SemanticModel, scope: AccessScope, spared: Spared = frozenset()) -> frozenset[str]:
    """Return the views of the scope's topic about which nothing is answered, since :func:`check_rules` would refuse.

    Row policies are those of the model but for the ``spared``, which do not hold for whoever asks. A rule of the data set
    closes all.
    """
    topic = model.topics[scope.topic]
    if not _masks_any(scope):
        return frozenset()
    facts, every = facts_of(model), frozenset(topic.views)
    policies = [item for view in topic.views for item in _binding(model.views[view].access_filters, spared)]
    of_topic = [*_of_topic(topic), *_binding(topic.access_filters, spared)]
    if any(compares_masks(name, model, scope) for name in (*policies, *of_topic)):
        return every
    if chooses_groups_by_masks(model, scope):
        return every
    closed = {view for view in topic.views if reads_closed_column(view, model, scope)}
    closed |= {view for view in topic.views if chooses_rows_by_masks(view, model, scope)}
    closed |= {join.view for join in topic.joins if any(compares_masks(name, model, scope) for name in _of_join(join))}
    while grown := {item.view for item in topic.joins if item.view not in closed and facts.hangs_on(item) & closed}:
        closed |= grown
    decisive = {join.view for join in topic.joins if join.relationship.join_type != "always_left"}
    needed = {topic.base_view, *decisive, *facts.views_of(of_topic)}
    return every if needed & closed else frozenset(closed)


def compares_masks(name: str, model: SemanticModel, scope: AccessScope) -> bool:
    """Say whether a field rests on a derived view's column that is made of what is masked beneath it.

    A count of masked values counts as one: values that are gone or alike beneath a mask are fewer.
    """
    facts = facts_of(model)
    if not _masks_any(scope):
        return False
    return any(_is_masked_within(item, facts, scope) for item in map(facts.field, facts.closure(facts.field(name))))


def chooses_groups_by_masks(model: SemanticModel, scope: AccessScope) -> bool:
    """Say whether the topic chooses groups by a measure of masked values: these are aggregated as masks, or not at all.

    Unlike its rules on rows, which read a table's values whoever asks.
    """
    facts, names = facts_of(model), _of_groups(model.topics[scope.topic])
    return bool(scope.masked) and any(scope.masked & facts.closure(facts.field(name)) for name in names)


def chooses_rows_by_masks(view: str, model: SemanticModel, scope: AccessScope) -> bool:
    """Say whether a derived view has other rows for somebody for whom a value is masked than for others."""
    found, facts = model.views[view], facts_of(model)
    if found.sql_source is not None:
        return bool(scope.masked) and not facts.deciding(view).isdisjoint(scope.masked)
    source = found.query_source
    inner = scope.nested.get(source.topic) if source is not None else None
    if source is None or inner is None or not _masks_any(inner):
        return False
    own = model.of_topic(source.topic)
    return any(is_chosen_by_masks(name, how, own, inner) for name, how in deciding_names(found, own))


def reads_closed_column(view: str, model: SemanticModel, scope: AccessScope) -> bool:
    """Say whether an SQL view's text cannot have a column that it reads.

    One that is masked within an expression, or one whose mask is a text and that it takes for another type.
    """
    source = model.views[view].sql_source
    if source is None or not scope.masked:
        return False
    if not facts_of(model).mistaken(view).isdisjoint(scope.masked):
        return True
    read = {(node.table.lower(), node.name.lower()) for node in source.tree.find_all(exp.Column)}
    for table in source.tree.find_all(exp.Table):
        closed = _inside_expressions(source.tables.get(table_text(table), ""), model, scope)
        if read & {(alias, name) for alias in ("", table.alias_or_name.lower()) for name in closed}:
            return True
    return False


def _inside_expressions(view: str, model: SemanticModel, scope: AccessScope) -> set[str]:
    found = model.views.get(view)
    masked = [item for item in found.dimensions.values() if item.id in scope.masked] if found is not None else []
    trees = [item.sql for item in masked if not isinstance(item.sql, exp.Column)]
    return {node.name.lower() for tree in trees for node in tree.find_all(exp.Column)}


def _is_masked_within(item: Dimension | Measure, facts: Facts, scope: AccessScope) -> bool:
    if any(masks_of_outputs(item, facts, scope, with_counts=True)):
        return True
    source = facts.model.views[item.view].query_source
    inner = scope.nested.get(source.topic) if source is not None else None
    if source is None or inner is None:
        return False
    own = facts.model.of_topic(source.topic)
    known = facts_of(own)
    return any(
        inner.masked & known.closure(known.field(name)) or compares_masks(split_field(name)[0], own, inner)
        for name in asked_by(item, source)
    )


def _masks_any(scope: AccessScope) -> bool:
    return bool(scope.masked) or any(_masks_any(inner) for inner in scope.nested.values())


def _binding(rules: Iterable[AccessFilter], spared: Spared) -> Iterator[str]:
    yield from (rule.field for rule in rules if (rule.user_attribute, rule.values_for_unfiltered) not in spared)


def _of_topic(topic: Topic) -> Iterator[str]:
    """Yield the names of fields in the conditions that a topic holds for everybody."""
    yield from (rule.field for rule in (*topic.always_where_filters, *topic.always_having_filters))
    yield from _named((*topic.always_where, *topic.always_having))


def _of_groups(topic: Topic) -> Iterator[str]:
    yield from (rule.field for rule in topic.always_having_filters)
    yield from _named(topic.always_having)


def _of_join(join: TopicJoin) -> Iterator[str]:
    trees = (join.relationship.on_sql, join.relationship.where_sql)
    yield from _named(tree for tree in trees if tree is not None)


def _named(trees: Iterable[exp.Expr]) -> Iterator[str]:
    for tree in trees:
        yield from references(tree)
