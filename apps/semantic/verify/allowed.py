"""Which kinds of node may stand in governed SQL at all. Everything not named is refused."""

from sqlglot import exp

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.verify.demands import given
from apps.semantic.verify.fences import is_no_cut

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
WINDOWED = frozenset((
    exp.RowNumber, exp.Rank, exp.DenseRank, exp.Ntile, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.Count, exp.Sum, exp.Avg,
    exp.Min, exp.Max,
))  # fmt: skip
"""what may stand before OVER; those that are no aggregates stand nowhere else"""
WINDOW_PARTS = frozenset(("this", "partition_by", "order", "spec", "over"))
NAMED_FUNCTIONS = frozenset((
    "CONVERT_TO", "CONVERT_TZ", "DATE_PART", "DAYOFYEAR", "ISODOW", "MAKE_DATE", "PRINTF", "WEEKDAY",
))  # fmt: skip
ALLOWED = NODES | FUNCTIONS


def is_row_number(node: exp.Expr) -> bool:
    """Say whether it is the one window that stands outside SQL views too."""
    return type(node) is exp.Window and type(node.this) is exp.RowNumber


def is_of_sql_view(node: exp.Expr) -> bool:
    """Say whether it is what an SQL view may hold and few others: EXISTS, a window, its function or its frame."""
    kind = type(node)
    if kind is exp.Exists:
        return True
    if kind is exp.Window:
        return type(node.this) in WINDOWED and {key for key, part in node.args.items() if part} <= WINDOW_PARTS
    is_within = type(node.parent) is exp.Window
    return is_within and (kind is exp.WindowSpec or (kind in WINDOWED and node.arg_key == "this"))


def is_of_sql_view_alone(node: exp.Expr) -> bool:
    """Say whether it stands in the texts of SQL views and nowhere else."""
    return type(node) not in ALLOWED and is_of_sql_view(node) and not is_row_number(node)


def _is_alone(node: exp.Expr) -> bool:
    """Say whether it is a list of one value: two such are compared where both values may be missing."""
    return type(node) is exp.Array and given(node) <= {"expressions", "bracket_notation"} and len(node.expressions) == 1


def check_node(node: exp.Expr) -> None:
    """Raise unless this kind of node may stand anywhere in governed SQL."""
    kind = type(node)
    if kind in ALLOWED:
        return
    if is_row_number(node):
        return
    if kind is exp.Star and type(node.parent) is exp.Count and not any(node.args.values()):
        return
    if kind is exp.Offset and is_no_cut(node):
        return
    if kind is exp.Array and type(node.parent) is exp.EQ and all(map(_is_alone, node.parent.iter_expressions())):
        return
    if kind is exp.Anonymous and node.name.upper() in NAMED_FUNCTIONS:
        return
    raise UnprovenSqlError(f"The text holds {kind.__name__}, which governed SQL never does.")
