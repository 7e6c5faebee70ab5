"""Random worlds: a model in the format with tables under it, people, and questions; each thing twice, as text and as Python.

Every table has the same columns (id, fk, s, n, d, m), so that a database needs only new rows for a new world.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

Row = dict[str, Any]
STATES = ("a", "b", "cab")
NAMES = ("v0", "v1", "v2", "v3")
KINDS = ("many_to_one", "one_to_many", "one_to_one")
ZONES = ("UTC", "UTC", "Europe/Oslo", "America/New_York", "Asia/Kolkata")
# Close to the ends of days, months and years, and around the nights in which clocks are changed.
MOMENTS = tuple(
    datetime.fromisoformat(text)
    for text in ("2023-12-31 23:30:00", "2024-01-01 04:59:59", "2024-03-31 00:59:00", "2024-03-31 22:00:00", "2024-06-15 12:00:00",
                 "2024-11-03 06:30:00")
)  # fmt: skip
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


@dataclass(frozen=True, eq=False)
class World:
    """A model, its rows, a person and a question; equal to itself alone, so that answers can be kept by it."""

    edges: tuple[Edge, ...]
    tables: Mapping[str, tuple[Row, ...]]
    person: Person
    always: str | None
    question: Mapping[str, Any]
    moved: tuple[str, str] | None = None
    """of the earlier part of a comparison: the day that comes so much later than it is"""

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
        found["model"] = MODEL
        if self.edges:
            found["v0.view"] += ACROSS
        return found

    def _tree(self, parent: str) -> str:
        inner = ", ".join(f"{e.child}: {self._tree(e.child)}" for e in self.edges if e.parent == parent)
        return "{" + inner + "}"


MODEL = """
week_start_day: Saturday
fiscal_month_offset: 2
access_grants: {sees: {user_attribute: sees, allowed_values: ["yes"]}}
"""
VIEW = """
schema: omni_worlds
table_name: t@
dimensions:
  id: {primary_key: true}
  fk: {}
  s: {mask_unless_access_grants: [sees]}
  n: {sql: CAST(n AS INT)}
  d: {sql: CAST(d AS DATE), timeframes: [raw, date, month, year, quarter]}
  m: {timeframes: [raw, date, week, month, quarter, year, hour_of_day, day_of_week_num, day_of_month, day_of_quarter,
                   day_of_year, month_num, month_name, quarter_of_year, fiscal_year, fiscal_quarter]}
  plus: {sql: "COALESCE(${n}, 0) + 1"}
  band: {sql: "${n}", bin_boundaries: [0, 5]}
  kind: {sql: "${s}", groups: [{filter: {is: [a, b]}, name: known}], else: other}
  tail: {sql: s, mask_unless_access_grants: [sees], mask: {keep_last: 1}}
  gone: {sql: s, mask_unless_access_grants: [sees], mask: redact}
  void: {sql: s, mask_unless_access_grants: [sees], mask: "null"}
  rough: {sql: CAST(n AS INT), mask_unless_access_grants: [sees], mask: {bucket: 4}}
  period: {sql: CAST(d AS DATE), mask_unless_access_grants: [sees], mask: {truncate_date: quarter}}
  own: {sql: "${n}", level_of_detail: {aggregate_type: sum, fixed: [@.s]}}
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
  names: {aggregate_type: list, sql: "${s}"}
  middle: {aggregate_type: median, sql: "${n}"}
  upper: {aggregate_type: percentile, percentile: 75, sql: "${n}"}
  per_s: {aggregate_type: average, sql: "${n}", level_of_detail: {aggregate_type: sum, fixed: [@.s]}}
"""
ACROSS = """
  far: {aggregate_type: sum, sql: "${n}", filters: {v1.s: {is: a}}}
  both: {aggregate_type: sum, sql: "${n} + ${v1.n}"}
"""
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")  # fmt: skip
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
    "tail": lambda row: row["s"], "gone": lambda row: row["s"], "void": lambda row: row["s"],
    "rough": lambda row: row["n"], "period": lambda row: row["d"],
}  # fmt: skip
# Of a moment as the reader's clock shows it.
FRAMES: Mapping[str, Callable[[datetime], Any]] = {
    "date": lambda at: at.date(),
    "week": lambda at: at.date() - timedelta(days=(at.weekday() - 5) % 7),
    "month": lambda at: at.date().replace(day=1),
    "quarter": lambda at: date(at.year, (at.month - 1) // 3 * 3 + 1, 1),
    "year": lambda at: date(at.year, 1, 1),
    "hour_of_day": lambda at: at.hour,
    "day_of_week_num": lambda at: (at.weekday() - 5) % 7 + 1,
    "day_of_month": lambda at: at.day,
    "day_of_quarter": lambda at: (at.date() - date(at.year, (at.month - 1) // 3 * 3 + 1, 1)).days + 1,
    "day_of_year": lambda at: at.timetuple().tm_yday,
    "month_num": lambda at: at.month,
    "month_name": lambda at: MONTHS[at.month - 1],
    "quarter_of_year": lambda at: (at.month - 1) // 3 + 1,
    "fiscal_year": lambda at: at.year if at.month > 2 else at.year - 1,
    "fiscal_quarter": lambda at: (
        date(at.year - 1, 12, 1) if at.month < 3 else date(at.year, (at.month - 3) // 3 * 3 + 3, 1)
    ),
}
TIMES = ("m", *(f"m[{frame}]" for frame in FRAMES))
MASKS: Mapping[str, Callable[[Any], Any]] = {
    "tail": lambda text: "*" * (len(text) - 1) + text[-1:] if len(text) > 1 else "*" * len(text),
    "gone": lambda text: "•••",
    "void": lambda text: None,
    "rough": lambda number: number // 4 * 4,
    "period": lambda day: date(day.year, (day.month - 1) // 3 * 3 + 1, 1),
}
# On a row that an outer join did not find, every column is missing.
MISSING: Row = {"id": None, "fk": None, "s": None, "n": None, "d": None, "m": None}
MEASURES = ("count", "total", "mean", "least", "most", "states", "filled", "a_total", "not_a", "ratio", "written", "names",
            "middle", "upper", "per_s")  # fmt: skip
RESTS_ON_S = frozenset(("s", "kind", "states", "a_total", "not_a", "written", "names", "own", "per_s"))
DETAILS = ("own", "per_s")


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
    return World(edges, tables, draw(people(views)), draw(st.sampled_from((None, None, "cab"))), draw(questions(views)))


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
            "m": draw(st.one_of(st.none(), st.sampled_from(MOMENTS))),
        }
        for place in range(size)
    ]


@st.composite
def people(draw: st.DrawFn, views: tuple[str, ...]) -> Person:
    values = st.lists(st.sampled_from(STATES), max_size=2, unique=True).map(tuple)
    ruled = draw(st.lists(st.sampled_from(views), max_size=2, unique=True))
    topic = draw(st.one_of(st.none(), st.tuples(st.sampled_from(views), values)))
    masked = draw(st.lists(st.tuples(st.sampled_from(views), st.sampled_from(("s", "s", *MASKS))), max_size=2))
    forbidden = draw(st.lists(st.tuples(st.sampled_from(views), st.sampled_from(("fk", "mean"))), max_size=1))
    return Person(
        {view: draw(values) for view in ruled}, topic, frozenset(f"{view}.{name}" for view, name in masked),
        frozenset(f"{view}.{name}" for view, name in forbidden),
    )  # fmt: skip


@st.composite
def questions(draw: st.DrawFn, views: tuple[str, ...]) -> dict[str, Any]:
    plain = st.sampled_from((*DIMENSIONS, *DIMENSIONS, *TIMES, "own"))
    any_dimension = st.tuples(st.sampled_from(views), plain).map(".".join)
    any_measure = st.tuples(st.sampled_from(views), st.sampled_from(MEASURES)).map(".".join)
    if len(views) > 1:
        any_measure |= st.sampled_from(("v0.far", "v0.both"))
    fields = draw(st.lists(any_dimension, max_size=3, unique=True)) + draw(
        st.lists(any_measure, max_size=4, unique=True)
    )
    fields = fields or ["v0.count"]
    filters: dict[str, Any] = {}
    for name in draw(st.lists(any_dimension, max_size=2, unique=True)):
        filters[name] = draw(conditions(name.partition(".")[2]))
    if draw(st.booleans()) and draw(st.booleans()):
        filters[draw(any_measure.filter(lambda name: not name.endswith("names")))] = draw(
            st.sampled_from(({"greater_than": 1}, {"not_between": [0, 3]}, {"is": None}))
        )
    if draw(st.integers(0, 3)) == 0:
        filters |= draw(combinations(any_dimension))
    question = {
        "dataset": "T",
        "fields": fields,
        "filters": filters,
        "limit": 1000,
        "timezone": draw(st.sampled_from(ZONES)),
    }
    return question | draw(extras(fields, any_measure))


@st.composite
def combinations(draw: st.DrawFn, any_dimension: st.SearchStrategy[str]) -> dict[str, Any]:
    """Draw conditions on several fields under ``and``, ``or`` and ``not``."""

    def single() -> dict[str, Any]:
        name = draw(any_dimension)
        return {name: draw(conditions(name.partition(".")[2]))}

    found = draw(st.sampled_from(("or", "and", "not", "nested")))
    if found == "not":
        return {"not": single()}
    if found == "nested":
        return {"or": [single() | single(), {"not": {"and": [single(), single()]}}]}
    return {found: [single(), single()]}


@st.composite
def extras(draw: st.DrawFn, fields: list[str], any_measure: st.SearchStrategy[str]) -> dict[str, Any]:
    """Draw the top values of a dimension with or without the rest, a comparison with an earlier time, or nothing."""
    chosen = draw(st.integers(0, 5))
    ranked = [name for name in fields if name.partition(".")[2] in ("s", "n", "fk", "d[month]", "rough", "tail")]
    if chosen == 0 and ranked:
        top = {"field": draw(st.sampled_from(ranked)), "n": draw(st.integers(1, 3)), "desc": draw(st.booleans())}
        by = draw(any_measure.filter(lambda name: not name.endswith("names")))
        return {"top": top | {"by": by, "others": draw(st.sampled_from(("Other", None)))}}
    if chosen == 1 and not any(name.endswith(DETAILS) for name in fields):
        unit = draw(st.sampled_from(("1 month", "1 year", "31 days", "2 quarters")))
        return {"compare": {"field": draw(st.sampled_from(("v0.d", "v0.d[month]"))).partition("[")[0], "offset": unit}}
    return {}


@st.composite
def conditions(draw: st.DrawFn, name: str) -> dict[str, Any]:
    if name in ("s", "kind", "band", "tail", "gone", "void"):
        text = st.sampled_from((*STATES, "known", "< 0", "**b", "•••"))
        choices = [
            {"is": draw(text)}, {"not": [draw(text), None]}, {"contains": "a"}, {"not_contains": ["a", "k"]},
            {"or": [{"is": None}, {"is": draw(text)}]}, {"starts_with": "c"}, {"not_ends_with": "b"}, {"sql_like": "_a%"},
            {"is": draw(text).upper(), "case_insensitive": True}, {"not": {"contains": "b", "starts_with": "c"}},
        ]  # fmt: skip
    elif name == "m" or name.startswith("d") or name == "period":
        choices = draw(dated(is_moment=name == "m"))
    elif name.startswith("m"):
        return draw(framed(name))
    else:
        number = draw(st.integers(-2, 6))
        choices = [{"is": [number, None]}, {"greater_than": number}, {"not_less_than": number}, {"between": [0, number]},
                   {"and": [{"greater_than": 0}, {"not": number}]}, {"greater_than_or_equal_to": number},
                   {"less_than_or_equal_to": number, "not": 0}, {"not_between": [0, number]}]  # fmt: skip
    return draw(st.sampled_from(choices))


@st.composite
def dated(draw: st.DrawFn, *, is_moment: bool) -> list[dict[str, Any]]:
    """Draw conditions on a day or a moment."""
    day, other = draw(st.sampled_from(DAYS)).isoformat(), draw(st.sampled_from(DAYS)).isoformat()
    found = [{"before": day}, {"on_or_after": day}, {"not_before": day}, {"is": None}, {"is": [day, other]}, {"not": day},
             {"between_dates": [day, other]}, {"time_for_duration": [day, draw(st.sampled_from(("40 days", "1 month", "2 years")))]},
             {"day_of_week": [1, "Sunday"]}, {"month_of_year": ["February", 12]}, {"not_day_of_month": [1, 31]},
             {"quarter_of_year": [1, 4]}, {"day_of_year": [1, 60, 365]}, {"not_day_of_quarter": [1, 2, 60]}]  # fmt: skip
    return [*found, {"hour_of_day": [0, 5, 23]}] if is_moment else found


@st.composite
def framed(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """Draw a condition on a moment cut to a timeframe."""
    value = FRAMES[name[2:-1]](draw(st.sampled_from(MOMENTS)))
    if isinstance(value, date):
        return draw(st.sampled_from(({"before": value.isoformat()}, {"not": value.isoformat()})))
    if isinstance(value, str):
        return {"is": [value, "June"]}
    return draw(st.sampled_from(({"greater_than": value}, {"not": [value, None]})))
