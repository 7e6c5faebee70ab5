"""Rotate keys while everything goes on. Each step can be repeated; what was interrupted is taken up where it stopped.

A tenant key is rotated in three steps: a new key beside the old one (both open), everything sealed anew in batches,
and, when no transaction can still hold the old key, the old one destroyed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import models, transaction
from tink import aead

from apps.tenants.binding import bound_tenant_id
from apps.vault import keysets, master
from apps.vault.errors import KeyDestroyedError, RotationError
from apps.vault.models import TenantKey
from apps.vault.tenant_keys import Keyset, context_of, open_sealed, read_keyset, seal

BATCH_ROWS = 200


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of a model that the tenant key seals: its field, and the name that it is sealed to."""

    model: type[models.Model]
    field: str
    column: str


def sealed_columns() -> list[SealedColumn]:
    """Return every column that a tenant key seals, as the models say in ``SEALED``."""
    return [
        SealedColumn(model, name, column)
        for model in apps.get_models()
        for name, column in getattr(model, "SEALED", {}).items()
    ]


def _newest() -> TenantKey:
    row = TenantKey.objects.select_for_update().filter(destroyed_at=None).order_by("-version").first()
    if row is None:
        raise KeyDestroyedError("this tenant has no key")
    return row


def _opened(row: TenantKey) -> Keyset:
    return read_keyset(master.unwrap(bytes(row.wrapped), context=context_of(bound_tenant_id(), row.version)))


def _add_version(after: TenantKey, keyset: Keyset, now: datetime) -> None:
    version = after.version + 1
    wrapped = master.wrap(keyset.as_bytes(), context=context_of(bound_tenant_id(), version))
    TenantKey.objects.create(version=version, wrapped=wrapped, created_at=now)
    TenantKey.objects.filter(version=version).update(created_at=now)


@transaction.atomic
def begin_rotation(*, now: datetime) -> bool:
    """Give the bound tenant a new key beside the old one; return False when a rotation is under way already."""
    row = _newest()
    found = _opened(row)
    if keysets.key_count(found.keyset) > 1:
        return False
    new = keysets.with_new_key(found.keyset, aead.aead_key_templates.AES256_GCM)
    _add_version(row, replace(found, keyset=new), now)
    return True


@transaction.atomic
def rotation_began_at() -> datetime | None:
    """Return when the bound tenant's unfinished rotation began, or None."""
    row = _newest()
    return row.created_at if keysets.key_count(_opened(row).keyset) > 1 else None


def reseal_all() -> int:
    """Seal under the new key whatever the old one sealed, batch by batch; return how many values."""
    with transaction.atomic():
        primary = keysets.primary_of(_opened(_newest()).keyset)
    return sum(_reseal(column, keys) for column in sealed_columns() for keys in _batches(column, primary))


def left_to_reseal() -> int:
    """Count the values that an old key still seals."""
    with transaction.atomic():
        primary = keysets.primary_of(_opened(_newest()).keyset)
        return sum(len(keys) for column in sealed_columns() for keys in _batches(column, primary))


def _batches(column: SealedColumn, primary: int) -> Iterator[list[Any]]:
    rows = column.model._default_manager.exclude(**{column.field: b""}).values_list("pk", column.field)
    wanted = [key for key, sealed in rows.iterator() if keysets.sealed_by(bytes(sealed or b"")) not in (None, primary)]
    for position in range(0, len(wanted), BATCH_ROWS):
        yield wanted[position : position + BATCH_ROWS]


@transaction.atomic
def _reseal(column: SealedColumn, keys: list[Any]) -> int:
    rows = column.model._default_manager.select_for_update().filter(pk__in=keys)
    table = column.model._meta.db_table
    for key, sealed in list(rows.values_list("pk", column.field)):
        opened = open_sealed(bytes(sealed), table=table, row=key, column=column.column)
        anew = seal(opened, table=table, row=key, column=column.column)
        column.model._default_manager.filter(pk=key).update(**{column.field: anew})
    return len(keys)


@transaction.atomic
def finish_rotation(*, now: datetime) -> bool:
    """Destroy the bound tenant's old key; return False when there is none.

    Raises:
        RotationError: too early, or something is still sealed by the old key.
    """
    row = _newest()
    found = _opened(row)
    if keysets.key_count(found.keyset) == 1:
        return False
    if now < row.created_at + timedelta(seconds=settings.OMNI_KEY_GRACE_S):
        raise RotationError("a transaction may still hold the old key; finish later")
    if left := left_to_reseal():
        raise RotationError(f"{left} values are still sealed by the old key")
    _add_version(row, replace(found, keyset=keysets.with_primary_only(found.keyset)), now)
    TenantKey.objects.filter(version__lte=row.version).update(wrapped=b"", destroyed_at=now)
    return True


@transaction.atomic
def rewrap_tenant_keys() -> int:
    """Wrap the bound tenant's keysets under the present master key; return how many were under the previous one."""
    count = 0
    for row in TenantKey.objects.select_for_update().filter(destroyed_at=None):
        context = context_of(bound_tenant_id(), row.version)
        wrapped = bytes(row.wrapped)
        if not master.is_current(wrapped, context=context):
            row.wrapped = master.wrap(master.unwrap(wrapped, context=context), context=context)
            row.save(update_fields=["wrapped"])
            count += 1
    return count
