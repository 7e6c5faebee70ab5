"""What a statement over a rollup may read, worked out from the model anew: nothing that chooses a rollup is asked here.

A rollup's table takes the place of the base view's. A column of it is known here only where the field that it holds reads
the base view's rows alone and is the same whoever asks and whatever is asked; no other column can then be proven to leave
the table. The base view's policies and masks are those of its fields, so each of them must be held as it is. The table was
made of what the model of all says: a field that the topic has otherwise is no column of it.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from sqlglot import exp

from apps.semantic.model.types import Condition, Dimension, Measure, SemanticModel, Topic, TopicJoin, View
from apps.semantic.scope import AccessScope
from apps.semantic.verify.demands import demand

PERIODS = ("date", "week", "month", "quarter", "year")
WITHIN = {
    "date": frozenset(PERIODS), "week": frozenset(("week",)), "month": frozenset(("month", "quarter", "year")),
    "quarter": frozenset(("quarter", "year")), "year": frozenset(("year",)),
}  # fmt: skip
SINCE = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2}([T ][0-9:.]+)?)?)?", re.ASCII)
COMBINED: dict[str, type[exp.AggFunc]] = {"sum": exp.Sum, "count": exp.Sum, "min": exp.Min, "max": exp.Max}
"""by what a measure is: the one aggregate that makes its value for several groups out of those for each"""


class Stand:
    """A rollup in the place of its base view.

    Attributes:
        model: the model with the rollup's table as the base view's, and the fields that it holds as its columns.
        combined: by column that holds a measure, the aggregate that it may stand in.
        cut: ids of dimensions that are held in periods only.
        told: what each field that the rollup is said to hold was made of, itself left out.
    """

    def __init__(self, own: SemanticModel, holder: View, topic: Topic) -> None:
        self.own, self.base = own, own.views[topic.base_view]
        self.all = own if own.of_all is None else own.of_all
        self.columns: tuple[tuple[str, str], ...] = holder.rollup.columns if holder.rollup is not None else ()
        self._demand_plain(holder)
        self._demand_of_all(holder)
        self.told = {name: self._made_of(name) - {name} for name in {_plain(item) for item, _ in self.columns}}
        self.combined: dict[str, type[exp.AggFunc]] = {}
        self.cut: set[str] = set()
        held = self._dimensions()
        dimensions = {name: field for name, field in held.items() if _order(field) in (None, *self._whole(held))}
        view = replace(
            self.base, catalog=holder.catalog, schema=holder.schema, table_name=holder.table_name, primary_key=(),
            dimensions=dimensions, measures=self._measures(), alias_of=None, is_worked_out=holder.is_worked_out,
        )  # fmt: skip
        self.model = replace(
            own, views={**own.views, view.name: view}, topic_models={},
            topics={topic.name: replace(topic, joins=tuple(self._joins(topic, dimensions)))},
        )  # fmt: skip

    def _demand_plain(self, holder: View) -> None:
        demand(not self.base.is_derived and not holder.is_derived, "A rollup stands for rows with rules of their own.")
        has_rules = bool(holder.access_filters) or holder.required_access_grants is not None
        demand(not has_rules, "A rollup has rules of its own.")
        demand(holder.schema_attribute == self.base.schema_attribute, "A rollup is in another schema for others.")
        names = [column.casefold() for _, column in self.columns]
        demand(len(names) == len(set(names)), "Two fields of a rollup have one column.")

    def _demand_of_all(self, holder: View) -> None:
        """Demand that the model of all says the same of what is held, and where it and the rows that it stands for are."""
        theirs = self.all.views.get(holder.name)
        is_same = theirs is not None and theirs.rollup is not None and holder.rollup is not None
        is_same = is_same and theirs.rollup.columns == self.columns and theirs.rollup.base_view == self.base.name  # type: ignore[union-attr]  # they are there
        demand(is_same, "A rollup is another for the topic than for all.")
        for view in (holder, self.base):
            other = self.all.views.get(view.name)
            demand(
                other is not None and _table(view) == _table(other), "A rollup is of another table than the topic's."
            )

    def _made_of(self, start: str) -> frozenset[str]:
        """Return the names of all that a field rests on, itself, attributes and filters of the query included.

        For the topic, and for the model of all, by which the column was made.
        """
        mine = _reached(start, lambda name: self.own.dimension(name) or self.own.measure(name))
        return mine | _reached(start, lambda name: self.all.dimension(name) or self.all.measure(name))

    def _read_of(self, name: str) -> Dimension | Measure | None:
        """Return a field of another view, to be followed to those of the base view and no further."""
        is_of_base = name.partition(".")[0] == self.base.name
        return None if is_of_base else self.own.dimension(name) or self.own.measure(name)

    def _is_own(self, name: str) -> bool:
        """Say whether a field is made of nothing but columns of the base view's rows."""
        for part in self.told[name] | {name}:
            field = self.own.dimension(part) or self.own.measure(part)
            if field is None or field.view != self.base.name or field.level_of_detail is not None:
                return False
            if isinstance(field, Dimension) and field.top_n is not None:
                return False
            theirs = self.all.dimension(part) or self.all.measure(part)
            if theirs is None or _says(field) != _says(theirs) or self._counts_days(field):
                return False
        return True

    def _counts_days(self, field: Dimension | Measure) -> bool:
        """Say whether a measure's filter names a time that is another one on another day."""
        for item in field.filters if isinstance(field, Measure) else ():
            of = self.own.dimension(_plain(item.field))
            is_number = (
                of is not None and of.type in ("string", "number", "boolean", "unknown") and "[" not in item.field
            )
            if not all(_is_fixed(part, is_time=not is_number) for part in _parts(item.condition)):
                return True
        return False

    def _dimensions(self) -> dict[str, Dimension]:
        found: dict[str, Dimension] = {}
        whole = {item for item, _ in self.columns if "[" not in item}
        for item, column in self.columns:
            name, field = _plain(item), self.own.dimension(_plain(item))
            if field is None or not self._is_own(name) or (item != name and (name in whole or field.name in found)):
                continue
            field = replace(field, sql=_quoted(column), references=frozenset(), is_primary_key=False, duration=None)
            if item != name:
                frame = item.partition("[")[2].removesuffix("]")
                if frame not in WITHIN:
                    continue
                self.cut.add(name)
                frames = tuple(other for other in field.timeframes if other in WITHIN[frame])
                field = replace(field, type="date", timeframes=frames)
            found[field.name] = field
        return found

    def _whole(self, held: dict[str, Dimension]) -> set[str]:
        return {field.id for field in held.values()} - self.cut

    def _measures(self) -> dict[str, Measure]:
        found: dict[str, Measure] = {}
        for item, column in self.columns:
            field = self.own.measure(item)
            combined = COMBINED.get(field.aggregate) if field is not None else None
            if field is None or combined is None or not self._is_own(item) or _heeds_otherwise(field):
                continue
            self.combined[column] = combined
            # A count's values are added up, of no rows to none.
            is_count = field.aggregate == "count"
            found[field.name] = replace(
                field, aggregate="sum" if is_count else field.aggregate, sql=_quoted(column), filters=(),
                references=frozenset(),
            )  # fmt: skip
        made_of = {name: field for name, field in self.base.measures.items() if name not in found}
        while grown := [field for field in made_of.values() if self._is_over(field, found)]:
            for field in grown:
                found[field.name] = made_of.pop(field.name)
        return found

    def _is_over(self, field: Measure, held: dict[str, Measure]) -> bool:
        """Say whether a measure is made of measures that are held, and of nothing else."""
        if field.aggregate != "expression" or field.sql is None or field.filters or _heeds_otherwise(field):
            return False
        names = [*_names(field)]
        is_plain = field.level_of_detail is None and not list(field.sql.find_all(exp.AggFunc, exp.Column))
        return is_plain and bool(names) and all(name in {item.id for item in held.values()} for name in names)

    def _joins(self, topic: Topic, held: dict[str, Dimension]) -> Iterator[TopicJoin]:
        """Yield the joins whose conditions the rollup's columns can say as they were; one that decides about rows must be."""
        known, whole = {topic.base_view}, self._whole(held)
        for join in topic.joins:
            rule = join.relationship
            trees = [tree for tree in (rule.on_sql, rule.where_sql) if tree is not None]
            named = {_plain(node.name) for tree in trees for node in tree.find_all(exp.Placeholder)}
            rested = {other for name in named for other in _reached(name, self._read_of)}
            own = {name for name in rested if name.partition(".")[0] == topic.base_view}
            demand(rule.join_type not in ("full", "right"), "A join keeps rows that a rollup does not have.")
            if join.parent in known and own <= whole and not self.own.views[join.view].is_derived:
                known.add(join.view)
                yield join
            else:
                demand(rule.join_type == "always_left", "A rollup cannot be joined as its base view is.")

    def demand_rules(self, scope: AccessScope, topic: Topic) -> None:
        """Demand that all that is ruled by the base view's fields is held as it is, and nothing masked told of."""
        # What is masked itself leaves the table as its mask.
        tells = any(scope.masked & made_of for name, made_of in self.told.items() if name not in scope.masked)
        demand(not tells, "A rollup tells of what is masked.")
        rules = [item.field for items in scope.row_policies.values() for item in items]
        rules += [item.field for item in scope.topic_policies]
        rules += [name for name in scope.masked if name.partition(".")[0] == self.base.name]
        rules += [_plain(node.name) for sql in topic.always_where for node in sql.find_all(exp.Placeholder)]
        rules += [item.field for item in topic.always_where_filters if "[" not in item.field]
        held = self.model.views[self.base.name].dimensions
        for name, frame in (
            item.field.removesuffix("]").split("[") for item in topic.always_where_filters if "[" in item.field
        ):
            for other in _reached(name, self._read_of):
                view, _, field = other.partition(".")
                is_within = other not in self.cut or (
                    other == name and field in held and frame in held[field].timeframes
                )
                is_there = view != self.base.name or (field in held and is_within)
                demand(is_there, "A rule is on what a rollup does not hold as it is.")
        for name in {other for rule in rules for other in _reached(_plain(rule), self._read_of)}:
            view, _, field = name.partition(".")
            is_there = view != self.base.name or (field in held and name not in self.cut)
            demand(is_there, "A rule is on what a rollup does not hold as it is.")

    def demand_combined(self, statement: exp.Expr) -> None:
        """Demand that what is held as an aggregate stands in the one that combines it, and that groups are not counted."""
        for node in statement.find_all(exp.Column):
            if node.table == self.base.name:
                wanted = self.combined.get(node.name)
                inside = node.find_ancestor(exp.AggFunc, exp.Select)
                is_within = isinstance(inside, exp.AggFunc)
                is_combined = type(node.parent) is wanted and node.parent is inside
                is_plain = not is_within or type(inside) in (exp.Min, exp.Max)
                demand(is_plain if wanted is None else is_combined, "An aggregate of a rollup is put together wrongly.")
        for count in statement.find_all(exp.Count):
            select = count.parent_select
            source = select.args["from_"].this if select is not None and select.args.get("from_") else None
            is_of_groups = source is not None and source.alias == self.base.name and count.find(exp.Column) is None
            demand(not is_of_groups, "The groups of a rollup are counted in the place of rows.")


def _heeds_otherwise(field: Measure) -> bool:
    """Say whether a measure counts by a key, or takes filters of the query otherwise than the query does."""
    is_moved = any(item.condition.operator == "date_offset_from_query" for item in field.filters)
    return bool(field.distinct_on or field.cancelled_filters) or is_moved


def _names(field: Dimension | Measure) -> Iterator[str]:
    """Yield all that a field of the model names."""
    trees = [field.sql]
    if field.level_of_detail is not None:
        yield from map(_plain, field.level_of_detail.grain)
    if isinstance(field, Measure):
        trees += field.distinct_on
        yield from (_plain(item.field) for item in field.filters)
    else:
        yield from (_plain(name) for name in (_order(field), field.top_n.by if field.top_n else None) if name)
        trees += [field.duration.start, field.duration.end] if field.duration is not None else []
    for tree in trees:
        yield from (_plain(node.name) for node in tree.find_all(exp.Placeholder)) if tree is not None else ()


def _reached(start: str, field_of: Callable[[str], Dimension | Measure | None]) -> frozenset[str]:
    """Return the names that a name leads to, itself included."""
    found, waiting = {start}, [start]
    while waiting:
        field = field_of(waiting.pop())
        names = {*_names(field)} - found if field is not None else set()
        found |= names
        waiting += names
    return frozenset(found)


def _table(view: View) -> tuple[object, ...]:
    is_rows = view.sql_source is None and view.query_source is None
    return view.catalog, view.schema, view.table_name, view.schema_attribute, is_rows


def _says(field: Dimension | Measure) -> tuple[object, ...]:
    """Return all of a field that decides about the values of its column."""
    shared = field.id, field.sql, field.type, field.level_of_detail
    if isinstance(field, Measure):
        return *shared, field.aggregate, field.filters, field.percentile, field.distinct_on, field.cancelled_filters
    return *shared, field.duration, field.top_n, field.order_by_field, field.converts_timezone


def _parts(condition: Condition) -> Iterator[Condition]:
    yield condition
    for child in condition.children:
        yield from _parts(child)


def _is_fixed(condition: Condition, *, is_time: bool) -> bool:
    """Say whether a condition means the same on every day."""
    operator = condition.operator.removeprefix("not_")
    is_dated = operator in ("before", "on_or_after", "between_dates", "time_for_duration")
    values = condition.values[:1] if operator == "time_for_duration" else condition.values
    if not is_dated and not (is_time and operator in ("is", "not")):
        return True
    return all(not isinstance(value, str) or SINCE.fullmatch(value.strip()) for value in values)


def _order(field: Dimension) -> str | None:
    return field.order_by_field


def _plain(name: str) -> str:
    return name.partition("[")[0]


def _quoted(column: str) -> exp.Column:
    return exp.Column(this=exp.to_identifier(column, quoted=True))
