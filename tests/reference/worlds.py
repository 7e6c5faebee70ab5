"""Worlds: a model in the format with tables under it, a person and a question.

Every table has the same columns (id, fk, s, n, d, m), so that a database needs only new rows for a new world. The base
view of the topic T is v0; the topic U has another, with the joins below it. The view q reads a query of the model.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.reference.fields import Row
from tests.reference.naming import composite_renamed, conditions_renamed, model_renamed, other_name
from tests.reference.texts import ACROSS, COMPOSITE, MODEL, QUERY_MEASURES, QUERY_TIMES, QUERY_VIEW, VIEW

NAMES = ("v0", "v1", "v2", "v3")
ON = {
    "many_to_one": "${%s.fk} = ${%s.id}",
    "one_to_many": "${%s.id} = ${%s.fk}",
    "one_to_one": "${%s.id} = ${%s.id}",
}


@dataclass(frozen=True)
class Edge:
    """A join of the topic; ``kind`` as seen from the parent."""

    parent: str
    child: str
    kind: str
    join_type: str

    def matches(self, parent: Row | None, child: Row) -> bool:
        if self.join_type == "cross":
            return True
        if parent is None:
            return False
        left = parent["fk"] if self.kind == "many_to_one" else parent["id"]
        right = child["fk"] if self.kind == "one_to_many" else child["id"]
        return left is not None and right is not None and left == right

    def text(self) -> str:
        on = "" if self.join_type == "cross" else f', on_sql: "{ON[self.kind] % (self.parent, self.child)}"'
        return (
            f"- {{join_from_view: {self.parent}, join_to_view: {self.child}, relationship_type: {self.kind}, "
            f"join_type: {self.join_type}{on}}}\n"
        )


@dataclass(frozen=True)
class QueryView:
    """The view q: a query over one view, alone or as the base of the topic U.

    ``columns`` is (field, column of q) in order; ``bind`` leads from a field of the query to that of the question whose
    filter it takes over; with ``binds_all`` it takes over all that it offers.
    """

    over: str
    has_topic: bool
    columns: tuple[tuple[str, str], ...]
    filters: Mapping[str, Any]
    sorts: tuple[tuple[str, bool], ...] = ()
    limit: int | None = None
    bind: Mapping[str, str] = field(default_factory=dict)
    binds_all: bool = False

    @property
    def is_grouped(self) -> bool:
        return self.columns[0][0].endswith(".fk")

    def text(self, *, is_renamed: bool = False) -> str:
        if is_renamed:
            return self._renamed().text()
        source = f"topic: U, base_view: {self.over}" if self.has_topic else f"base_view: {self.over}"
        fields = ", ".join(f'"{name}": {column}' for name, column in self.columns)
        found = [source, f"fields: {{{fields}}}", 'calculations: {twice: {sql: "n * 2"}}']
        found += [
            f"filters: {{{', '.join(f'{name}: {rule}' for name, rule in self.filters.items())}}}".replace(
                "None", "null"
            )
        ]
        if self.sorts:
            found.append(
                f"sorts: [{', '.join(f'{{field: {name}, desc: {desc}}}'.lower() for name, desc in self.sorts)}]"
            )
        if self.limit is not None:
            found.append(f"limit: {self.limit}")
        if self.bind:
            found.append(f"bind: {{{', '.join(f'{inner}: {outer}' for inner, outer in self.bind.items())}}}")
        if self.binds_all:
            found.append("bind_all_filters: true")
        times = "" if self.is_grouped else QUERY_TIMES
        return f"query: {{{', '.join(found)}}}\n{QUERY_VIEW.rstrip()}{times.rstrip()}{QUERY_MEASURES}"

    def _renamed(self) -> "QueryView":
        """Return the view with its query's fields under their other names."""
        return replace(
            self,
            columns=tuple((other_name(name), column) for name, column in self.columns),
            filters=conditions_renamed(self.filters),
            sorts=tuple((other_name(name), desc) for name, desc in self.sorts),
            bind={other_name(inner): other_name(outer) for inner, outer in self.bind.items()},
        )


@dataclass(frozen=True)
class Rollup:
    """The view r: a table that holds v0 grouped by some of its dimensions, with some of its measures.

    ``claim`` is a field that no rollup can hold and that the model is said to have there, past its reader: in a column
    of values that nobody should ever see.
    """

    dimensions: tuple[str, ...]
    measures: tuple[str, ...]
    claim: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        return (*self.dimensions, *self.measures)

    def text(self) -> str:
        columns = ", ".join(f"{rollup_column(name)}: {{}}" for name in self.fields)
        fields = ", ".join(f'"v0.{name}"' for name in self.fields)
        return (
            f"schema: omni_worlds\ntable_name: tr\ndimensions: {{{columns}}}\n"
            f"materialized_query: {{base_view: v0, fields: [{fields}]}}\n"
        )


def rollup_column(field_name: str) -> str:
    """Return the column of a rollup's table that holds a field."""
    return "held_" + field_name.replace("[", "_").removesuffix("]")


@dataclass(frozen=True)
class Person:
    """Values of ``s`` that each view's row policy lets through, those of the topics' own, masked and forbidden fields."""

    rows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    topics: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    masked: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    max_rows: int = 50_000


@dataclass(frozen=True, eq=False)
class World:
    """All of it; equal to itself alone, so that answers can be kept by it.

    ``renamed`` says where fields stand under their other names: see :mod:`tests.reference.naming`.
    ``second`` is the base view of U; ``always`` a state that T never shows; ``topic`` and ``moved`` are for parts of an
    answer: the topic that is asked, and of the earlier part of a comparison the day that comes so much later than it is.
    """

    edges: tuple[Edge, ...]
    tables: Mapping[str, tuple[Row, ...]]
    person: Person
    always: str | None
    question: Mapping[str, Any]
    query_view: QueryView | None = None
    rollup: Rollup | None = None
    renamed: frozenset[str] = frozenset()
    second: str = "v0"
    joins_all_topics: bool = False
    topic: str = "T"
    moved: tuple[str, str] | None = None
    worked_out: frozenset[str] = frozenset()
    """tables whose columns count as worked out when they are read; "r" is the rollup's"""

    @property
    def views(self) -> tuple[str, ...]:
        return ("v0", *(edge.child for edge in self.edges))

    @property
    def base(self) -> str:
        return {"T": "v0", "U": self.second}.get(self.topic, self.topic)

    @property
    def joins(self) -> tuple[Edge, ...]:
        """The joins of the topic that is asked in the order in which its tree names them, which outer joins depend on."""
        return tuple(self._below(self.base)) if self.topic in ("T", "U") else ()

    def _below(self, parent: str) -> Iterator[Edge]:
        for edge in self.edges:
            if edge.parent == parent and (self.topic == "T" or edge.child != "q"):
                yield edge
                yield from self._below(edge.child)

    def files(self) -> dict[str, str]:
        """Return the model in the format."""
        is_renamed = "model" in self.renamed
        view = model_renamed(VIEW) if is_renamed else VIEW
        found = {f"{name}.view": view.replace("@", name) for name in self.views if name != "q"}
        if self.query_view is not None:
            found["q.query.view"] = self.query_view.text(is_renamed=is_renamed)
        if self.rollup is not None:
            found["r.view"] = self.rollup.text()
        found["relationships"] = "".join(edge.text() for edge in self.edges) or "[]"
        state = "v0.state" if is_renamed else "v0.s"
        always = f"always_where_filters: {{{state}: {{not: {self.always}}}}}\n" if self.always else ""
        found["T.topic"] = f"base_view: v0\njoins: {self._tree('v0', 'T')}\n{always}"
        found["U.topic"] = f"base_view: {self.second}\njoins: {self._tree(self.second, 'U')}\n"
        shared = (composite_renamed(COMPOSITE) if is_renamed else COMPOSITE).replace("@", self.second)
        found["C.composite_topic"] = shared
        found["C.composite_topic"] += f"always_join_all_topics: {self.joins_all_topics}\n".lower()
        found["model"] = MODEL
        if "v1" in self.views:
            found["v0.view"] += ACROSS
        return found

    def reached(self, topic: str) -> tuple[str, ...]:
        """Return the views of a topic."""
        own = replace(self, topic=topic)
        return (own.base, *(edge.child for edge in own.joins))

    def _tree(self, parent: str, topic: str) -> str:
        below = [e for e in self.edges if e.parent == parent and (topic == "T" or e.child != "q")]
        return "{" + ", ".join(f"{edge.child}: {self._tree(edge.child, topic)}" for edge in below) + "}"
