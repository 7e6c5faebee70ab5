"""Two states of somebody's rights → what changes for them. Pure."""

from collections.abc import Iterator

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
        masked = sum(right.mask is not None for right in new.fields.values())
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
            is_masked = after.mask is not None
            yield (
                Change("field_gained_masked", dataset, name, (mask_name(after.mask),))
                if is_masked
                else Change("field_gained", dataset, name)
            )
        else:
            yield from _field(dataset, name, before, after)


def _field(dataset: str, name: str, before: FieldRight, after: FieldRight) -> Iterator[Change]:
    if before.mask is not None and after.mask is None:
        yield Change("field_unmasked", dataset, name)
    elif before.mask is None and after.mask is not None:
        yield Change("field_masked", dataset, name, (mask_name(after.mask),))
    elif before.mask != after.mask and after.mask is not None:
        kind = "field_masked" if after.mask.kind in HIDING else "mask_changed"
        yield Change(kind, dataset, name, (mask_name(after.mask),))  # type: ignore[arg-type]  # one of two kinds
    if before.definition != after.definition and not (after.mask is not None and after.mask.kind in HIDING):
        yield Change("field_redefined", dataset, name)


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


def mask_name(mask: Mask | None) -> str:
    """Return what people call a mask."""
    if mask is None:
        return ""
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
