"""What stands in for a view's table: an SQL text, a query of the model; or what its table holds of another view."""

from collections.abc import Mapping

from sqlglot import exp

from apps.semantic.errors import Problem
from apps.semantic.model.context import Context
from apps.semantic.model.dimensions import qualified
from apps.semantic.model.expressions import NODES as EXPRESSION_NODES
from apps.semantic.model.expressions import ExpressionError, demand_provable, parse_query_text
from apps.semantic.model.named_queries import without_names
from apps.semantic.model.parameters import add, check_inside, check_parameters, flag, number, text, texts
from apps.semantic.model.query_shapes import misshapen
from apps.semantic.model.rules import read_filters
from apps.semantic.model.types import TEMPLATED, QuerySource, Rollup, Source, SqlSource, View, table_text
from apps.semantic.model.yaml_nodes import Node
from apps.semantic.verify.allowed import FUNCTIONS, is_of_sql_view

QUERY_NODES = frozenset((
    exp.Select, exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Union,
    exp.Subquery, exp.Table, exp.TableAlias, exp.Alias,
))  # fmt: skip
UNPROVEN = (exp.CurrentDate,)
NOT_TAKEN: dict[type[exp.Expr], str] = {
    exp.Intersect: "INTERSECT is not taken in an SQL view: choose rows with WHERE EXISTS (…)",
    exp.Except: "EXCEPT is not taken in an SQL view: choose rows with WHERE NOT EXISTS (…)",
    exp.Qualify: "QUALIFY is not taken in an SQL view: name the window in a query beneath, and choose rows with WHERE",
    exp.Filter: "FILTER (…) is not taken in an SQL view: write CASE WHEN … THEN … END within the function",
}
"""what is written in another way"""
IMPLICIT = "__"
ROLLUP_HOLDS = "the table must hold all rows of its base view, grouped by the dimensions among its fields"
SORT = "{field: view.field, desc: true}"


def read_sql_source(node: Node, context: Context) -> SqlSource | None:
    """Return the SELECT of an SQL view; which views govern its tables is settled when all views are known."""
    place = node.map()["sql"]
    try:
        written = text(node, "sql", context.problems)
        tree = parse_query_text(written, dialect=context.dialect, constants=context.constants)
        _demand_taken(tree)
        without_names(tree)
        _shorten(tree)
        _check_query(tree)
        demand_provable(tree, context.dialect)
        if wrong := next(misshapen(tree, context.dialect), ""):
            raise ExpressionError(wrong)
    except ExpressionError as error:
        add(context.problems, place, str(error))
        return None
    if not isinstance(tree, exp.Query):
        return None
    return SqlSource(tree, {table_text(item): "" for item in tree.find_all(exp.Table)}, place.source)


def _demand_taken(tree: exp.Expr) -> None:
    """Refuse what is written in another way in an SQL view, and say in which."""
    for node in tree.walk():
        if type(node) in NOT_TAKEN:
            raise ExpressionError(NOT_TAKEN[type(node)])
        if isinstance(node, exp.Select) and node.args.get("windows"):
            raise ExpressionError("an SQL view names no windows: write what is in brackets after each OVER")


def _shorten(tree: exp.Expr) -> None:
    """Leave out what EXISTS does not look at: the columns of its rows."""
    for node in tree.find_all(exp.Exists):
        select = node.this
        is_plain = isinstance(select, exp.Select) and not any(select.args.get(key) for key in ("group", "having"))
        if is_plain and all(
            isinstance(item.unalias(), exp.Column | exp.Star | exp.Literal) for item in select.expressions
        ):
            select.set("expressions", [exp.Literal.number(1)])


def _check_query(tree: exp.Expr) -> None:
    if type(tree) not in (exp.Select, exp.Union):
        raise ExpressionError("an SQL view is one SELECT")
    for node in tree.walk():
        if node.comments:
            raise ExpressionError("comments cannot stand in an SQL view")
        if isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count):
            raise ExpressionError("name the columns of an SQL view; “*” would let new columns in unseen")
        if isinstance(node, exp.Table) and not isinstance(node.this, exp.Identifier):
            raise ExpressionError("a function cannot stand in the place of a table")
        if isinstance(node, exp.Anonymous) and node.this == TEMPLATED:
            raise ExpressionError("templated filters stand in dimensions, not in SQL views")
        if isinstance(node, exp.Placeholder) and node.name.startswith("filters."):
            raise ExpressionError("values of filters stand in dimensions, not in SQL views")
        kind = type(node)
        allowed = kind in QUERY_NODES or kind in EXPRESSION_NODES or kind in FUNCTIONS or is_of_sql_view(node)
        if isinstance(node, UNPROVEN) or not (allowed or isinstance(node, exp.Star)):
            name = node.name if isinstance(node, exp.Anonymous) else node.key
            raise ExpressionError(f"“{str(name)[:40]}” is not allowed in an SQL view")


def govern_tables(view: View, source: SqlSource, views: dict[str, View], problems: list[Problem]) -> SqlSource:
    """Find the one view that describes each table of an SQL view; a table without one is a problem."""
    found: dict[str, str] = {}
    for table in source.tables:
        names = [
            name for name, other in views.items() if not other.is_derived and not other.alias_of and _is(other, table)
        ]
        at = source.place or view.source
        if len(names) == 1:
            found[table] = names[0]
        else:
            fault = "no view describes" if not names else "several views describe"
            message = f"{fault} the table “{table}”: an SQL view reads tables through the one view that governs them"
            problems.append(Problem(at.file, at.line, at.column, message))
    return SqlSource(source.tree, found, source.place)


def _is(view: View, table: str) -> bool:
    parts = [part for part in (view.catalog, view.schema, view.table_name) if part]
    return any(".".join(parts[start:]).lower() == table.lower() for start in range(len(parts)))


def read_query_source(node: Node, view: str, context: Context) -> QuerySource | None:
    """Return the query of a query view; without a topic it is over its base view alone."""
    query = node.map()["query"]
    check_parameters(query, "query", context.problems)
    base, topic = text(query, "base_view", context.problems), text(query, "topic", context.problems)
    fields = query.map().get("fields")
    if not (base or topic) or fields is None or not isinstance(fields.value, dict | list) or not fields.value:
        context.fault(query, "a query view needs a base_view or a topic, and fields")
        return None
    if not flag(query, "default_group_by", context.problems, default=True):
        context.fault(query.map()["default_group_by"], "the rows of a query view are always grouped by its dimensions")
    columns = _columns(fields, context)
    calculations = query.map().get("calculations")
    return QuerySource(
        topic=topic or IMPLICIT + base,
        columns=columns,
        filters=read_filters(_plain_filters(query), "filters", context.problems, view=base),
        sorts=_sorts(query, base, dict(columns), context),
        limit=number(query, "limit", context.problems),
        calculations=_calculations(calculations, context) if calculations is not None else (),
        binds=_binds(query, base, context),
        binds_all_filters=flag(query, "bind_all_filters", context.problems),
        places=_places(query, base),
    )


def _places(query: Node, base: str) -> dict[str, Source]:
    """Return where parameters, fields, calculations and sorts stand."""
    found = {name: value.source for name, value in query.map().items()}
    found |= _places_of(query.map().get("fields"))
    found |= _places_of(query.map().get("calculations"), "calculations.")
    sorts = query.map().get("sorts")
    for item in sorts.value if sorts is not None and isinstance(sorts.value, list) else ():
        if "field" in item.map():
            found[f"sorts.{qualified(str(item.map()['field'].value), base)}"] = item.map()["field"].source
    return found


def _places_of(node: Node | None, prefix: str = "") -> dict[str, Source]:
    """Return the places of what a map, or a list, names."""
    if node is None:
        return {}
    if isinstance(node.value, list):
        return {f"{prefix}{item.value}": item.source for item in node.value}
    return {f"{prefix}{name}": value.source for name, value in node.map().items()}


def _columns(fields: Node, context: Context) -> tuple[tuple[str, str], ...]:
    if isinstance(fields.value, list):
        names = [str(item.value) for item in fields.value]
        return tuple((name, name.rpartition(".")[2].replace("[", "_").removesuffix("]")) for name in names)
    found = []
    for name, alias in fields.map().items():
        column = str(alias.value) if alias.value else name.rpartition(".")[2]
        if not column.replace("_", "a").isalnum():
            context.fault(alias, f"“{column}” cannot be the name of a column")
        found.append((name, column))
    return tuple(found)


def _plain_filters(query: Node) -> Node:
    node = query.map().get("filters")
    if node is None or not isinstance(node.value, dict):
        return query
    kept = {name: value for name, value in node.value.items() if "bind" not in value.map()}
    return Node({"filters": Node(kept, node.file, node.line, node.column)}, query.file, query.line, query.column)


def _sorts(query: Node, base: str, columns: Mapping[str, str], context: Context) -> tuple[tuple[str, bool], ...]:
    """Return (field, is descending) in order; with a limit they decide which rows there are, so none is left out.

    A sort may name a field, or the column that it is here.
    """
    fields = {column: field for field, column in columns.items()}
    node = query.map().get("sorts")
    if node is None or node.value is None:
        return ()
    if not isinstance(node.value, list):
        context.fault(node, f"“sorts” must be a list of {SORT}")
        return ()
    found = []
    for item in node.value:
        field = text(item, "field", context.problems)
        unknown = item.map().keys() - {"field", "desc"}
        for name in sorted(unknown):
            context.fault(item.map()[name], f"“{name}” is not a parameter of a sort; write {SORT}")
        if not field and not unknown:
            context.fault(item, f"a sort is written as {SORT}")
        elif field:
            named = fields.get(field.rpartition(".")[2]) if qualified(field, base) not in columns else None
            found.append((named or qualified(field, base), flag(item, "desc", context.problems)))
    return tuple(found)


def _binds(query: Node, base: str, context: Context) -> dict[str, str]:
    found: dict[str, str] = {}
    bind = query.map().get("bind")
    for name, value in bind.map().items() if bind is not None else ():
        found[qualified(name, base)] = str(value.value)
    filters = query.map().get("filters")
    for name, value in filters.map().items() if filters is not None else ():
        if "bind" in value.map():
            found[qualified(name, base)] = text(value, "bind", context.problems)
    return found


def _calculations(node: Node, context: Context) -> tuple[tuple[str, exp.Expression], ...]:
    found = []
    for name, item in node.map().items():
        check_inside(item, "calculations", ("sql", "label", "description", "format"), context.problems)
        parsed = context.parsed(text(item, "sql", context.problems), "", item)
        if parsed is not None and parsed.references:
            context.fault(item, "a calculation of a query view is over the names of its columns")
        elif parsed is not None and parsed.tree.find(exp.Placeholder) is not None:
            context.fault(
                item, "a user attribute cannot stand in a calculation: name it in a dimension over the column"
            )
        elif parsed is not None:
            found.append((name, parsed.tree))
    return tuple(found)


def read_rollup(node: Node, dimensions: list[str], context: Context) -> Rollup | None:
    """Return ``materialized_query``; its fields are the table's columns in the order of the view's dimensions."""
    query = node.map()["materialized_query"]
    base, fields = text(query, "base_view", context.problems), texts(query, "fields", context.problems)
    if not base or not fields:
        context.fault(query, "materialized_query needs a base_view and fields")
        return None
    if len(fields) > len(dimensions):
        context.fault(query, "materialized_query has more fields than the view has dimensions; they go by their order")
        return None
    _check_rollup(query, context)
    columns = tuple(zip((qualified(name, base) for name in fields), dimensions, strict=False))
    places = {qualified(name, base): place for name, place in _places_of(query.map()["fields"]).items()}
    return Rollup(base, columns, places | {"base_view": query.map()["base_view"].source})


def _check_rollup(query: Node, context: Context) -> None:
    """Report what would let the table hold something else than all rows of its base view, grouped."""
    has_limit = "limit" in query.map()
    for name, value in query.map().items():
        is_order = name == "sorts" and not has_limit
        if name not in ("base_view", "fields") and not is_order and value.value not in (None, {}, []):
            context.fault(value, f"“{name}” is not read in materialized_query: {ROLLUP_HOLDS}")
