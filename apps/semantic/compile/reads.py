"""Which columns of which table a statement reads, noted while expressions are put together."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlglot import exp

from apps.semantic.compile.conditions import Conditions
from apps.semantic.compile.dialects.durations import counted
from apps.semantic.compile.dialects.frames import framed, local, moved, stored
from apps.semantic.compile.dialects.traits import Traits, traits_of
from apps.semantic.compile.facts import ATTRIBUTE_PREFIX, FILTER_PREFIX, facts_of
from apps.semantic.compile.fanout import key_of
from apps.semantic.compile.names import split_field
from apps.semantic.compile.nodes import cast, column, operand
from apps.semantic.compile.plan import DimensionUse, Plan
from apps.semantic.compile.templates import compare_exactly, fill_attribute, fill_value, templated
from apps.semantic.compile.values import Values
from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import TEMPLATED, Dimension, Measure

MASK_PREFIX = "masked "
DETAIL_COLUMN = "value"
Reference = Callable[[str], exp.Expr]


@dataclass(slots=True)
class TableReads:
    """What leaves one table's subquery; dicts keep the order of first use."""

    columns: dict[str, None] = field(default_factory=dict)
    masks: dict[str, Dimension] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Detail:
    """A level of detail that is joined in: its field, and the tree of each dimension of its grain out here."""

    field: Dimension | Measure
    grain: tuple[str, ...]
    on: tuple[exp.Expr, ...]


class Reads:
    """Puts model expressions on top of the tables' subqueries."""

    def __init__(self, plan: Plan, values: Values, conditions: Conditions) -> None:
        self.plan = plan
        self.values = values
        self.conditions = conditions
        self.facts = facts_of(plan.model)
        self.traits: Traits = traits_of(plan.dialect)
        self.tables: dict[str, TableReads] = {view: TableReads() for view in plan.topic.views}
        self.details: dict[str, Detail] = {}

    def governed(self, name: str, dimension: Dimension | None = None) -> exp.Expr:
        """Return a dimension as the actor may see it: masked where the scope says so."""
        return self._dimension(name, self._governed_reference, dimension)

    def shown(self, use: DimensionUse) -> exp.Expr:
        """Return a dimension of the question as the actor may see it, moved in time where its use says so."""
        return self._later(use, is_stored=True) if use.later else self.governed(use.name, use.dimension)

    def clock(self, use: DimensionUse) -> exp.Expr:
        """Return a moved dimension as the reader's clock shows it, not turned back into UTC."""
        return self._later(use, is_stored=False)

    def _later(self, use: DimensionUse, *, is_stored: bool) -> exp.Expr:
        dimension, dialect = use.dimension, self.plan.dialect
        node = self.governed(dimension.id, dimension)
        zone = self._zone(dimension)
        node = node if zone is None else local(node, dimension.type, zone, dialect=dialect)
        node = moved(node, dimension.type, use.later, dialect=dialect)
        if use.timeframe not in (None, "raw"):
            return self._cut(node, use.timeframe)
        return node if zone is None or not is_stored else stored(node, zone.copy(), dialect=dialect)

    def raw(self, name: str) -> exp.Expr:
        """Return a dimension as the table has it: for joins, keys, policies and the topic's own filters only."""
        return self._dimension(name, self.raw)

    def governed_tree(self, sql: exp.Expr, view: str) -> exp.Expr:
        """Return an expression of a measure over governed dimensions."""
        return self._tree(sql, view, self._governed_reference)

    def on(self, sql: exp.Expr) -> exp.Expr:
        """Return a join condition or a rule of the topic; what it reads is raw and leaves the statement nowhere else."""
        return self._tree(sql, "", self.raw)

    def key(self, view: str) -> list[exp.Expr]:
        """Return what tells the rows of a view apart; empty where the model knows no key."""
        return [self._tree(sql, view, self.raw) for sql in key_of(self.plan.model.views[view])]

    def inside(self, dimension: Dimension) -> exp.Expr:
        """Return a dimension over the bare columns of its own table."""

        def reference(name: str) -> exp.Expr:
            found = self.facts.field(name)
            if found.view != dimension.view or not isinstance(found, Dimension) or found.level_of_detail is not None:
                raise UnprovenSqlError(f"{dimension.id} is a rule about one table but reads another.")
            return self._framed(name, found, self._inner_tree(found.sql, reference))

        return self._inner_tree(dimension.sql, reference)

    def detail(self, field_: Dimension | Measure) -> exp.Expr:
        """Return the value of a level of detail, joined in under a name of its own."""
        alias = f"detail {field_.id}"
        if alias not in self.details:
            grain = self._grain(field_)
            self.details[alias] = Detail(field_, grain, tuple(self.governed(name) for name in grain))
        return column(alias, DETAIL_COLUMN)

    def grain(self, field_: Dimension | Measure) -> list[exp.Expr]:
        """Return the dimensions of a level of detail's grain."""
        return [self.governed(name) for name in self._grain(field_)]

    def _grain(self, field_: Dimension | Measure) -> tuple[str, ...]:
        rule = field_.level_of_detail
        if rule is None:
            raise UnprovenSqlError(f"{field_.id} has no level of detail.")
        asked = [use.name for use in self.plan.dimensions if field_.id not in self.facts.closure(use.dimension)]
        if rule.strategy == "fixed":
            return rule.grain
        if rule.strategy == "exclude":
            return tuple(name for name in asked if name not in rule.grain and split_field(name)[0] not in rule.grain)
        return tuple(dict.fromkeys((*asked, *rule.grain)))

    def _governed_reference(self, name: str) -> exp.Expr:
        return self.governed(name)

    def _dimension(self, name: str, reference: Reference, dimension: Dimension | None = None) -> exp.Expr:
        found = dimension or self.facts.field(name)
        if not isinstance(found, Dimension):
            raise UnprovenSqlError(f"{name} is used as a dimension and is none.")
        if reference == self._governed_reference and found.id in self.plan.scope.masked:
            return self._masked(found)
        if found.level_of_detail is not None:
            return self.detail(found)
        if found.duration is not None:
            return self._duration(name, found, reference)
        return self._framed(name, found, self._tree(found.sql, found.view, reference))

    def _masked(self, dimension: Dimension) -> exp.Expr:
        self.tables[dimension.view].masks[dimension.name] = dimension
        return column(dimension.view, MASK_PREFIX + dimension.name)

    def _duration(self, name: str, dimension: Dimension, reference: Reference) -> exp.Expr:
        ends = dimension.duration
        if ends is None:
            raise UnprovenSqlError(f"{name} is no duration.")
        start, end = (self._tree(sql, dimension.view, reference) for sql in (ends.start, ends.end))
        return counted(start, end, split_field(name)[1] or "days", dialect=self.plan.dialect)

    def _framed(self, name: str, dimension: Dimension, node: exp.Expr) -> exp.Expr:
        timeframe = split_field(name)[1]
        if timeframe is None or timeframe == "raw":
            return node
        zone = self._zone(dimension)
        return self._cut(
            node if zone is None else local(node, dimension.type, zone, dialect=self.plan.dialect), timeframe
        )

    def _zone(self, dimension: Dimension) -> exp.Expr | None:
        """Return the reader's zone where a dimension is a moment that is stored in another."""
        zone = self.plan.query.zone
        if zone == "UTC" or dimension.type != "timestamp" or not dimension.converts_timezone:
            return None
        return cast(self.values.bind(zone), exp.DType.TEXT)

    def _cut(self, node: exp.Expr, timeframe: str) -> exp.Expr:
        model = self.plan.model
        return framed(
            node, timeframe, week_start=model.week_start, fiscal_offset=model.fiscal_month_offset,
            dialect=self.plan.dialect,
        )  # fmt: skip

    def _tree(self, sql: exp.Expr, view: str, reference: Reference) -> exp.Expr:
        return self.replaced(sql, lambda node: self._column(node, view), reference)

    def _column(self, node: exp.Column, view: str) -> exp.Expr:
        if not view:
            raise UnprovenSqlError("A join condition names a bare column.")
        text = physical_name(node, self.plan.dialect)
        self.tables[view].columns[text] = None
        return column(view, text)

    def _inner_tree(self, sql: exp.Expr, reference: Reference) -> exp.Expr:
        return self.replaced(sql, lambda node: column(None, physical_name(node, self.plan.dialect)), reference)

    def replaced(self, sql: exp.Expr, column_of: Callable[[exp.Column], exp.Expr], reference: Reference) -> exp.Expr:
        """Return a copy of a model expression with columns, references, attributes and filters filled in."""
        if isinstance(sql, exp.Column):
            return column_of(sql)
        if isinstance(sql, exp.Placeholder) and not sql.name.startswith((ATTRIBUTE_PREFIX, FILTER_PREFIX)):
            return reference(sql.name)
        holder = exp.Paren(this=sql.copy())
        compare_exactly(holder, self.plan, self.facts.comparing)
        has_template = False
        for node in list(holder.find_all(exp.Column, exp.Placeholder)):
            if isinstance(node, exp.Column):
                node.replace(operand(column_of(node)))
            elif node.name.startswith(ATTRIBUTE_PREFIX):
                fill_attribute(node, self.plan.scope, self.values)
            elif node.name.startswith(FILTER_PREFIX):
                has_template = fill_value(node, self.plan, self.values) or has_template
            else:
                node.replace(operand(reference(node.name)))
        if has_template:
            for node in reversed([item for item in holder.find_all(exp.Anonymous) if item.this == TEMPLATED]):
                node.replace(templated(node, self.plan, self.conditions))
        filled: exp.Expr = holder.this
        return filled


def physical_name(node: exp.Column, dialect: str) -> str:
    """Return a column's name as the database knows it; an unquoted name folds as the dialect folds it."""
    if node.args.get("table") is not None:
        raise UnprovenSqlError("A model expression names a table.")
    return folded_name(node.this, dialect)


def folded_name(node: exp.Expr, dialect: str) -> str:
    """Return what an identifier names; an unquoted one folds as the dialect folds it."""
    folding = "none" if node.args.get("quoted") else traits_of(dialect).folding
    return node.name.lower() if folding == "lower" else node.name.upper() if folding == "upper" else node.name


def sameness(text: str, dialect: str) -> str:
    """Return a column's name such that names of one column are equal: some databases do not tell letters' cases apart."""
    return text.lower() if traits_of(dialect).folding == "none" else text
