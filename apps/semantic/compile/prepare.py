"""From a query to a finished plan: the rewrites in their order, each taking a plan and returning a new one."""

from collections.abc import Callable
from datetime import date

from apps.semantic.compile.fanout import settle_fanout
from apps.semantic.compile.joins import choose_joins
from apps.semantic.compile.masks import apply_masks
from apps.semantic.compile.order import order_and_limit
from apps.semantic.compile.plan import Plan
from apps.semantic.compile.resolve import resolve_names
from apps.semantic.compile.rows import apply_rows
from apps.semantic.compile.ruled import check_rules
from apps.semantic.model.types import SemanticModel
from apps.semantic.query.types import SemanticQuery
from apps.semantic.scope import AccessScope

REWRITES: tuple[Callable[[Plan], Plan], ...] = (
    apply_rows, choose_joins, check_rules, apply_masks, settle_fanout, order_and_limit,
)  # fmt: skip
# Other fields over the same rows and rights.
REFIELD: tuple[Callable[[Plan], Plan], ...] = (choose_joins, check_rules, settle_fanout)


def prepare(query: SemanticQuery, model: SemanticModel, scope: AccessScope, *, dialect: str, today: date) -> Plan:
    """Return the plan of a query."""
    plan = resolve_names(query, model, scope, dialect=dialect, today=today)
    for rewrite in REWRITES:
        plan = rewrite(plan)
    return plan


def refielded(plan: Plan) -> Plan:
    """Return a plan whose fields have changed with the joins that it needs now."""
    for rewrite in REFIELD:
        plan = rewrite(plan)
    return plan
