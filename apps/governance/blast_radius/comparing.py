"""Two states of somebody's rights → what changes for them. Pure."""

from collections.abc import Iterator, Mapping

from apps.governance.blast_radius.rights import Closed
from apps.governance.blast_radius.types import Change, DatasetRights, FieldRight
from apps.semantic.model.types import Mask

HIDING = ("null", "redact")
"""masks that show nothing of a value"""
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
        yield from _rows(dataset, old, new)
        yield from _joined(dataset, old, new)


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
    elif masks and (not known or _is_no_weaker(known, masks, name)) and known != masks:
        yield Change("count_masked" if is_count else "field_masked", dataset, name, _names(masks))
    elif known != masks:
        yield Change("mask_changed", dataset, name, _names(masks))
    if before.definition != after.definition and not _shows_nothing(after.masks, name):
        yield Change("field_redefined", dataset, name)


def _coarse(masks: Mapping[str, Mask]) -> dict[str, Mask]:
    """Return the masks that change a count: equal values have equal hashes, and others have others."""
    return {name: mask for name, mask in masks.items() if mask.kind != "hash"}


def _is_no_weaker(before: Mapping[str, Mask], after: Mapping[str, Mask], name: str) -> bool:
    """Say whether a field's masks certainly show no more than they did."""
    return _shows_nothing(after, name) or all(
        inner in after and (after[inner] == mask or after[inner].kind in HIDING) for inner, mask in before.items()
    )


def _shows_nothing(masks: Mapping[str, Mask], name: str) -> bool:
    """Say whether a field's own mask hides whatever lies beneath."""
    return masks.keys() == {name} and masks[name].kind in HIDING


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
            kind = "field_masked" if after.kind in HIDING else "mask_changed"
            yield Change(kind, dataset, name, (mask_name(after),))  # type: ignore[arg-type]  # one of two kinds


def mask_name(mask: Mask) -> str:
    """Return what people call a mask."""
    argument = f" {mask.argument}" if mask.argument is not None else ""
    return MASK_NAMES.get(mask.kind, mask.kind) + argument


def _rows(dataset: str, old: DatasetRights, new: DatasetRights) -> Iterator[Change]:
    for key in sorted(old.rows.keys() | new.rows.keys()):
        where, field = key
        before, after = old.rows.get(key), new.rows.get(key)
        if after is None and before is not None:
            yield Change("rows_lifted", dataset, field, tuple(sorted(before)), where)
        elif before is None and after is not None:
            yield Change("rows_limited", dataset, field, tuple(sorted(after)), where)
        elif before is not None and after is not None:
            if added := after - before:
                yield Change("rows_added", dataset, field, tuple(sorted(added)), where)
            if removed := before - after:
                yield Change("rows_removed", dataset, field, tuple(sorted(removed)), where)


def _joined(dataset: str, old: DatasetRights, new: DatasetRights) -> Iterator[Change]:
    for name in sorted(old.joined.keys() | new.joined.keys()):
        if (name in old.joined and name in new.joined and old.joined[name] != new.joined[name]) or (
            (name in old.joined) != (name in new.joined) and "the join of" not in name
        ):
            yield Change("rows_redefined", dataset, name)


def _listed(values: frozenset[str]) -> str:
    return ", ".join(sorted(values)[:5]) + (" …" if len(values) > 5 else "")
