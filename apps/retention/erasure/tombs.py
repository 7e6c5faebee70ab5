"""Signed lines in the file of tombstones: on their word a tenant that a backup brought back is erased again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.retention.certificates import canonical
from apps.tenants import tombstones
from apps.tenants.models import Tombstone
from apps.vault.signing import is_signed, sign, trusted_keys

PURPOSE = "tombstone"
NAMES = {"tenant", "certificate", "state", "at"}
BEGAN, ENDED = "began", "ended"


@dataclass(frozen=True, slots=True)
class Tomb:
    """A line that is signed: since when the tenant is being erased, or was."""

    tenant_id: UUID
    certificate_id: UUID
    state: str
    at: datetime


def bury(tenant_id: UUID, certificate_id: UUID, state: str, *, at: datetime) -> None:
    """Write into the file that a tenant is being erased, or was, unless it says so already.

    Raises:
        NoSigningKeyError: this process may not sign.
    """
    if any(tomb.tenant_id == tenant_id and tomb.state == state for tomb in tombs()[0]):
        return
    content = {"tenant": str(tenant_id), "certificate": str(certificate_id), "state": state, "at": at.isoformat()}
    key, signature = sign(PURPOSE, canonical(content))
    tombstones.append({**content, "signed_by": key, "signature": signature})


def tombs() -> tuple[list[Tomb], int]:
    """Return what the file says under a trusted signature, and how many lines have none."""
    lines, keys = tombstones.lines(), trusted_keys()
    found = [tomb for line in lines if line is not None and (tomb := _tomb(line, keys)) is not None]
    return found, len(lines) - len(found)


def _tomb(line: dict[str, Any], keys: tuple[str, ...]) -> Tomb | None:
    content = {name: line.get(name) for name in NAMES}
    key, signature = str(line.get("signed_by")), str(line.get("signature"))
    if key not in keys or not is_signed(PURPOSE, canonical(content), signature=signature, by=key):
        return None
    return Tomb(
        UUID(line["tenant"]), UUID(line["certificate"]), line["state"], datetime.fromisoformat(line["at"])
    )  # what we signed has these, in this form


def erased_for_good() -> dict[UUID, Tomb]:
    """Return the tenants whose erasure has ended, as the file says under signature, or the table that only the owner writes."""
    kept = Tombstone.objects.exclude(ended_at=None).values_list("pk", "certificate_id", "ended_at")
    found = {key: Tomb(key, certificate, ENDED, at) for key, certificate, at in kept if at is not None}
    return found | {tomb.tenant_id: tomb for tomb in tombs()[0] if tomb.state == ENDED}
