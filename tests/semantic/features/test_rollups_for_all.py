"""A rollup holds what the model of all says: what a topic has otherwise, or a day or a rule would change, is not taken from it."""

from dataclasses import replace

import pytest

from apps.semantic.compile import compile_query
from apps.semantic.errors import ModelError, UnprovenSqlError
from apps.semantic.model.held import is_as_all_have
from apps.semantic.model.reading import read_model
from apps.semantic.query.reading import parse_query
from apps.semantic.verify import verify
from tests.semantic.features.store import FILES, TODAY, ask, everything, model, policy
from tests.semantic.features.test_rollups import ROLLED, rollup_of

HELD = 'flat.region, "flat.ordered_at[month]", flat.revenue, flat.count'
QUESTION = ask("Flat", "flat.region", "flat.revenue", sorts=[{"field": "flat.region"}])


def seen_by_topic(store, changes, fields=HELD, **views):
    """Return the store's model, its topic ``Flat`` changing views for itself; ``All`` is over the view as all have it."""
    files = {"monthly.view": ROLLED % fields, "All.topic": "base_view: flat",
             "Flat.topic": f"base_view: flat\nviews:\n{changes}"}  # fmt: skip
    return model(store.engine.dialect, **files | views)


def forced(question, of, rights, rollup="monthly"):
    """Return what a compiler would make of a question that took the topic's view for the one of all."""
    topic = of.topics[question["dataset"]]
    own = of.of_topic(topic.name)
    naive = replace(own, topic_models={}, seen_by="", of_all=None)
    compiled = compile_query(parse_query(question), model=naive, scope=rights, today=TODAY)
    assert compiled.rollup == rollup
    return compiled


OTHERWISE = {
    "another column": "  flat: {dimensions: {region: {sql: status}}}",
    "an expression": "  flat: {dimensions: {region: {sql: \"CASE WHEN ${status} = 'open' THEN 'none' ELSE 'some' END\"}}}",
    "what a measure adds up": '  flat: {measures: {revenue: {aggregate_type: sum, sql: "${amount} * 2"}}}',
    "what a measure leaves out": "  flat: {measures: {revenue: {filters: {status: {is: paid}}}}}",
    "what a measure rests on": '  flat: {dimensions: {amount: {sql: "amount + 1"}}}',
    "another table": "  flat: {table_name: orders, dimensions: {region: {sql: status}}}",
}


@pytest.mark.parametrize("what", OTHERWISE)
def test_what_a_topic_has_otherwise_is_not_taken_from_a_rollup_of_all(store, what):
    of = seen_by_topic(store, OTHERWISE[what])
    without = model(store.engine.dialect, **{
        "monthly.view": "schema: omni_store\n", "Flat.topic": f"base_view: flat\nviews:\n{OTHERWISE[what]}",
    })  # fmt: skip
    rights = everything(of, "Flat")
    assert rollup_of(QUESTION, of, rights) is None
    assert store.ask(QUESTION, rights, of) == store.ask(QUESTION, everything(without, "Flat"), without)
    others = QUESTION | {"dataset": "All"}
    assert rollup_of(others, of, everything(of, "All")) == "monthly"
    with pytest.raises(UnprovenSqlError):
        verify(forced(QUESTION, of, rights), model=of, scope=rights)


def test_what_a_topic_leaves_as_it_is_comes_from_a_rollup_of_all(store):
    changes = '  flat: {dimensions: {region: {label: Land}, amount: {format: number}, extra: {sql: status}}, measures: {least: {aggregate_type: min, sql: "${amount}"}}}'
    of = seen_by_topic(store, changes)
    rights = everything(of, "Flat")
    assert rollup_of(QUESTION, of, rights) == "monthly"
    assert rollup_of(ask("Flat", "flat.extra"), of, rights) is None
    others = QUESTION | {"dataset": "All"}
    assert store.ask(QUESTION, rights, of) == store.ask(others, everything(of, "All"), of)
    assert is_as_all_have(of.of_topic("Flat"), "flat.revenue")
    assert not is_as_all_have(of.of_topic("Flat"), "flat.extra")


def test_what_a_topic_changes_closes_a_rollups_other_columns_to_nobody(store):
    of = seen_by_topic(store, OTHERWISE["what a measure leaves out"])
    rights = everything(of, "Flat")
    assert rollup_of(ask("Flat", "flat.region", "flat.count"), of, rights) == "monthly"
    assert rollup_of(ask("Flat", "flat.region", "flat.mean"), of, rights) is None


def test_a_rule_on_what_a_topic_has_otherwise_keeps_its_questions_from_a_rollup(store):
    of = seen_by_topic(store, OTHERWISE["another column"])
    rights = everything(of, "Flat", row_policies={"flat": (policy("flat.region", "paid"),)})
    assert rollup_of(ask("Flat", "flat.count"), of, rights) is None
    assert store.ask(ask("Flat", "flat.count"), rights, of) == [(3,)]
    with pytest.raises(UnprovenSqlError):
        verify(forced(ask("Flat", "flat.count"), of, rights), model=of, scope=rights)


def test_a_mask_beneath_what_all_have_keeps_a_rollup_from_those_who_see_it(store):
    """For the topic, ``zone`` is not made of the region; the rollup's column is."""
    view = FILES["flat.view"].replace(
        "region: {}", 'region: {}, zone: {sql: "${region}", groups: [{filter: {is: [EU]}, name: Europe}]}'
    )
    fields = "flat.region, flat.zone, flat.revenue, flat.count"
    of = seen_by_topic(store, "  flat: {dimensions: {zone: {sql: status}}}", fields, **{"flat.view": view})
    clear = everything(of, "Flat")
    masked = replace(clear, masked=frozenset(("flat.region",)))
    assert rollup_of(ask("Flat", "flat.count"), of, clear) == "monthly"
    assert rollup_of(ask("Flat", "flat.count"), of, masked) is None
    compiled = compile_query(parse_query(ask("Flat", "flat.count")), model=of, scope=clear, today=TODAY)
    with pytest.raises(UnprovenSqlError, match="A rollup tells of what is masked"):
        verify(compiled, model=of, scope=masked)


def test_a_rollup_that_a_topic_puts_elsewhere_is_not_the_one_of_all(store):
    of = seen_by_topic(store, "  monthly: {table_name: flat}")
    rights = everything(of, "Flat")
    assert rollup_of(QUESTION, of, rights) is None
    assert rollup_of(QUESTION | {"dataset": "All"}, of, everything(of, "All")) == "monthly"
    with pytest.raises(UnprovenSqlError, match="A rollup is of another table than the topic's"):
        verify(forced(ask("Flat", "flat.region"), of, rights), model=of, scope=rights)


def test_a_topic_says_nothing_of_what_a_table_holds():
    query = "{base_view: flat, fields: [flat.status, flat.count, flat.revenue]}"
    topic = f"base_view: flat\nviews:\n  monthly:\n    materialized_query: {query}\n"
    with pytest.raises(ModelError) as error:
        read_model(FILES | {"Flat.topic": topic}, dialect="duckdb")
    assert [str(item) for item in error.value.problems] == [
        "Flat.topic:4:37: what a rollup's table holds is the same for every topic: write materialized_query in the view's own file"
    ]


def test_a_measure_of_some_last_days_is_not_taken_from_a_rollup(store):
    """What a table was made of some day says nothing of the days before another one."""
    late = 'late: {aggregate_type: sum, sql: "${amount}", filters: {ordered_at: {%s}}}, '
    fields = 'flat.region, "flat.ordered_at[month]", flat.late, flat.count'
    files = {"monthly.view": ROLLED % fields}
    for condition in ("on_or_after: 90 days ago", "is: this year", "before: today", "not: ['2025', last month]",
                      "between_dates: ['2025-01-01', tomorrow]", "time_for_duration: [2 years ago, 1 year]"):  # fmt: skip
        view = FILES["flat.view"].replace("measures: {", "measures: {" + late % condition)
        with pytest.raises(ModelError, match="is another on each day") as error:
            model(store.engine.dialect, **files | {"flat.view": view})
        assert str(error.value.problems[0]).startswith("monthly.view:4:")
        plain = model(store.engine.dialect, **{"flat.view": view})
        holder = plain.views["monthly"]
        columns = [("flat.region", "region"), ("flat.late", "revenue"), ("flat.count", "count")]
        of = replace(
            plain,
            views={**plain.views, "monthly": replace(holder, rollup=replace(holder.rollup, columns=tuple(columns)))},
        )
        rights = everything(of, "Flat")
        assert rollup_of(ask("Flat", "flat.region", "flat.count"), of, rights) == "monthly"
        assert rollup_of(ask("Flat", "flat.region", "flat.late"), of, rights) is None
    for condition in (
        "on_or_after: '2025-06-01'",
        "is: '2026'",
        "is: '2026-01'",
        "time_for_duration: ['2025-01-01', 1 year]",
    ):
        view = FILES["flat.view"].replace("measures: {", "measures: {" + late % condition)
        of = model(store.engine.dialect, **files | {"flat.view": view})
        assert rollup_of(ask("Flat", "flat.region", "flat.late"), of, everything(of, "Flat")) == "monthly"


def test_a_topics_filter_on_days_is_not_met_by_months(store):
    early = "always_where_filters: {'flat.ordered_at[%s]': {before: '2025-01-15'}}"
    for frame in ("date", "month"):
        of = model(store.engine.dialect, **{"Flat.topic": f"base_view: flat\n{early % frame}"})
        rights = everything(of, "Flat")
        found = store.ask(ask("Flat", "flat.count"), rights, of)
        assert (rollup_of(ask("Flat", "flat.count"), of, rights), found) == (
            (None, [(0,)]) if frame == "date" else ("monthly", [(1,)])
        )
    plain = model(store.engine.dialect, **{"Flat.topic": f"base_view: flat\n{early % 'month'}"})
    compiled = compile_query(
        parse_query(ask("Flat", "flat.count")), model=plain, scope=everything(plain, "Flat"), today=TODAY
    )
    of = model(store.engine.dialect, **{"Flat.topic": f"base_view: flat\n{early % 'date'}"})
    with pytest.raises(UnprovenSqlError, match="A rule is on what a rollup does not hold as it is"):
        verify(compiled, model=of, scope=everything(of, "Flat"))


def test_a_masked_time_that_a_rollup_cuts_is_read_from_the_base_view(store):
    view = FILES["flat.view"].replace(
        "ordered_at: {", "ordered_at: {mask: {truncate_date: month}, mask_unless_access_grants: [sees_mail], "
    )
    of = model(store.engine.dialect, **{"flat.view": view})
    clear = everything(of, "Flat")
    assert rollup_of(ask("Flat", "flat.region", "flat.count"), of, clear) == "monthly"
    masked = replace(clear, masked=frozenset(("flat.ordered_at",)))
    assert rollup_of(ask("Flat", "flat.region", "flat.count"), of, masked) is None
    assert len(store.ask(ask("Flat", "flat.region", "flat.count"), masked, of)) == 3
