"""A mask follows its column: whatever else reads a masked column is masked too, reads the masked field, or says why not.

``email`` may be masked and ``contact``, over the same column, not: without this, the second shows what the first hides.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from sqlglot import exp

from apps.semantic.model.context import Context
from apps.semantic.model.former import is_other_name
from apps.semantic.model.grants import joined_rule
from apps.semantic.model.held_masks import held_masks, holders
from apps.semantic.model.types import Dimension, Measure, View
from apps.semantic.model.yaml_nodes import Node

Field = Dimension | Measure


Column = tuple[str, str]
"""(view, column of its table in small letters)"""


@dataclass(frozen=True, slots=True)
class _Masked:
    """A masked dimension: what it reads, by whatever way of references, and the one column that it is, if it is one."""

    item: Dimension
    reads: frozenset[Column]
    itself: Column | None


@dataclass(slots=True)
class _Table:
    """Views over one table; the masked dimensions that read each of its columns, and those that are it."""

    views: list[str] = field(default_factory=list)
    masked: dict[str, list[Dimension]] = field(default_factory=dict)
    bare: dict[str, list[Dimension]] = field(default_factory=dict)

    def note(self, name: str, masks: Iterable[_Masked]) -> None:
        """Note what is masked of a view's columns."""
        for mask in masks:
            for view, column in mask.reads:
                if view == name and mask.item not in self.masked.setdefault(column, []):
                    self.masked[column].append(mask.item)
            if mask.itself is not None and mask.itself[0] == name:
                self.bare.setdefault(mask.itself[1], []).append(mask.item)


def follow_masks(views: Mapping[str, View], context: Context, beneath: Collection[View] = ()) -> dict[str, View]:
    """Return the views with masks on every field that reads a masked column of its table.

    A dimension that is the bare column takes over mask and rule; inside an expression the column becomes a reference to the
    masked dimension, with all that follows. Where there is none to refer to, that is a fault. ``reads_in_clear: true`` on a
    field is the way to say that it shows the column to those who may not see it, and is warned about. What the views
    ``beneath`` mask, which a topic's own take the place of, is masked still. A masked dimension that refers to others masks
    the columns that these are made of. What a rollup's table holds of a masked field is a masked column.
    """
    masks = [mask for view in (*views.values(), *beneath) for mask in _masks_of(view, views)]
    found = _followed(views, masks, context, beneath)
    for holder, rollup in holders(views, beneath):
        held = held_masks(rollup, found, beneath)
        masks = [_Masked(item, frozenset({(holder, column)}), (holder, column)) for column, item in held]
        found = _followed(found, masks, context, beneath)
    return found


def _followed(
    views: Mapping[str, View], masks: list[_Masked], context: Context, beneath: Collection[View]
) -> dict[str, View]:
    found = dict(views)
    for table in _tables(views, beneath, masks):
        for name in table.views:
            found[name] = _with_masks(found[name], table)
        for name in table.views:
            found[name] = _with_references(found[name], table.masked, context)
    return found


def _tables(views: Mapping[str, View], beneath: Collection[View], masks: list[_Masked]) -> list[_Table]:
    """Return the tables that hold masked columns; a view without a schema may be over a table of any."""
    by_name: dict[str, list[View]] = {}
    for view in (*views.values(), *beneath) if masks else ():
        key = f" {view.alias_of or view.name}" if view.is_derived else view.table_name.lower()
        by_name.setdefault(key, []).append(view)
    found = []
    for group in by_name.values():
        schemas = {(view.schema or "").lower() for view in group} - {""}
        for schema in sorted(schemas) or [""]:
            table = _Table()
            for view in group:
                if (view.schema or "").lower() in ("", schema):
                    if views.get(view.name) is view:
                        table.views.append(view.name)
                    table.note(view.name, masks)
            if table.masked:
                found.append(table)
    return found


def _masks_of(view: View, views: Mapping[str, View]) -> list[_Masked]:
    known = {**views, view.name: view}
    return [
        _Masked(item, _read(item, known), _itself(item, known))
        for item in view.dimensions.values()
        if item.mask_unless_access_grants is not None and not is_other_name(item)
    ]


def _read(item: Dimension, views: Mapping[str, View]) -> frozenset[Column]:
    """Return all columns that a dimension is made of, through the fields that it refers to."""
    found, seen, waiting = set[Column](), {item.id}, [item]
    while waiting:
        one = waiting.pop()
        found.update((one.view, column) for column in _columns(trees_of(one)))
        inner = [_dimension(name, views) for tree in trees_of(one) for name in _references(tree)]
        waiting += [other for other in inner if other is not None and other.id not in seen]
        seen.update(other.id for other in inner if other is not None)
    return frozenset(found)


def _itself(item: Dimension, views: Mapping[str, View]) -> Column | None:
    """Return the column that a dimension is, also where it says so by another dimension; None of an expression."""
    seen = set[str]()
    found: Dimension | None = item
    while found is not None and isinstance(found.sql, exp.Placeholder) and found.id not in seen:
        seen.add(found.id)
        found = _dimension(found.sql.name, views) if "[" not in found.sql.name else None
    return (found.view, found.sql.name.lower()) if found is not None and isinstance(found.sql, exp.Column) else None


def _references(tree: exp.Expression) -> list[str]:
    return [node.name.partition("[")[0] for node in tree.find_all(exp.Placeholder)]


def _dimension(name: str, views: Mapping[str, View]) -> Dimension | None:
    view, _, field_name = name.partition(".")
    return views[view].dimensions.get(field_name) if view in views else None


def trees_of(item: Field) -> list[exp.Expression]:
    """Return all expressions of a field: what it shows or aggregates, the ends of a duration, the key of a measure."""
    if isinstance(item, Measure):
        return [*([item.sql] if item.sql is not None else []), *item.distinct_on]
    ends = [item.duration.start, item.duration.end] if item.duration is not None else []
    return [item.sql, *ends]


def _columns(trees: Iterable[exp.Expression]) -> set[str]:
    return {node.name.lower() for tree in trees for node in tree.find_all(exp.Column)}


def _with_masks(view: View, table: _Table) -> View:
    """Give the mask of a column to each dimension that is that column."""
    changed = {}
    for name, item in view.dimensions.items():
        if item.mask_unless_access_grants is None and not item.reads_in_clear and isinstance(item.sql, exp.Column):
            bare = table.bare.get(item.sql.name.lower())
            if bare:
                rules = [other.mask_unless_access_grants for other in bare if other.mask_unless_access_grants]
                changed[name] = replace(item, mask=bare[0].mask, mask_unless_access_grants=joined_rule(rules))
    return replace(view, dimensions={**view.dimensions, **changed}) if changed else view


def _with_references(view: View, masked: Mapping[str, list[Dimension]], context: Context) -> View:
    """Have each expression over a masked column refer to the masked dimension instead."""
    stands = {
        item.sql.name.lower(): item.id
        for item in reversed(list(view.dimensions.values()))
        if item.mask_unless_access_grants is not None and isinstance(item.sql, exp.Column) and not is_other_name(item)
    }
    dimensions, measures = dict(view.dimensions), dict(view.measures)
    for item in view.fields:
        met = {column: masked[column] for column in _columns(trees_of(item)) if column in masked}
        is_masked = isinstance(item, Dimension) and item.mask_unless_access_grants is not None
        if not met or is_masked:
            continue
        names = ", ".join(sorted({other.id for others in met.values() for other in others}))
        at = Node({}, item.source.file, item.source.line, item.source.column)
        if item.reads_in_clear:
            if view.alias_of is None:
                context.warn(at, f"“{item.id}” shows in clear what {names} masks, to everybody who may use it")
        elif all(column in stands for column in met):
            if isinstance(item, Dimension):
                dimensions[item.name] = _referring_dimension(item, stands)
            else:
                measures[item.name] = _referring_measure(item, stands)
        elif view.alias_of is None:
            context.fault(
                at,
                f"“{item.id}” reads a column that {names} masks: refer to a masked field of this view,"
                " give it mask_unless_access_grants, or say reads_in_clear: true",
            )
    return replace(view, dimensions=dimensions, measures=measures)


def _referring(tree: exp.Expression, stands: Mapping[str, str]) -> exp.Expression:
    holder = exp.Paren(this=tree.copy())
    for node in list(holder.find_all(exp.Column)):
        if node.name.lower() in stands:
            node.replace(exp.Placeholder(this=stands[node.name.lower()]))
    found: exp.Expression = holder.this
    return found


def _named(item: Field, stands: Mapping[str, str]) -> frozenset[str]:
    return item.references | {stands[column] for column in _columns(trees_of(item)) if column in stands}


def _referring_dimension(item: Dimension, stands: Mapping[str, str]) -> Dimension:
    ends = item.duration
    if ends is not None:
        ends = replace(ends, start=_referring(ends.start, stands), end=_referring(ends.end, stands))
    return replace(item, sql=_referring(item.sql, stands), duration=ends, references=_named(item, stands))


def _referring_measure(item: Measure, stands: Mapping[str, str]) -> Measure:
    sql = _referring(item.sql, stands) if item.sql is not None else None
    keys = tuple(_referring(tree, stands) for tree in item.distinct_on)
    return replace(item, sql=sql, distinct_on=keys, references=_named(item, stands))
