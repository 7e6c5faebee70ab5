"""Which row policies hold on a question, whatever it asks for. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from apps.governance.policy_tests.naming import topics_of
from apps.semantic.compile import CompiledQuery
from apps.semantic.model.types import JoinType, SemanticModel, Topic
from apps.semantic.scope import AccessScope, RowPolicy

SIDES: dict[str, JoinType] = {
    "LEFT": "always_left", "RIGHT": "right", "INNER": "inner", "CROSS": "cross", "": "inner",
}  # fmt: skip
"""how a SELECT says what a join does; anything else is taken for one that keeps the rows of both sides"""
Joins = tuple[tuple[str, JoinType], ...]


@dataclass(frozen=True, slots=True)
class Governing:
    """What governs every row of one topic.

    Attributes:
        topic: the data set's, or a composite's part.
        policies: those on the field that hold on every row.
        beside: the view that has such a policy, where rows without a row of it remain, whatever it lets through; or nothing.
    """

    topic: str
    policies: tuple[RowPolicy, ...]
    beside: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """The joined rows of one SELECT: the view that all else is joined to, and the joins in order."""

    base: str
    joins: Joins = ()

    @property
    def views(self) -> frozenset[str]:
        return frozenset((self.base, *(view for view, _ in self.joins)))

    @property
    def present(self) -> frozenset[str]:
        """Return the views of which every row has a row: their policies hold on all that is answered."""
        found = frozenset((self.base,))
        for view, kind in self.joins:
            if kind in ("inner", "cross"):
                found |= {view}
            elif kind == "right":
                found = frozenset((view,))
            elif kind != "always_left":
                found = frozenset()
        return found


def governing(
    field: str, dataset: str, model: SemanticModel, scope: AccessScope, compiled: CompiledQuery | None
) -> Iterator[Governing]:
    """Yield, for each topic of the data set, the policies on the field that hold on every row of an answer.

    Policies of the topic itself always do. Those of a view do where every row has a row of the view: it is the base view,
    or joined by what drops the rows without one, in the finished SQL of the question itself, not of what its views ask
    inside. Without a question, in the joins that every question makes. A composite is as open as its most open part.
    """
    blocks = tuple(_blocks(compiled)) if compiled is not None else ()
    for name in topics_of(model, dataset):
        own = scope if name == scope.topic else scope.nested[name]
        topic = model.of_topic(name).topics[name]
        asked = [block for block in blocks if _may_be_of(block, topic)]
        if compiled is None:
            asked = [_always(topic)]
        elif not asked and dataset != name:
            continue  # a part of a composite that the question does not touch
        present = frozenset.intersection(*(block.present for block in asked)) if asked else frozenset()
        of_views = {view: policies for view, policies in own.row_policies.items() if view in topic.views}
        here = [*own.topic_policies, *(policy for view in sorted(present) for policy in of_views.get(view, ()))]
        found = tuple(policy for policy in here if policy.field == field)
        beside = (view for view, policies in of_views.items() if any(policy.field == field for policy in policies))
        yield Governing(name, found, next(beside, ""))


def _always(topic: Topic) -> Block:
    """Return the joins of a topic's every question: left ones drop nothing, and may be made or not."""
    return Block(topic.base_view, tuple((join.view, join.relationship.join_type) for join in topic.joins))


def _may_be_of(block: Block, topic: Topic) -> bool:
    decisive = {join.view for join in topic.joins if join.relationship.join_type != "always_left"}
    return block.base == topic.base_view and decisive <= block.views <= frozenset(topic.views)


def _blocks(compiled: CompiledQuery) -> Iterator[Block]:
    """Yield the joined rows that a statement is made of.

    A view is read as a subquery under its own name, whatever table or query is in it, a rollup's too. What the compiler
    puts around joined rows has a name with a space.
    """
    waiting: list[exp.Expr | None] = [sqlglot.parse_one(compiled.sql, read=compiled.dialect)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, exp.Union):
            waiting += [node.this, node.expression]
        elif isinstance(node, exp.Subquery):
            waiting.append(node.this)
        elif isinstance(node, exp.Select) and node.args.get("from_") is not None:
            source = node.args["from_"].this
            if " " in source.alias:
                waiting.append(source)
            else:
                yield Block(source.alias, tuple(_joins(node.args.get("joins") or ())))


def _joins(nodes: Iterable[exp.Join]) -> Iterator[tuple[str, JoinType]]:
    """Yield the joined views; levels of detail and rankings, which are none, keep or drop rows and add no others."""
    for node in nodes:
        view, kind = node.this.alias, SIDES.get(node.side or node.kind, "full")
        if " " not in view or kind not in ("always_left", "inner"):
            yield view, kind


def has_row_policy(scope: AccessScope) -> frozenset[str]:
    """Return the fields on which row policies of the scope, or of what it rests on, rest; empty where there are none."""
    own = {policy.field for policies in scope.row_policies.values() for policy in policies}
    own |= {policy.field for policy in scope.topic_policies}
    for inner in scope.nested.values():
        own |= has_row_policy(inner)
    return frozenset(own)
