"""Whether PostgreSQL can carry out a FULL JOIN: it needs one equality between both sides that always holds.

Only what is certain from the text is said. What is around may turn the join into another kind, and constants may make a
condition nothing: such a join is left to the database.
"""

from collections.abc import Mapping

from sqlglot import exp

Sides = Mapping[str, frozenset[str]]
"""what a join's condition sees, in its order: the names of the columns; all in small letters"""
Texts = frozenset[str]
"""equalities between both sides, as texts"""
UNTOLD: Texts = frozenset(("",))
"""stands for what cannot be said: it may become an equality, or a constant"""
NONE: Texts = frozenset()
CERTAIN = (
    exp.Column, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Like, exp.ILike, exp.In,
    exp.Between, exp.Is, exp.Exists,
)  # fmt: skip


def is_without_equality(join: exp.Join, sides: Sides) -> bool:
    """Say whether it is a FULL JOIN that the database refuses for certain.

    Args:
        join: with its condition, within the SELECT that it stands in.
        sides: what the condition sees; the last one is what is joined.
    """
    condition = join.args.get("on")
    if join.side != "FULL" or condition is None or _may_be_turned(join) or not _columns(condition):
        return False
    return not _equalities(condition, sides, is_negated=False)


def _may_be_turned(join: exp.Join) -> bool:
    """Say whether conditions around it may drop the rows that a FULL JOIN adds, so that it is another kind of join."""
    select = join.parent
    joins = select.args["joins"] if select is not None else []
    later = joins[next(place for place, item in enumerate(joins) if item is join) + 1 :]
    if any(item.args.get("on") is not None and item.side not in ("LEFT", "FULL") for item in later):
        return True
    around = select
    while around is not None:
        parts = ("where", "having", "joins") if around is not select else ("where", "having")
        if isinstance(around, exp.Select) and any(around.args.get(part) for part in parts):
            return True
        around = around.parent
    return False


def _equalities(node: exp.Expr, sides: Sides, *, is_negated: bool) -> Texts:
    """Return the equalities that hold wherever an expression does, or does not."""
    if not _columns(node):
        is_true = isinstance(node, exp.Boolean) and node.this and not is_negated
        return NONE if is_true or (isinstance(node, exp.EQ) and node.this == node.expression) else UNTOLD
    if isinstance(node, exp.Paren):
        return _equalities(node.this, sides, is_negated=is_negated)
    if isinstance(node, exp.Not):
        return _equalities(node.this, sides, is_negated=not is_negated)
    if isinstance(node, exp.And | exp.Or):
        left, right = (_equalities(item, sides, is_negated=is_negated) for item in (node.this, node.expression))
        if isinstance(node, exp.Or) == is_negated:
            return left | right
        is_untold = not (_columns(node.this) and _columns(node.expression)) or UNTOLD & (left | right)
        return UNTOLD if is_untold else left & right
    if isinstance(node, exp.EQ | exp.NEQ) and (node.this.find(exp.Boolean) or node.expression.find(exp.Boolean)):
        return UNTOLD
    return _leaf(node, sides, is_equal=isinstance(node, exp.NEQ if is_negated else exp.EQ), is_negated=is_negated)


def _leaf(node: exp.Expr, sides: Sides, *, is_equal: bool, is_negated: bool) -> Texts:
    is_null = isinstance(node, exp.Is) and isinstance(node.expression, exp.Null)
    constants = (node.this if is_null else node).find(exp.Null, exp.Case, exp.If, exp.Coalesce)
    if not isinstance(node, CERTAIN) or (constants is not None and not isinstance(node, exp.Exists)):
        return UNTOLD
    if isinstance(node, exp.In) and len(node.expressions) == 1 and not is_negated:
        pair = (node.this, node.expressions[0])
    elif is_equal:
        pair = (node.this, node.expression)
    else:
        return NONE
    if any(item.find(exp.Query) is not None for item in pair):
        return UNTOLD
    found = [_sides(item, sides) for item in pair]
    return frozenset((node.sql(),)) if all(found) and {*found} == {"left", "right"} else NONE


def _sides(node: exp.Expr, sides: Sides) -> str:
    """Return the side that all columns of an expression are of."""
    names = list(sides)
    found = set[str]()
    for item in node.find_all(exp.Column):
        owner = item.table.lower() or next((name for name in names if item.name.lower() in sides[name]), "")
        found.add("right" if owner == names[-1] else "left" if owner in names else "")
    return found.pop() if len(found) == 1 else ""


def _columns(node: exp.Expr) -> bool:
    """Say whether it is more than constants."""
    return node.find(exp.Column, exp.Query) is not None
