"""The worker's side of rotation: try the new credential before the old one goes; seal anew when the worker's key changes."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from apps.audit.services import record
from apps.audit.types import SYSTEM
from apps.connections.models import Connection
from apps.connections.selectors import context_of, credential_of, try_credential
from apps.vault.errors import VaultError
from apps.vault.services import is_sealed_to_public_key, seal_for_worker
from apps.warehouses.errors import WarehouseError

FIELDS = ("sealed_credential", "pending_credential")


def adopt(key: UUID, *, now: datetime) -> None:
    """Use the proposed credential when it opens the source, and drop it when it does not."""
    connection = Connection.objects.filter(pk=key).exclude(pending_credential=None).first()
    if connection is None:
        return
    proposed = bytes(connection.pending_credential or b"")
    try:
        try_credential(connection, proposed)
        problem = ""
    except WarehouseError as error:
        problem = f"The new credential is not in use. {error.message} {error.hint}".strip()
    except VaultError:
        problem = "The new credential does not open for this target; write it again."
    _decide(connection, proposed, problem, now)


@transaction.atomic
def _decide(connection: Connection, proposed: bytes, problem: str, now: datetime) -> None:
    row = Connection.objects.select_for_update().filter(pk=connection.pk, version=connection.version).first()
    if row is None or row.pending_credential is None or bytes(row.pending_credential) != proposed:
        return  # changed meanwhile: what was tried is no longer what is meant
    row.pending_credential = None
    if problem:
        row.health_text = problem
        row.save(update_fields=["pending_credential", "health_text"])
        record("connections.credential_refused", row, by=SYSTEM, now=now)
        return
    row.sealed_credential, row.health_text = proposed, ""
    row.version += 1
    row.save(update_fields=["pending_credential", "sealed_credential", "health_text", "version"])
    record("connections.credential_rotated", row, by=SYSTEM, now=now)


def reseal_credentials(*, now: datetime) -> int:
    """Seal the bound tenant's credentials to the worker's new key, one connection at a time; return how many.

    Those that are sealed to it already are left alone, so that an interrupted run goes on where it stopped.

    Raises:
        NoWorkerKeyError: this process is no worker.
    """
    return sum(_reseal(key, now) for key in Connection.objects.values_list("pk", flat=True))


@transaction.atomic
def _reseal(key: UUID, now: datetime) -> int:
    row = Connection.objects.select_for_update().get(pk=key)
    old = [name for name in FIELDS if (sealed := getattr(row, name)) and not is_sealed_to_public_key(bytes(sealed))]
    for name in old:
        secret = credential_of(row, getattr(row, name)) or ""
        setattr(row, name, seal_for_worker(secret.encode(), context=context_of(row)))
    if old:
        row.save(update_fields=old)
        record("connections.credential_resealed", row, by=SYSTEM, now=now)
    return len(old)


def left_to_reseal() -> int:
    """Count the bound tenant's credentials that are sealed to an old key of the worker."""
    rows = Connection.objects.values_list(*FIELDS)
    return sum(1 for row in rows for sealed in row if sealed and not is_sealed_to_public_key(bytes(sealed)))
