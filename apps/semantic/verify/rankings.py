"""Proves which values a ranking keeps: as many as the question or the model asks for, by the measure and in the order asked for.

A ranking is an answer that is cut off and joined by its values. The text does not say for which dimension it stands: it must
be one that could be, and wherever such a dimension is shown, its ranking must be there.
"""

from collections.abc import Iterable, Iterator

from sqlglot import exp

from apps.semantic.query.types import Top
from apps.semantic.verify.demands import Ledger, demand
from apps.semantic.verify.groups import traced
from apps.semantic.verify.ordered import is_grouped, is_limited, is_ordered, outputs_of
from apps.semantic.verify.permits import Permit
from apps.semantic.verify.places import Place
from apps.semantic.verify.tops import prove_rest

OTHER = "A ranking keeps other values than the question or the model asks for."
MISSING = "A dimension is shown without its ranking."


def is_ranking(join: exp.Join) -> bool:
    """Say whether an answer that is joined was cut off, at any depth: a level of detail never is."""
    return _is_cut(join.this.this)


def _is_cut(query: exp.Expr) -> bool:
    if isinstance(query, exp.Union):
        return _is_cut(query.this) or _is_cut(query.expression)
    if query.args.get("limit"):
        return True
    # A view's name has no space in it, that of an answer has.
    source = query.args["from_"].this if query.args.get("from_") else exp.Null()
    return " " in source.alias and _is_cut(source.this)


def prove_ranking(join: exp.Join, select: exp.Select, tops: Iterable[Top], permit: Permit, ledger: Ledger) -> None:
    """Prove an answer that is joined to keep the top values of a dimension, and note for which ones it may stand.

    Args:
        select: that it is joined in.
        tops: the rankings that the question and the model ask for.
    """
    ranking: exp.Select = join.this.this
    outputs = outputs_of(ranking)
    demand(len(outputs) == len(ranking.expressions) == 3, OTHER)
    value, _, kept = outputs
    demand(outputs[kept] == exp.Literal.number(1) and is_grouped(ranking, outputs, frozenset((value,))), OTHER)
    met = [top for top in tops if _is_met(top, join, select, permit)]
    demand(bool(met), OTHER)
    for top in met:
        ledger.rankings.setdefault((id(select), top), set()).add(join.this.alias)
    prove_rest(select, join.this.alias, kept, ledger)


def prove_shown(query: exp.Expr, place: int, top: Top, ledger: Ledger) -> None:
    """Prove that a column of an answer, counted from 0, shows the top values of its dimension, wherever its rows are joined."""
    for select, node in _shown(query, place):
        aliases = ledger.rankings.get((id(select), top), set())
        demand(bool(aliases), MISSING)
        if top.other is not None:
            form = node.unnest()
            demand(type(form) is exp.Case and any(item.table in aliases for item in form.find_all(exp.Column)), MISSING)


def prove_kept(query: exp.Expr, top: Top, ledger: Ledger) -> None:
    """Prove that the rows of an answer are those of the top values of a dimension that it does not show."""
    for select in _joined(query):
        demand((id(select), top) in ledger.rankings, MISSING)


def _is_met(top: Top, join: exp.Join, select: exp.Select, permit: Permit) -> bool:
    ranking: exp.Select = join.this.this
    outputs = outputs_of(ranking)
    value, by, _ = outputs
    measure = permit.model.measure(top.by)
    if measure is None or bool(join.kind) != (top.other is None):
        return False
    place = permit.places.of(top.field)
    order = ((by, top.is_descending), (value, False))
    return (
        is_limited(ranking, top.n)
        and is_ordered(ranking, outputs, order)
        and place.fits(frozenset(traced(outputs[value], ranking)))
        and permit.places.measure(measure).fits(outputs[by], ranking)
        and _is_joined(join, value, place, select)
    )


def _is_joined(join: exp.Join, value: str, place: Place, select: exp.Select) -> bool:
    """Say whether a ranking is joined by its values and those of the dimension: both equal, or both missing."""
    on = join.args.get("on")
    sides = [on] if type(on) is exp.NullSafeEQ else [on.this, on.expression] if type(on) is exp.And else []
    if len(sides) == 2 and not all(type(side) is exp.EQ for side in sides):
        return False
    for side in sides:
        found = {(node.table, node.name) for node in side.expression.find_all(exp.Column)}
        is_within = any(node.table == join.this.alias for node in side.this.find_all(exp.Column))
        if found != {(join.this.alias, value)} or is_within or not place.fits(frozenset(traced(side.this, select))):
            return False
    return bool(sides)


def _source(select: exp.Select) -> exp.Expr | None:
    """Return the answer that a SELECT reads; None where it joins tables."""
    source = select.args["from_"].this
    found: exp.Expr | None = source.this if " " in source.alias else None
    return found


def _shown(query: exp.Expr, place: int) -> Iterator[tuple[exp.Select, exp.Expr]]:
    """Yield what a column is in each SELECT that joins tables, or where it is more than a column of the answer beneath."""
    if isinstance(query, exp.Union):
        yield from _shown(query.this, place)
        yield from _shown(query.expression, place)
    elif isinstance(query, exp.Select):
        node, inner = query.expressions[place].unalias(), _source(query)
        names = _names(inner)
        if inner is not None and type(node) is exp.Column and node.name in names:
            yield from _shown(inner, names.index(node.name))
        else:
            yield query, node


def _names(query: exp.Expr | None) -> list[str]:
    while isinstance(query, exp.Union):
        query = query.this
    return [node.alias_or_name for node in query.expressions] if isinstance(query, exp.Select) else []


def _joined(query: exp.Expr) -> Iterator[exp.Select]:
    if isinstance(query, exp.Union):
        yield from _joined(query.this)
        yield from _joined(query.expression)
    elif isinstance(query, exp.Select):
        inner = _source(query)
        if inner is None:
            yield query
        else:
            yield from _joined(inner)
