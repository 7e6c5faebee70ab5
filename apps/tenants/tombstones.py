"""Which tenants were erased, kept outside of the database: a backup that is restored brings a tenant back, and not this.

A file of JSON lines that only grows, with ids and times and nothing that names anybody. Whoever is in it is refused; what
is erased because of it needs a signature besides (:mod:`apps.retention.erasure.tombs`).
"""

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from apps.tenants.models import Tombstone

MODE = 0o644
"""ids only; web processes and workers read it, whoever erases writes it"""


def is_buried(tenant_id: UUID) -> bool:
    """Say whether the tenant is in the file. A file that is there and cannot be read raises: nobody is let in blindly."""
    return tenant_id in buried_ids()


def buried_ids() -> frozenset[UUID]:
    """Return the tenants in the file; it is read again when it has changed."""
    path = Path(settings.OMNI_TOMBSTONES)
    try:
        found = path.stat()
    except FileNotFoundError:
        return frozenset()
    return _ids(str(path), (found.st_ino, found.st_mtime_ns, found.st_size))


def erased_ids() -> frozenset[UUID]:
    """Return the tenants in the file and in the database."""
    return buried_ids() | frozenset(Tombstone.objects.values_list("pk", flat=True))


@lru_cache(maxsize=4)
def _ids(path: str, version: tuple[int, int, int]) -> frozenset[UUID]:
    found = (tenant_in(line) for line in Path(path).read_text(errors="replace").splitlines())
    return frozenset(tenant_id for tenant_id in found if tenant_id is not None)


def lines() -> list[dict[str, Any] | None]:
    """Return what the file says, line by line; None for a line that says nothing."""
    path = Path(settings.OMNI_TOMBSTONES)
    if not path.exists():
        return []
    return [_read(line) for line in path.read_text(errors="replace").splitlines() if line.strip()]


def tenant_in(line: str) -> UUID | None:
    found = _read(line)
    return UUID(found["tenant"]) if found else None


def _read(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
        UUID(found["tenant"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return dict(found)


def append(entry: dict[str, Any]) -> None:
    """Add a line, on the disk before this returns. A line that a crash cut off is left behind by itself."""
    path = Path(settings.OMNI_TOMBSTONES)
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, MODE)
    try:
        size = os.fstat(handle).st_size
        is_cut = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        os.write(handle, (b"\n" if is_cut else b"") + json.dumps(entry, sort_keys=True).encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
    if is_new:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
