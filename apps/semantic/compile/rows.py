"""Row policies: looked up before the joins are chosen, so that a policy can force its join."""

from dataclasses import replace

from apps.semantic.compile.dialects.texts import GUESSING, spelt
from apps.semantic.compile.names import split_field
from apps.semantic.compile.plan import Plan, PolicyUse
from apps.semantic.compile.ruled import compares_masks
from apps.semantic.errors import MissingAttributeError, QueryError, UnprovenSqlError
from apps.semantic.model.types import Dimension, FieldType, Scalar
from apps.semantic.scope import RowPolicy


def apply_rows(plan: Plan) -> Plan:
    """Attach the scope's policies, those of every view of the topic and those of the topic itself.

    Raises:
        MissingAttributeError: a value is not of the column's type, which must not be left to a
            database's habits of conversion.
    """
    scope, views = plan.scope, frozenset(plan.topic.views)
    by_view = {
        view: policies_of(view, plan) for view, policies in scope.row_policies.items() if view in views and policies
    }
    topic_policies = tuple(_look_up(policy, plan, None) for policy in scope.topic_policies)
    if any(use.dimension.view not in views for use in topic_policies):
        raise UnprovenSqlError("A policy of the data set names a view that the data set does not join.")
    return replace(plan, row_policies=by_view, topic_policies=topic_policies)


def policies_of(view: str, plan: Plan) -> tuple[PolicyUse, ...]:
    """Return the policies on the rows of a view, whether or not the topic joins it."""
    return tuple(_look_up(policy, plan, view) for policy in plan.scope.row_policies.get(view, ()))


def _look_up(policy: RowPolicy, plan: Plan, view: str | None) -> PolicyUse:
    field_id, timeframe = split_field(policy.field)
    dimension = plan.model.dimension(field_id)
    if dimension is None or timeframe is not None or view not in (None, dimension.view) or _is_derived(dimension):
        raise UnprovenSqlError(f"The row policy at {policy.origin} names no dimension of its view.")
    if not all(_suits(value, dimension.type) for value in policy.values):
        raise MissingAttributeError(policy.attribute)
    if _is_guess(policy, dimension, plan.dialect):
        raise MissingAttributeError(policy.attribute, is_unsure=True)
    if compares_masks(dimension.id, plan.model, plan.scope):
        raise QueryError("A row policy of this data set rests on a value that is masked for you.", "dataset")
    return PolicyUse(dimension, policy)


def _is_derived(dimension: Dimension) -> bool:
    return dimension.level_of_detail is not None or dimension.duration is not None


def _is_guess(policy: RowPolicy, dimension: Dimension, dialect: str) -> bool:
    """Say whether a database would have to guess how a column without a type spells a value."""
    if dimension.type != "unknown" or dialect not in GUESSING:
        return False
    return any(spelt(value, dialect=dialect) is None for value in policy.values)


def _suits(value: Scalar, type_: FieldType) -> bool:
    if type_ == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if type_ == "boolean":
        return isinstance(value, bool)
    if type_ == "unknown":
        return value is not None
    return isinstance(value, str)
