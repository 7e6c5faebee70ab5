"""Write connections: the credential goes in sealed and never comes out here."""

import time
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from apps.audit.services import record
from apps.audit.types import AuditActor
from apps.connections.errors import CredentialRequiredError
from apps.connections.models import Connection
from apps.connections.selectors import context_of
from apps.connections.tasks import adopt_credential, check_connection
from apps.vault.services import seal_for_worker

CHECK_WAIT_S = 15.0
CHECK_POLL_S = 0.1


@transaction.atomic
def save_connection(connection: Connection, *, secret: str | None, by: AuditActor, now: datetime) -> Connection:
    """Create or change a connection; ``secret`` None leaves the sealed credential as it is.

    Raises:
        ValidationError: a field is malformed or the name is taken.
        CredentialRequiredError: the target changed and the credential was not written again.
    """
    if Connection.objects.filter(name=connection.name).exclude(pk=connection.pk).exists():
        raise ValidationError({"name": f"There is a connection {connection.name!r} already."})
    connection.full_clean(exclude=["tenant"])
    if connection.pk is None:  # the admin takes a new object's key away; the credential is bound to it
        connection.pk = connection._meta.pk.get_default()
    before = Connection.objects.select_for_update().filter(pk=connection.pk).first()
    is_moved = before is not None and context_of(before) != context_of(connection)
    if secret:
        connection.sealed_credential = seal_for_worker(secret.encode(), context=context_of(connection))
    elif is_moved and before is not None and before.sealed_credential:
        raise CredentialRequiredError
    elif before is not None:  # what another process has rotated meanwhile stays
        connection.sealed_credential = before.sealed_credential
    is_kept = before is not None and not is_moved and not secret
    connection.pending_credential = before.pending_credential if before is not None and is_kept else None
    # Of another source, nobody has looked yet which tables are stored.
    connection.stored_digest = before.stored_digest if before is not None and not is_moved else ""
    connection.version = before.version + 1 if before else 1
    connection.refresh_due_at = now if connection.refresh_every_h else None
    connection.excess_rights = []
    connection.health, connection.health_text = Connection.Health.UNKNOWN, ""
    connection.save()
    verb = "connections.connection_changed" if before else "connections.connection_created"
    record(verb, connection, by=by, now=now, facts={"is_moved": is_moved, "is_resealed": bool(secret)})
    if connection.is_tls_relaxed and (before is None or before.tls_mode != connection.tls_mode):
        record("connections.tls_relaxed", connection, by=by, now=now, facts={"sslmode": connection.tls_mode})
    return connection


@transaction.atomic
def remove_connection(connection: Connection, *, by: AuditActor, now: datetime) -> None:
    """Remove a connection with its catalogue and its sealed credential."""
    record("connections.connection_deleted", connection, by=by, now=now)
    connection.delete()


def check_now(connection: Connection, *, by: AuditActor, now: datetime, wait_s: float = CHECK_WAIT_S) -> Connection:
    """Have a worker check the connection, and wait for its word.

    Returns:
        The connection as it is then; ``health`` is ``unknown`` when no worker answered in time.

    Raises:
        RuntimeError: called inside a transaction, where a worker's word cannot be seen.
    """
    if transaction.get_connection().in_atomic_block:
        raise RuntimeError("check_now waits for another process; call it outside of transactions")
    with transaction.atomic():
        record("connections.check_requested", connection, by=by, now=now)
        Connection.objects.filter(pk=connection.pk).update(health=Connection.Health.UNKNOWN, health_text="")
    check_connection.delay(str(connection.pk), tenant_id=str(connection.tenant_id))
    deadline = time.monotonic() + wait_s
    while True:
        found = Connection.objects.get(pk=connection.pk)
        if found.health != Connection.Health.UNKNOWN or time.monotonic() > deadline:
            return found
        time.sleep(CHECK_POLL_S)


@transaction.atomic
def _propose_credential(connection: Connection, secret: str, by: AuditActor, now: datetime) -> Connection:
    row = Connection.objects.select_for_update().get(pk=connection.pk)
    row.pending_credential = seal_for_worker(secret.encode(), context=context_of(row))
    row.save(update_fields=["pending_credential"])
    record("connections.credential_proposed", row, by=by, now=now)
    return row


def rotate_credential(
    connection: Connection, *, secret: str, by: AuditActor, now: datetime, wait_s: float = CHECK_WAIT_S
) -> str:
    """Have a worker sign in with another credential for the same target, and use it from then on.

    Until then, and when it does not open the source, the old one stays in use. A proposal that no worker has answered
    is tried by the next check.

    Returns:
        Nothing when the new credential is in use, else why it is not.

    Raises:
        RuntimeError: called inside a transaction, where a worker's word cannot be seen.
    """
    if transaction.get_connection().in_atomic_block:
        raise RuntimeError("rotate_credential waits for another process; call it outside of transactions")
    before = _propose_credential(connection, secret, by, now)
    adopt_credential.delay(str(connection.pk), tenant_id=str(connection.tenant_id))
    deadline = time.monotonic() + wait_s
    while time.monotonic() <= deadline:
        found = Connection.objects.get(pk=connection.pk)
        if found.pending_credential is None:
            return "" if found.version > before.version else (found.health_text or "The new credential was refused.")
        time.sleep(CHECK_POLL_S)
    return f"No worker answered within {wait_s:.0f} s; the old credential is in use until one has tried the new one."


def as_options(pairs: list[str]) -> dict[str, Any]:
    """Read ``K=V`` pairs.

    Raises:
        ValueError: a pair has no equals sign.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise ValueError("an option is written NAME=VALUE")
        found[name] = value
    return found
