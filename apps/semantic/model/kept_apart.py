"""What masks leave of a field's values in a derived view's own question: the same groups, the same gaps, or neither.

For the compiler and for faults before there is a question; the proof follows masks by itself (``verify/grouped.py``).
"""

from collections.abc import Iterator

from sqlglot import exp

from apps.semantic.model.carried_masks import Masks, carries_mask
from apps.semantic.model.deciding import How, mask_kind, output_columns
from apps.semantic.model.types import Dimension, Measure, SemanticModel, View

MADE = "made of one"


def is_chosen_by_masks(name: str, how: How, model: SemanticModel, masks: Masks) -> bool:
    """Say whether rows are others where masks stand in for the values beneath a field.

    Args:
        name: of a field, with its timeframe.
        how: the field decides about rows.
        model: the field's, as its topic sees it.
    """
    kinds = masks_in(name, model, masks)
    if how == "grouped":
        return not kinds <= {"hash"}
    return bool(kinds & {"null", MADE}) if how == "given" else bool(kinds)


def masks_in(name: str, model: SemanticModel, masks: Masks) -> frozenset[str]:
    """Return the kinds of the masks that a field's values may be, ``MADE`` where they are made of one and not it as it is."""
    hidden = {item.id for item in rests_on(name, model)} & masks.masked
    if not hidden and not carries_mask([item.id for item in rests_on(name, model)], model, masks):
        return frozenset()
    found, kinds = model.dimension(name), set[str]()
    while found is not None and found.top_n is None and found.level_of_detail is None and found.duration is None:
        kinds |= {mask_kind(found, model.dialect)} if found.id in masks.masked else set()
        if not isinstance(found.sql, exp.Placeholder):
            return frozenset(kinds) | _within(found, model, masks)
        found = model.dimension(found.sql.name)
    return frozenset((*kinds, MADE))


def _within(found: Dimension, model: SemanticModel, masks: Masks) -> frozenset[str]:
    """Return the kinds of masks in a dimension's own expression."""
    others = {item.id for item in rests_on(found.id, model)} - {found.id}
    if others & masks.masked or carries_mask(sorted(others), model, masks):
        return frozenset((MADE,))
    if not carries_mask((found.id,), model, masks):
        return frozenset()
    if not isinstance(found.sql, exp.Column):
        return frozenset((MADE,))
    return _beneath(found.sql.name.lower(), model.views[found.view], model, masks)


def rests_on(name: str, model: SemanticModel) -> list[Dimension | Measure]:
    """Return a field and all that it is made of: what its ranking and its grain name as well."""
    seen, waiting = dict[str, Dimension | Measure](), [name]
    while waiting:
        start = waiting.pop().partition("[")[0]
        field = model.dimension(start) or model.measure(start)
        if field is not None and start not in seen:
            seen[start] = field
            waiting += _named(field)
    return [*seen.values()]


def _named(field: Dimension | Measure) -> Iterator[str]:
    trees = [field.sql, *(field.distinct_on if isinstance(field, Measure) else ())]
    if isinstance(field, Dimension) and field.duration is not None:
        trees += [field.duration.start, field.duration.end]
    yield from (node.name for tree in trees if tree is not None for node in tree.find_all(exp.Placeholder))
    yield from field.level_of_detail.grain if field.level_of_detail is not None else ()
    if isinstance(field, Measure):
        yield from (rule.field for rule in field.filters)
    else:
        yield from (field.top_n.by,) if field.top_n is not None else ()
        yield from (field.order_by_field,) if field.order_by_field is not None else ()


def _beneath(column: str, view: View, model: SemanticModel, masks: Masks) -> frozenset[str]:
    """Return the kinds of masks in a derived view's column."""
    if view.sql_source is not None:
        found = set[str]()
        for owner, name, state in output_columns(view.sql_source, model).get(column, ()):
            governed = model.views.get(owner)
            for item in governed.dimensions.values() if governed is not None else ():
                if item.id in masks.masked and isinstance(item.sql, exp.Column) and item.sql.name.lower() == name:
                    found |= {mask_kind(item, model.dialect), *(() if state == "plain" else (MADE,))}
        return frozenset(found or (MADE,))
    source = view.query_source
    inner = masks.nested.get(source.topic) if source is not None else None
    asked = [name for name, alias in source.columns if alias.lower() == column] if source is not None else []
    if source is None or inner is None or len(asked) != 1:
        return frozenset((MADE,))
    own = model.of_topic(source.topic)
    return masks_in(asked[0], own, inner) or frozenset((MADE,))
