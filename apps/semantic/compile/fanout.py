"""Fan-out: a measure may only be added up where its rows are not multiplied by a join."""

from collections.abc import Iterator

from sqlglot import exp

from apps.semantic.compile.facts import facts_of
from apps.semantic.compile.plan import Plan
from apps.semantic.errors import FanOutError
from apps.semantic.model.types import Measure, TopicJoin

TO_ONE = frozenset(("many_to_one", "one_to_one", "assumed_many_to_one"))
FROM_ONE = frozenset(("one_to_many", "one_to_one"))
# Repeated rows change none of these.
IMMUNE = frozenset(("count_distinct", "min", "max"))
IMMUNE_NODES = (exp.Min, exp.Max)


def prevent_fanout(plan: Plan) -> Plan:
    """Return the plan as it is, or refuse it.

    Raises:
        FanOutError: a sum, average or count of a view whose rows a chosen join repeats.
    """
    for measure in _parts(plan):
        if not _is_immune(measure) and not _keeps_rows(measure.view, plan):
            raise FanOutError(
                f"“{measure.label}” would be counted several times over, because a join repeats the rows it is made of.",
                "fields",
            )
    return plan


def counted_key(measure: Measure, plan: Plan) -> str | None:
    """Return what a plain count of a joined view counts instead of rows: its primary key; None in the base view.

    A left join without a match still makes a row, which is not one of the joined view's.
    """
    if measure.view == plan.topic.base_view:
        return None
    for dimension in plan.model.views[measure.view].dimensions.values():
        if dimension.is_primary_key:
            return dimension.id
    raise FanOutError(f"“{measure.label}” cannot be counted here: its view has no primary key.", "fields")


def _parts(plan: Plan) -> Iterator[Measure]:
    facts = facts_of(plan.model)
    asked = [use.measure for use in plan.measures] + [item.use.measure for item in plan.having]
    for name in frozenset().union(*(facts.closure(measure) for measure in asked)) if asked else ():
        measure = plan.model.measure(name)
        if measure is not None:
            yield measure


def _is_immune(measure: Measure) -> bool:
    if measure.aggregate != "expression":
        return measure.aggregate in IMMUNE
    nodes = measure.sql.find_all(exp.AggFunc) if measure.sql is not None else ()
    return all(_is_immune_node(node) for node in nodes)


def _is_immune_node(node: exp.Expr) -> bool:
    return isinstance(node, IMMUNE_NODES) or (isinstance(node, exp.Count) and isinstance(node.this, exp.Distinct))


def _keeps_rows(view: str, plan: Plan) -> bool:
    """Say whether each row of ``view`` comes at most once out of the joins, seen as a tree that hangs on ``view``."""
    upwards = _path_to_base(view, plan)
    return all(
        join.relationship.relationship_type in (FROM_ONE if join.view in upwards else TO_ONE) for join in plan.joins
    )


def _path_to_base(view: str, plan: Plan) -> frozenset[str]:
    by_view: dict[str, TopicJoin] = {join.view: join for join in plan.joins}
    path: set[str] = set()
    while view in by_view and view not in path:
        path.add(view)
        view = by_view[view].parent
    return frozenset(path)
