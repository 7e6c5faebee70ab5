"""Timeframes: a moment cut to a month, a weekday, an hour, in the reader's time zone and with the model's first weekday."""

from collections.abc import Iterable

from sqlglot import exp

from apps.semantic.compile.nodes import call, cast, literal_number, operand, shifted
from apps.semantic.model.types import FieldType
from apps.semantic.query.calendar import DAYS, MONTHS

DATES = frozenset(("date", "week", "month", "quarter", "year"))
TIMES = frozenset(("hour", "minute", "second", "millisecond"))
EXTRACTED = {
    "hour_of_day": "HOUR", "month_num": "MONTH", "quarter_of_year": "QUARTER", "day_of_month": "DAY",
    "day_of_year": "DOY",
}  # fmt: skip
TURNING = frozenset(("postgres", "duckdb", "redshift"))
"""dialects whose AT TIME ZONE takes the zone off a moment that has one, and puts one to a moment that has none"""
MYSQL_PATTERNS = {"hour": "%Y-%m-%d %H:00:00", "minute": "%Y-%m-%d %H:%i:00", "second": "%Y-%m-%d %H:%i:%s"}


def framed(node: exp.Expr, timeframe: str, *, week_start: int, fiscal_offset: int, dialect: str) -> exp.Expr:
    """Return a local moment cut to a timeframe: a date, a moment, a number from 1 (hours from 0) or an English name.

    A fiscal year begins ``fiscal_offset`` months after January and is named by the calendar year in which it begins;
    a fiscal quarter is given by its first day.
    """
    if timeframe == "raw":
        return node
    if timeframe in DATES:
        return cast(_truncated(node, timeframe, week_start, dialect), exp.DType.DATE)
    if timeframe in TIMES:
        return _time(node, timeframe, dialect)
    if timeframe == "fiscal_year":
        return _part("YEAR", _months_later(node, -fiscal_offset, dialect), dialect)
    if timeframe == "fiscal_quarter":
        cut = _truncated(_months_later(node, -fiscal_offset, dialect), "quarter", 0, dialect)
        return cast(_months_later(cut, fiscal_offset, dialect), exp.DType.DATE)
    if timeframe in ("day_of_week_num", "day_of_week_name"):
        iso = _iso_weekday(node, dialect)
        return _named(iso, DAYS) if timeframe == "day_of_week_name" else _weekday(iso, week_start)
    if timeframe == "month_name":
        return _named(_part("MONTH", node, dialect), MONTHS)
    if timeframe == "day_of_quarter":
        return _day_of_quarter(node, dialect)
    return _part(EXTRACTED[timeframe], node, dialect)


def local(node: exp.Expr, type_: FieldType, zone: exp.Expr, *, dialect: str) -> exp.Expr:
    """Return the moment as clocks in ``zone`` show it. A timestamp without zone is taken as UTC; a date stays itself.

    One with a zone is the same moment: our sessions are in UTC, so a cast to one without gives its clock there.

    MySQL and MariaDB know zones only when their time zone tables are loaded; without them the moment becomes NULL.
    """
    if type_ != "timestamp":
        return node
    if dialect == "mysql":
        return call("CONVERT_TZ", node, exp.Literal.string("+00:00"), zone)
    stored = exp.Literal.string("UTC")
    if dialect == "snowflake":
        # With two arguments a timestamp without zone is taken to be in the session's.
        return call("CONVERT_TIMEZONE", stored, zone, node)
    if dialect == "trino":
        # AT_TIMEZONE alone would take a timestamp without zone to be in the session's.
        return call("AT_TIMEZONE", call("WITH_TIMEZONE", node, stored), zone)
    if dialect == "clickhouse":
        # A moment is seconds since 1970 there; the zone must be a plain constant, which a cast to Nullable is not.
        return call("toTimeZone", node, zone.this if isinstance(zone, exp.Cast) else zone)
    if dialect in TURNING:
        node = cast(node, exp.DType.TIMESTAMP)
    return exp.AtTimeZone(this=exp.AtTimeZone(this=operand(node), zone=stored), zone=zone)


def stored(node: exp.Expr, zone: exp.Expr, *, dialect: str) -> exp.Expr:
    """Return the moment in UTC at which clocks in ``zone`` show ``node``: what :func:`local` was made of."""
    utc = exp.Literal.string("UTC")
    if dialect == "mysql":
        return call("CONVERT_TZ", node, zone, exp.Literal.string("+00:00"))
    if dialect == "snowflake":
        return call("CONVERT_TIMEZONE", zone, utc, node)
    if dialect == "trino":
        return cast(call("AT_TIMEZONE", call("WITH_TIMEZONE", node, zone), utc), exp.DType.TIMESTAMP)
    if dialect == "clickhouse":
        return call("toTimeZone", node, utc)
    return exp.AtTimeZone(this=exp.AtTimeZone(this=operand(node), zone=zone), zone=utc)


def moved(node: exp.Expr, type_: FieldType, steps: Iterable[tuple[int, str]], *, dialect: str) -> exp.Expr:
    """Return what a clock shows some steps of time later; a day stays a day.

    A month later is a month of the calendar on the wall: in UTC, days that are not equally long would be crossed.
    """
    if type_ == "timestamp" and dialect == "trino":
        node = cast(node, exp.DType.TIMESTAMP)  # with a zone, a day would be 24 hours
    for count, unit in steps:
        node = shifted(node, count, unit)
        node = cast(node, exp.DType.DATE) if type_ == "date" else node
    return node


def _truncated(node: exp.Expr, timeframe: str, week_start: int, dialect: str) -> exp.Expr:
    if timeframe == "date":
        return node
    if dialect == "mysql":
        return _truncated_in_mysql(node, timeframe, week_start)
    unit = exp.Var(this=timeframe.upper())
    if timeframe != "week" or week_start == 0:
        return exp.TimestampTrunc(this=node, unit=unit)
    first = exp.Sub(this=operand(node), expression=_days(week_start))
    return exp.Add(this=exp.TimestampTrunc(this=first, unit=unit), expression=_days(week_start))


def _truncated_in_mysql(node: exp.Expr, timeframe: str, week_start: int) -> exp.Expr:
    """Return a day less the days since the period began: MySQL has no function that cuts moments."""
    day = cast(node, exp.DType.DATE)
    if timeframe == "week":
        since = exp.Sub(this=_weekday(_iso_weekday(node, "mysql"), week_start), expression=literal_number(1))
    elif timeframe == "month":
        since = exp.Sub(this=_part("DAY", node, "mysql"), expression=literal_number(1))
    elif timeframe == "year":
        since = exp.Sub(this=_part("DOY", node, "mysql"), expression=literal_number(1))
    else:
        since = exp.Sub(this=_day_of_quarter(node, "mysql"), expression=literal_number(1))
    return exp.DateSub(this=day, expression=exp.Paren(this=since), unit=exp.Var(this="DAY"))


def _time(node: exp.Expr, timeframe: str, dialect: str) -> exp.Expr:
    if dialect != "mysql":
        cut = exp.TimestampTrunc(this=node, unit=exp.Var(this=timeframe.upper()))
        # Spark's moments are the reader's clocks here; as moments of UTC they would be turned once more.
        return cast(cut, exp.DType.TIMESTAMPNTZ) if dialect == "spark" else cut
    if timeframe == "millisecond":
        return node
    return cast(call("DATE_FORMAT", node, exp.Literal.string(MYSQL_PATTERNS[timeframe])), exp.DType.DATETIME)


def _day_of_quarter(node: exp.Expr, dialect: str) -> exp.Expr:
    """Return the days since the quarter began, counted from 1: the days of this year less those before the quarter."""
    month, year = _part("MONTH", node, dialect), _part("YEAR", node, dialect)
    leap = exp.And(
        this=exp.EQ(this=_mod(year, 4), expression=literal_number(0)),
        expression=exp.Paren(
            this=exp.Or(
                this=exp.NEQ(this=_mod(year, 100), expression=literal_number(0)),
                expression=exp.EQ(this=_mod(year, 400), expression=literal_number(0)),
            )
        ),
    )
    before = [(3, 0), (6, 90), (9, 181)]
    ifs = [
        exp.If(this=exp.LTE(this=month.copy(), expression=literal_number(last)), true=literal_number(days))
        for last, days in before
    ]
    start = exp.Case(ifs=ifs, default=literal_number(273))
    after_february = exp.And(
        this=exp.GT(this=month.copy(), expression=literal_number(3)), expression=exp.Paren(this=leap)
    )
    leap_day = exp.Case(ifs=[exp.If(this=after_february, true=literal_number(1))], default=literal_number(0))
    days = exp.Sub(this=_part("DOY", node, dialect), expression=start)
    return exp.Paren(this=exp.Sub(this=days, expression=leap_day))


def _mod(node: exp.Expr, by: int) -> exp.Expr:
    return exp.Mod(this=operand(node.copy()), expression=literal_number(by))


def _months_later(node: exp.Expr, count: int, dialect: str) -> exp.Expr:
    if count == 0:
        return node
    step = exp.Interval(this=exp.Literal.string(str(abs(count))), unit=exp.Var(this="MONTH"))
    kind = exp.Add if count > 0 else exp.Sub
    first = _truncated(node, "month", 0, dialect)
    return exp.Paren(this=kind(this=operand(first), expression=step))


def _part(name: str, node: exp.Expr, dialect: str) -> exp.Expr:
    if name == "DOY" and dialect == "mysql":
        return call("DAYOFYEAR", node.copy())
    return cast(exp.Extract(this=exp.Var(this=name), expression=node.copy()), exp.DType.INT)


def _iso_weekday(node: exp.Expr, dialect: str) -> exp.Expr:
    if dialect in ("mysql", "spark", "databricks"):
        return exp.Paren(this=exp.Add(this=call("WEEKDAY", node.copy()), expression=literal_number(1)))
    if dialect in ("postgres", "duckdb", "redshift"):
        return _part("ISODOW", node, dialect)
    return exp.DayOfWeekIso(this=node.copy())


def _weekday(iso: exp.Expr, week_start: int) -> exp.Expr:
    if week_start == 0:
        return iso
    turned = exp.Paren(this=exp.Add(this=iso, expression=literal_number(6 - week_start)))
    return exp.Add(
        this=exp.Paren(this=exp.Mod(this=turned, expression=literal_number(7))), expression=literal_number(1)
    )


def _named(number: exp.Expr, names: tuple[str, ...]) -> exp.Expr:
    """Return the English name of a number from 1, whatever language the server speaks."""
    ifs = [
        exp.If(this=literal_number(place), true=exp.Literal.string(text)) for place, text in enumerate(names, start=1)
    ]
    return exp.Case(this=number, ifs=ifs)


def _days(count: int) -> exp.Expr:
    return exp.Interval(this=exp.Literal.string(str(count)), unit=exp.Var(this="DAYS"))
