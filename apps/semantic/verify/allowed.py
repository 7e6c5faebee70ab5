"""Which kinds of node may stand in governed SQL at all. Everything not named is refused."""

from sqlglot import exp

from apps.semantic.errors import UnprovenSqlError

NODES = frozenset((
    # the frame of a query
    exp.Select, exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit,
    exp.Subquery, exp.Table, exp.TableAlias, exp.Alias, exp.Column, exp.Identifier, exp.Placeholder,
    # values and types
    exp.Literal, exp.Boolean, exp.Null, exp.Var, exp.Interval, exp.DataType, exp.DataTypeParam, exp.Distinct,
    # operators
    exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.In,
    exp.NullSafeEQ, exp.NullSafeNEQ, exp.Between, exp.Like, exp.ILike, exp.Escape, exp.Add, exp.Sub, exp.Mul, exp.Div,
    exp.IntDiv, exp.Mod, exp.Neg, exp.DPipe, exp.AtTimeZone, exp.ConvertTimezone, exp.Case, exp.If, exp.Cast, exp.TryCast, exp.Filter,
    exp.Union, exp.WithinGroup,
))  # fmt: skip
FUNCTIONS = frozenset((
    # aggregates
    exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.Stddev, exp.StddevPop, exp.StddevSamp, exp.Variance,
    exp.VariancePop, exp.Median, exp.PercentileCont, exp.PercentileDisc, exp.Quantile, exp.GroupConcat, exp.RowNumber,
    # numbers
    exp.Abs, exp.Ceil, exp.Floor, exp.Round, exp.Exp, exp.Ln, exp.Log, exp.Pow, exp.Sqrt, exp.Sign, exp.Trunc,
    exp.Greatest, exp.Least,
    # choices
    exp.Coalesce, exp.Nullif,
    # texts
    exp.Concat, exp.ConcatWs, exp.Initcap, exp.Left, exp.Right, exp.Length, exp.Lower, exp.Upper, exp.Replace,
    exp.Reverse, exp.SplitPart, exp.StrPosition, exp.Substring, exp.Trim, exp.StartsWith, exp.EndsWith, exp.Contains,
    exp.Pad, exp.Chr, exp.Ascii, exp.Repeat,
    # dates
    exp.CurrentDate, exp.Date, exp.DateAdd, exp.DateDiff, exp.DateSub, exp.DateTrunc, exp.TimestampTrunc, exp.Day,
    exp.DayOfMonth, exp.DayOfWeek, exp.DayOfWeekIso, exp.DayOfYear, exp.Dayname, exp.Extract, exp.Hour, exp.LastDay,
    exp.Minute, exp.TimestampDiff, exp.TsOrDsToDate, exp.TsOrDsToTimestamp, exp.Month, exp.Monthname, exp.Quarter, exp.Second, exp.TimeToStr, exp.Week, exp.WeekOfYear, exp.Year,
    # masks
    exp.Encode, exp.SHA2, exp.SHA2Digest,
))  # fmt: skip
NAMED_FUNCTIONS = frozenset((
    "CONVERT_TO", "CONVERT_TZ", "DATE_PART", "DAYOFYEAR", "ISODOW", "MAKE_DATE", "PRINTF", "WEEKDAY",
))  # fmt: skip
ALLOWED = NODES | FUNCTIONS


def check_node(node: exp.Expr) -> None:
    """Raise unless this kind of node may stand in governed SQL."""
    kind = type(node)
    if kind in ALLOWED:
        return
    if kind is exp.Window and type(node.this) is exp.RowNumber:
        return
    if kind is exp.Star and type(node.parent) is exp.Count and not any(node.args.values()):
        return
    if kind is exp.Anonymous and node.name.upper() in NAMED_FUNCTIONS:
        return
    raise UnprovenSqlError(f"The text holds {kind.__name__}, which governed SQL never does.")
