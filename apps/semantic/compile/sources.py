"""What a statement reads: each view in a subquery of its own, with row policies, and masks in the place of values."""

from collections.abc import Callable, Iterable

from sqlglot import exp

from apps.semantic.compile.attributes import schema_of
from apps.semantic.compile.dialects.texts import GUESSING, exact, spelt
from apps.semantic.compile.fences import RULED, STORED, SURE_MASK, holds_risk, secure_policies
from apps.semantic.compile.masking import masked_value
from apps.semantic.compile.nodes import all_hold, cast, column, literal_number, name, operand
from apps.semantic.compile.plan import Plan, PolicyUse
from apps.semantic.compile.reads import MASK_PREFIX, Reads, sameness
from apps.semantic.compile.values import Values
from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import Dimension, View

BuildQuery = Callable[[Plan, View, Values], exp.Query]
SOURCE = "view query"
TABLE = "physical table"
NOTHING = "any row"
TEXT_MASKS = frozenset(("hash", "redact", "keep_last", "null"))


def table(view_name: str, reads: Reads, build_query: BuildQuery) -> exp.Subquery:
    """Return ``(SELECT needed columns FROM table WHERE row policies) AS view``.

    Call it when all else of the statement is written: only then is it known which columns are read.
    """
    plan = reads.plan
    view, read = plan.model.views[view_name], reads.tables[view_name]
    # Of several spellings of one column the last leaves the table; around it the database takes each for it.
    leaving = {sameness(text, plan.dialect): text for text in read.columns}
    columns: list[exp.Expr] = [column(None, text) for text in leaving.values()]
    masks: list[exp.Expr] = [
        exp.Alias(this=_mask(item, reads), alias=name(MASK_PREFIX + key)) for key, item in read.masks.items()
    ]
    nothing = exp.Alias(this=literal_number(1), alias=name(NOTHING))
    uses = plan.row_policies.get(view_name, ())
    policies = all_hold([policy(use, reads.inside(use.dimension), reads) for use in uses])
    select = exp.Select(
        expressions=columns + masks or [nothing],
        from_=exp.From(this=_from(view, reads, build_query, _named(read.columns, read.masks.values(), uses))),
        where=exp.Where(this=policies) if policies is not None else None,
    )
    if view.is_derived:
        secure_policies(select, reads.values, plan.dialect)
    elif uses:
        source = select.args["from_"].this
        place = source.text("catalog"), source.text("db"), source.name
        select.meta[RULED] = place, tuple(use.policy for use in uses)
    return exp.Subquery(this=select, alias=exp.TableAlias(this=name(view_name)))


def _mask(item: Dimension, reads: Reads) -> exp.Expr:
    """Return what stands for a value, noted where it cannot fail: a text of whatever the value is, if that cannot."""
    found = masked_value(item, reads)
    found.meta[SURE_MASK] = item.mask.kind in TEXT_MASKS and not holds_risk(reads.inside(item), reads.values)
    return found


def policy(use: PolicyUse, node: exp.Expr, reads: Reads) -> exp.Expr:
    """Return a row policy as a condition; without values nothing passes it."""
    wanted = use.policy.values
    if not wanted:
        return exp.Boolean(this=False)
    dialect, type_ = reads.plan.dialect, use.dimension.type
    if type_ == "unknown" and dialect in GUESSING and not all(isinstance(value, str) for value in wanted):
        wanted = tuple(spelt(value, dialect=dialect) for value in wanted)
        node = cast(node, exp.DType.TEXT) if dialect == "duckdb" else node  # others cast each text that is compared
    is_text = type_ in ("string", "unknown") and any(isinstance(value, str) for value in wanted)
    subject = exact(node, dialect=dialect) if is_text else operand(node)
    return exp.In(this=subject, expressions=[reads.values.bind(value) for value in wanted])


def physical(view: View, plan: Plan, columns: Iterable[str]) -> exp.Table:
    """Return a view's table by its full name.

    A column of the table's own name means the whole row to PostgreSQL and DuckDB once the column is gone. Where one of
    ``columns`` has it, the table goes by another name, so that the statement fails instead.
    """
    schema = schema_of(view, plan.scope)
    is_ambiguous = any(text.lower() == view.table_name.lower() for text in columns)
    table = exp.Table(
        this=name(view.table_name),
        db=name(schema) if schema else None,
        catalog=name(view.catalog) if view.catalog else None,
        alias=exp.TableAlias(this=name(TABLE)) if is_ambiguous else None,
    )
    table.meta[STORED] = not view.is_worked_out
    return table


def _named(columns: Iterable[str], masks: Iterable[Dimension], uses: Iterable[PolicyUse]) -> set[str]:
    """Return the columns that a subquery may name, by their names in the model."""
    ruled = [*masks, *(use.dimension for use in uses)]
    return {*columns, *(node.name for item in ruled for node in item.sql.find_all(exp.Column))}


def _from(view: View, reads: Reads, build_query: BuildQuery, columns: Iterable[str]) -> exp.Expr:
    if not view.is_derived:
        return physical(view, reads.plan, columns)
    if view.alias_of is not None and reads.plan.model.views.get(view.alias_of) is None:
        raise UnprovenSqlError(f"{view.name} is another name of a view that is not there.")
    query = build_query(reads.plan, view, reads.values)
    return exp.Subquery(this=query, alias=exp.TableAlias(this=name(SOURCE)))
