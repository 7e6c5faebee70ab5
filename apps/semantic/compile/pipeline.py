"""The one way in: a query, a model and a scope become one governed SELECT."""

from datetime import date

from apps.semantic.compile.awareness import rolled_answer
from apps.semantic.compile.composites import compile_composite
from apps.semantic.compile.dialects.traits import traits_of
from apps.semantic.compile.prepare import prepare
from apps.semantic.compile.render import render
from apps.semantic.compile.shapes import by_shape
from apps.semantic.compile.types import CompiledQuery
from apps.semantic.model.types import SemanticModel
from apps.semantic.query.defaults import with_defaults
from apps.semantic.query.types import SemanticQuery
from apps.semantic.scope import AccessScope


def compile_query(
    query: SemanticQuery, *, model: SemanticModel, scope: AccessScope, today: date, dialect: str | None = None
) -> CompiledQuery:
    """Turn a query into one SELECT that reads nothing outside the scope.

    Every physical table is read through its own filtered subquery, so a row policy holds whatever
    the join around it does. Values never enter the SQL text. The topic's ``always_*`` rules hold for
    everybody; its ``default_filters`` for questions that want them.

    Args:
        query: what is asked; names are looked up here. Its totals and subtotals are questions of their own.
        model: the published model.
        scope: rights of the actor on the query's data set.
        today: the day that relative dates count from, in the query's time zone.
        dialect: one of :data:`apps.semantic.compile.dialects.traits.TRAITS`; the model's own unless given.

    Returns:
        SQL whose result has one column per requested field, dimensions first, in request order,
        named as requested; it asks for one row more than ``min(limit, scope.max_rows)``.

    Raises:
        UnknownDatasetError: the data set is not in the model, or not the scope's.
        UnknownFieldError: a name is not in the model, or not in the scope, or would need the raw
            value of a masked field: the caller cannot tell which.
        MalformedQueryError: an operator or value does not suit its field.
        FanOutError: a join would repeat the rows of a measure, and no key tells them apart.
        MissingAttributeError: a policy or an expression needs a user attribute that is missing or not of its type.
    """
    target = traits_of(dialect or model.dialect).dialect
    query = with_defaults(query, model, scope.fields)
    if query.dataset in model.composites:
        return compile_composite(query, model, scope, dialect=target, today=today)
    own = model.of_topic(query.dataset)
    return by_shape(query, own, scope, today, target, lambda asked: _compiled(asked, own, scope, target, today))


def _compiled(query: SemanticQuery, own: SemanticModel, scope: AccessScope, target: str, today: date) -> CompiledQuery:
    rolled = rolled_answer(query, own, scope, dialect=target, today=today)
    return rolled or render(prepare(query, own, scope, dialect=target, today=today))
