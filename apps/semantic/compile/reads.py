"""Which columns of which table a statement reads, noted while expressions are put together."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlglot import exp

from apps.semantic.compile.facts import facts_of
from apps.semantic.compile.names import split_field
from apps.semantic.compile.nodes import column, operand
from apps.semantic.compile.plan import Plan
from apps.semantic.compile.timeframes import framed, local
from apps.semantic.compile.values import Values
from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import Dimension

MASK_PREFIX = "masked "


@dataclass(slots=True)
class TableReads:
    """What leaves one table's subquery; dicts keep the order of first use."""

    columns: dict[str, None] = field(default_factory=dict)
    masks: dict[str, Dimension] = field(default_factory=dict)


class Reads:
    """Puts model expressions on top of the tables' subqueries."""

    def __init__(self, plan: Plan, values: Values) -> None:
        self.plan = plan
        self.values = values
        self.facts = facts_of(plan.model)
        self.tables: dict[str, TableReads] = {view: TableReads() for view in plan.topic.views}

    def governed(self, name: str, dimension: Dimension | None = None) -> exp.Expr:
        """Return a dimension as the actor may see it: masked where the scope says so."""
        return self._dimension(name, self._governed_reference, dimension)

    def raw(self, name: str) -> exp.Expr:
        """Return a dimension as the table has it: for joins, policies and the topic's own filters only."""
        return self._dimension(name, self.raw)

    def governed_tree(self, sql: exp.Expr, view: str) -> exp.Expr:
        """Return an expression of a measure over governed dimensions."""
        return self._tree(sql, view, self._governed_reference)

    def on(self, sql: exp.Expr) -> exp.Expr:
        """Return a join condition; its keys are raw and leave the statement nowhere else."""
        return self._tree(sql, "", self.raw)

    def inside(self, dimension: Dimension) -> exp.Expr:
        """Return a dimension over the bare columns of its own table."""

        def reference(name: str) -> exp.Expr:
            found = self.facts.field(name)
            if found.view != dimension.view or not isinstance(found, Dimension):
                raise UnprovenSqlError(f"{dimension.id} is a rule about one table but reads another.")
            return self._framed(name, found, self._inner_tree(found.sql, reference))

        return self._inner_tree(dimension.sql, reference)

    def _governed_reference(self, name: str) -> exp.Expr:
        return self.governed(name)

    def _dimension(
        self, name: str, reference: Callable[[str], exp.Expr], dimension: Dimension | None = None
    ) -> exp.Expr:
        found = dimension or self.facts.field(name)
        if not isinstance(found, Dimension):
            raise UnprovenSqlError(f"{name} is used as a dimension and is none.")
        if reference == self._governed_reference and found.id in self.plan.scope.masked:
            return self._masked(found)
        return self._framed(name, found, self._tree(found.sql, found.view, reference))

    def _masked(self, dimension: Dimension) -> exp.Expr:
        self.tables[dimension.view].masks[dimension.name] = dimension
        return column(dimension.view, MASK_PREFIX + dimension.name)

    def _framed(self, name: str, dimension: Dimension, node: exp.Expr) -> exp.Expr:
        timeframe = split_field(name)[1]
        if timeframe is None or timeframe == "raw":
            return node
        plan = self.plan
        node = local(node, dimension.type, plan.query.timezone, self.values)
        return framed(node, timeframe, week_start=plan.model.week_start, dialect=plan.dialect)

    def _tree(self, sql: exp.Expr, view: str, reference: Callable[[str], exp.Expr]) -> exp.Expr:
        return replaced(sql, lambda node: self._column(node, view), reference)

    def _column(self, node: exp.Column, view: str) -> exp.Expr:
        if not view:
            raise UnprovenSqlError("A join condition names a bare column.")
        text = physical_name(node, self.plan.dialect)
        self.tables[view].columns[text] = None
        return column(view, text)

    def _inner_tree(self, sql: exp.Expr, reference: Callable[[str], exp.Expr]) -> exp.Expr:
        return replaced(sql, lambda node: column(None, physical_name(node, self.plan.dialect)), reference)


def replaced(
    sql: exp.Expr, column_of: Callable[[exp.Column], exp.Expr], reference: Callable[[str], exp.Expr]
) -> exp.Expr:
    """Return a copy of a model expression with its columns and references filled in."""
    if isinstance(sql, exp.Column):
        return column_of(sql)
    if isinstance(sql, exp.Placeholder):
        return reference(sql.name)
    tree = sql.copy()
    for node in list(tree.find_all(exp.Column, exp.Placeholder)):
        filled = column_of(node) if isinstance(node, exp.Column) else reference(node.name)
        node.replace(operand(filled))
    return tree


def physical_name(node: exp.Column, dialect: str) -> str:
    """Return a column's name as the database knows it; an unquoted name folds as the dialect folds it."""
    if node.args.get("table") is not None:
        raise UnprovenSqlError("A model expression names a table.")
    is_folded = dialect == "postgres" and not node.this.args.get("quoted")
    return node.name.lower() if is_folded else node.name
