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
from apps.semantic.verify.trees import bare

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
    own, kept = _compared(join.args.get("on"))
    is_kept = type(kept) is exp.Column and (kept.table, kept.name) == (join.this.alias, value)
    is_own = not any(node.table == join.this.alias for node in own.find_all(exp.Column))
    return is_kept and is_own and place.fits(frozenset(traced(own, select)))


def _compared(on: exp.Expr | None) -> tuple[exp.Expr, exp.Expr]:
    """Return what must be equal or both missing; PostgreSQL hashes the longer forms: the same fills both gaps, or lists of one value."""
    if type(on) is exp.NullSafeEQ:
        return bare(on.this), bare(on.expression)
    missing, filled = (on.this, on.expression) if type(on) is exp.And else (exp.Null(), exp.Null())
    sides = [bare(side) for side in (missing.args.get("this"), missing.args.get("expression")) if side is not None]
    found = [side.this for side in sides if type(side) is exp.Is and type(side.expression) is exp.Null]
    if type(missing) is not exp.EQ or type(filled) is not exp.EQ or len(found) != 2:
        return exp.Null(), exp.Null()
    fills = [bare(filled.this), bare(filled.expression)]
    if all(type(fill) is exp.Array for fill in fills):
        is_same = [[*fill.expressions] for fill in fills] == [[node] for node in found]
    else:
        is_same = all(type(fill) is exp.Coalesce and fill.this == node for fill, node in zip(fills, found, strict=True))
        is_same = is_same and fills[0].expressions == fills[1].expressions
    return (found[0], found[1]) if is_same else (exp.Null(), exp.Null())


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
