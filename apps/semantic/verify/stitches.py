"""Proves the answer of a composite topic: a SELECT around a union of its topics' own answers."""

from sqlglot import exp

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import CompositeTopic, SemanticModel
from apps.semantic.scope import AccessScope
from apps.semantic.verify.demands import Ledger, demand, given
from apps.semantic.verify.labels import Columns, Label, is_plain, label_of
from apps.semantic.verify.permits import Permit, permit_of
from apps.semantic.verify.selects import OUTER_PARTS, TopicProver, is_output, stacked


class CompositeProver:
    """Proves queries over a composite; each branch of the union is proven over one of its topics."""

    def __init__(
        self, composite: CompositeTopic, model: SemanticModel, scope: AccessScope, dialect: str, ledger: Ledger
    ) -> None:
        self.ledger, self.dialect = ledger, dialect
        self.offered = composite.fields & scope.fields
        self.permits: list[Permit] = [
            permit_of(model, scope.nested[topic], dialect) for topic in composite.topics if topic in scope.nested
        ]

    def may_answer(self, name: str) -> bool:
        return name.partition("[")[0] in self.offered

    def outputs(self, query: exp.Expr) -> Columns:
        demand(type(query) is exp.Select and given(query) <= OUTER_PARTS, "The SELECT has an unexpected part.")
        demand(not query.args.get("joins") and not query.args.get("where"), "The SELECT has an unexpected part.")
        source = query.args["from_"].this if query.args.get("from_") else exp.Null()
        demand(type(source) is exp.Subquery and " " in source.alias, "A composite reads a table.")
        demand(given(source) == {"this", "alias"}, "A subquery has more parts.")
        demand(not source.args["alias"].args.get("columns"), "A subquery renames its columns.")
        self.ledger.proven.add(id(query))
        sources = {source.alias: self._branches(source.this)}
        outputs = {node.alias: Label.OPEN for node in query.expressions}
        order = query.args.get("order")
        for node in query.find_all(exp.Column):
            if node.find_ancestor(exp.Select) is query:
                label = label_of(node, sources, frozenset())
                if not node.table and order is not None and node.find_ancestor(exp.Order) is order:
                    is_own = is_plain(node) and is_output(node, order, sources, self.dialect)
                    label = outputs.get(node.name) if is_own else None
                demand(label is Label.OPEN, "A column is read that no part gives.")
        return outputs

    def _branches(self, query: exp.Expr) -> Columns:
        if type(query) is exp.Union:
            demand(given(query) <= {"this", "expression"}, "Answers are put together in another way.")
            self.ledger.proven.add(id(query))
            return stacked(self._branches(query.this), self._branches(query.expression))
        for permit in self.permits:
            mark = self.ledger.mark()
            try:
                found = TopicProver(permit, self.ledger).outputs(query)
            except UnprovenSqlError:
                self.ledger.back_to(mark)
                continue
            # Topics over the same tables differ in the values of their policies alone.
            if self.ledger.is_met(mark):
                return found
            self.ledger.back_to(mark)
        if is_stitched(query):
            return self.outputs(query)  # answers already put together, within a SELECT that sorts them
        raise UnprovenSqlError("A part of a composite belongs to none of its topics.")


def is_stitched(query: exp.Expr) -> bool:
    """Say whether a SELECT reads nothing but answers under one another."""
    source = query.args["from_"].this if type(query) is exp.Select and query.args.get("from_") else None
    return type(source) is exp.Subquery and type(source.this) is exp.Union
