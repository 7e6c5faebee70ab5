"""Proves SELECTs over a topic's tables, and SELECTs around them."""

from typing import Protocol

from sqlglot import exp

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import Scalar
from apps.semantic.query.types import Top
from apps.semantic.verify.answers import prove_filters
from apps.semantic.verify.asked import Asked
from apps.semantic.verify.conditions import HoleRule
from apps.semantic.verify.demands import Ledger, demand, given
from apps.semantic.verify.fences import (
    CHOSEN,
    FENCES,
    HIDDEN,
    LAZY,
    Doubts,
    demand_sure,
    group_conditions,
    holds_risk,
    risks_of,
    sources_of,
)
from apps.semantic.verify.groups import chooses_groups, take_filter
from apps.semantic.verify.labels import Columns, Label, Sources, is_plain, label_of
from apps.semantic.verify.parts import placeholders, take_policy
from apps.semantic.verify.permits import Permit
from apps.semantic.verify.rankings import is_ranking, prove_kept, prove_ranking, prove_shown
from apps.semantic.verify.ruled import COMPARED
from apps.semantic.verify.tables import TableProver
from apps.semantic.verify.taken_over import demand_unprobed, note_taken_over
from apps.semantic.verify.trees import Rule, bare, conjuncts, sameness

OUTER_PARTS = frozenset(("expressions", "from_", "joins", "where", "group", "having", "order", "limit"))
KINDS = {
    "always_left": {"side": "LEFT"},
    "inner": {"kind": "INNER"},
    "full": {"side": "FULL"},
    "right": {"side": "RIGHT"},
    "cross": {"kind": "CROSS"},
}


class Prover(Protocol):
    """Proves a whole statement."""

    def outputs(self, query: exp.Expr) -> Columns:
        """Return the columns that come out, and how far they may go."""
        ...

    def may_answer(self, name: str) -> bool:
        """Say whether a result column may have this name."""
        ...


class TopicProver:
    """Proves queries over one topic."""

    def __init__(self, permit: Permit, ledger: Ledger, top: Top | None = None) -> None:
        """``top`` is the ranking that the question asks for."""
        self.permit = permit
        self.ledger = ledger
        self.top = top

    def may_answer(self, name: str) -> bool:
        return name.partition("[")[0] in self.permit.offered

    def outputs(self, query: exp.Expr, *, chooses_groups: bool = True, asked: Asked | None = None) -> Columns:
        """Prove a query; unless it only helps another one, it holds the topic's conditions on groups.

        Args:
            asked: the demands of the query view in whose table's place the query stands: no answers under one another do.
        """
        if type(query) is exp.Union:
            return self._union(query, chooses_groups=chooses_groups)
        demand(type(query) is exp.Select, "A query is no SELECT.")
        return _SelectProver(self, query, chooses_groups=chooses_groups, asked=asked).outputs()  # type: ignore[arg-type]  # demanded above

    def other(self, permit: Permit) -> "TopicProver":
        """Return a prover for the topic of a query view."""
        return TopicProver(permit, self.ledger)

    def prove_tops(self, query: exp.Select) -> None:
        """Prove that a whole answer is of the top values that the question and the model ask for."""
        if self.top is None and not self.permit.tops:
            return
        names = [node.alias_or_name for node in query.expressions]
        for place, name in enumerate(names):
            top = self.top if self.top is not None and name == self.top.field else self.permit.places.top(name)
            if top is not None:
                prove_shown(query, place, top, self.ledger)
        if self.top is not None and self.top.field not in names:
            prove_kept(query, self.top, self.ledger)

    def _union(self, query: exp.Union, *, chooses_groups: bool) -> Columns:
        demand(given(query) <= {"this", "expression"}, "Answers are put together in another way.")
        self.ledger.proven.add(id(query))
        parts = [self.outputs(part, chooses_groups=chooses_groups) for part in (query.this, query.expression)]
        return stacked(parts[0], parts[1])


def stacked(first: Columns, second: Columns) -> Columns:
    """Return the columns of two answers under one another: named by the first, as confined as either."""
    demand(len(first) == len(second), "Answers of different width are put together.")
    pairs = zip(first.items(), second.values(), strict=True)
    return {name: max(label, other) for (name, label), other in pairs}


class _SelectProver:
    """Walks one SELECT."""

    def __init__(self, prover: TopicProver, select: exp.Select, *, chooses_groups: bool, asked: Asked | None) -> None:
        self.prover = prover
        self.permit = prover.permit
        self.ledger = prover.ledger
        self.select = select
        self.asked = asked
        self.groups = self.permit.groups if asked is None else asked.groups
        self.chooses_groups = chooses_groups and bool(self.groups.count)
        self.sources: dict[str, Columns] = {}
        self.views: set[str] = set()
        self.answers_on: list[exp.Expr] = []
        """conditions on which answers are joined, each part"""
        self.tables = TableProver(self.permit, self.ledger, self._query_view)

    def outputs(self) -> Columns:
        select = self.select
        demand(given(select) <= OUTER_PARTS, "The SELECT has an unexpected part.")
        demand(bool(select.args.get("from_")), "A SELECT reads nothing.")
        self.ledger.proven.add(id(select))
        source = select.args["from_"].this
        if self.chooses_groups:
            self._prove_groups(source)
        if self._is_derived(source):
            demand(not select.args.get("joins"), "An answer is joined with something.")
            self.sources[source.alias] = self._derived(source, chooses_groups=self.chooses_groups, asked=self.asked)
            where = select.args.get("where")
            self._check(where, Label.OPEN)
            self._demand_sure_outside(where)
        else:
            self._prove_tables(source)
            self._prove_where()
        for key in ("group", "having"):
            self._check(select.args.get(key), Label.OPEN)
        found = self._labels()
        self._check_positions(found)
        self._check_order(found)
        return found

    def _query_view(self, query: exp.Expr, permit: Permit, asked: Asked) -> Columns:
        return self.prover.other(permit).outputs(query, asked=asked)

    def _is_derived(self, source: exp.Expr) -> bool:
        # The name of a view has no space in it.
        return type(source) is exp.Subquery and " " in source.alias

    def _prove_groups(self, source: exp.Expr) -> None:
        """Prove the topic's conditions on groups here; where they are not, the answer that this one is made of has them."""
        if chooses_groups(self.select, self.groups, self.ledger):
            self.chooses_groups = False
        else:
            demand(self._is_derived(source), "A condition of the data set on groups is missing.")

    def _derived(self, source: exp.Expr, *, chooses_groups: bool, asked: Asked | None = None) -> Columns:
        demand(given(source) == {"this", "alias"}, "A subquery has more parts.")
        demand(not source.args["alias"].args.get("columns"), "A subquery renames its columns.")
        return self.prover.outputs(source.this, chooses_groups=chooses_groups, asked=asked)

    def _prove_tables(self, base: exp.Expr) -> None:
        topic = self.permit.topic
        demand(not self.permit.compared.is_everywhere, COMPARED)
        self._add_table(base, topic.base_view)
        for join in self.select.args.get("joins") or ():
            if self._is_derived(join.this):
                self._prove_derived_join(join)
            else:
                self._prove_join(join)
        missing = [
            join.view
            for join in topic.joins
            if join.relationship.join_type != "always_left" and join.view not in self.views
        ]  # fmt: skip
        demand(not missing, "A join that decides about rows is missing.")

    def _add_table(self, source: exp.Expr, view: str) -> None:
        demand(view not in self.sources, "A table is read twice.")
        demand(view not in self.permit.compared.views, COMPARED)
        self.sources[view] = self.tables.columns(source, view)
        self.views.add(view)

    def _prove_join(self, join: exp.Join) -> None:
        view = join.this.alias if isinstance(join.this, exp.Subquery) else ""
        known = self.permit.joins.get(view)
        if known is None:
            raise UnprovenSqlError("A table is joined that the data set does not join.")
        kind = known.relationship.join_type
        parts = {key: value for key, value in join.args.items() if value and key not in ("this", "on")}
        demand(parts == KINDS[kind], "A join is of another kind.")
        self._add_table(join.this, view)
        on = join.args.get("on")
        if kind == "cross":
            demand(on is None, "A join has a condition that the model does not give it.")
            return
        self._expect(on or exp.Null(), self.permit.on[view], "A join condition is not the model's.")
        self._check(on, Label.RULE)

    def _prove_derived_join(self, join: exp.Join) -> None:
        parts = {key: value for key, value in join.args.items() if value and key not in ("this", "on")}
        demand(parts in (KINDS["always_left"], KINDS["inner"]), "A join is of another kind.")
        alias = join.this.alias
        demand(alias not in self.sources, "A table is read twice.")
        self.sources[alias] = self._derived(join.this, chooses_groups=False)
        self.answers_on += conjuncts(join.args.get("on"))
        if is_ranking(join):
            top = self.prover.top
            tops = [*self.permit.tops, *([top] if top is not None else [])]
            prove_ranking(join, self.select, tops, self.permit, self.ledger)

    def _prove_where(self) -> None:
        permit = self.permit
        where = self.select.args.get("where")
        every = conjuncts(where.this if where else None)
        found = [*every]
        for tree, policy in permit.topic_policies:
            matching = take_policy(found, tree, policy.values, self.ledger)
            remove(found, matching)
            self._check(matching, Label.RULE)
        joined = [rule for view, rule in permit.where_sql.items() if view in self.views]
        for rule in (*permit.always, *joined):
            self._take_rule(found, rule)
        for _, condition in permit.filters:
            self._take_filter(found, condition)
        left = {id(node) for node in found}
        rules = [node for node in every if id(node) not in left]
        if self.asked is not None and (taken := prove_filters(found, self.select, self.asked, self.ledger)):
            note_taken_over(self.select, taken, self.permit, self.ledger)
        self._prove_beside(rules, found)

    def _prove_beside(self, rules: list[exp.Expr], others: list[exp.Expr]) -> None:
        """Prove conditions beside the rules of the topic: on permitted columns, and never worked out on hidden rows if that may fail."""
        for node in [*others, *self.answers_on]:
            self._check(node, Label.OPEN)
        sources = [source for source in sources_of(self.select) if not self._is_derived(source)]
        risks = risks_of(sources, self.ledger)
        within = self.ledger.chosen.get(id(self.select))
        is_hiding = self.permit.dialect in FENCES and bool(rules or self.tables.choosing)
        if not is_hiding or within is not None:
            self.ledger.settled.add(id(self.select))
        demand_unprobed(self.select, bool(rules), self.permit, self.tables.choosing, self.ledger)
        if not is_hiding:
            return
        joins = [join for join in self.select.args.get("joins") or () if not self._is_derived(join.this)]
        of_model = [join.args["on"] for join in joins if join.args.get("on")]
        own = Doubts(
            risks_of(sources, None), self.ledger
        )  # a fence would not help where the source works something out
        demand_sure([*rules, *of_model], own, frozenset(self.tables.unfenced))
        is_doubtful = any(holds_risk(node, self.ledger) for node in (*rules, *of_model))
        is_doubtful = is_doubtful or any(self.tables.is_doubtful(node, bool(rules)) for node in sources)
        strict = Doubts(risks, self.ledger, dialect=self.permit.dialect)
        if within is not None:
            demand(all(id(node) in within for node in rules), HIDDEN)  # outside, one would come too late
            inside = [node for node in others if id(node) in within]
            demand(not any(map(strict.may_fail, inside)), HIDDEN)
            demand(not (is_doubtful and inside), CHOSEN)
            return
        if is_doubtful:
            demand(self.permit.dialect not in LAZY, CHOSEN)
            demand(not (others or group_conditions(self.select) or self.answers_on), CHOSEN)
            self.ledger.doubtful.add(id(self.select))
        demand(not any(map(strict.may_fail, [*others, *group_conditions(self.select)])), HIDDEN)
        demand(not any(map(Doubts(risks, self.ledger).may_fail, self.answers_on)), HIDDEN)

    def _demand_sure_outside(self, where: exp.Expr | None) -> None:
        """Demand that no condition around an answer may fail on rows or groups that the answer leaves out."""
        source = self.select.args["from_"].this.this
        conditions = [*conjuncts(where.this if where is not None else None), *group_conditions(self.select)]
        demand(not (conditions and id(source) in self.ledger.doubtful), CHOSEN)
        is_settled = id(source) in self.ledger.settled and not source.args.get("having")
        if self.permit.dialect in FENCES and not is_settled:
            doubts = Doubts(risks_of(sources_of(self.select), self.ledger), self.ledger, dialect=self.permit.dialect)
            demand(not any(map(doubts.may_fail, conditions)), HIDDEN)

    def _take_rule(self, found: list[exp.Expr], rule: Rule) -> None:
        """Take the conjuncts of a rule of the topic out of a WHERE: each of them must be there."""
        for part in conjuncts(rule.tree):
            matching = next((node for node in found if bare(node) == part), None)
            if matching is None:
                raise UnprovenSqlError("A rule of the data set is missing.")
            remove(found, matching)
            self._check(matching, Label.RULE)
            rule = Rule(rule.tree, self._note(matching, rule.values))

    def _take_filter(self, found: list[exp.Expr], rule: HoleRule) -> None:
        """Take one of the topic's own filters out of a WHERE: it on exactly its field."""
        taken = take_filter(found, rule)
        if taken is None:
            raise UnprovenSqlError("A filter of the data set is missing.")
        for node in taken[0]:
            remove(found, node)
            self._check(node, Label.RULE)
        self.ledger.expect([node for node, _ in taken[1]], [value for _, value in taken[1]])

    def _expect(self, node: exp.Expr, rule: Rule, message: str) -> None:
        demand(bare(node) == rule.tree, message)
        demand(not self._note(node, rule.values), message)

    def _note(self, node: exp.Expr, values: tuple[Scalar, ...]) -> tuple[Scalar, ...]:
        """Note the values of a rule's placeholders; return those that are left for its other parts."""
        marks = placeholders(node)
        demand(len(marks) <= len(values), "A rule has too many values.")
        self.ledger.expect(marks, values[: len(marks)])
        return values[len(marks) :]

    def _labels(self) -> Columns:
        found: dict[str, Label] = {}
        for node in self.select.expressions:
            name = node.alias if type(node) is exp.Alias else node.name if type(node) is exp.Column else ""
            demand(bool(name) and name not in found, "A column has no name of its own.")
            found[name] = self._label(node)
        names = {sameness(name, self.permit.dialect) for name in found}
        demand(len(names) == len(found), "A column has no name of its own.")
        return found

    def _check_positions(self, outputs: Columns) -> None:
        """Check the columns of the answer that GROUP BY and ORDER BY name by their numbers."""
        labels = [*outputs.values()]
        for key in ("group", "order"):
            part = self.select.args.get(key)
            for node in part.expressions if part is not None else ():
                root = (node.this if type(node) is exp.Ordered else node).unnest()
                demand(not isinstance(root, exp.Placeholder | exp.Var), "An answer is ordered by what may be a number.")
                if type(root) is exp.Literal:
                    place = int(root.name) if root.is_int else 0
                    demand(0 < place <= len(labels), "An answer is ordered by a column that it does not have.")
                    demand(labels[place - 1] is Label.OPEN, "An answer is ordered by what it does not show.")

    def _check_order(self, outputs: Columns) -> None:
        """Check what an answer is ordered by."""
        order = self.select.args.get("order")
        for node in order.find_all(exp.Column) if order is not None else ():
            if node.table:
                label = label_of(node, self.sources, self.permit.telling)
            else:
                is_own = is_plain(node) and is_output(node, order, self.sources, self.permit.dialect)
                demand(is_own, "A name in an order may be another column's.")
                label = outputs.get(node.name)
            demand(label is Label.OPEN, "An answer is ordered by what it does not show.")

    def _label(self, root: exp.Expr) -> Label:
        worst = Label.OPEN
        for node in root.find_all(exp.Column):
            label = label_of(node, self.sources, self.permit.telling)
            if label is None:
                raise UnprovenSqlError("A column is read that no table gives.")
            worst = max(worst, label)
        demand(worst is not Label.RULE, "A column is used in a way that no permitted field uses it.")
        return worst

    def _check(self, root: exp.Expr | None, most: Label) -> None:
        for node in root.find_all(exp.Column) if root is not None else ():
            label = label_of(node, self.sources, self.permit.telling)
            if label is None:
                raise UnprovenSqlError("A column is read that no table gives.")
            demand(label <= most, "A column is used in a way that no permitted field uses it.")


def is_output(node: exp.Column, order: exp.Expr | None, sources: Sources, dialect: str) -> bool:
    """Say whether a bare name in an ORDER BY is sure to be a column of the answer.

    It is where it stands alone; in an expression, PostgreSQL and MySQL look for a column of a table first.
    """
    if isinstance(node.parent, exp.Ordered) and node.parent.parent is order:
        return True
    name = sameness(node.name, dialect)
    return all(sameness(other, dialect) != name for columns in sources.values() for other in columns)


def remove(found: list[exp.Expr], node: exp.Expr) -> None:
    """Take a node out of a list, by identity."""
    for index, item in enumerate(found):
        if item is node:
            del found[index]
            return
