"""Random questions to a topic or a composite."""

from typing import Any

from hypothesis import strategies as st

from tests.reference.conditions import named
from tests.reference.drawn_conditions import conditions
from tests.reference.fields import (
    ABOUT,
    ACROSS,
    DIMENSIONS,
    MADE_OF,
    MASKS,
    MEASURES,
    QUERY_DATES,
    QUERY_DIMENSIONS,
    QUERY_MEASURES,
    TIMES,
    UNHEEDED,
    is_dimension,
)
from tests.reference.texts import SHARED
from tests.reference.worlds import Edge, Rollup

Names = st.SearchStrategy[str]
ZONES = ("UTC", "UTC", "Europe/Oslo", "America/New_York", "Asia/Kolkata")
LIMITS = (1000, 2, 1, 1000, 3)
INTRICATE = ("anyway", "not_a", "few", "few", "whole", "free", "free", "later", "high_per_s", "high_per_s")
"""measures that few faults leave as they are"""
TELLING = ("s", "s", "n", "m", "m", "m[month_name]", "m[hour]", "d", "kind")
"""dimensions with many kinds of conditions"""
CHOOSING = ({"greater_than": 1}, {"not_between": [0, 3]}, {"is": None})


@st.composite
def some(draw: st.DrawFn, names: Names, counts: tuple[int, ...]) -> list[str]:
    """Draw different names, as many as one of ``counts``; a plain list is too often empty."""
    count = draw(st.sampled_from(counts))
    return draw(st.lists(names, min_size=count, max_size=count, unique=True))


@st.composite
def questions(draw: st.DrawFn, views: tuple[str, ...], masked: frozenset[str], *, has_dates: bool) -> dict[str, Any]:
    """Draw a question to T, some of them of what rests on ``masked`` fields; the view q may lack dates."""
    own = [view for view in views if view != "q"]
    plain = st.sampled_from((*DIMENSIONS, *DIMENSIONS, *TIMES, "own"))
    any_dimension = st.tuples(st.sampled_from(own), plain).map(".".join)
    any_measure = st.tuples(st.sampled_from(own), st.sampled_from((*MEASURES, *INTRICATE))).map(".".join)
    if "v1" in own:
        any_measure |= st.sampled_from(ACROSS).map("v0.{}".format)
    if "q" in views:
        dated = (*QUERY_DATES, *TIMES) if has_dates else ()
        any_dimension |= st.sampled_from((*QUERY_DIMENSIONS, *QUERY_DIMENSIONS, *dated)).map("q.{}".format)
        any_measure |= st.sampled_from(QUERY_MEASURES).map("q.{}".format)
    about = about_masks(masked)
    if about and draw(st.booleans()):
        any_dimension |= st.sampled_from(sorted(masked))
        any_measure |= st.sampled_from(about)
    telling = st.tuples(st.sampled_from(own), st.sampled_from(TELLING)).map(".".join)
    return draw(asked(any_dimension, any_measure, any_dimension | telling))


def about_masks(masked: frozenset[str]) -> list[str]:
    """Return the measures that rest on masked fields, one way or another."""
    found = (name.partition(".") for name in sorted(masked) if not name.startswith("q."))
    return [f"{view}.{measure}" for view, _, field in found for measure in ABOUT[field]]


@st.composite
def asked(draw: st.DrawFn, any_dimension: Names, any_measure: Names, any_filter: Names) -> dict[str, Any]:
    """Draw a question to T of some fields; ``any_filter`` are the dimensions that choose rows."""
    fields = draw(some(any_dimension, (0, 1, 1, 2, 2, 3))) + draw(some(any_measure, (0, 1, 1, 2, 3)))
    fields = fields or ["v0.count"]
    filters: dict[str, Any] = {}
    for name in draw(some(any_filter, (0, 0, 1, 1, 2))):
        filters[name] = draw(conditions(name.partition(".")[2]))
    choosing = any_measure.filter(is_number)
    if draw(st.booleans()) and draw(st.booleans()):
        filters[draw(choosing)] = draw(st.sampled_from(CHOOSING))
    if draw(st.sampled_from((True, False, False))):
        filters |= draw(combinations(any_filter))
    elif draw(st.integers(0, 5)) == 0:
        filters |= draw(combinations(choosing, of_groups=True))
    if draw(st.booleans()):
        # Such measures differ from others only where there is something not to heed.
        for name in (*fields, *named(filters)):
            view, _, field = name.partition(".")
            for part in sorted({*MADE_OF.get(field, ()), field} & UNHEEDED.keys()):
                filters[f"{view}.{UNHEEDED[part]}"] = draw(conditions(UNHEEDED[part]))
    question = {
        "dataset": "T", "fields": fields, "filters": filters, "limit": draw(st.sampled_from(LIMITS)),
        "timezone": draw(st.sampled_from(ZONES)),
    }  # fmt: skip
    return question | draw(extras(fields, any_measure)) | draw(pages(fields))


@st.composite
def rolled_questions(draw: st.DrawFn, views: tuple[str, ...], rollup: Rollup) -> dict[str, Any]:
    """Draw a question to T that the rollup may answer: what it holds, what is coarser, and little else."""
    frames = [f"{name.partition('[')[0]}[{frame}]" for name in rollup.dimensions for frame in ("month", "year")
              if name.startswith(("d", "m"))]  # fmt: skip
    others = [f"v0.{name.partition('[')[0]}" for name in rollup.dimensions if "[" in name]
    others += [f"v0.{name}" for name in ("n", "kind")] if draw(st.booleans()) else []
    others += [f"{view}.{name}" for view in views[1:] for name in ("s", "n", "kind")]
    claim = [rollup.claim] * 6 if rollup.claim else []
    others += [f"v0.{name}" for name in claim if is_dimension(f"v0.{name}")]
    dimensions = st.sampled_from(
        (*[f"v0.{name}" for name in rollup.dimensions * 4], *map("v0.{}".format, frames * 3), *others)
    )
    added = [name for name in rollup.measures if name not in ("states", *UNHEEDED)]
    added += [name for name in claim[:4] if not is_dimension(f"v0.{name}")]
    measures = st.sampled_from((*added * 6, *rollup.measures * 2, "ratio")).map("v0.{}".format)
    question = draw(asked(dimensions, measures, dimensions))
    # A zone decides about a rollup where all else would let it answer.
    kept = draw(st.sampled_from(("zone", "zone", "comparison", "both", "", "", "", "")))
    if kept not in ("comparison", "both"):
        question.pop("compare", None)
    if kept not in ("zone", "both"):
        question["timezone"] = "UTC"
    return question


@st.composite
def long_questions(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a question to T of a cross table with more columns than there may be, or with more rows."""
    headers = st.sampled_from([f"v0.{name}" for name in ("s", "n", "kind", "band", "fk", *MASKS)])
    pivots = ["v0.id"] if draw(st.integers(0, 3)) else [draw(headers)]
    others = headers if pivots == ["v0.id"] else st.just("v0.id")
    fields = list(
        dict.fromkeys((*pivots, *draw(some(others, (0, 1))), draw(st.sampled_from(("v0.count", "v0.total")))))
    )
    found = draw(pages(fields))
    return {
        "dataset": "T", "fields": fields, "filters": {}, "limit": draw(st.sampled_from((1, 2, 2, 3, 229, 230))),
        "timezone": "UTC", **found, "pivots": pivots,
    }  # fmt: skip


@st.composite
def combinations(draw: st.DrawFn, any_field: Names, *, of_groups: bool = False) -> dict[str, Any]:
    """Draw conditions on several fields under ``and``, ``or`` and ``not``."""

    def single() -> dict[str, Any]:
        name = draw(any_field)
        return {name: draw(st.sampled_from(CHOOSING) if of_groups else conditions(name.partition(".")[2]))}

    found = draw(st.sampled_from(("or", "and", "not", "not", "nested")))
    if found == "not":
        return {"not": single()}
    if found == "nested":
        return {"or": [single() | single(), {"not": {"and": [single(), single()]}}]}
    return {found: [single(), single()]}


@st.composite
def extras(draw: st.DrawFn, fields: list[str], any_measure: Names) -> dict[str, Any]:
    """Draw the top values of a dimension with or without the rest, a comparison with an earlier time, or nothing."""
    chosen = draw(st.sampled_from(("nothing", "top", "comparison", "top", "comparison", "both")))
    ranked = [
        name
        for name in fields
        if name.partition(".")[2] in ("s", "n", "fk", "d[month]", "rough", "tail", "void", "gone")
    ]
    found: dict[str, Any] = {}
    if chosen in ("top", "both") and ranked:
        top = {"field": draw(st.sampled_from(ranked)), "n": draw(st.integers(1, 3)), "desc": draw(st.booleans())}
        by = draw(any_measure.filter(is_number))
        # “rest” sorts behind all values in every collation.
        others = draw(st.sampled_from(("rest", "a", None, None)))
        # Beside “rest” values are texts, and DuckDB writes the bounds of ranges as -4.0.
        found["top"] = top | {"by": by, "others": None if top["field"].endswith(".rough") else others}
    if chosen in ("comparison", "both") and not any(name.endswith(("own", "per_s")) for name in fields):
        # It tells nothing apart where the question does not speak of that time.
        time = draw(st.sampled_from(("v0.d", "v0.m")))
        if not any(name.partition("[")[0] == time for name in fields) and draw(st.integers(0, 3)):
            frames = (
                (time, f"{time}[month]", f"{time}[year]")
                if time == "v0.d"
                else ("v0.m[date]", "v0.m[date]", "v0.m[month]")
            )
            fields.insert(0, draw(st.sampled_from(frames)))
        if all(map(is_dimension, fields)):
            fields.append(draw(any_measure.filter(lambda name: not name.endswith(".per_s"))))
        unit = draw(st.sampled_from(("1 month", "1 year", "31 days", "2 quarters")))
        if time == "v0.m":
            # Where clocks are changed in between.
            unit = draw(st.sampled_from(("1 month", "1 month", unit)))
            found["timezone"] = draw(st.sampled_from(("Europe/Oslo", "Europe/Oslo", "America/New_York", "UTC")))
        found["compare"] = {"field": time, "offset": unit}
    return found


def is_number(name: str) -> bool:
    """Say whether a measure is a number: the others are texts."""
    return not name.endswith((".names", ".last"))


@st.composite
def pages(draw: st.DrawFn, fields: list[str]) -> dict[str, Any]:
    """Draw sorts, the fields whose values become columns, and which totals are asked for."""
    dimensions = [name for name in fields if name.startswith("@_") or is_dimension(name)]
    found: dict[str, Any] = {}
    if draw(st.booleans()):
        chosen = draw(st.lists(st.sampled_from(fields), max_size=3, unique=True))
        found["sorts"] = [{"field": name, "desc": draw(st.booleans())} for name in chosen]
    if dimensions and draw(st.integers(0, 2)) == 0:
        found["pivots"] = draw(
            st.lists(st.sampled_from(dimensions), min_size=1, max_size=draw(st.sampled_from((1, 1, 2))), unique=True)
        )
    if draw(st.booleans()):
        found["totals"] = True
    if dimensions and draw(st.integers(0, 2)) == 0:
        found["subtotals"] = draw(st.lists(st.sampled_from(dimensions), min_size=1, max_size=2, unique=True))
    return found


@st.composite
def composite_questions(
    draw: st.DrawFn, views: tuple[str, ...], edges: tuple[Edge, ...], second: str
) -> dict[str, Any]:
    """Draw a question to C: shared dimensions, and measures of its topics."""
    reached = [second]
    for edge in edges:
        if edge.parent in reached and edge.child != "q":
            reached.append(edge.child)
    of_t = st.tuples(st.sampled_from(views), st.sampled_from(MEASURES)).map(lambda pair: f"@T.{'.'.join(pair)}")
    of_u = st.tuples(st.sampled_from(reached), st.sampled_from(MEASURES)).map(lambda pair: f"@U.{'.'.join(pair)}")
    framed = [f"m[{name[2:-1]}]" for name in TIMES if name != "m"]
    shared = st.sampled_from((*SHARED, *SHARED, *framed, *["m[month_name]"] * 3)).map("@_shared_dimensions_.{}".format)
    measures = draw(some(of_t, (0, 1, 2))) + draw(some(of_u, (0, 1, 2)))
    is_flat = bool(measures) and draw(st.integers(0, 5)) == 0
    dimensions = [] if is_flat else draw(some(shared, (1, 2, 2)))
    fields = dimensions + measures
    filters: dict[str, Any] = {}
    for name in draw(st.lists(shared, max_size=1)):
        field = name.rpartition(".")[2]
        filters[name] = draw(conditions(SHARED.get(field, field)))
    if draw(st.integers(0, 3)) == 0:
        topic, view = draw(st.sampled_from((("T", "v0"), ("U", second))))
        filters[f"@{topic}.{view}.{draw(st.sampled_from(('s', 'n')))}"] = {"not": None}
    chosen = [name for name in measures if is_number(name)]
    if chosen and draw(st.integers(0, 2)) == 0:
        filters[draw(st.sampled_from(chosen))] = draw(st.sampled_from(CHOOSING))
    question = {
        "dataset": "C", "fields": fields, "filters": filters, "limit": draw(st.sampled_from(LIMITS)),
        "timezone": draw(st.sampled_from(ZONES)),
    }  # fmt: skip
    return question | draw(pages(fields))
