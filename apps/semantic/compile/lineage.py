"""Which columns of governed views each output of an SQL view is made of."""

from collections.abc import Iterator, Mapping

from sqlglot import exp

from apps.semantic.model.types import SqlSource, table_text

Column = tuple[str, str]
"""(view that governs the table, name of the column in small letters)"""
Outputs = Mapping[str, frozenset[Column]]
"""columns by the output's name in small letters"""


def outputs_of(source: SqlSource, *, with_counts: bool = False) -> Outputs:
    """Return what each output of an SQL view is made of, by name; a count is made of nothing, unless that is asked for.

    Small letters throughout: of two columns that some databases tell apart by case, both are told.
    """
    return dict(_of_query(source.tree, source, with_counts=with_counts))


def _of_query(query: exp.Expr, source: SqlSource, *, with_counts: bool) -> Iterator[tuple[str, frozenset[Column]]]:
    if isinstance(query, exp.Subquery):
        yield from _of_query(query.this, source, with_counts=with_counts)
    elif isinstance(query, exp.SetOperation):
        both = (_of_query(side, source, with_counts=with_counts) for side in (query.this, query.expression))
        sides = zip(*both, strict=False)
        yield from ((name, columns | others) for (name, columns), (_, others) in sides)
    elif isinstance(query, exp.Select):
        inputs = dict(_inputs(query, source, with_counts=with_counts))
        for item in query.expressions:
            tables = [source.tables.get(table_text(table), "") for table in item.find_all(exp.Table)]
            yield item.alias_or_name.lower(), _read(item, inputs, tables, with_counts=with_counts)


def _inputs(query: exp.Select, source: SqlSource, *, with_counts: bool) -> Iterator[tuple[str, str | Outputs]]:
    """Yield what a SELECT reads from by the name it has there: the view that governs a table, or a query's outputs."""
    parts = [query.args.get("from_"), *query.args.get("joins", ())]
    for part in (found.this for found in parts if found is not None):
        if isinstance(part, exp.Table):
            yield part.alias_or_name.lower(), source.tables.get(table_text(part), "")
        else:
            yield part.alias_or_name.lower(), dict(_of_query(part, source, with_counts=with_counts))


def _read(
    item: exp.Expr, inputs: Mapping[str, str | Outputs], tables: list[str], *, with_counts: bool
) -> frozenset[Column]:
    """Return the columns that an output reads; ``tables`` are those of queries within it, any of which they may be of."""
    found: set[Column] = set()
    for node in item.find_all(exp.Column):
        if not with_counts and node.find_ancestor(exp.Count) is not None:
            continue
        own = inputs.get(node.table.lower())
        found.update((of, node.name.lower()) for of in tables)
        for of in inputs.values() if own is None else (own,):
            found.update({(of, node.name.lower())} if isinstance(of, str) else of.get(node.name.lower(), ()))
    return frozenset(found)
