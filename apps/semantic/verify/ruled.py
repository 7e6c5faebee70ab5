"""Which rules of a topic would compare masks, as the scope has them: nothing over them is proven."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlglot import exp

from apps.semantic.model.carried_masks import carries_mask, named_in, resting
from apps.semantic.model.types import SemanticModel, Topic
from apps.semantic.scope import AccessScope

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
    # Measures are made of what leaves a table, rules on its rows of what is in it.
    grouped = {rule.field for rule in topic.always_having_filters} | _named(topic.always_having)
    is_everywhere = carries_mask(names, model, scope) or bool(scope.masked & resting(grouped, model))
    return Compared(is_everywhere, frozenset(views))


def _named(trees: Iterable[exp.Expr | None]) -> frozenset[str]:
    return frozenset[str]().union(*map(named_in, trees))
