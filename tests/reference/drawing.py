"""Random worlds, rows and people."""

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Any

from hypothesis import strategies as st

from tests.reference.conditions import named
from tests.reference.drawn_conditions import DAYS, MOMENTS, STATES
from tests.reference.evaluator import RefusedError, UncertainError, answer
from tests.reference.fields import CLAIMED, HELD, MASKS, Row, is_dimension
from tests.reference.naming import PLACES
from tests.reference.questions import composite_questions, long_questions, questions, rolled_questions, some
from tests.reference.worlds import NAMES, Edge, Person, QueryView, Rollup, World

KINDS = ("many_to_one", "one_to_many", "one_to_one")
MOST = (50_000, 50_000, 50_000, 2)
SPECIAL = ("", "", "", "", "query view", "query view", "query view", "rollup", "rollup", "rollup", "long table")
LONG = 230
"""rows: more than a cross table has columns"""
GROUPED = (("fk", "id"), ("count", "fk"), ("total", "n"), ("names", "s"))
VALUES: Mapping[str, tuple[Any, ...]] = {
    "fk": (1, 2, 3, 1, 2, 4, 7, None), "s": (*STATES, *STATES, None), "n": (*range(-3, 10), None, None),
    "d": (*DAYS, None), "m": (*MOMENTS, *MOMENTS[-2:], None),
}  # fmt: skip
"""of the tables' columns"""
SINGLE = (("id", "id"), ("fk", "fk"), ("s", "s"), ("n", "n"), ("d[month]", "d"), ("m", "m"))


def worlds(
    join_types: tuple[str, ...] = ("always_left", "inner"),
    *,
    composite: bool = False,
    with_query_views: bool = True,
) -> st.SearchStrategy[World]:
    """Draw a world with a question to the topic T, or to the composite C."""
    drawn = single_worlds(join_types, composite=composite, with_query_views=with_query_views)
    # Of each case, Hypothesis tries five more in which one part of it is copied over another: worlds much like the one
    # before. Inside of collections of different values it leaves that.
    return st.lists(drawn, min_size=1, max_size=1, unique=True).map(lambda found: found[0])


@st.composite
def single_worlds(draw: st.DrawFn, join_types: tuple[str, ...], *, composite: bool, with_query_views: bool) -> World:
    special = draw(st.sampled_from(SPECIAL))
    if special == "rollup":
        join_types = (*join_types[:1] * 4, *join_types)  # others set rollups aside
    count = draw(st.sampled_from({"long table": (0, 1), "rollup": (0, 0, 1, 2)}.get(special, (0, 1, 2, 3))))
    edges = tuple(
        Edge(
            draw(st.sampled_from(NAMES[: place + 1])), NAMES[place + 1], draw(st.sampled_from(KINDS)),
            draw(st.sampled_from(join_types)),
        )
        for place in range(count)
    )  # fmt: skip
    views = NAMES[: count + 1]
    tables = {name: tuple(draw(rows())) for name in views}
    if special == "long table":
        tables["v0"] = repeated(tables["v0"])
    rollup = draw(rollups(views)) if special == "rollup" else None
    second = draw(st.sampled_from(views))
    query_view = draw(query_views(views, second)) if with_query_views and special == "query view" else None
    if query_view is not None:
        edges += (
            Edge(draw(st.sampled_from(views)), "q", draw(st.sampled_from(KINDS)), draw(st.sampled_from(join_types))),
        )
    person = draw(people((*views, "q") if query_view is not None else views, below(second, edges)))
    if rollup is not None and draw(st.integers(0, 4)):
        held = frozenset(f"v0.{name}" for name in rollup.dimensions if name != "s")
        person = replace(person, masked=frozenset(name for name in person.masked if name[:3] != "v0." or name in held))
        rollup, masked = draw(told(rollup, person.masked))
        person = replace(person, masked=masked)
    if special == "long table" and draw(st.booleans()):
        # Few rights leave few columns.
        person = Person(masked=person.masked)
    is_grouped = query_view is not None and query_view.is_grouped
    if query_view is not None and (is_grouped or f"{query_view.over}.s" in person.masked):
        person = without_rules_on_q(person)  # the model, or the compiler, refuses them
    if composite:
        question: Mapping[str, Any] = draw(composite_questions(views, edges, second))
    elif special == "long table":
        question = draw(long_questions())
    elif rollup is not None:
        question = draw(rolled_questions(views, rollup))
    else:
        own = (*views, "q") if query_view is not None else views
        question = draw(questions(own, person.masked, has_dates=not is_grouped))
    always = draw(st.sampled_from((None, None, "cab")))
    if query_view is not None and not composite:
        query_view, question = draw(bound(query_view, dict(question)))
        if (query_view.bind or query_view.binds_all) and draw(st.integers(0, 3)):
            # Without rows, and under a cut, it is all the same what was taken over.
            person, question, always = Person(), {**question, "limit": 1000}, None
    renamed = draw(names(question, query_view)) if rollup is None else frozenset()
    world = World(
        edges, tables, person, always, question, query_view, rollup, renamed, second, joins_all_topics=draw(st.booleans()),
        worked_out=draw(st.one_of(st.just(frozenset()), st.frozensets(st.sampled_from((*NAMES, "r"))))),
    )  # fmt: skip
    return fuller(world, keeps_rules=draw(st.booleans())) if draw(st.sampled_from((True, True, True, False))) else world


def fuller(world: World, *, keeps_rules: bool) -> World:
    """Return the world without what hides all of its rows: an answer of nothing is the same whatever is wrong."""
    question = world.question
    on_rows = {name: rule for name, rule in question["filters"].items() if "." in name and is_dimension(name)}
    others = {name: {"not": rule} for name, rule in on_rows.items()}
    filters: tuple[dict[str, Any], ...] = tuple(
        {"question": {**question, "filters": kept}} for kept in (on_rows, others, {})
    )
    rules: dict[str, Any] = {"person": replace(world.person, rows={}, topics={}), "always": None}
    for step in (*filters, rules) if keeps_rules else (rules, *filters):
        if shows(world):
            break
        world = replace(world, **step)
    return world


def shows(world: World) -> bool:
    """Say whether an answer has anything in it, or is refused."""
    try:
        return any(value not in (None, 0) for row in answer(world).rows for value in row)
    except (RefusedError, UncertainError):
        return True


@st.composite
def names(draw: st.DrawFn, question: Mapping[str, Any], query_view: QueryView | None) -> frozenset[str]:
    """Draw where fields stand under their other names; a rollup knows none of them."""
    is_framed = any(name.partition(".")[2].startswith("m[") for name in named(question["filters"]))
    # What is taken over, compared by, shared or cut to a timeframe is known by both.
    is_frequent = is_framed or "compare" in question or question["dataset"] == "C"
    rarity = 1 if is_frequent or (query_view is not None and query_view.bind) else 3
    return frozenset(place for place in PLACES if draw(st.integers(0, rarity)) == 0)


def below(base: str, edges: tuple[Edge, ...]) -> tuple[str, ...]:
    """Return the views of the topic U: its base and what is joined below that, without q."""
    found = [base]
    for edge in edges:
        if edge.parent in found and edge.child != "q":
            found.append(edge.child)
    return tuple(found)


def repeated(rows_: tuple[Row, ...]) -> tuple[Row, ...]:
    """Return a long table of the same rows over and over, each with a key of its own."""
    return tuple({**rows_[place % len(rows_)], "id": place + 1} for place in range(LONG)) if rows_ else ()


@st.composite
def rollups(draw: st.DrawFn, views: tuple[str, ...]) -> Rollup:
    """Draw what a rollup of v0 holds."""
    names = st.sampled_from([name for name in HELD if is_dimension(f"v0.{name}")])
    held = st.sampled_from([name for name in HELD if not is_dimension(f"v0.{name}")])
    cut = draw(some(st.sampled_from(("m[month]", "m[date]", "d[month]", "d[year]")), (0, 1, 1)))
    dimensions, measures = [*cut, *draw(some(names, (1, 2, 4)))], draw(some(held, (2, 3, 4)))
    # Policies and the topic's own filter are on s.
    claims = CLAIMED if "v1" in views else CLAIMED[:1]
    claim = draw(st.sampled_from(("", "", *claims)))
    return Rollup(tuple(dict.fromkeys(("s", *dimensions))), tuple(measures), claim)


@st.composite
def told(draw: st.DrawFn, rollup: Rollup, masked: frozenset[str]) -> tuple[Rollup, frozenset[str]]:
    """Let a rollup hold, in some cases, what was made of values that someone sees masked only, beside the mask's field."""
    field, dimensions, measures = draw(
        st.sampled_from((("", (), ()), ("", (), ()), ("tail", ("tail", "knot"), ()), ("gone", ("gone",), ("last",))))
    )
    rollup = replace(
        rollup, dimensions=tuple(dict.fromkeys((*rollup.dimensions, *dimensions))),
        measures=tuple(dict.fromkeys((*rollup.measures, *measures))),
    )  # fmt: skip
    return rollup, masked | {f"v0.{field}"} if field else masked


def without_rules_on_q(person: Person) -> Person:
    """Return the person without row policies on the query view."""
    rows = {view: values for view, values in person.rows.items() if view != "q"}
    return replace(person, rows=rows, topics={name: rule for name, rule in person.topics.items() if rule[0] != "q"})


@st.composite
def query_views(draw: st.DrawFn, views: tuple[str, ...], second: str) -> QueryView:
    """Draw a view that reads a query; its key is there and single, as the model says of it."""
    has_topic = draw(st.booleans())
    over = second if has_topic else draw(st.sampled_from(views))
    columns = tuple((f"{over}.{name}", column) for name, column in draw(st.sampled_from((GROUPED, SINGLE))))
    filters = {columns[0][0]: {"not": None}}
    if draw(st.integers(0, 2)) == 0:
        filters[f"{over}.n"] = draw(st.sampled_from(({"greater_than": 0}, {"less_than_or_equal_to": 5})))
    if draw(st.integers(0, 2)) == 0:
        return QueryView(over, has_topic, columns, filters)
    by = draw(st.sampled_from([name for name, column in columns if column in ("n", "fk")]))
    sorts = draw(st.sampled_from(((), ((by, True),), ((by, False),))))
    return QueryView(over, has_topic, columns, filters, sorts, draw(st.integers(1, 3)))


@st.composite
def bound(draw: st.DrawFn, view: QueryView, question: dict[str, Any]) -> tuple[QueryView, dict[str, Any]]:
    """Let the question show little but the view, in some cases, and the view's query take over filters of it."""
    if draw(st.booleans()):
        kept = [name for name in question["fields"] if name.startswith("q.")][:2]
        shown = list(dict.fromkeys((*kept, draw(st.sampled_from(("q.id", "q.s", "q.n"))), "q.total")))
        question = {key: question[key] for key in ("dataset", "limit", "timezone")} | {"fields": shown, "filters": {}}
    if "compare" in question or draw(st.sampled_from((False, False, False, True))):
        return view, question
    outer = f"{view.over}.s" if draw(st.booleans()) else "v0.s"
    rule = draw(st.sampled_from(("not", "not", "is")))
    # Many conditions leave no rows, which are the same whatever is taken over.
    filters = {outer: {rule: draw(st.sampled_from(STATES))}}
    question = {**question, "filters": filters | (question["filters"] if draw(st.integers(0, 2)) == 0 else {})}
    if draw(st.sampled_from((True, True, False))):
        return replace(view, bind={f"{view.over}.s": outer}), question
    return replace(view, binds_all=True), question


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    size = draw(st.sampled_from((6, 5, 4, 6, 5, 4, 3, 2, 1, 0)))
    found: list[Row] = []
    for place in range(size):
        # One number for a whole row: drawing is most of what a world costs.
        number = draw(st.integers(0, prod(map(len, VALUES.values())) - 1))
        row: Row = {"id": place + 1}
        for name, values in VALUES.items():
            number, index = divmod(number, len(values))
            row[name] = values[index]
        found.append(row)
    return found


@st.composite
def people(draw: st.DrawFn, views: tuple[str, ...], others: tuple[str, ...]) -> Person:
    """Draw a person's rights on the views of T, and what the topics T and U, which has ``others``, say themselves."""
    values = st.sampled_from((("a", "b"), ("a", "cab"), ("b",), ("cab", "b"), ()))
    ruled = draw(st.lists(st.sampled_from(views), max_size=2, unique=True)) if draw(st.booleans()) else []
    topics = {
        name: (draw(st.sampled_from(own)), draw(values))
        for name, own in (("T", views), ("U", others))
        if draw(st.integers(0, 2)) == 0
    }
    masks = st.tuples(st.sampled_from(views), st.sampled_from(("s", "s", *MASKS)))
    masked = draw(st.lists(masks.filter(lambda item: item[0] != "q" or item[1] == "s"), max_size=2))
    forbidden = (
        draw(st.lists(st.tuples(st.sampled_from(views), st.sampled_from(("fk", "mean"))), max_size=1))
        if draw(st.booleans())
        else []
    )
    return Person(
        {view: draw(values) for view in ruled}, topics,
        frozenset(f"{view}.{name}" for view, name in masked), frozenset(f"{view}.{name}" for view, name in forbidden),
        draw(st.sampled_from(MOST)),
    )  # fmt: skip
