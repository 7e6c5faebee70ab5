"""The answer to a question in plain Python: slow, obvious, and knowing nothing of the compiler."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.reference.conditions import Moment
from tests.reference.evaluator.composites import composite_groups
from tests.reference.evaluator.groups import RefusedError, both, groups, in_groups
from tests.reference.evaluator.pages import (
    CROSS_COLUMNS,
    Page,
    Rows,
    asked_sorts,
    cross_table,
    default_sort,
    in_order,
    reduced,
)
from tests.reference.fields import ACROSS, MISSING, RESTS_ON_S, is_dimension
from tests.reference.worlds import World

__all__ = ["Page", "RefusedError", "UncertainError", "answer", "columns_of", "with_query_view"]


class UncertainError(Exception):
    """The person may not have what the view q reads, and whether the question needs it is the compiler's choice."""


def answer(world: World) -> Page:
    """Return what the person is shown.

    Raises:
        RefusedError: the question names what the person may not have.
        UncertainError: it may be that it does.
    """
    world = replace(world, question=side_by_side(world.question))
    question = world.question
    world = with_query_view(world)
    columns, dimensions = columns_of(question)
    limit = question["limit"] * (CROSS_COLUMNS if question.get("pivots") else 1)
    limit = min(limit, world.person.max_rows)
    rows = ordered(world, columns, dimensions)
    page = Page(rows[:limit], len(rows) > limit)
    measures = [name for name in columns if name not in dimensions]
    if question.get("pivots"):
        cross_table(page, columns, question, [name for name in dimensions if name not in question["pivots"]], measures)
    if measures and question.get("totals"):
        page.totals = total(world, (), dimensions)
    if measures and question.get("subtotals"):
        page.subtotals = total(world, question["subtotals"], dimensions)
    return page


def side_by_side(question: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a question whose conditions that hold in any case are beside one another."""
    found: dict[str, Any] = {}
    for name, rule in question["filters"].items():
        found = both(found, rule if name == "and" else [{name: rule}])
    return {**question, "filters": found}


def columns_of(question: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the columns of an answer, dimensions first, then measures, then their earlier values; and the dimensions."""
    is_composite = question["dataset"] == "C"
    fields = question["fields"]
    dimensions = [name for name in fields if (name.startswith("@_") if is_composite else is_dimension(name))]
    measures = [name for name in fields if name not in dimensions]
    earlier = [f"{name}[previous]" for name in measures] if question.get("compare") else []
    return [*dimensions, *measures, *earlier], dimensions


def ordered(world: World, columns: Sequence[str], dimensions: Sequence[str]) -> Rows:
    if world.question["dataset"] == "C":
        return in_order(composite_groups(world), columns, asked_sorts(world.question), dimensions)
    sorts = asked_sorts(world.question) or [default_sort(columns)]
    return in_order(groups(world), columns, sorts, dimensions)


def total(world: World, kept: Sequence[str], dimensions: Sequence[str]) -> Rows:
    """Return the rows of a total: of many, the first that the person may have."""
    question = reduced(world.question, kept, dimensions)
    columns, dimensions = columns_of(question)
    return ordered(replace(world, question=question), columns, dimensions)[: world.person.max_rows]


def with_query_view(world: World) -> World:
    """Return the world with the answer to the query of its view q as one more table."""
    view = world.query_view
    if view is None:
        return world
    fields = [name for name, _ in view.columns]
    bound = [
        {inner: world.question["filters"][outer]}
        for inner, outer in view.bind.items()
        if outer in world.question["filters"]
    ]
    topic = "U" if view.has_topic else view.over
    inner = replace(world, topic=topic, query_view=None)
    offered = (inner.base, *(edge.child for edge in inner.joins))
    if view.binds_all:
        bound += [
            {name: rule}
            for name, rule in world.question["filters"].items()
            if is_dimension(name) and is_answered(name, offered)
        ]
    filters = both(view.filters, bound)
    question = {"dataset": topic, "fields": fields, "filters": filters, "timezone": world.question["timezone"]}
    columns, dimensions = columns_of(question)
    try:
        rows = groups(replace(inner, question=question))
    except RefusedError:
        if any(name.startswith("q.") for name in world.question["fields"]):
            raise
        raise UncertainError from None
    sorts = list(view.sorts) or [default_sort(columns)]
    rows = in_order(rows, columns, sorts, dimensions)[: view.limit]
    grouped = in_groups(world.question)
    filters = [name for name in world.question["filters"] if view.binds_all or name in view.bind.values()]
    is_torn = (
        any(rests_on_mask(name, world.person.masked) for name in filters)
        or any(name.partition("[")[0] in grouped for name in view.bind.values())
        or (view.binds_all and any(is_answered(name, offered) for name in grouped))
    )
    if is_torn:
        if any(name.startswith("q.") for name in world.question["fields"]):
            raise RefusedError(
                "a condition is taken over that holds only together with others, or on values that are masked"
            )
        raise UncertainError
    names = dict(view.columns)
    table = tuple(
        {**MISSING, **{names[name]: plain(value) for name, value in zip(columns, row, strict=True)}} for row in rows
    )
    return replace(world, tables={**world.tables, "q": table})


def plain(value: Any) -> Any:
    return value.at if isinstance(value, Moment) else value


def is_answered(name: str, views: Sequence[str]) -> bool:
    """Say whether some views have all that a field rests on."""
    view, _, field = name.partition(".")
    return view in views and (field not in ACROSS or "v1" in views)


def rests_on_mask(name: str, masked: frozenset[str]) -> bool:
    """Say whether a dimension is masked, or is made of what is."""
    view, _, field = name.partition(".")
    field = field.partition("[")[0]
    below = {"knot": {"tail"}}.get(field, set()) | ({"s"} if field in (*RESTS_ON_S, "own") else set())
    return any(f"{view}.{part}" in masked for part in (field, *below))
