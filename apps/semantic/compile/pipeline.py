"""The steps in their order; each takes a finished plan and returns a new one."""

from collections.abc import Callable
from datetime import date

from apps.semantic.compile.fanout import prevent_fanout
from apps.semantic.compile.joins import choose_joins
from apps.semantic.compile.masks import apply_masks
from apps.semantic.compile.order import order_and_limit
from apps.semantic.compile.plan import Plan
from apps.semantic.compile.render import DIALECTS, render
from apps.semantic.compile.resolve import resolve_names
from apps.semantic.compile.rows import apply_rows
from apps.semantic.compile.types import CompiledQuery
from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import SemanticModel
from apps.semantic.query.types import SemanticQuery
from apps.semantic.scope import AccessScope

REWRITES: tuple[Callable[[Plan], Plan], ...] = (apply_rows, choose_joins, apply_masks, prevent_fanout, order_and_limit)


def compile_query(
    query: SemanticQuery, *, model: SemanticModel, scope: AccessScope, today: date, dialect: str | None = None
) -> CompiledQuery:
    """Turn a query into one SELECT that reads nothing outside the scope.

    Every physical table is read through its own filtered subquery, so a row policy holds whatever
    the join around it does. Values never enter the SQL text. The topic's ``always_where_filters``
    hold for everybody; its ``default_filters`` are for the page that offers them and are not applied.

    Args:
        query: what is asked; names are looked up here.
        model: the published model.
        scope: rights of the actor on the query's data set.
        today: the day that relative dates count from, in the query's time zone.
        dialect: ``postgres`` or ``duckdb``; the model's own unless given.

    Returns:
        SQL whose result has one column per requested field, dimensions first, in request order,
        named as requested; it asks for one row more than ``min(query.limit, scope.max_rows)``.

    Raises:
        UnknownDatasetError: the data set is not in the model, or not the scope's.
        UnknownFieldError: a name is not in the model, or not in the scope, or would need the raw
            value of a masked field: the caller cannot tell which.
        MalformedQueryError: an operator or value does not suit its field.
        FanOutError: a join would repeat the rows of a measure.
        MissingAttributeError: a row policy's value is not of its column's type, or an expression
            needs a user attribute.
    """
    target = dialect or model.dialect
    if target not in DIALECTS:
        raise UnprovenSqlError(f"There is no dialect “{target}”.")
    plan = resolve_names(query, model, scope, dialect=target, today=today)
    for rewrite in REWRITES:
        plan = rewrite(plan)
    return render(plan)
