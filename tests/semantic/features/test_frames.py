"""Every timeframe and interval, in every database, against plain Python."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pytest
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect

from apps.semantic.compile.dialects.durations import counted
from apps.semantic.compile.dialects.frames import framed
from tests.semantic.features.engines import Engine, engine

MOMENTS = [
    datetime.fromisoformat(text)
    for text in (
        "2024-02-29 23:59:59", "2023-12-31 00:00:00", "2024-01-01 00:00:01", "2021-01-03 12:30:00",
        "2020-12-28 05:06:07", "2036-03-01 01:01:01", "2025-06-30 18:00:00", "2025-07-01 00:00:00",
        "2025-10-31 23:00:00", "2000-04-01 00:00:00",
    )
]  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
WEEKLY = ("week", "day_of_week_num", "day_of_week_name")
FISCAL = ("fiscal_year", "fiscal_quarter")
PLAIN = (
    "date", "month", "quarter", "year", "hour", "minute", "second", "hour_of_day", "month_num", "month_name",
    "quarter_of_year", "day_of_month", "day_of_quarter", "day_of_year",
)  # fmt: skip
CASES = [(frame, start, 0) for frame in PLAIN for start in (0, 3)] + [
    (frame, start, 0) for frame in WEEKLY for start in range(7)
]
CASES += [(frame, 0, offset) for frame in FISCAL for offset in (-11, -3, 0, 1, 3, 6, 11)]


@pytest.fixture(scope="module", params=["duckdb", "postgres", "mysql", "spark"])
def database(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with engine(request.param, "omni_frames") as found:
        kind = "DATETIME" if request.param == "mysql" else "TIMESTAMP"
        found.rows(f"CREATE SCHEMA omni_frames;\nCREATE TABLE omni_frames.t (id INT, a {kind} NULL, b {kind} NULL)")
        pairs = [(place, moment, MOMENTS[-1 - place]) for place, moment in enumerate(MOMENTS)]
        values = ", ".join(f"({place}, '{a}', '{b}')" for place, a, b in pairs)
        found.rows(f"INSERT INTO omni_frames.t VALUES {values}, (99, NULL, NULL)")
        yield found


def answers(database: Engine, node: exp.Expr) -> list[object]:
    dialect = Dialect.get_or_raise(database.dialect)
    text = dialect.generate(exp.Select(expressions=[node]))

    return [row[0] for row in database.rows(f"{text} FROM omni_frames.t ORDER BY id")]


@pytest.mark.parametrize(("frame", "week_start", "offset"), CASES)
def test_a_timeframe_is_the_same_everywhere(database, frame, week_start, offset):
    node = framed(exp.column("a"), frame, week_start=week_start, fiscal_offset=offset, dialect=database.dialect)
    expected = [by_hand(moment, frame, week_start, offset) for moment in MOMENTS] + [None]
    assert answers(database, node) == expected


def by_hand(moment: datetime, frame: str, week_start: int, offset: int) -> object:
    day = moment.date()
    weekday = (day.weekday() - week_start) % 7
    quarter = date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
    months = day.year * 12 + day.month - 1 - offset
    fiscal_quarter = months // 3 * 3 + offset
    return {
        "date": day, "week": day - timedelta(days=weekday), "month": day.replace(day=1), "quarter": quarter,
        "year": date(day.year, 1, 1), "hour": moment.replace(minute=0, second=0), "minute": moment.replace(second=0),
        "second": moment, "hour_of_day": moment.hour, "month_num": day.month, "month_name": day.strftime("%B"),
        "quarter_of_year": (day.month + 2) // 3, "day_of_month": day.day, "day_of_quarter": (day - quarter).days + 1,
        "day_of_year": day.timetuple().tm_yday, "day_of_week_num": weekday + 1, "day_of_week_name": DAYS[day.weekday()],
        "fiscal_year": months // 12, "fiscal_quarter": date(fiscal_quarter // 12, fiscal_quarter % 12 + 1, 1),
    }[frame]  # fmt: skip


@pytest.mark.parametrize("unit", ["seconds", "minutes", "hours", "days", "weeks", "months", "quarters", "years"])
def test_a_duration_is_the_same_everywhere(database, unit):
    node = counted(exp.column("a"), exp.column("b"), unit, dialect=database.dialect)
    pairs = [(moment, MOMENTS[-1 - place]) for place, moment in enumerate(MOMENTS)]
    assert answers(database, node) == [whole(start, end, unit) for start, end in pairs] + [None]


def whole(start: datetime, end: datetime, unit: str) -> int:
    if end < start:
        return -whole(end, start, unit)
    sizes = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400, "weeks": 604800}
    if unit in sizes:
        return int((end - start).total_seconds()) // sizes[unit]
    months = (end.year - start.year) * 12 + end.month - start.month
    if (end.day, end.time()) < (start.day, start.time()):
        months -= 1
    return months // {"months": 1, "quarters": 3, "years": 12}[unit]
