"""Whether the groups of a query view's question are others for whoever sees masks, worked out from the model alone.

Groups by a keyed hash are those by the value, as long as the hash is there as it is. What a table's key beside it has told
apart makes no groups.
"""

from collections.abc import Iterator

from sqlglot import exp

from apps.semantic.model.carried_masks import carries_mask
from apps.semantic.model.types import Dimension, Measure, QuerySource, SemanticModel, SqlSource, View, table_text
from apps.semantic.scope import AccessScope

Kinds = frozenset[str]
MADE: Kinds = frozenset(("made of one",))
APART: Kinds = frozenset(("hash",))
NONE: Kinds = frozenset()
CASELESS_TEXTS = frozenset(("mysql",))
"""dialects whose collations take texts in other letters for the same, which hashes do not"""


def groups_by_masks(source: QuerySource, model: SemanticModel, scope: AccessScope) -> bool:
    """Say whether a dimension that a query view asks for makes other groups where masks stand in for values."""
    asked = [name for name, _ in source.columns]
    return any(
        not kinds_of(name, model, scope) <= APART
        for name in asked
        if model.measure(name) is None and not is_told_by_key(name, asked, model)
    )


def kind_of(item: Dimension, dialect: str) -> str:
    """Return the kind of a masked dimension's mask: no plain hash where the database groups texts otherwise than their hashes."""
    if item.mask.kind == "hash" and dialect in CASELESS_TEXTS:
        return "hash" if item.type in ("number", "boolean", "date", "timestamp") else "hash of letters"
    return item.mask.kind


def is_told_by_key(name: str, asked: list[str], model: SemanticModel) -> bool:
    """Say whether all of a view's key is asked for, and a dimension of one row of that view alone is no part of it."""
    found = model.dimension(name.partition("[")[0])
    if found is None:
        return False
    key = [item.id for item in model.views[found.view].dimensions.values() if item.is_primary_key]
    if not key or found.id in key or not all(item in asked for item in key):
        return False
    return _is_within(found, found.view, model)


def kinds_of(name: str, model: SemanticModel, scope: AccessScope) -> Kinds:
    """Return the kinds of the masks that a field's values are, or are made of."""
    found = model.dimension(name)
    if found is None or found.top_n or found.level_of_detail or found.duration:
        field = model.dimension(name.partition("[")[0]) or model.measure(name)
        if field is None:
            return MADE
        parts = (kinds_of(inner, model, scope) for inner in named(field))
        is_masked = field.id in scope.masked or carries_mask((field.id,), model, scope)
        return MADE if is_masked or any(parts) else NONE
    own = frozenset((kind_of(found, model.dialect),)) if found.id in scope.masked else NONE
    if isinstance(found.sql, exp.Placeholder):
        return own | (kinds_of(found.sql.name, model, scope) if _is_field(found.sql) else NONE)
    if any(kinds_of(inner, model, scope) for inner in named(found)):
        return own | MADE
    if not carries_mask((found.id,), model, scope):
        return own
    return own | (_of_column(found.sql.name, model.views[found.view], model, scope) if _is_plain(found.sql) else MADE)


def _of_column(column: str, view: View, model: SemanticModel, scope: AccessScope) -> Kinds:
    """Return the kinds in a derived view's column that carries masks."""
    if view.sql_source is not None:
        return _of_text(view.sql_source.tree, column.lower(), view.sql_source, model, scope) or MADE
    source = view.query_source
    inner = scope.nested.get(source.topic) if source is not None else None
    names = [name for name, alias in source.columns if alias.lower() == column.lower()] if source is not None else []
    if source is None or inner is None or len(names) != 1:
        return MADE
    return kinds_of(names[0], model.of_topic(source.topic), inner) or MADE


def _of_text(query: exp.Expr, output: str | int, source: SqlSource, model: SemanticModel, scope: AccessScope) -> Kinds:
    if isinstance(query, exp.Subquery):
        return _of_text(query.this, output, source, model, scope)
    names = _outputs(query)
    place = names.index(output) if output in names else output
    if not isinstance(place, int):
        return NONE
    if isinstance(query, exp.SetOperation):
        sides = [_of_text(side, place, source, model, scope) for side in (query.this, query.expression)]
        return sides[0] if sides[0] == sides[1] else MADE
    item = query.expressions[place].unalias()
    if not _is_plain(item):
        return MADE
    joined = [query.args["from_"].this, *(join.this for join in query.args.get("joins") or ())]
    kinds = NONE
    for part in (
        joined if not item.table else [node for node in joined if node.alias_or_name.lower() == item.table.lower()]
    ):
        if isinstance(part, exp.Table):
            view = model.views.get(source.tables.get(table_text(part), ""))
            dimensions = view.dimensions.values() if view is not None else ()
            of_it = [one for one in dimensions if _is_plain(one.sql) and one.sql.name.lower() == item.name.lower()]
            kinds |= {kind_of(one, model.dialect) for one in of_it if one.id in scope.masked}
        else:
            kinds |= _of_text(part, item.name.lower(), source, model, scope)
    return kinds


def _outputs(query: exp.Expr) -> list[str]:
    while not isinstance(query, exp.Select):
        query = query.this
    return [item.alias_or_name.lower() for item in query.expressions]


def _is_within(start: Dimension, view: str, model: SemanticModel) -> bool:
    if start.view != view or start.level_of_detail:
        return False
    # A ranking names its measure, which is no dimension.
    inner = [model.dimension(name.partition("[")[0]) for name in named(start)]
    return all(item is not None and _is_within(item, view, model) for item in inner)


def named(field: Dimension | Measure) -> Iterator[str]:
    """Yield all that a field of the model names: what its ranking and its grain name as well."""
    trees = [field.sql]
    if isinstance(field, Measure):
        trees += field.distinct_on
        yield from (rule.field for rule in field.filters)
    else:
        trees += [field.duration.start, field.duration.end] if field.duration else []
        yield from (field.top_n.by,) if field.top_n else ()
        yield from (field.order_by_field,) if field.order_by_field else ()
    yield from field.level_of_detail.grain if field.level_of_detail else ()
    for tree in trees:
        yield from (node.name for node in tree.find_all(exp.Placeholder) if _is_field(node)) if tree is not None else ()


def _is_field(node: exp.Placeholder) -> bool:
    return not node.name.startswith(("omni_attributes.", "filters."))


def _is_plain(sql: exp.Expr) -> bool:
    return isinstance(sql, exp.Column)
