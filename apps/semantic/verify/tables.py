"""Proves one ``(SELECT … FROM table WHERE policies) AS view``, and what stands in a table's place."""

from collections.abc import Callable, Iterable

from sqlglot import exp

from apps.semantic.model.types import View
from apps.semantic.verify.answers import prove_answer
from apps.semantic.verify.asked import Asked
from apps.semantic.verify.demands import Ledger, demand, given
from apps.semantic.verify.fences import FENCES, HIDDEN, Doubts, holds_risk, risks_of, take_fence
from apps.semantic.verify.labels import Columns, Label
from apps.semantic.verify.origins import prove_origins
from apps.semantic.verify.parts import prove_columns, prove_mask, prove_physical, prove_policies
from apps.semantic.verify.permits import Permit
from apps.semantic.verify.rankings import prove_shown
from apps.semantic.verify.sqlviews import prove_sql_view
from apps.semantic.verify.trees import bare, sameness

INNER_PARTS = frozenset(("expressions", "from_", "where"))
CHOOSING = (exp.Where, exp.Having, exp.Join, exp.Limit)
ProveQuery = Callable[[exp.Expr, Permit, Asked], Columns]


class TableProver:
    """Proves the subqueries that read one view each."""

    def __init__(self, permit: Permit, ledger: Ledger, prove_query: ProveQuery) -> None:
        self.permit = permit
        self.ledger = ledger
        self.prove_query = prove_query
        self.choosing: set[str] = set()
        """views whose subqueries leave rows out"""
        self.unfenced: set[str] = set()
        """of these, those that do not keep conditions from such rows"""

    def columns(self, source: exp.Expr, view: str) -> Columns:
        """Return what leaves a table, and how far it may go."""
        demand(type(source) is exp.Subquery and source.alias == view, "A table is read outside its subquery.")
        demand(given(source) == {"this", "alias"}, "A subquery has more parts.")
        demand(not source.args["alias"].args.get("columns"), "A subquery renames its columns.")
        inner = source.this
        demand(type(inner) is exp.Select, "A subquery is not a SELECT.")
        may_choose = bool(self.permit.policies[view]) or self.permit.model.views[view].is_derived
        is_fenced = may_choose and take_fence(inner, self.permit.dialect, self.ledger)
        if inner.find(*CHOOSING):
            self.choosing.add(view)
            if not is_fenced:
                self.unfenced.add(view)
        demand(given(inner) <= INNER_PARTS, "The SELECT has an unexpected part.")
        self._prove_from(inner, self.permit.model.views[view])
        prove_policies(inner, self.permit.policies[view], self.ledger)
        self.ledger.proven.add(id(inner))
        return self._projected(inner, view)

    def is_doubtful(self, source: exp.Expr, is_ruled: bool) -> bool:
        """Say whether something in a table's subquery may fail on rows that something else hides, or its own policies late."""
        where, inner = source.this.args.get("where"), source.this.args["from_"].this
        is_late = where is not None and (id(inner) not in self.ledger.stored or holds_risk(where.this, self.ledger))
        is_hidden = is_ruled or is_late or bool(self.choosing - {source.alias})
        return is_hidden and holds_risk(source, self.ledger)

    def _prove_from(self, inner: exp.Select, view: View) -> None:
        source = inner.args["from_"].this if inner.args.get("from_") else exp.Null()
        if not view.is_derived:
            prove_physical(source, self.permit.table(view.name), view, self.ledger)
            prove_columns(inner, source)
            return
        demand(type(source) is exp.Subquery and " " in source.alias, "A derived view reads no query.")
        demand(given(source) == {"this", "alias"}, "A subquery has more parts.")
        demand(not source.args["alias"].args.get("columns"), "A subquery renames its columns.")
        is_cut = take_fence(source.this, self.permit.dialect, self.ledger) or source.this.args.get("limit") is not None
        if view.sql_source is not None:
            let = prove_sql_view(source.this, view.sql_source, self.permit, self.ledger)
            _demand_let(inner, let)
        elif view.query_source is not None:
            rests_on = self.permit.nested(view.query_source.topic)
            asked = self.permit.asked(view.name, view.query_source)
            outputs = self.prove_query(source.this, rests_on, asked)
            demand(all(label is Label.OPEN for label in outputs.values()), "A query view lets out what it may not.")
            prove_origins(source.this, view, self.permit, rests_on)
            prove_answer(source.this, asked, self.ledger)
            for place, node in enumerate(source.this.expressions):
                top = asked.tops.get(node.alias_or_name)
                if top is not None:
                    prove_shown(source.this, place, top, self.ledger)
            _demand_let(inner, [name.lower() for name in outputs])
        if not is_cut:
            self._demand_sure(inner, source)

    def _demand_sure(self, inner: exp.Select, source: exp.Expr) -> None:
        """Demand that a derived view's own policies cannot fail on rows that its query leaves out."""
        where = inner.args.get("where")
        if where is not None and self.permit.dialect in FENCES:
            demand(not Doubts(risks_of([source], self.ledger), self.ledger).may_fail(where.this), HIDDEN)

    def _projected(self, inner: exp.Select, view: str) -> Columns:
        projected = {node.alias_or_name: self._label(node, view) for node in inner.expressions}
        names = {sameness(name, self.permit.dialect) for name in projected}
        demand(len(names) == len(inner.expressions), "A subquery has two columns of one name.")
        # The database takes each spelling of a column for it.
        spelt = {name: label for name, label in self.permit.labels[view].items() if name not in projected}
        plain = {sameness(node.name, self.permit.dialect) for node in inner.expressions if type(node) is exp.Column}
        return projected | {
            name: label for name, label in spelt.items() if sameness(name, self.permit.dialect) in plain
        }

    def _label(self, node: exp.Expr, view: str) -> Label:
        if type(node) is exp.Column:
            demand(bool(node.this.args.get("quoted")) and not node.table, "A column's name is not plain.")
            label = self.permit.labels[view].get(node.name)
            demand(label is not None, "A column leaves its table that may not.")
            return label or Label.OPEN
        demand(type(node) is exp.Alias, "Something else than a column leaves a table.")
        # Rules and joins around the table would take it for the column.
        is_free = sameness(node.alias, self.permit.dialect) not in self.permit.names[view]
        demand(" " in node.alias and is_free, "What is no column has the name of one.")
        if type(node.this) is exp.Literal:
            return Label.OPEN
        prove_mask(node.this, self.permit.masks[view], self.ledger)
        if bare(node.this) in self.permit.text_masks[view]:
            self.ledger.masked_texts.add((view, node.alias))
        if bare(node.this) in self.permit.sure_masks[view]:
            self.ledger.sure_masks.add(id(node.this))
        return Label.OPEN


def _demand_let(inner: exp.Select, names: Iterable[str]) -> None:
    """Demand that what is read of a derived view is a column of its query: its name alone would mean whole rows."""
    where = inner.args.get("where")
    read = {node.name.lower() for part in (*inner.expressions, where) if part for node in part.find_all(exp.Column)}
    demand(read <= {*names}, "A derived view is read by another name than its columns have.")
