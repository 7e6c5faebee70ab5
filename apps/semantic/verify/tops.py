"""Proves that the rest beyond a ranking is never put together with a value: the columns of one are read in one form only.

CASE WHEN kept = 1 AND v = 'Other' THEN 'Other (value)'
     WHEN kept = 1 AND SUBSTRING(v, 1, 13) = 'Other (value)' THEN v || ' (value)'
     WHEN kept = 1 THEN v ELSE 'Other' END

How many values a ranking keeps, and in which order, is proven in ``verify/rankings.py``. That a dimension is shown at all is
not: a question's rights are proven, and what stands in its answer, not which question it was.
"""

from sqlglot import exp

from apps.semantic.verify.demands import Ledger, demand, given
from apps.semantic.verify.trees import bare

MARK = " (value)"
MERGED = "The rest beyond a ranking could be taken for a value."


def prove_rest(select: exp.Select, alias: str, kept: str, ledger: Ledger) -> None:
    """Prove that outside of its join's condition nothing reads a ranking but the form above; note its labels.

    Args:
        kept: the ranking's column that is 1 for a value at the top.
    """
    joined = (join.args.get("on") for join in select.args["joins"] if join.this.alias != alias)
    parts = [*select.expressions, *joined, *(select.args.get(key) for key in ("where", "group", "having", "order"))]
    seen: set[int] = set()
    for node in [found for part in parts if part is not None for found in part.find_all(exp.Column)]:
        if node.table != alias:
            continue
        case = node.find_ancestor(exp.Case, exp.Select) or select
        if id(case) not in seen:
            seen.add(id(case))
            _prove_form(case, (alias, kept), ledger)


def _prove_form(case: exp.Expr, at: tuple[str, str], ledger: Ledger) -> None:
    demand(given(case) == {"ifs", "default"} and len(case.args["ifs"]) == 3, MERGED)
    (first, marked), (second, again), (third, value) = ((item.this, item.args["true"]) for item in case.args["ifs"])
    _demand_kept(third, at)
    shown = bare(value)
    demand(not any(node.table == at[0] for node in value.find_all(exp.Column)), MERGED)
    is_label, begins = _beside_kept(first, at), _beside_kept(second, at)
    demand(bare(is_label.this) == shown, MERGED)
    start = begins.this.unnest()
    demand(given(start) == {"this", "start", "length"} and bare(start.this) == shown, MERGED)
    demand(start.args["start"].name == "1" and start.args["length"].name.isdecimal(), MERGED)
    halves = [again.this, again.expression] if type(again) is exp.DPipe else [*again.expressions]
    demand(type(again) in (exp.DPipe, exp.Concat) and len(halves) == 2 and bare(halves[0]) == shown, MERGED)
    end = halves[1]
    demand(end.is_string and end.name == MARK, MERGED)
    labels = [_bound(node, ledger) for node in (is_label.expression, case.args["default"])]
    marks = [_bound(node, ledger) for node in (marked, begins.expression)]
    ledger.proof.rests.append((tuple(labels), tuple(marks), int(start.args["length"].name)))


def _beside_kept(node: exp.Expr, at: tuple[str, str]) -> exp.Expr:
    demand(type(node) is exp.And, MERGED)
    _demand_kept(node.this, at)
    found: exp.Expr = node.expression.unnest()
    demand(type(found) is exp.EQ, MERGED)
    return found


def _demand_kept(node: exp.Expr, at: tuple[str, str]) -> None:
    equal = node.unnest()
    demand(type(equal) is exp.EQ and type(equal.this) is exp.Column, MERGED)
    demand((equal.this.table, equal.this.name) == at, MERGED)
    demand(type(equal.expression) is exp.Literal and equal.expression.name == "1", MERGED)


def _bound(node: exp.Expr, ledger: Ledger) -> int:
    """Return the number of the placeholder that a text is, and nothing else."""
    inner = node.unnest()
    if isinstance(inner, exp.Cast) and inner.to.is_type(*exp.DataType.TEXT_TYPES):
        inner = inner.this
    demand(type(inner) is exp.Placeholder, MERGED)
    return ledger.placeholders[id(inner)]


def is_apart(parameters: tuple[object, ...], rest: tuple[tuple[int, ...], tuple[int, ...], int]) -> bool:
    """Say whether the values bound in a form are one label, and that label with its mark."""
    label, other = (parameters[place] for place in rest[0])
    marked = {parameters[place] for place in rest[1]}
    return isinstance(label, str) and other == label and marked == {label + MARK} and rest[2] == len(label + MARK)
