"""Proves the SELECT that stands in the place of a query view's table to be the answer of the view's own question."""

from collections.abc import Iterable

from sqlglot import exp

from apps.semantic.verify.asked import Asked, OwnFilter
from apps.semantic.verify.demands import Ledger, demand, given, is_same
from apps.semantic.verify.groups import Marks, take_filter, traced, written
from apps.semantic.verify.ordered import is_grouped, is_limited, is_ordered, outputs_of
from apps.semantic.verify.origins import origin
from apps.semantic.verify.places import Place
from apps.semantic.verify.trees import bare, conjuncts

ROWS = frozenset(("expressions", "from_", "joins", "where"))
ANSWER = frozenset(("expressions", "from_", "group", "having", "order", "limit"))
COLUMNS = "A query view has other columns than the model says."
FILTER = "A filter of a query view is missing."
BEYOND = "A query view is filtered by something else than the model says."
KEYS = "A query view is grouped by something else than the model says."
ORDER = "A query view is ordered otherwise than the model says."
LIMIT = "A query view has another limit than the model says."
OTHER = "A query view is made in another way than its question."


def prove_filters(found: list[exp.Expr], select: exp.Select, asked: Asked, ledger: Ledger) -> list[exp.Expr]:
    """Prove that conditions on the rows of a query view are its filters, and those that it takes over; return the latter.

    Args:
        found: what is left of the WHERE of the SELECT that joins its tables, in the order of the text.
    """
    left = [*found]
    for item in asked.filters:
        taken = _taken(left, item, select, ledger)
        demand(taken is not None, FILTER)
        nodes = taken[0] if taken is not None else []
        left = [node for node in left if not any(node is other for other in nodes)]
    for node in left:
        demand(asked.bound is not None and set(traced(node, select)) <= asked.bound, BEYOND)
    return left


def prove_answer(query: exp.Expr, asked: Asked, ledger: Ledger) -> None:
    """Prove what a query that is proven to stay within its topic shows, how it is grouped, and which rows of that it keeps.

    Raises:
        UnprovenSqlError: it is not the answer of the question.
    """
    select = _uncalculated(query, asked)
    _demand_levels(select)
    outputs = outputs_of(select)
    demand(outputs.keys() == asked.keys.keys() | asked.measures.keys(), COLUMNS)
    for column, place in asked.keys.items():
        _prove_key(column, place, outputs[column], select)
    for column, measure in asked.measures.items():
        demand(measure.fits(outputs[column], select), COLUMNS)
        for item in asked.held[column]:
            demand(_taken(written(outputs[column], select), item, select, ledger) is not None, FILTER)
    demand(is_grouped(select, outputs, frozenset(asked.keys)), KEYS)
    having = select.args.get("having")
    demand(len(conjuncts(having.this if having is not None else None)) == asked.groups.count, BEYOND)
    demand(is_ordered(select, outputs, asked.order), ORDER)
    demand(is_limited(select, asked.limit), LIMIT)


def _taken(
    found: Iterable[exp.Expr], item: OwnFilter, select: exp.Select, ledger: Ledger
) -> tuple[list[exp.Expr], Marks] | None:
    """Return the nodes that are a filter and have its values, which are noted."""
    nodes = [*found]
    while (
        taken := take_filter(nodes, item.rule, lambda node: item.place.fits(frozenset(traced(node, select))))
    ) is not None:
        if all(_is_bound(node, value, ledger) for node, value in taken[1]):
            ledger.expect([node for node, _ in taken[1]], [value for _, value in taken[1]])
            return taken
        nodes = [node for node in nodes if node is not taken[0][0]]
    return None


def _is_bound(node: exp.Expr, value: object, ledger: Ledger) -> bool:
    place = ledger.placeholders[id(node)]
    return place < len(ledger.parameters) and is_same(ledger.parameters[place], value)  # type: ignore[arg-type]  # a value of the model


def _uncalculated(query: exp.Expr, asked: Asked) -> exp.Select:
    """Return the SELECT beneath the calculations of a view, which must be the model's."""
    if not asked.calculations:
        demand(type(query) is exp.Select, OTHER)
        return query  # type: ignore[return-value]  # demanded above
    demand(given(query) == {"expressions", "from_"}, OTHER)
    source = query.args["from_"].this
    demand(type(source.this) is exp.Select, OTHER)
    outputs = outputs_of(query)  # type: ignore[arg-type]  # demanded above
    named = {*asked.keys, *asked.measures}
    demand(outputs.keys() == named | asked.calculations.keys(), COLUMNS)
    for name, node in outputs.items():
        tree = exp.Paren(this=node.copy())
        for column in [*tree.find_all(exp.Column)]:
            column.set("table", None)
        expected = asked.calculations.get(name)
        plain = exp.column(exp.to_identifier(name, quoted=True))
        demand(bare(tree.this) == (plain if expected is None else expected), COLUMNS)
    inner: exp.Select = source.this
    return inner


def _demand_levels(select: exp.Select) -> None:
    """Demand that rows are joined and filtered in one SELECT, and grouped in it or around it, and nothing more."""
    source = select.args["from_"].this
    if " " not in source.alias:
        return
    rows = source.this
    demand(given(select) <= ANSWER and given(rows) <= ROWS, OTHER)
    demand(" " not in rows.args["from_"].this.alias, OTHER)


def _prove_key(name: str, place: Place, node: exp.Expr, select: exp.Select) -> None:
    if place.tree is not None:
        demand(origin(select, name) == place.tree, KEYS)
    else:
        demand(place.fits(frozenset(traced(node, select))), KEYS)
