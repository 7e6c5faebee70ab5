"""Which row policies hold on a question, whatever it asks for. Pure."""

from collections.abc import Iterator

import sqlglot
from sqlglot import exp

from apps.governance.policy_tests.naming import topics_of
from apps.semantic.compile import CompiledQuery
from apps.semantic.model.types import SemanticModel
from apps.semantic.scope import AccessScope, RowPolicy


def governing(
    field: str, dataset: str, model: SemanticModel, scope: AccessScope, compiled: CompiledQuery | None
) -> Iterator[tuple[str, tuple[RowPolicy, ...]]]:
    """Yield, for each topic of the data set, the policies on the field that hold on every row of an answer.

    Policies of the topic itself always do. Those of a view do where the view's table is read: its base view's always,
    others' when the finished SQL of the question names their table. A composite is as open as its most open part.
    """
    tables = _tables(compiled) if compiled is not None else None
    for name in topics_of(model, dataset):
        own = scope if name == scope.topic else scope.nested[name]
        seen = model.of_topic(name)
        read = {
            view
            for view in seen.topics[name].views
            if (tables is None and view == seen.topics[name].base_view)
            or (tables is not None and _is_read(seen, name, view, tables))
        }
        if tables is not None and not read and dataset != name:
            continue  # a part of a composite that the question does not touch
        policies = [*own.topic_policies, *(policy for view in read for policy in own.row_policies.get(view, ()))]
        yield name, tuple(policy for policy in policies if policy.field == field)


def _tables(compiled: CompiledQuery) -> frozenset[str]:
    tree = sqlglot.parse_one(compiled.sql, read=compiled.dialect)
    return frozenset(table.name.lower() for table in tree.find_all(exp.Table))


def _is_read(model: SemanticModel, topic: str, view: str, tables: frozenset[str]) -> bool:
    """Say whether the question surely reads a view; where two views share a table nobody can tell which it was."""
    name = model.views[view].table_name.lower()
    sharers = [other for other in model.topics[topic].views if model.views[other].table_name.lower() == name]
    return name in tables and (sharers == [view] or view == model.topics[topic].base_view)


def has_row_policy(scope: AccessScope) -> frozenset[str]:
    """Return the fields on which row policies of the scope, or of what it rests on, rest; empty where there are none."""
    own = {policy.field for policies in scope.row_policies.values() for policy in policies}
    own |= {policy.field for policy in scope.topic_policies}
    for inner in scope.nested.values():
        own |= has_row_policy(inner)
    return frozenset(own)
