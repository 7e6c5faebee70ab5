"""What the worlds are meant to try really comes up in them, with an answer that would be another without it."""

import os
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from apps.semantic.compile import compile_query
from apps.semantic.query.reading import parse_query
from tests.reference.asking import model_of, scope_of
from tests.reference.conditions import shifted
from tests.reference.drawing import worlds
from tests.reference.evaluator import Page, RefusedError, UncertainError, answer, columns_of, with_query_view
from tests.reference.evaluator.rows import framed as clock
from tests.reference.evaluator.rows import held_filters, joined_rows
from tests.reference.naming import under_other_names
from tests.reference.showing import shown
from tests.reference.test_worlds import JOIN_TYPES
from tests.reference.worlds import World
from tests.semantic.features.store import TODAY

CASES = 16000
KNOWN = settings(
    max_examples=CASES, deadline=None, derandomize=True, database=None, phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
TOPIC = (
    "totals", "subtotals", "cross table", "cut", "cut in a chosen order", "cross table cut", "rows capped", "cross join",
    "full outer join", "query view", "query view of a topic", "query view cut", "query view bound", "groups chosen together",
    "totals of top values alone", "query view with one row more", "filter taken over under another name", "rollup",
    "rollup under masks", "cross table cut at its columns", "filter cancelled or moved", "other names", "rules of the data set",
    "filter taken over by another name of the model", "timeframe under another name", "rows repeated by a cross join",
    "mask counted", "ranked by a mask", "measure filtered by a mask refused", "ranking by a mask refused",
    "measure filtered by another view", "level of detail with filters", "filter around a filter",
    "rollup said to hold a level of detail", "rollup said to hold another view's", "comparison across a change of the clocks",
)  # fmt: skip
COMPOSITE = (
    "totals", "subtotals", "cross table", "cut", "both topics", "rows of one topic alone", "groups chosen", "all topics",
    "other names of what is shared", "timeframe of what is shared", "mask counted",
)  # fmt: skip
CLAIMED_OF_ANOTHER = "another view's"
COUNTING = {"shades": "rough", "endings": "tail", "given": "void"}
FILTERED = {"ends": "tail", "roughly": "rough", "not_a": "s", "few": "s", "a_total": "s", "high_per_s": "s"}


class AllSeenError(Exception):
    """Everything has come up."""


def differs(world: World, page: Page, **changes: object) -> bool:
    """Say whether the answer is another one when part of the world is not there."""
    return shown(answer(replace(world, **changes))) != shown(page)  # type: ignore[arg-type]  # looser than the type on purpose


def without(world: World, *keys: str) -> dict[str, object]:
    return {name: part for name, part in world.question.items() if name not in keys}


def of_topic(world: World, page: Page) -> set[str]:
    question, view = world.question, world.query_view
    found = common(world, page)
    if page.is_cut and question.get("sorts") and differs(world, page, question=without(world, "sorts")):
        found.add("cut in a chosen order")
    if page.is_cross_cut:
        found.add("cross table cut")
        found |= {"cross table cut at its columns"} if question["limit"] > len(page.cross[1]) else set()
    if page.is_cut and world.person.max_rows == 2:
        found.add("rows capped")
    if (
        any(edge.join_type == "cross" for edge in world.edges)
        and page.rows
        and len(joined_rows(with_query_view(world))) > 1
    ):
        found.add("cross join")
        found |= repeated(world)
    if any(edge.join_type == "full_outer" for edge in world.edges) and any(
        row.get("v0") is None for row in joined_rows(with_query_view(world))
    ):
        found.add("full outer join")
    if view is not None and any(name.startswith("q.") for name in question["fields"]) and page.rows:
        found |= {"query view"} | ({"query view of a topic"} if view.has_topic else set())
        found |= {"query view cut"} if differs(world, page, query_view=replace(view, limit=None)) else set()
        if view.limit is not None and differs(world, page, query_view=replace(view, limit=view.limit + 1)):
            found.add("query view with one row more")
        if differs(world, page, query_view=replace(view, bind={}, binds_all=False)):
            found |= {"query view bound"}
            found |= {"filter taken over under another name"} if view.bind and "filters" in world.renamed else set()
            found |= (
                {"filter taken over by another name of the model"} if view.bind and "model" in world.renamed else set()
            )
    groups = {name: rule for name, rule in question["filters"].items() if name not in ("and", "or", "not")}
    if groups != question["filters"] and differs(world, page, question={**question, "filters": groups}):
        found.add("groups chosen together")
    found |= of_rights_and_names(world, page) | of_measures(world, page) | of_clocks(world, page)
    top = question.get("top")
    if top and top["others"] is None and page.totals and differs(world, page, question=without(world, "top")):
        found.add("totals of top values alone")
    return found


def of_clocks(world: World, page: Page) -> set[str]:
    """Say whether an earlier value is shown that steps of time in UTC would put elsewhere."""
    compare = world.question.get("compare", {})
    framed = [name.partition(".")[2] for name in world.question["fields"] if name.startswith("v0.m[")]
    columns, _ = columns_of(world.question)
    earlier = [place for place, name in enumerate(columns) if name.endswith("[previous]")]
    if compare.get("field") != "v0.m" or all(row[place] is None for row in page.rows for place in earlier):
        return set()
    zone, offset = world.question["timezone"], compare["offset"]
    moments = {row["m"] for row in world.tables["v0"]} - {None}
    is_other = any(
        clock(name, at, zone, offset) != clock(name, shifted(at, offset), zone) for name in framed for at in moments
    )
    return {"comparison across a change of the clocks"} if is_other else set()


def repeated(world: World) -> set[str]:
    """Say whether a cross join repeats the rows of a measure that another join could be said to keep."""
    world = with_query_view(world)
    single = {edge.parent for edge in world.edges if edge.join_type == "cross" and edge.kind != "one_to_many"}
    for name in world.question["fields"]:
        view, _, field = name.partition(".")
        rows = [row[view]["id"] for row in joined_rows(world) if row.get(view)]  # type: ignore[index]  # the row is there
        if view in single and field in ("count", "total") and len(set(rows)) < len(rows):
            return {"rows repeated by a cross join"}
    return set()


def masked_measures(names: list[str], parts: dict[str, str], world: World) -> list[str]:
    """Return the measures whose ``parts`` the person sees masked."""
    asked = [(name, name.rpartition("@")[2].removeprefix("T.").removeprefix("U.")) for name in names]
    split = [(name, *plain.partition(".")[::2]) for name, plain in asked]
    return [name for name, view, field in split if field in parts and f"{view}.{parts[field]}" in world.person.masked]


def of_measures(world: World, page: Page) -> set[str]:
    question, top = world.question, world.question.get("top")
    counted = masked_measures(question["fields"], COUNTING, world)
    clear = {"person": replace(world.person, masked=frozenset())}
    found = {"mask counted"} if counted and differs(world, page, **clear) else set()
    if top and masked_measures([top["by"]], COUNTING, world) and differs(world, page, **clear):
        found.add("ranked by a mask")
    if not page.rows:
        return found
    columns, _ = columns_of(question)
    shown_ = {name.partition(".")[2] for place, name in enumerate(columns) if page.rows[0][place] is not None}
    found |= {"measure filtered by another view"} if shown_ & {"far", "far_few", "far_per_s"} else set()
    found |= {"level of detail with filters"} if shown_ & {"high_per_s", "far_per_s"} else set()
    return found | ({"filter around a filter"} if "few" in shown_ else set())


def of_refusal(world: World) -> set[str]:
    """Say what may be the reason of a refusal: fields that a person sees masked, and nothing else that is closed."""
    question = world.question
    if world.person.forbidden or question["dataset"] == "C":
        return set()
    found = {"measure filtered by a mask refused"} if masked_measures(question["fields"], FILTERED, world) else set()
    by = [question["top"]["by"]] if question.get("top") else []
    return found | ({"ranking by a mask refused"} if masked_measures(by, FILTERED, world) else set())


def of_rights_and_names(world: World, page: Page) -> set[str]:
    question = world.question
    found: set[str] = set()
    if differs(world, page, person=replace(world.person, topics={})):
        found.add("rules of the data set")
    if world.renamed and under_other_names(question, world.renamed) != question and page.rows:
        found.add("other names")
    framed = [name for name in question["filters"] if name.partition(".")[2].startswith("m[")]
    left = {name: rule for name, rule in question["filters"].items() if name not in framed}
    if framed and "filters" in world.renamed and differs(world, page, question={**question, "filters": left}):
        found.add("timeframe under another name")
    held = held_filters(question["fields"], world)
    kept = {name: rule for name, rule in question["filters"].items() if name not in held}
    if held and page.rows and differs(world, page, question={**question, "filters": kept}):
        found.add("filter cancelled or moved")
    if world.rollup is not None:
        asked = parse_query(under_other_names(question, world.renamed))
        compiled = compile_query(asked, model=model_of(world, "duckdb"), scope=scope_of(world), today=TODAY)
        if compiled.rollup is not None and page.rows:
            found |= {"rollup"} | ({"rollup under masks"} if world.person.masked else set())
        if page.rows and f"v0.{world.rollup.claim}" in question["fields"]:
            found.add(
                f"rollup said to hold {'a level of detail' if world.rollup.claim == 'own' else CLAIMED_OF_ANOTHER}"
            )
    return found


def common(world: World, page: Page) -> set[str]:
    found = {"totals"} if page.totals else set()
    found |= {"subtotals"} if page.subtotals and len(page.subtotals) > 1 else set()
    found |= {"cut"} if page.is_cut else set()
    return found | ({"cross table"} if page.cross and len(page.cross[0]) > 2 and len(page.cross[1]) > 1 else set())


def of_composite(world: World, page: Page) -> set[str]:
    question = world.question
    found = common(world, page)
    topics = {name[1] for name in question["fields"] if not name.startswith("@_")}
    count = sum(name.startswith("@_") for name in question["fields"])
    if topics == {"T", "U"} and count and page.rows:
        found.add("both topics")
        if any(value is None for row in page.rows for value in row[count:]):
            found.add("rows of one topic alone")
    if any(name in question["fields"] and not name.startswith("@_") for name in question["filters"]):
        kept = {name: rule for name, rule in question["filters"].items() if name not in question["fields"]}
        found |= {"groups chosen"} if differs(world, page, question={**question, "filters": kept}) else set()
    if world.joins_all_topics and differs(world, page, joins_all_topics=False):
        found.add("all topics")
    shared = {name.rpartition(".")[2] for name in (*question["fields"], *question["filters"]) if name.startswith("@_")}
    if "model" in world.renamed and page.rows:
        found |= {"other names of what is shared"} if shared else set()
        found |= {"timeframe of what is shared"} if any("[" in name for name in shared) else set()
    counted = masked_measures(question["fields"], COUNTING, world)
    clear = replace(world.person, masked=frozenset())
    return found | ({"mask counted"} if counted and differs(world, page, person=clear) else set())


# The world that completes the list is written out as an example; a long table makes it long.
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@pytest.mark.skipif(
    "OMNI_FUZZ_CASES" not in os.environ, reason="it draws for a minute: make fuzz, or OMNI_FUZZ_CASES=100"
)
@pytest.mark.parametrize(("is_composite", "wanted"), [(False, TOPIC), (True, COMPOSITE)], ids=["topic", "composite"])
def test_what_the_worlds_are_meant_to_try_comes_up(is_composite: bool, wanted: tuple[str, ...]) -> None:
    counts: Counter[str] = Counter()
    features = of_composite if is_composite else of_topic

    @KNOWN
    @given(world=worlds(JOIN_TYPES, composite=is_composite))
    def draw(world: World) -> None:
        try:
            page = answer(world)
            counts.update({"answered", *features(world, page)})
        except RefusedError:
            counts.update({"refused", *of_refusal(world)})
        except UncertainError:
            counts["uncertain"] += 1
        if all(counts[name] for name in (*wanted, "refused")):
            raise AllSeenError

    with pytest.raises(AllSeenError):
        draw()
    assert counts["answered"] > counts.total() // 10
    assert counts["uncertain"] < counts["answered"] // 5
