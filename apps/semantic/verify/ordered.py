"""Reads how a SELECT is ordered, grouped and cut off: by which of its columns."""

from sqlglot import exp

from apps.semantic.verify.demands import given
from apps.semantic.verify.trees import bare

Outputs = dict[str, exp.Expr]
"""what comes out of a SELECT, by name and in order"""


def outputs_of(select: exp.Select) -> Outputs:
    """Return the expressions of a SELECT by their names."""
    return {node.alias_or_name: node.unalias() for node in select.expressions}


def is_ordered(select: exp.Select, outputs: Outputs, wanted: tuple[tuple[str, bool], ...]) -> bool:
    """Say whether a SELECT is ordered by columns, each with whether it descends, missing values last.

    What is the same in every row may be left out of the order.
    """
    order = select.args.get("order")
    keys = _keys(order.expressions if order is not None else [])
    if keys is None:
        return False
    place = 0
    for name, is_descending in wanted:
        if place < len(keys) and name in named_outputs(keys[place][0], outputs):
            if keys[place][1] != is_descending:
                return False
            place += 1
        elif outputs[name].find(exp.AggFunc, exp.Column) is not None:
            return False
    return place == len(keys)


def is_grouped(select: exp.Select, outputs: Outputs, wanted: frozenset[str]) -> bool:
    """Say whether a SELECT is grouped by columns and by nothing else."""
    group = select.args.get("group")
    keys = [named_outputs(node, outputs) for node in group.expressions] if group is not None else []
    is_plain = group is None or given(group) == {"expressions"}
    return is_plain and all(keys) and frozenset[str]().union(*keys) == wanted


def is_limited(select: exp.Select, wanted: int | None) -> bool:
    """Say whether a SELECT is cut off after a number of rows; None: not at all."""
    limit = select.args.get("limit")
    if wanted is None:
        return limit is None
    number = limit.expression if limit is not None and given(limit) == {"expression"} else None
    return type(number) is exp.Literal and not number.is_string and number.name == str(wanted)


def named_outputs(node: exp.Expr, outputs: Outputs) -> frozenset[str]:
    """Return the columns that an order or a group is by: by its number, its name, or as it is written there."""
    if type(node) is exp.Literal:
        place = int(node.name) if node.is_int else 0
        return frozenset([*outputs][place - 1 : place] if place > 0 else ())
    if type(node) is exp.Column and not node.table:
        return frozenset(outputs.keys() & {node.name})
    return frozenset(name for name, output in outputs.items() if bare(output) == bare(node))


def _keys(found: list[exp.Expr]) -> list[tuple[exp.Expr, bool]] | None:
    """Return what an order is by, and whether it descends; None where missing values do not come last."""
    keys: list[tuple[exp.Expr, bool]] = []
    missing: exp.Expr | None = None
    for node in found:
        is_descending = bool(node.args.get("desc"))
        asked = None if is_descending else _asked_for_gaps(node.this)
        if asked is not None and missing is None:
            missing = asked
            continue
        is_last = missing == node.this if missing is not None else not node.args.get("nulls_first")
        if not is_last:
            return None
        missing = None
        keys.append((node.this, is_descending))
    return keys if missing is None else None


def _asked_for_gaps(node: exp.Expr) -> exp.Expr | None:
    """Return what is asked after in ``CASE WHEN … IS NULL THEN 1 ELSE 0 END``."""
    if given(node) != {"ifs", "default"} or len(node.args["ifs"]) != 1:
        return None
    found, default = node.args["ifs"][0], node.args["default"]
    is_form = type(found.this) is exp.Is and type(found.this.expression) is exp.Null
    if not is_form or found.args["true"] != exp.Literal.number(1) or default != exp.Literal.number(0):
        return None
    asked: exp.Expr = found.this.this.unnest()
    return asked
