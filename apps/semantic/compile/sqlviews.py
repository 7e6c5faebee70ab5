"""SQL views: the model's own SELECT, with every table in it read through the view that governs it."""

from collections.abc import Mapping

from sqlglot import exp

from apps.semantic.compile.conditions import Conditions
from apps.semantic.compile.fences import secure_text
from apps.semantic.compile.masking import masked_value
from apps.semantic.compile.moments import Calendar
from apps.semantic.compile.nodes import all_hold, column, literal_number, name
from apps.semantic.compile.plan import Plan, PolicyUse
from apps.semantic.compile.reads import Reads, folded_name, physical_name, sameness
from apps.semantic.compile.rows import policies_of
from apps.semantic.compile.sources import NOTHING, physical, policy
from apps.semantic.compile.values import Values
from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import Dimension, View, table_text


def sql_query(plan: Plan, view: View, values: Values) -> exp.Query:
    """Return the SELECT of an SQL view; its tables keep their policies and masks, its attributes are bound."""
    source = view.sql_source
    if source is None:
        raise UnprovenSqlError(f"{view.name} has no SQL.")
    reads = Reads(plan, values, Conditions(values, Calendar(plan.today, plan.model.week_start), plan.dialect))
    tree = reads.replaced(source.tree, lambda node: node.copy(), _no_reference)
    if not isinstance(tree, exp.Query):
        raise UnprovenSqlError(f"{view.name} is no SELECT.")
    used = {physical_name(node, plan.dialect) for node in _bare_columns(source.tree)}
    tables: list[exp.Subquery] = []
    for node in list(tree.find_all(exp.Table)):
        governed = plan.model.views.get(source.tables.get(table_text(node), ""))
        if governed is None or governed.is_derived:
            raise UnprovenSqlError(f"{view.name} reads a table that no view governs.")
        alias = node.args["alias"].this if node.args.get("alias") else node.this
        tables.append(_governed(governed, folded_name(alias, plan.dialect), used, reads))
        node.replace(tables[-1])
    secure_text(tree, tables, plan.dialect)
    return tree


def _bare_columns(tree: exp.Expr) -> list[exp.Column]:
    return [exp.Column(this=node.this.copy()) for node in tree.find_all(exp.Column)]


def _no_reference(name_: str) -> exp.Expr:
    raise UnprovenSqlError(f"An SQL view names the field {name_}.")


def readable_columns(view: View, plan: Plan) -> Mapping[str, Dimension | None]:
    """Return the columns that SQL views may read of a view: those that its dimensions are made of.

    None marks a column that is read as it is, a dimension one that is read as that dimension's mask. A column inside a
    masked expression cannot be masked alone, so it is not there.
    """
    found: dict[str, Dimension | None] = {}
    closed: set[str] = set()
    for dimension in view.dimensions.values():
        columns = [physical_name(node, plan.dialect) for node in dimension.sql.find_all(exp.Column)]
        if dimension.id not in plan.scope.masked:
            found.update((text, found.get(text)) for text in columns)
        elif isinstance(dimension.sql, exp.Column):
            found[columns[0]] = dimension
        else:
            closed.update(columns)
    covered = {sameness(text, plan.dialect) for text, mask in found.items() if mask is not None}
    hidden = {sameness(text, plan.dialect) for text in closed}
    return {
        text: mask
        for text, mask in found.items()
        if sameness(text, plan.dialect) not in hidden
        and (mask is not None or sameness(text, plan.dialect) not in covered)
    }


def _named(outputs: list[exp.Expr], uses: tuple[PolicyUse, ...]) -> set[str]:
    trees = [*outputs, *(use.dimension.sql for use in uses)]
    return {node.name for tree in trees for node in tree.find_all(exp.Column)}


def _governed(view: View, alias: str, used: set[str], reads: Reads) -> exp.Subquery:
    plan = reads.plan
    outputs: list[exp.Expr] = []
    spelt = {sameness(text, plan.dialect) for text in used}
    for text, mask in readable_columns(view, plan).items():
        if sameness(text, plan.dialect) not in spelt:
            continue
        spelt.discard(sameness(text, plan.dialect))
        outputs.append(
            column(None, text) if mask is None else exp.Alias(this=masked_value(mask, reads), alias=name(text))
        )
    rules = all_hold([policy(use, reads.inside(use.dimension), reads) for use in policies_of(view.name, plan)])
    select = exp.Select(
        expressions=outputs or [exp.Alias(this=literal_number(1), alias=name(NOTHING))],
        from_=exp.From(this=physical(view, plan, _named(outputs, policies_of(view.name, plan)))),
        where=exp.Where(this=rules) if rules is not None else None,
    )
    return exp.Subquery(this=select, alias=exp.TableAlias(this=name(alias)))
