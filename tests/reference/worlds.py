"""Random worlds: a model in the format with tables under it, people, and questions; each thing twice, as text and as Python.

Every table has the same columns (id, fk, s, n, d), so that a database needs only new rows for a new world.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from hypothesis import strategies as st

Row = dict[str, Any]
STATES = ("a", "b", "c")
NAMES = ("v0", "v1", "v2", "v3")
KINDS = ("many_to_one", "one_to_many", "one_to_one")
DAYS = tuple(date.fromisoformat(text) for text in ("2023-12-31", "2024-01-01", "2024-02-29", "2024-03-15"))


@dataclass(frozen=True)
class Edge:
    """A join of the topic; ``kind`` as seen from the parent."""

    parent: str
    child: str
    kind: str
    join_type: str

    def matches(self, parent: Row, child: Row) -> bool:
        left = parent["fk"] if self.kind == "many_to_one" else parent["id"]
        right = child["fk"] if self.kind == "one_to_many" else child["id"]
        return left is not None and right is not None and left == right


@dataclass(frozen=True)
class Person:
    """Values of ``s`` that each view's row policy lets through, those of the topic's own, masked and forbidden fields."""

    rows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    topic: tuple[str, tuple[str, ...]] | None = None
    masked: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()


@dataclass(frozen=True)
class World:
    edges: tuple[Edge, ...]
    tables: Mapping[str, tuple[Row, ...]]
    person: Person
    always: str | None
    question: Mapping[str, Any]

    @property
    def views(self) -> tuple[str, ...]:
        return ("v0", *(edge.child for edge in self.edges))

    @property
    def joins(self) -> tuple[Edge, ...]:
        """The edges in the order in which the topic's tree names them, which outer joins depend on."""
        return tuple(self._below("v0"))

    def _below(self, parent: str) -> Iterator[Edge]:
        for edge in self.edges:
            if edge.parent == parent:
                yield edge
                yield from self._below(edge.child)

    def files(self) -> dict[str, str]:
        """Return the model in the format."""
        found = {f"{name}.view": VIEW.replace("@", name) for name in self.views}
        on = {
            "many_to_one": "${%s.fk} = ${%s.id}",
            "one_to_many": "${%s.id} = ${%s.fk}",
            "one_to_one": "${%s.id} = ${%s.id}",
        }
        found["relationships"] = (
            "".join(
                f"- {{join_from_view: {e.parent}, join_to_view: {e.child}, relationship_type: {e.kind}, "
                f'join_type: {e.join_type}, on_sql: "{on[e.kind] % (e.parent, e.child)}"}}\n'
                for e in self.edges
            )
            or "[]"
        )
        always = f"always_where_filters: {{v0.s: {{not: {self.always}}}}}\n" if self.always else ""
        found["T.topic"] = f"base_view: v0\njoins: {self._tree('v0')}\n{always}"
        return found

    def _tree(self, parent: str) -> str:
        inner = ", ".join(f"{e.child}: {self._tree(e.child)}" for e in self.edges if e.parent == parent)
        return "{" + inner + "}"


VIEW = """
schema: omni_worlds
table_name: t@
dimensions:
  id: {primary_key: true}
  fk: {}
  s: {}
  n: {sql: CAST(n AS INT)}
  d: {sql: CAST(d AS DATE), timeframes: [raw, date, month, year, quarter]}
  plus: {sql: "COALESCE(${n}, 0) + 1"}
  band: {sql: "${n}", bin_boundaries: [0, 5]}
  kind: {sql: "${s}", groups: [{filter: {is: [a, b]}, name: known}], else: other}
measures:
  count: {aggregate_type: count}
  total: {aggregate_type: sum, sql: "${n}"}
  mean: {aggregate_type: average, sql: "${n}"}
  least: {aggregate_type: min, sql: "${n}"}
  most: {aggregate_type: max, sql: "${n}"}
  states: {aggregate_type: count_distinct, sql: "${s}"}
  filled: {aggregate_type: sum, sql: "COALESCE(${n}, 1)"}
  a_total: {aggregate_type: sum, sql: "${n}", filters: {s: {is: a}}}
  not_a: {aggregate_type: count, filters: {s: {not: a}}}
  ratio: {sql: "${total} * 1.0 / NULLIF(${count}, 0)"}
  written: {sql: "SUM(${n}) + COUNT(DISTINCT ${s})"}
"""
DIMENSIONS: Mapping[str, Callable[[Row], Any]] = {
    "id": lambda row: row["id"],
    "fk": lambda row: row["fk"],
    "s": lambda row: row["s"],
    "n": lambda row: row["n"],
    "d": lambda row: row["d"],
    "d[month]": lambda row: row["d"].replace(day=1) if row["d"] else None,
    "d[year]": lambda row: row["d"].replace(month=1, day=1) if row["d"] else None,
    "plus": lambda row: (row["n"] or 0) + 1,
    "band": lambda row: (
        None if row["n"] is None else "< 0" if row["n"] < 0 else ">= 0 and < 5" if row["n"] < 5 else ">= 5"
    ),
    "kind": lambda row: "known" if row["s"] in ("a", "b") else "other",
}
# On a row that an outer join did not find, every column is missing.
MISSING: Row = {"id": None, "fk": None, "s": None, "n": None, "d": None}
MEASURES = ("count", "total", "mean", "least", "most", "states", "filled", "a_total", "not_a", "ratio", "written")
RESTS_ON_S = frozenset(("s", "kind", "states", "a_total", "not_a", "written"))


@st.composite
def worlds(draw: st.DrawFn, join_types: tuple[str, ...] = ("always_left", "inner")) -> World:
    """Draw a world."""
    count = draw(st.integers(0, 3))
    edges = tuple(
        Edge(
            draw(st.sampled_from(NAMES[: place + 1])), NAMES[place + 1], draw(st.sampled_from(KINDS)),
            draw(st.sampled_from(join_types)),
        )
        for place in range(count)
    )  # fmt: skip
    views = NAMES[: count + 1]
    tables = {name: tuple(draw(rows())) for name in views}
    return World(edges, tables, draw(people(views)), draw(st.sampled_from((None, None, "c"))), draw(questions(views)))


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    size = draw(st.integers(0, 6))
    return [
        {
            "id": place + 1,
            "fk": draw(st.one_of(st.none(), st.integers(1, 7))),
            "s": draw(st.one_of(st.none(), st.sampled_from(STATES))),
            "n": draw(st.one_of(st.none(), st.integers(-3, 9))),
            "d": draw(st.one_of(st.none(), st.sampled_from(DAYS))),
        }
        for place in range(size)
    ]


@st.composite
def people(draw: st.DrawFn, views: tuple[str, ...]) -> Person:
    values = st.lists(st.sampled_from(STATES), max_size=2, unique=True).map(tuple)
    ruled = draw(st.lists(st.sampled_from(views), max_size=2, unique=True))
    topic = draw(st.one_of(st.none(), st.tuples(st.sampled_from(views), values)))
    masked = draw(st.lists(st.sampled_from(views), max_size=1))
    forbidden = draw(st.lists(st.tuples(st.sampled_from(views), st.sampled_from(("fk", "mean"))), max_size=1))
    return Person(
        {view: draw(values) for view in ruled}, topic, frozenset(f"{view}.s" for view in masked),
        frozenset(f"{view}.{name}" for view, name in forbidden),
    )  # fmt: skip


@st.composite
def questions(draw: st.DrawFn, views: tuple[str, ...]) -> dict[str, Any]:
    any_dimension = st.tuples(st.sampled_from(views), st.sampled_from(tuple(DIMENSIONS))).map(".".join)
    any_measure = st.tuples(st.sampled_from(views), st.sampled_from(MEASURES)).map(".".join)
    fields = draw(st.lists(any_dimension, max_size=3, unique=True)) + draw(
        st.lists(any_measure, max_size=4, unique=True)
    )
    fields = fields or ["v0.count"]
    filters: dict[str, Any] = {}
    for name in draw(st.lists(any_dimension, max_size=2, unique=True)):
        filters[name] = draw(conditions(name.partition(".")[2]))
    if draw(st.booleans()) and draw(st.booleans()):
        filters[draw(any_measure)] = draw(st.sampled_from(({"greater_than": 1}, {"not_between": [0, 3]}, {"is": None})))
    return {"dataset": "T", "fields": fields, "filters": filters, "limit": 1000}


@st.composite
def conditions(draw: st.DrawFn, name: str) -> dict[str, Any]:
    if name in ("s", "kind", "band"):
        text = st.sampled_from((*STATES, "known", "< 0"))
        choices = [
            {"is": draw(text)},
            {"not": [draw(text), None]},
            {"contains": "a"},
            {"or": [{"is": None}, {"is": draw(text)}]},
        ]
    elif name.startswith("d"):
        day = draw(st.sampled_from(DAYS)).isoformat()
        choices = [{"before": day}, {"on_or_after": day}, {"not_before": day}, {"is": None}]
    else:
        number = draw(st.integers(-2, 6))
        choices = [{"is": [number, None]}, {"greater_than": number}, {"not_less_than": number}, {"between": [0, number]},
                   {"and": [{"greater_than": 0}, {"not": number}]}]  # fmt: skip
    return draw(st.sampled_from(choices))
