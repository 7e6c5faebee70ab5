"""Two states of somebody's rights → what changes for them. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from apps.governance.blast_radius.rights import Closed
from apps.governance.blast_radius.turning import OF_GROUPS
from apps.governance.blast_radius.types import Change, DatasetRights, FieldRight, RowRule
from apps.semantic.model.types import Mask

NOTHING = "null"
"""the mask that shows nothing of a value; a fixed text shows where one is missing, as all the others do"""
HIDING = (NOTHING, "redact")
FEWER = ("rows_removed", "rows_limited", "rows_narrowed")
SHOWN = 3
MASK_NAMES = {
    "hash": "keyed hash",
    "keep_last": "last letters",
    "truncate_date": "start of a period",
    "bucket": "range",
}


def changes(dataset: str, old: DatasetRights | Closed, new: DatasetRights | Closed) -> Iterator[Change]:
    """Yield what changes on one data set."""
    if isinstance(new, Closed):
        if not isinstance(old, Closed):
            yield Change("dataset_lost", dataset, why=new.why)
    elif isinstance(old, Closed):
        masked = sum(bool(right.masks) and not right.is_counted for right in new.fields.values())
        texts = tuple(f"{field} is {_listed(values)}" for (_, field), values in sorted(new.rows.items()))
        fields = f"{len(new.fields)} fields" + (f", {masked} of them masked" if masked else "")
        yield Change("dataset_gained", dataset, values=texts, why=fields)
    else:
        yield from _fields(dataset, old, new)
        yield from _beneath(dataset, old, new)
        told = (*_rows(dataset, old, new), *_rules(dataset, old, new))
        yield from told
        yield from _turned(dataset, told, new)


def _fields(dataset: str, old: DatasetRights, new: DatasetRights) -> Iterator[Change]:
    for name in sorted(old.fields.keys() | new.fields.keys()):
        before, after = old.fields.get(name), new.fields.get(name)
        if after is None:
            yield Change("field_lost", dataset, name)
        elif before is None:
            is_masked = bool(after.masks) and not after.is_counted
            yield (
                Change("field_gained_masked", dataset, name, _names(after.masks))
                if is_masked
                else Change("field_gained", dataset, name)
            )
        else:
            yield from _field(dataset, name, before, after)


def _field(dataset: str, name: str, before: FieldRight, after: FieldRight) -> Iterator[Change]:
    is_count = before.is_counted or after.is_counted
    known, masks = (_coarse(before.masks), _coarse(after.masks)) if is_count else (before.masks, after.masks)
    if known and not masks:
        yield Change("count_unmasked" if is_count else "field_unmasked", dataset, name)
    elif known != masks and _is_no_weaker(known, masks, name):
        yield Change("count_masked" if is_count else "field_masked", dataset, name, _names(masks))
    elif known != masks:
        yield Change("mask_changed", dataset, name, _names(masks))
    if before.definition != after.definition and not _shows_nothing(after.masks, name):
        yield Change("field_redefined", dataset, name)
    if not after.masks:
        for interval in sorted(after.intervals - before.intervals):
            yield Change("field_gained", dataset, f"{name}[{interval}]")


def _coarse(masks: Mapping[str, Mask]) -> dict[str, Mask]:
    """Return the masks that change a count: equal values have equal hashes, and others have others."""
    return {name: mask for name, mask in masks.items() if mask.kind != "hash"}


def _is_no_weaker(before: Mapping[str, Mask], after: Mapping[str, Mask], name: str) -> bool:
    """Say whether a field's masks certainly show no more than they did, as where there was none."""
    if after.keys() == {name} and all(_hides(mask, after[name]) for mask in before.values()):
        return True  # its own mask, whatever lies beneath
    return all(
        inner in after and (after[inner] == mask or _hides(mask, after[inner])) for inner, mask in before.items()
    )


def _hides(before: Mask, after: Mask) -> bool:
    """Say whether a mask hides all that another one did: a fixed text tells what is missing, which nothing at all does not."""
    return after.kind == NOTHING or (after.kind in HIDING and before.kind != NOTHING)


def _shows_nothing(masks: Mapping[str, Mask], name: str) -> bool:
    """Say whether a field's own mask hides whatever lies beneath."""
    return masks.keys() == {name} and masks[name].kind == NOTHING


def _names(masks: Mapping[str, Mask]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(mask_name(masks[name]) for name in sorted(masks)))


def _beneath(dataset: str, old: DatasetRights, new: DatasetRights) -> Iterator[Change]:
    for name in sorted(old.beneath.keys() | new.beneath.keys()):
        before, after = old.beneath.get(name), new.beneath.get(name)
        if after is None:
            yield Change("field_unmasked", dataset, name)
        elif before is None:
            yield Change("field_masked", dataset, name, (mask_name(after),))
        elif before != after:
            kind = "field_masked" if _hides(before, after) else "mask_changed"
            yield Change(kind, dataset, name, (mask_name(after),))  # type: ignore[arg-type]  # one of two kinds


def mask_name(mask: Mask) -> str:
    """Return what people call a mask."""
    argument = f" {mask.argument}" if mask.argument is not None else ""
    return MASK_NAMES.get(mask.kind, mask.kind) + argument


def _rows(dataset: str, old: DatasetRights, new: DatasetRights) -> Iterator[Change]:
    for key in sorted(old.rows.keys() | new.rows.keys()):
        where, field = key
        if key not in new.rows:
            yield Change("rows_lifted", dataset, field, tuple(sorted(old.rows[key])), where)
        elif key not in old.rows:
            yield Change("rows_limited", dataset, field, tuple(sorted(new.rows[key])), where)
        else:
            if old.compared.get(key) != new.compared.get(key):
                yield Change("rows_redefined", dataset, f"the row policy on `{field}`", why=where)
            if added := new.rows[key] - old.rows[key]:
                yield Change("rows_added", dataset, field, tuple(sorted(added)), where)
            if removed := old.rows[key] - new.rows[key]:
                yield Change("rows_removed", dataset, field, tuple(sorted(removed)), where)


def _rules(dataset: str, old: DatasetRights, new: DatasetRights) -> Iterator[Change]:
    for name in sorted(old.rules.keys() | new.rules.keys()):
        yield from _rule(dataset, name, old.rules.get(name), new.rules.get(name))


def _rule(dataset: str, name: str, before: RowRule | None, after: RowRule | None) -> Iterator[Change]:
    """Yield what becomes of one rule: whatever is not certainly fewer rows counts as other ones."""
    does = {rule.does for rule in (before, after) if rule is not None}
    if (before is None or after is None) and does == {"none"}:
        return
    conditions = before.conditions if before is not None else frozenset()
    left = after.conditions if after is not None else frozenset()
    if conditions - left or (left - conditions and does != {"fewer"}):
        why = "it is new" if before is None else "it is gone" if after is None else "it says something else"
        yield Change("rows_redefined", dataset, name, why=why)
    elif left - conditions:
        yield Change("rows_narrowed", dataset, name)
    if before is not None and after is not None:
        common = before.rests_on.keys() & after.rests_on.keys()
        if moved := sorted(item for item in common if before.rests_on[item] != after.rests_on[item]):
            yield Change("rows_redefined", dataset, name, why=f"it rests on {_first(moved)}, defined otherwise")


def _first(items: list[str]) -> str:
    return ", ".join(items[:SHOWN]) + (f" and {len(items) - SHOWN} more" if len(items) > SHOWN else "")


def _turned(dataset: str, told: Iterable[Change], new: DatasetRights) -> Iterator[Change]:
    """Yield the rules that may choose other rows since there are fewer beneath them."""
    fewer = (change for change in told if change.kind in FEWER and not change.subject.endswith(OF_GROUPS))
    places = {change.why or change.subject for change in fewer}
    known = {change.subject for change in told if change.kind == "rows_redefined"}
    met = {what for start, what in new.turning if any(place.startswith(start) for place in places)}
    for what in sorted(met - known):
        yield Change("rows_redefined", dataset, what, why="with fewer rows beneath it, it may choose others")


def _listed(values: frozenset[str]) -> str:
    return ", ".join(sorted(values)[:5]) + (" …" if len(values) > 5 else "")
