"""Timeframes: a moment cut to a month, a weekday, an hour, in the reader's time zone and with the model's first weekday."""

from sqlglot import exp

from apps.semantic.compile.nodes import call, cast, literal_number, operand
from apps.semantic.compile.plan import DATE_FRAMES
from apps.semantic.compile.values import Values
from apps.semantic.model.types import FieldType

EXTRACTED = {"hour_of_day": "HOUR", "month_num": "MONTH", "quarter_of_year": "QUARTER"}
NAMED = {
    ("month_name", "postgres"): ("TO_CHAR", "FMMonth"),
    ("day_of_week_name", "postgres"): ("TO_CHAR", "FMDay"),
    ("month_name", "duckdb"): ("MONTHNAME", None),
    ("day_of_week_name", "duckdb"): ("DAYNAME", None),
}


def framed(node: exp.Expr, timeframe: str, *, week_start: int, dialect: str) -> exp.Expr:
    """Return a local moment cut to a timeframe: a date, an hour, a number from 1 (hours from 0) or an English name."""
    if timeframe == "raw":
        return node
    if timeframe in DATE_FRAMES:
        return cast(_truncated(node, timeframe, week_start), exp.DType.DATE)
    if timeframe == "hour":
        return exp.TimestampTrunc(this=node, unit=exp.Var(this="HOUR"))
    if timeframe == "day_of_week_num":
        return _weekday(node, week_start)
    if timeframe in EXTRACTED:
        return cast(exp.Extract(this=exp.Var(this=EXTRACTED[timeframe]), expression=node), exp.DType.INT)
    function, pattern = NAMED[timeframe, dialect]
    return call(function, node) if pattern is None else call(function, node, exp.Literal.string(pattern))


def local(node: exp.Expr, type_: FieldType, zone: str, values: Values) -> exp.Expr:
    """Return the moment as clocks in ``zone`` show it. A timestamp without zone is taken as UTC; a date stays itself."""
    if zone == "UTC" or type_ != "timestamp":
        return node
    utc = exp.AtTimeZone(this=operand(node), zone=exp.Literal.string("UTC"))
    return exp.AtTimeZone(this=utc, zone=cast(values.bind(zone), exp.DType.TEXT))


def _truncated(node: exp.Expr, timeframe: str, week_start: int) -> exp.Expr:
    if timeframe == "date":
        return node
    unit = exp.Var(this=timeframe.upper())
    if timeframe != "week" or week_start == 0:
        return exp.TimestampTrunc(this=node, unit=unit)
    shifted = exp.Sub(this=operand(node), expression=_days(week_start))
    return exp.Add(this=exp.TimestampTrunc(this=shifted, unit=unit), expression=_days(week_start))


def _weekday(node: exp.Expr, week_start: int) -> exp.Expr:
    iso = cast(exp.Extract(this=exp.Var(this="ISODOW"), expression=node), exp.DType.INT)
    if week_start == 0:
        return iso
    shifted = exp.Paren(this=exp.Add(this=iso, expression=literal_number(6 - week_start)))
    return exp.Add(
        this=exp.Paren(this=exp.Mod(this=shifted, expression=literal_number(7))), expression=literal_number(1)
    )


def _days(count: int) -> exp.Expr:
    return exp.Interval(this=exp.Literal.string(str(count)), unit=exp.Var(this="DAYS"))
