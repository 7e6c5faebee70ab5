"""What a rollup's table holds of masked values: its own view would show them, as a mask is on the base view's columns."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from sqlglot import exp

from apps.semantic.model.grants import joined_rule
from apps.semantic.model.types import Dimension, Mask, Measure, Rollup, View

Field = Dimension | Measure


def holders(views: Mapping[str, View], beneath: Collection[View] = ()) -> list[tuple[str, Rollup]]:
    """Return the views that hold rollups, one of another rollup after that one."""
    waiting = {view.name: view.rollup for view in (*beneath, *views.values()) if view.rollup is not None}
    found: list[tuple[str, Rollup]] = []
    while waiting:
        ready = [name for name, rollup in waiting.items() if rollup.base_view not in waiting] or [next(iter(waiting))]
        found += [(name, waiting.pop(name)) for name in ready]
    return found


def held_masks(rollup: Rollup, views: Mapping[str, View], beneath: Collection[View]) -> Iterator[tuple[str, Dimension]]:
    """Yield (column in small letters, dimension whose mask it has) for the columns of a rollup that tell of masked values.

    A masked dimension of the base view has the same mask here; what is made of masked ones is not shown at all.
    """
    for base in [*(item for item in beneath if item.name == rollup.base_view), views.get(rollup.base_view)]:
        known = {**views, base.name: base} if base is not None else {}
        for written, column in rollup.columns:
            name = written.partition("[")[0]
            masked = _masked(name, known)
            if masked and masked[0].id == name:
                yield column.lower(), masked[0]
            elif masked:
                rules = [item.mask_unless_access_grants for item in masked if item.mask_unless_access_grants]
                mask = replace(masked[0], mask=Mask("null"), mask_unless_access_grants=joined_rule(rules))
                yield column.lower(), mask


def _masked(start: str, views: Mapping[str, View]) -> list[Dimension]:
    """Return the masked dimensions that a field is made of: itself alone, where it is one."""
    found: list[Dimension] = []
    seen, waiting = {start}, [start]
    while waiting:
        view, _, name = waiting.pop().partition(".")
        item: Field | None = None
        if view in views:
            item = views[view].dimensions.get(name) or views[view].measures.get(name)
        if isinstance(item, Dimension) and item.mask_unless_access_grants is not None:
            found.append(item)
        elif item is not None:
            named = {*_named(item)} - seen
            seen |= named
            waiting += sorted(named)
    return found


def _named(item: Field) -> Iterator[str]:
    trees = [item.sql] if item.sql is not None else []
    if isinstance(item, Measure):
        trees += item.distinct_on
        yield from (rule.field.partition("[")[0] for rule in item.filters)
    elif item.duration is not None:
        trees += [item.duration.start, item.duration.end]
    for tree in trees:
        yield from (node.name.partition("[")[0] for node in tree.find_all(exp.Placeholder))
