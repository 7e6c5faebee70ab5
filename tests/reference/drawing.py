"""Random worlds, rows and people."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from tests.reference.drawn_conditions import DAYS, MOMENTS, STATES
from tests.reference.fields import MASKS, Row
from tests.reference.questions import composite_questions, questions
from tests.reference.worlds import NAMES, Edge, Person, QueryView, World

KINDS = ("many_to_one", "one_to_many", "one_to_one")
MOST = (50_000, 50_000, 50_000, 2)
GROUPED = (("fk", "id"), ("count", "fk"), ("total", "n"), ("names", "s"))
SINGLE = (("id", "id"), ("fk", "fk"), ("s", "s"), ("n", "n"), ("d[month]", "d"), ("m", "m"))


@st.composite
def worlds(
    draw: st.DrawFn,
    join_types: tuple[str, ...] = ("always_left", "inner"),
    *,
    composite: bool = False,
    with_query_views: bool = True,
) -> World:
    """Draw a world with a question to the topic T, or to the composite C."""
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
    second = draw(st.sampled_from(views))
    query_view = draw(query_views(views, second)) if with_query_views and draw(st.integers(0, 2)) == 0 else None
    if query_view is not None:
        edges += (
            Edge(draw(st.sampled_from(views)), "q", draw(st.sampled_from(KINDS)), draw(st.sampled_from(join_types))),
        )
    person = draw(people((*views, "q") if query_view is not None else views))
    is_grouped = query_view is not None and query_view.is_grouped
    if query_view is not None and (is_grouped or f"{query_view.over}.s" in person.masked):
        person = without_rules_on_q(person)  # the model, or the compiler, refuses them
    if composite:
        question: Mapping[str, Any] = draw(composite_questions(views, edges, second))
    else:
        question = draw(questions((*views, "q") if query_view is not None else views, has_dates=not is_grouped))
    if query_view is not None and not composite:
        query_view, question = draw(bound(query_view, dict(question)))
    return World(
        edges, tables, person, draw(st.sampled_from((None, None, "cab"))), question, query_view, second,
        joins_all_topics=draw(st.booleans()),
    )  # fmt: skip


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
    if draw(st.booleans()):
        filters[f"{over}.n"] = draw(st.sampled_from(({"greater_than": 0}, {"less_than_or_equal_to": 5})))
    if not draw(st.booleans()):
        return QueryView(over, has_topic, columns, filters)
    by = draw(st.sampled_from([name for name, column in columns if column in ("n", "fk")]))
    sorts = draw(st.sampled_from(((), ((by, True),), ((by, False),))))
    return QueryView(over, has_topic, columns, filters, sorts, draw(st.integers(1, 3)))


@st.composite
def bound(draw: st.DrawFn, view: QueryView, question: dict[str, Any]) -> tuple[QueryView, dict[str, Any]]:
    """Let the view's query take over filters of the question, in some cases, and let the question show it."""
    if "compare" in question or not draw(st.booleans()):
        return view, question
    outer = f"{view.over}.s" if draw(st.booleans()) else "v0.s"
    filters = {outer: {"not": draw(st.sampled_from(STATES))}, **question["filters"]}
    shown = list(dict.fromkeys((*question["fields"], draw(st.sampled_from(("q.total", "q.id", "q.s"))))))
    question = {**question, "filters": filters, "fields": shown}
    if draw(st.booleans()):
        return replace(view, bind={f"{view.over}.s": outer}), question
    return replace(view, binds_all=True), question


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    size = draw(st.sampled_from((6, 5, 4, 6, 5, 4, 3, 2, 1, 0)))
    return [
        {
            "id": place + 1,
            "fk": draw(st.sampled_from((1, 2, 3, 1, 2, 4, 7, None))),
            "s": draw(st.sampled_from((*STATES, *STATES, None))),
            "n": draw(st.sampled_from((*range(-3, 10), None, None))),
            "d": draw(st.sampled_from((*DAYS, None))),
            "m": draw(st.sampled_from((*MOMENTS, None))),
        }
        for place in range(size)
    ]


@st.composite
def people(draw: st.DrawFn, views: tuple[str, ...]) -> Person:
    values = st.sampled_from((("a", "b"), ("a", "cab"), ("b",), ("cab", "b"), ()))
    ruled = draw(st.lists(st.sampled_from(views), max_size=2, unique=True)) if draw(st.booleans()) else []
    topic = draw(st.one_of(st.none(), st.none(), st.tuples(st.sampled_from(views), values)))
    masks = st.tuples(st.sampled_from(views), st.sampled_from(("s", "s", *MASKS)))
    masked = draw(st.lists(masks.filter(lambda item: item[0] != "q" or item[1] == "s"), max_size=2))
    forbidden = (
        draw(st.lists(st.tuples(st.sampled_from(views), st.sampled_from(("fk", "mean"))), max_size=1))
        if draw(st.booleans())
        else []
    )
    return Person(
        {view: draw(values) for view in ruled}, {} if topic is None else {"T": topic},
        frozenset(f"{view}.{name}" for view, name in masked), frozenset(f"{view}.{name}" for view, name in forbidden),
        draw(st.sampled_from(MOST)),
    )  # fmt: skip
