"""Where a query view's columns come from: a policy on one must meet the field that the model puts there."""

from sqlglot import exp

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import View
from apps.semantic.verify.demands import demand
from apps.semantic.verify.permits import Permit
from apps.semantic.verify.trees import bare

ELSE = "A policy on a query view reads something else than the model's column."


def prove_origins(query: exp.Expr, view: View, permit: Permit, inner: Permit) -> None:
    """Prove that each column of a query view that a row policy reads is the model's dimension as it is.

    Raises:
        UnprovenSqlError: it is another expression, or one that cannot be told from another: a measure, a timeframe.
    """
    source = view.query_source
    fields = {column: field for field, column in source.columns} if source is not None else {}
    for column in sorted(_ruled(view, permit)):
        found = inner.model.dimension(fields.get(column, ""))
        if found is None:
            raise UnprovenSqlError(ELSE)
        demand(origin(query, column) == inner.expected.dimension(found, is_qualified=True), ELSE)


def _ruled(view: View, permit: Permit) -> set[str]:
    own = {node.name for tree, _ in permit.policies[view.name] for node in tree.find_all(exp.Column)}
    named = {node for tree, _ in permit.topic_policies for node in tree.find_all(exp.Column) if node.table == view.name}
    return own | {node.name for node in named}


def origin(query: exp.Expr, name: str) -> exp.Expr | None:
    """Return a column of a proven answer written out over the tables' columns; None where there is no one such tree."""
    if type(query) is not exp.Select:
        return None
    found = next((node for node in query.expressions if node.alias_or_name == name), None)
    if found is None:
        return None
    source = query.args["from_"].this
    holder = exp.Paren(this=found.unalias().copy())
    for node in list(holder.find_all(exp.Column)) if " " in source.alias else ():
        written = origin(source.this, node.name)
        if written is None:
            return None
        node.replace(written)
    return bare(holder.this)
