"""Proves that an SQL view is the model's own text with every table in it read through its view."""

from sqlglot import exp

from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import Dimension, Scalar, SqlSource, View
from apps.semantic.verify.allowed import is_of_sql_view_alone
from apps.semantic.verify.demands import Ledger, demand, given
from apps.semantic.verify.exactness import SPELT
from apps.semantic.verify.fences import FENCES, HIDDEN, risks_of, take_fence, text_may_fail
from apps.semantic.verify.followed import Follower
from apps.semantic.verify.grouped import kind_of
from apps.semantic.verify.parts import placeholders, prove_columns, prove_mask, prove_physical, prove_policies
from apps.semantic.verify.permits import OF_OTHER_TYPES, Permit
from apps.semantic.verify.trees import ATTRIBUTE, bare, folded, folded_name, in_text_order, sameness
from apps.semantic.verify.viewtexts import prove_texts

INNER_PARTS = frozenset(("expressions", "from_", "where"))
STAND_IN = "omni stand in"
NOTHING = "any row"


def prove_sql_view(query: exp.Expr, source: SqlSource, permit: Permit, ledger: Ledger) -> list[str]:
    """Prove one SQL view, and return the names of its columns in small letters; every query inside it is the model's, or reads one governed table.

    The governed subqueries are proven one by one; with each replaced by a stand-in, what is left must be the model's
    text, its user attributes bound to the scope's values.
    """
    named = [node for node in in_text_order(source.tree) if isinstance(node, exp.Table)]
    governed = [node for node in in_text_order(query) if isinstance(node, exp.Subquery) and _reads_table(node)]
    demand(len(named) == len(governed), "An SQL view reads other tables than the model says.")
    unfenced = [node for node in governed if not take_fence(node.this, permit.dialect, ledger)]
    masks: dict[int, dict[str, str]] = {}
    texts: dict[int, set[str]] = {}
    for table, subquery in zip(named, governed, strict=True):
        demand(subquery.alias == _name_of(table, permit.dialect), "A table of an SQL view has another name.")
        demand(given(table) <= {"this", "db", "catalog", "alias"}, "A table of an SQL view is more than a table.")
        alias = table.args.get("alias")
        demand(alias is None or not alias.args.get("columns"), "A table of an SQL view renames its columns.")
        masks[id(subquery)] = _prove_governed(subquery, permit, source.tables.get(_table_text(table), ""), ledger)
        texts[id(subquery)] = {name for name, kind in masks[id(subquery)].items() if kind not in OF_OTHER_TYPES}
    if permit.dialect in FENCES and any(node.this.args.get("where") for node in unfenced):
        _demand_sure(query, governed, ledger)
    inside = {id(node) for subquery in governed for node in in_text_order(subquery)}
    left = [node for node in placeholders(query) if id(node) not in inside]
    expected, values = _expected(source.tree, permit)
    demand(bare(_with_stand_ins(query)) == expected, "An SQL view is not the model's.")
    ledger.expect(left, values)
    held = [node for node in in_text_order(query) if is_of_sql_view_alone(node)]
    queries = [node for node in in_text_order(query) if type(node) in (exp.Select, exp.Union)]
    ledger.proven |= {id(node) for node in (*queries, *held)}
    outputs = Follower(masks).outputs(query)
    prove_texts(query, texts)
    return [name for name, _ in outputs]


def _demand_sure(query: exp.Expr, governed: list[exp.Subquery], ledger: Ledger) -> None:
    """Demand that nothing in a text that decides about rows may fail on those that policies hide."""
    worked_out = frozenset[str]().union(*risks_of(governed, ledger).values())
    demand(not text_may_fail(_with_stand_ins(query), worked_out), HIDDEN)


def _reads_table(node: exp.Subquery) -> bool:
    inner = node.this
    source = inner.args.get("from_") if isinstance(inner, exp.Select) else None
    return source is not None and isinstance(source.this, exp.Table)


def _prove_governed(subquery: exp.Subquery, permit: Permit, view_name: str, ledger: Ledger) -> dict[str, str]:
    """Prove a table's subquery; return the kinds of the masks that leave it, by column in small letters."""
    view = permit.model.views.get(view_name)
    if view is None or view.is_derived:
        raise UnprovenSqlError("An SQL view reads a table that no view governs.")
    inner = subquery.this
    demand(given(subquery) == {"this", "alias"} and given(inner) <= INNER_PARTS, "A subquery has more parts.")
    demand(not subquery.args["alias"].args.get("columns"), "A subquery renames its columns.")
    prove_physical(inner.args["from_"].this, permit.table(view_name), view, ledger)
    prove_columns(inner, inner.args["from_"].this)
    prove_policies(inner, permit.policies_of(view_name), ledger)
    return _prove_columns(inner, view, permit, ledger)


def _prove_columns(inner: exp.Select, view: View, permit: Permit, ledger: Ledger) -> dict[str, str]:
    """Prove that columns leave a governed table as themselves or as their masks; what else leaves it, the text cannot name."""
    open_, masked = _columns(view, permit)
    taken = {sameness(node.alias_or_name, permit.dialect) for node in inner.expressions}
    demand(len(taken) == len(inner.expressions), "A subquery has two columns of one name.")
    kinds: dict[str, str] = {}
    for node in inner.expressions:
        if type(node) is exp.Column:
            demand(bool(node.this.args.get("quoted")) and not node.table, "A column's name is not plain.")
            demand(node.name in open_, "A column leaves its table that may not.")
        elif type(node) is exp.Alias and type(node.this) is exp.Literal:
            demand(node.alias == NOTHING, "A value has the name of a column.")
        else:
            demand(type(node) is exp.Alias and node.alias in masked, "Something else than a column leaves a table.")
            prove_mask(node.this, [permit.expected.mask(item) for item in masked[node.alias]], ledger)
            told = {kind_of(item, permit.dialect) for item in masked[node.alias]}
            several = "null" if "null" in told else "one of several"
            kinds[node.alias.lower()] = told.pop() if len(told) == 1 else several
    return kinds


def _columns(view: View, permit: Permit) -> tuple[set[str], dict[str, list[Dimension]]]:
    """Return the columns that may leave a view raw, and those that may leave it masked only.

    A column is open when some dimension is made of it and none that is masked is.
    """
    masked: dict[str, list[Dimension]] = {}
    names: set[str] = set()
    closed: set[str] = set()
    for item in view.dimensions.values():
        columns = {folded(node, permit.dialect) for node in item.sql.find_all(exp.Column)}
        names |= columns
        if item.id in permit.scope.masked:
            closed |= columns
            if isinstance(item.sql, exp.Column):
                masked.setdefault(folded(item.sql, permit.dialect), []).append(item)
    covered = {sameness(name, permit.dialect) for name in closed}
    return {name for name in names if sameness(name, permit.dialect) not in covered}, masked


def _name_of(table: exp.Table, dialect: str) -> str:
    """Return the name by which the model's text reads a table, as the database folds it: around the text it is in quotes."""
    alias = table.args.get("alias")
    return folded_name(table.this if alias is None else alias.this, dialect)


def _table_text(node: exp.Table) -> str:
    parts = [part for part in (node.args.get("catalog"), node.args.get("db"), node.this) if part is not None]
    return ".".join(part.name if part.args.get("quoted") else part.name.lower() for part in parts)


def _with_stand_ins(query: exp.Expr) -> exp.Expr:
    """Return a copy with each governed subquery replaced by a table under its alias."""
    copy = query.copy()
    for node in [item for item in in_text_order(copy) if isinstance(item, exp.Subquery) and _reads_table(item)]:
        node.replace(_stand_in(node.alias))
    return copy


def _stand_in(alias: str) -> exp.Table:
    return exp.Table(
        this=exp.to_identifier(STAND_IN, quoted=True), alias=exp.TableAlias(this=exp.to_identifier(alias, quoted=True))
    )


def _expected(tree: exp.Expr, permit: Permit) -> tuple[exp.Expr, list[Scalar]]:
    """Return the model's text with stand-ins, as it is after parsing, and the values of its attributes."""
    copy = exp.Subquery(this=tree.copy())
    values: list[Scalar] = []
    permit.expected.exact(copy)
    for node in [item for item in in_text_order(copy) if isinstance(item, exp.Table | exp.Placeholder)]:
        if isinstance(node, exp.Table):
            node.replace(_stand_in(_name_of(node, permit.dialect)))
        else:
            values += _fill(node, permit)
    return permit.expected.normal(copy.this), values


def _fill(node: exp.Expr, permit: Permit) -> tuple[Scalar, ...]:
    demand(node.name.startswith(ATTRIBUTE), "An SQL view with a filter in it cannot be proven.")
    values = permit.scope.attributes.get(node.name.removeprefix(ATTRIBUTE), ())
    is_list = isinstance(node.parent, exp.In) and node.arg_key == "expressions"
    demand(
        len(values) == 1 or (is_list and bool(values)), "A rule needs a user attribute that the scope does not have."
    )
    if is_list and node.parent is not None:
        others = [item for item in node.parent.expressions if item is not node]
        node.parent.set("expressions", [*others, *(exp.Placeholder() for _ in values)])
    else:
        node.replace(exp.Placeholder())
    return tuple(str(value) for value in values) if node.args.get("kind") == SPELT else values
