"""Which rules of a topic would compare masks, as the scope has them: nothing over them is proven."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlglot import exp

from apps.semantic.model.carried_masks import carries_mask, named_in, resting
from apps.semantic.model.types import FieldFilter, QuerySource, SemanticModel, Topic
from apps.semantic.scope import AccessScope
from apps.semantic.verify.grouped import MADE, groups_by_masks, is_told_by_key, kinds_of

COMPARED = "A rule of the data set compares masks."


@dataclass(frozen=True, slots=True)
class Compared:
    """Whether a rule of the topic itself compares masks, and the views whose row policies or join conditions do."""

    is_everywhere: bool
    views: frozenset[str]


def compared_masks(topic: Topic, model: SemanticModel, scope: AccessScope) -> Compared:
    """Return what a topic's rules compare that derived views have masked: as the model writes them, not as the SQL does."""
    names = {rule.field for rule in (*topic.always_where_filters, *topic.always_having_filters)}
    names |= {policy.field for policy in scope.topic_policies}
    names |= _named((*topic.always_where, *topic.always_having))
    views = {view for view, found in scope.row_policies.items() if carries_mask((i.field for i in found), model, scope)}
    for join in topic.joins:
        conditions = (join.relationship.on_sql, join.relationship.where_sql)
        if carries_mask(_named(conditions), model, scope):
            views.add(join.view)
    views |= {name for name in topic.views if _cuts_by_masks(model.views[name].query_source, model, scope)}
    # Measures are made of what leaves a table, rules on its rows of what is in it.
    grouped = {rule.field for rule in topic.always_having_filters} | _named(topic.always_having)
    is_everywhere = carries_mask(names, model, scope) or bool(scope.masked & resting(grouped, model))
    return Compared(is_everywhere, frozenset(views))


def _cuts_by_masks(source: QuerySource | None, model: SemanticModel, scope: AccessScope) -> bool:
    """Say whether masks decide which rows a query view has: by its own filters, its limit, or its groups."""
    inner = scope.nested.get(source.topic) if source is not None else None
    if source is None or inner is None:
        return False
    own = model.of_topic(source.topic)
    missing = [item.field for item in source.filters if _asks_for_gaps(item)]
    names = [item.field for item in source.filters if not _asks_for_gaps(item)]
    names += _ordering(source, own) if source.limit is not None else []
    is_compared = bool(inner.masked & resting(names, own)) or carries_mask(names, own, inner)
    # But for one kind, a mask is missing where its value is.
    is_emptied = any(kinds_of(name, own, inner) & {"null", *MADE} for name in missing)
    return is_compared or is_emptied or groups_by_masks(source, own, inner)


def _asks_for_gaps(rule: FieldFilter) -> bool:
    return rule.condition.operator in ("is", "not") and rule.condition.values == (None,)


def _ordering(source: QuerySource, model: SemanticModel) -> list[str]:
    """Return the fields that may decide which rows are within a limit: those sorted by, and dimensions but after their key."""
    fields, aliases = [field for field, _ in source.columns], {column: field for field, column in source.columns}
    named = [name if name in fields else aliases.get(name.rpartition(".")[2], name) for name, _ in source.sorts]
    first = named or [name for name in fields if _may_come_first(name, model)]
    found, met = [*first], set(named)
    for name in (name for name in fields if model.dimension(name.partition("[")[0]) is not None):
        view = model.views[name.partition(".")[0]]
        key = {item.id for item in view.dimensions.values() if item.is_primary_key}
        is_told = bool(key) and key <= met and "[" not in name and is_told_by_key(name, fields, model)
        found += [] if is_told else [name]
        met.add(name)
    return found


def _may_come_first(name: str, model: SemanticModel) -> bool:
    found = model.dimension(name)
    return found is None or found.type in ("date", "timestamp")


def _named(trees: Iterable[exp.Expr | None]) -> frozenset[str]:
    return frozenset[str]().union(*map(named_in, trees))
