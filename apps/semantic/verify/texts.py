"""What stands in for a masked value is a text, and must be used as one wherever the statement reads it.

Taken for a number or a date it fails on one database, and is nought for everybody on another.
"""

from collections.abc import Set

from sqlglot import exp

from apps.semantic.verify.demands import demand

TEXT_TYPES = frozenset((*exp.DataType.TEXT_TYPES, exp.DType.BINARY, exp.DType.VARBINARY))
COMPARED = (
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Like, exp.ILike, exp.In, exp.Between,
    exp.StartsWith, exp.EndsWith, exp.Contains,
)  # fmt: skip
MADE = (
    exp.Paren, exp.Escape, exp.Lower, exp.Upper, exp.Initcap, exp.Trim, exp.Left, exp.Right, exp.Substring, exp.Reverse, exp.SplitPart,
    exp.Pad, exp.Repeat, exp.Replace, exp.Concat, exp.ConcatWs, exp.DPipe, exp.Coalesce, exp.Nullif, exp.Case, exp.If,
)  # fmt: skip
"""of a text: another text, or one of several"""
TAKEN = (
    exp.Alias, exp.Select, exp.Group, exp.Ordered, exp.Window, exp.Count, exp.Distinct, exp.Min, exp.Max, exp.Is, exp.GroupConcat,
)  # fmt: skip
"""takes values of every type"""
THROUGH = (exp.Alias, exp.Min, exp.Max, exp.GroupConcat, exp.Distinct, exp.Filter)
"""of these, gives one of them out again"""
PICKING = (exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue)
"""gives out the value of another row"""


def demand_texts(select: exp.Expr, masks: Set[tuple[str, str]]) -> None:
    """Demand that masked texts, given as (view, column), are put into no place for another type."""
    for node in select.find_all(exp.Column) if masks else ():
        if (node.table, node.name) in masks:
            _demand_text(node)


def comes_out(node: exp.Expr) -> bool:
    """Say whether a masked text in a SELECT leaves it as a text.

    Raises:
        UnprovenSqlError: it is put into a place for another type.
    """
    while (parent := node.parent) is not None and not isinstance(parent, exp.Query):
        is_picked = isinstance(parent, (*PICKING, exp.Window)) and node.arg_key == "this"
        if is_picked or isinstance(parent, THROUGH):
            other = parent.args.get("default") if isinstance(parent, PICKING) else None
            demand(other is None or not _is_number(other), "A masked text stands beside a number.")
            node = parent
        elif isinstance(parent, (*TAKEN, exp.Exists)) or not _passes(node, parent):
            return False
        else:
            node = parent
    return node.arg_key == "expressions"


def _demand_text(node: exp.Expr) -> None:
    while (parent := node.parent) is not None and not isinstance(parent, TAKEN) and _passes(node, parent):
        node = parent


def _passes(node: exp.Expr, parent: exp.Expr) -> bool:
    """Say whether what is made of a text is a text again, and demand that it may be made of one."""
    if isinstance(parent, COMPARED):
        others = [item for item in parent.iter_expressions() if item is not node]
        demand(not any(map(_is_number, others)), "A masked text is compared with a number.")
        return False
    if isinstance(parent, exp.Cast):
        demand(parent.to.this in TEXT_TYPES, "A masked text is taken for another type.")
        return True
    demand(isinstance(parent, MADE), "A masked text stands where only another type can.")
    if isinstance(parent, exp.If | exp.Case) and node.arg_key == "this":
        _demand_choice(parent)
        return False
    demand(not any(map(_is_number, _beside(node, parent))), "A masked text stands beside a number.")
    return True


def _beside(node: exp.Expr, parent: exp.Expr) -> list[exp.Expr]:
    """Return the other values of what gives one of several."""
    if isinstance(parent, exp.Coalesce | exp.Nullif):
        return [item for item in parent.iter_expressions() if item is not node]
    whole = parent.parent if isinstance(parent, exp.If) and isinstance(parent.parent, exp.Case) else parent
    if not isinstance(whole, exp.Case | exp.If):
        return []
    cases = whole.args["ifs"] if isinstance(whole, exp.Case) else [whole]
    values = [item.args.get(key) for item in (*cases, whole) for key in ("true", "false", "default")]
    return [item for item in values if item is not None]


def _demand_choice(parent: exp.Expr) -> None:
    """Demand that a value that decides which of others is given is compared, and with no number."""
    whole = parent.parent if parent.arg_key == "ifs" else parent
    compared = [whole.args.get("this"), *(item.this for item in whole.args["ifs"])] if type(whole) is exp.Case else []
    demand(compared != [] and compared[0] is not None, "A masked text stands where only another type can.")
    demand(not any(map(_is_number, compared)), "A masked text is compared with a number.")


def _is_number(node: exp.Expr) -> bool:
    node = node.unnest()
    if isinstance(node, exp.Literal):
        return not node.is_string
    if isinstance(node, exp.Cast):
        return node.to.this not in TEXT_TYPES
    return isinstance(node, exp.Neg | exp.Add | exp.Sub | exp.Mul | exp.Div | exp.Mod | exp.IntDiv)
