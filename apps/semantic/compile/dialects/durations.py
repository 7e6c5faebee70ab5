"""Whole units of time that lie between two moments, the same in every database."""

from sqlglot import exp

from apps.semantic.compile.nodes import call, cast, literal_number, operand

SECONDS = {"seconds": 1, "minutes": 60, "hours": 3_600, "days": 86_400, "weeks": 604_800}
MONTHS = {"months": 1, "quarters": 3, "years": 12}


def counted(start: exp.Expr, end: exp.Expr, unit: str, *, dialect: str) -> exp.Expr:
    """Return how many whole units lie between two moments: 0 until one is complete, negative when the end comes first.

    Seconds to weeks are elapsed time. A month is complete when the end has reached the start's day of the month and
    time of the day; a quarter is three months, a year twelve. NULL where either moment is.
    """
    if unit in SECONDS:
        return _whole(_seconds(start, end, dialect), SECONDS[unit])
    return _whole(_full_months(start, end), MONTHS[unit])


def _whole(count: exp.Expr, size: int) -> exp.Expr:
    """Return a count in larger units, cut towards zero."""
    floor = exp.Floor(this=exp.Div(this=exp.Abs(this=count.copy()), expression=exp.Literal.number(f"{size}.0")))
    return cast(exp.Mul(this=exp.Sign(this=count), expression=floor), exp.DType.BIGINT)


def _seconds(start: exp.Expr, end: exp.Expr, dialect: str) -> exp.Expr:
    if dialect in ("postgres", "duckdb"):
        epochs = [_part("EPOCH", cast(node, exp.DType.TIMESTAMP)) for node in (end, start)]
        return exp.Paren(this=exp.Sub(this=epochs[0], expression=epochs[1]))
    if dialect == "mysql":
        return call("TIMESTAMPDIFF", exp.Var(this="SECOND"), start, end)
    return exp.TimestampDiff(this=end, expression=start, unit=exp.Var(this="SECOND"))


def _full_months(start: exp.Expr, end: exp.Expr) -> exp.Expr:
    months = exp.Paren(this=exp.Sub(this=_months(end), expression=_months(start)))
    into_end, into_start = _into_month(end), _into_month(start)
    nothing = literal_number(0)
    early = exp.And(
        this=exp.GT(this=months.copy(), expression=nothing),
        expression=exp.LT(this=into_end, expression=into_start),
    )
    late = exp.And(
        this=exp.LT(this=months.copy(), expression=nothing.copy()),
        expression=exp.GT(this=into_end.copy(), expression=into_start.copy()),
    )
    one = literal_number(1)
    return exp.Case(
        ifs=[
            exp.If(this=early, true=exp.Sub(this=months.copy(), expression=one)),
            exp.If(this=late, true=exp.Add(this=months.copy(), expression=one.copy())),
        ],
        default=months,
    )


def _months(node: exp.Expr) -> exp.Expr:
    years = exp.Mul(this=_part("YEAR", node), expression=literal_number(12))
    return exp.Paren(this=exp.Add(this=years, expression=_part("MONTH", node)))


def _into_month(node: exp.Expr) -> exp.Expr:
    """Return the seconds since the month began."""
    moment = cast(node.copy(), exp.DType.TIMESTAMP)
    found: exp.Expr = _part("SECOND", moment)
    for part, size in (("MINUTE", 60), ("HOUR", 3_600), ("DAY", 86_400)):
        found = exp.Add(this=exp.Mul(this=_part(part, moment), expression=literal_number(size)), expression=found)
    return exp.Paren(this=found)


def _part(name: str, node: exp.Expr) -> exp.Expr:
    return exp.Extract(this=exp.Var(this=name), expression=operand(node.copy()))
