"""Write connections: the credential goes in sealed and never comes out here."""

import time
from datetime import datetime
from typing import Any

from django.db import transaction

from apps.audit.services import record
from apps.audit.types import AuditActor
from apps.connections.errors import CredentialRequiredError
from apps.connections.models import Connection
from apps.connections.selectors import context_of
from apps.connections.tasks import check_connection
from apps.vault.services import seal_for_worker


@transaction.atomic
def save_connection(connection: Connection, *, secret: str | None, by: AuditActor, now: datetime) -> Connection:
    """Create or change a connection; ``secret`` None leaves the sealed credential as it is.

    Raises:
        ValidationError: a field is malformed or the name is taken.
        CredentialRequiredError: the target changed and the credential was not written again.
    """
    connection.full_clean(exclude=["tenant"])
    before = Connection.objects.filter(pk=connection.pk).first()
    is_moved = before is not None and context_of(before) != context_of(connection)
    if secret:
        connection.sealed_credential = seal_for_worker(secret.encode(), context=context_of(connection))
    elif is_moved and before is not None and before.sealed_credential:
        raise CredentialRequiredError
    connection.version = before.version + 1 if before else 1
    connection.health, connection.health_text = Connection.Health.UNKNOWN, ""
    connection.save()
    verb = "connections.connection_changed" if before else "connections.connection_created"
    record(verb, connection, by=by, now=now, facts={"is_moved": is_moved, "is_resealed": bool(secret)})
    return connection


def check_now(connection: Connection, *, by: AuditActor, now: datetime, wait_s: float = 15.0) -> Connection:
    """Have a worker check the connection, and wait for its word."""
    check_connection.delay(str(connection.pk), tenant_id=str(connection.tenant_id))
    deadline = time.monotonic() + wait_s
    while True:
        found = Connection.objects.get(pk=connection.pk)
        if (found.checked_at is not None and found.checked_at >= now) or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def as_options(pairs: list[str]) -> dict[str, Any]:
    """Read ``K=V`` pairs.

    Raises:
        ValueError: a pair has no equals sign.
    """
    found = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise ValueError(f"an option is NAME=VALUE, not {pair!r}")
        found[name] = value
    return found
