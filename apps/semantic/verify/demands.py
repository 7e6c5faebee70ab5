"""What a proof has gathered, and the one way to fail it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import Scalar, SemanticModel
from apps.semantic.query.types import Top
from apps.semantic.scope import AccessScope


def demand(holds: bool, message: str) -> None:
    """Fail the proof unless something holds."""
    if not holds:
        raise UnprovenSqlError(message)


@dataclass(slots=True)
class Proof:
    """What remains to be compared each time: which parameter must be which value."""

    model: SemanticModel
    scope: AccessScope
    limit: int = 0
    placeholder_count: int = 0
    values: list[tuple[int, Scalar]] = field(default_factory=list)
    mask_keys: list[int] = field(default_factory=list)
    rests: list[tuple[tuple[int, ...], tuple[int, ...], int]] = field(default_factory=list)
    """of each label for the rest beyond a ranking: where it is bound, where it is with its mark, and how long that is"""
    pairs: list[tuple[int, int]] = field(default_factory=list)
    """places at which the same value must be bound"""
    patterns: list[tuple[int, str]] = field(default_factory=list)
    """where a pattern is bound that must not end in a lone escape"""
    texts: list[int] = field(default_factory=list)
    """where nothing but a text may be bound"""


@dataclass(frozen=True, slots=True)
class TakenOver:
    """Of a SELECT that holds conditions of a question around it: whether one may fail, and which rules all its rows obey.

    A rule is a table and what the row policies on it compare with what.
    """

    may_fail: bool
    rules: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A point of a walk: how long its lists were, and what its sets held."""

    counts: tuple[int, ...]
    proven: set[int]
    settled: set[int]
    doubtful: set[int]
    masked_texts: set[tuple[str, str]]
    rankings: dict[tuple[int, Top], set[str]]
    taken_over: dict[int, TakenOver]


class Ledger:
    """Notes of one walk: the number of each placeholder (by identity of its node), and the queries already proven.

    ``parameters`` are those with which the text came first: they tell apart what it may be the answer of.
    """

    def __init__(self, proof: Proof, parameters: Sequence[Scalar] = ()) -> None:
        self.proof = proof
        self.parameters = parameters
        self.placeholders: dict[int, int] = {}
        self.proven: set[int] = set()
        self.masked_texts: set[tuple[str, str]] = set()
        """view and name of each column that is a text in the place of a value"""
        self.rankings: dict[tuple[int, Top], set[str]] = {}
        """by identity of a SELECT and what is asked for, the names of the rankings there"""
        self.chosen: dict[int, set[int]] = {}
        """by identity of a SELECT around fenced rows, its conditions that stood within the fence"""
        self.settled: set[int] = set()
        """queries that leave out no row unless behind a fence: around them anything may be worked out"""
        self.doubtful: set[int] = set()
        """queries in which something may fail on hidden rows: no condition around them may choose on which"""
        self.taken_over: dict[int, TakenOver] = {}
        """by identity, SELECTs in a query view's place that hold conditions of the question around it"""
        self.sure_masks: set[int] = set()
        """masks, by identity, that are texts of what cannot fail"""
        self.stored: set[int] = set()
        """physical tables, by identity, whose columns hold what was written into them: to read one cannot fail"""
        self.taken: list[tuple[exp.Expr, str, exp.Expr]] = []
        """parts that were taken off a query, with their key there"""

    def expect(self, nodes: Iterable[exp.Expr], values: Iterable[Scalar]) -> None:
        """Note that placeholders must be bound to values."""
        for node, value in zip(nodes, values, strict=True):
            self.proof.values.append((self.placeholders[id(node)], value))

    def expect_key(self, node: exp.Expr) -> None:
        """Note that a placeholder must be bound to the key of masks."""
        self.proof.mask_keys.append(self.placeholders[id(node)])

    def mark(self) -> Mark:
        """Return a point to go back to."""
        return Mark(
            tuple(map(len, self._lists())),
            set(self.proven),
            set(self.settled),
            set(self.doubtful),
            set(self.masked_texts),
            {key: set(names) for key, names in self.rankings.items()},
            dict(self.taken_over),
        )

    def _lists(self) -> tuple[list[Any], ...]:
        proof = self.proof
        return (
            proof.values, proof.mask_keys, proof.rests, proof.pairs, proof.patterns, proof.texts, self.taken,
        )  # fmt: skip

    def is_met(self, mark: Mark) -> bool:
        """Say whether the parameters are the values noted after a point."""
        given_ = self.parameters
        return all(
            place < len(given_) and is_same(given_[place], value)
            for place, value in self.proof.values[mark.counts[0] :]
        )

    def back_to(self, mark: Mark) -> None:
        """Forget what was noted after a point."""
        for query, key, part in self.taken[mark.counts[-1] :]:
            query.args[key] = part
        for items, count in zip(self._lists(), mark.counts, strict=True):
            del items[count:]
        self.proven, self.settled, self.doubtful = set(mark.proven), set(mark.settled), set(mark.doubtful)
        self.masked_texts = set(mark.masked_texts)
        self.rankings = {key: set(names) for key, names in mark.rankings.items()}
        self.taken_over = dict(mark.taken_over)


def is_same(found: Scalar, expected: Scalar) -> bool:
    """Say whether two values are one, of one type: 1 equals True."""
    return type(found) is type(expected) and found == expected


def given(node: exp.Expr) -> set[str]:
    """Return the parts that a node has."""
    return {key for key, value in node.args.items() if value}
