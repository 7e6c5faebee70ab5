"""Comparisons across a change of the clocks: a month earlier is a month of the reader's calendar, not of UTC's."""

from collections.abc import Iterator

import pytest

from apps.semantic.compile import compile_query
from apps.semantic.errors import QueryError
from apps.semantic.model.reading import read_model
from apps.semantic.query.reading import parse_query
from apps.semantic.verify import verify
from tests.semantic.features.engines import Engine, engine
from tests.semantic.features.store import TODAY, ask, everything

# In Oslo the first is 15 March 23:30 in winter time, the fourth 31 January 23:30; the others are in summer time.
ROWS = """
CREATE SCHEMA omni_clocks;
CREATE TABLE omni_clocks.events (id INT, happened TIMESTAMP NULL, amount INT);
INSERT INTO omni_clocks.events VALUES (1, '2026-03-15 22:30:00', 1), (2, '2026-04-15 10:00:00', 10),
  (3, '2026-04-16 10:00:00', 100), (4, '2026-01-31 22:30:00', 7), (5, '2026-05-02 10:00:00', 5),
  (6, '2026-04-15 21:30:00', 1000)
"""
VIEW = """
schema: omni_clocks
dimensions:
  id: {primary_key: true}
  at: {sql: happened, timeframes: [raw, date, month, month_num, day_of_week_name]}
  kept: {sql: happened, convert_tz: false, timeframes: [date]}
  amount: {sql: CAST(amount AS INT)}
  weekend: {sql: "${at[day_of_week_name]} IN ('Saturday', 'Sunday')"}
  far_weekend: {sql: "${weekend}"}
  since: {duration: {sql_start: "${at}", sql_end: "${at}", intervals: [days]}}
measures:
  total: {aggregate_type: sum, sql: "${amount}"}
  earlier: {aggregate_type: sum, sql: "${amount}", filters: {at: {date_offset_from_query: 1 month}}}
"""


class Events:
    def __init__(self, database: Engine) -> None:
        self.database = database
        database.rows(ROWS)
        self.model = read_model({"events.view": VIEW, "E.topic": "base_view: events"}, dialect=database.dialect)

    def ask(self, *fields, zone="Europe/Oslo", offset=None, field="events.at", **rest):
        question = ask("E", *fields, timezone=zone, **rest)
        question |= {"compare": {"field": field, "offset": offset}} if offset else {}
        scope = everything(self.model, "E")
        compiled = compile_query(parse_query(question), model=self.model, scope=scope, today=TODAY)
        verify(compiled, model=self.model, scope=scope)
        return [tuple(map(str, row)) for row in self.database.rows(compiled.sql, compiled.parameters)]


@pytest.fixture(scope="module", params=["duckdb", "postgres", "mysql", "spark"])
def events(request: pytest.FixtureRequest) -> Iterator[Events]:
    with engine(request.param, "omni_clocks") as found:
        yield Events(found)


APRIL = {"events.at": {"between_dates": ["2026-04-01", "2026-05-01"]}}


def test_a_month_earlier_is_the_same_day_of_the_readers_calendar(events):
    days = events.ask("events.at[date]", "events.total", filters=APRIL, offset="1 month")
    assert days == [("2026-04-15", "1010", "1"), ("2026-04-16", "100", "None")]
    in_utc = events.ask("events.at[date]", "events.total", filters=APRIL, offset="1 month", zone="UTC")
    assert in_utc == days


def test_a_quarter_earlier_is_the_same_part_of_the_readers_calendar(events):
    filters = {"events.at": {"between_dates": ["2026-04-01", "2026-06-01"]}}
    months = events.ask("events.at[month]", "events.total", filters=filters, offset="1 quarter")
    assert months == [("2026-04-01", "1110", "7"), ("2026-05-01", "5", "None")]


def test_bounds_of_the_earlier_part_are_on_the_readers_clock(events):
    for day, previous in (("2026-04-15", "1"), ("2026-04-16", "None")):
        found = events.ask("events.total", filters={"events.at": {"is": day}}, offset="1 month")
        assert [row[1:] for row in found] == [(previous,)]
        assert events.ask("events.earlier", filters={"events.at": {"is": day}}) == [(previous,)]
    evening = {"events.at": {"is": "2026-04-15", "hour_of_day": 23}}
    assert events.ask("events.earlier", filters=evening) == [("1",)]
    assert events.ask("events.earlier", filters={"events.at": {"is": "2026-04-15", "hour_of_day": 0}}) == [("None",)]
    assert events.ask("events.earlier", filters={"events.at[month]": {"is": "2026-04-01"}}) == [("1",)]


def test_a_moment_that_is_shown_whole_is_the_stored_one(events):
    rows = events.ask("events.at", "events.total", filters=APRIL, offset="1 month")
    assert rows == [
        ("2026-04-15 10:00:00", "10", "None"),
        ("2026-04-15 21:30:00", "1000", "1"),
        ("2026-04-16 10:00:00", "100", "None"),
    ]


def test_a_time_that_no_zone_applies_to_is_moved_as_it_stands(events):
    filters = {"events.kept": {"between_dates": ["2026-04-01", "2026-05-01"]}}
    days = events.ask("events.kept[date]", "events.total", filters=filters, offset="1 month", field="events.kept")
    assert days == [("2026-04-15", "1010", "1"), ("2026-04-16", "100", "None")]


@pytest.mark.parametrize("name", ["events.weekend", "events.far_weekend"])
def test_what_is_worked_out_from_the_compared_time_is_refused(events, name):
    assert events.ask(name, "events.total", filters=APRIL)
    with pytest.raises(QueryError, match="is worked out from the time that is compared"):
        events.ask(name, "events.total", filters=APRIL, offset="1 month")
    with pytest.raises(QueryError, match="is worked out from the time that is compared"):
        events.ask("events.total", filters={name: {"is": True}}, offset="1 month")
    assert events.ask("events.since[days]", "events.total", filters=APRIL, offset="1 month") == [("0", "1110", "1")]


ZONED = {"duckdb": "TIMESTAMPTZ", "postgres": "TIMESTAMPTZ", "mysql": "TIMESTAMP", "spark": "TIMESTAMP"}


def test_a_moment_that_is_stored_with_a_zone_is_cut_as_the_readers_clock_shows_it(events):
    database, kind = events.database, ZONED[events.database.dialect]
    made = f"omni_clocks.zoned_{kind.lower()}"
    database.rows(f"CREATE TABLE {made} (id INT, happened {kind} NULL)")
    database.rows(
        f"INSERT INTO {made} VALUES (1, '2026-03-01 23:30:00'), (2, '2026-07-31 22:30:00'), (3, '2026-03-29 01:30:00')"
    )
    view = f"schema: omni_clocks\ntable_name: zoned_{kind.lower()}\n" + (
        "dimensions: {id: {primary_key: true}, at: {sql: happened, timeframes: [raw, date, month, hour_of_day]}}\n"
        "measures: {count: {aggregate_type: count}}\n"
    )
    zoned = Events.__new__(Events)
    zoned.database = database
    zoned.model = read_model({"events.view": view, "E.topic": "base_view: events"}, dialect=database.dialect)
    fields = ("events.id", "events.at[date]", "events.at[hour_of_day]")
    for zone, found in (
        ("UTC", [("1", "2026-03-01", "23"), ("2", "2026-07-31", "22"), ("3", "2026-03-29", "1")]),
        ("Europe/Oslo", [("1", "2026-03-02", "0"), ("2", "2026-08-01", "0"), ("3", "2026-03-29", "3")]),
        ("America/New_York", [("1", "2026-03-01", "18"), ("2", "2026-07-31", "18"), ("3", "2026-03-28", "21")]),
    ):
        assert sorted(zoned.ask(*fields, zone=zone)) == found
        first = {"events.at": {"is": "2026-03-01"}}
        assert zoned.ask("events.id", zone=zone, filters=first) == ([("1",)] if found[0][1] == "2026-03-01" else [])
        assert zoned.ask("events.id", zone=zone, filters={"events.at": {"hour_of_day": [int(found[2][2])]}}) == [("3",)]
