"""Write connections: the credential goes in sealed and never comes out here."""

import time
from datetime import datetime
from typing import Any

from celery import current_app
from django.db import transaction
from django.utils import timezone

from apps.audit.services import record
from apps.audit.types import SYSTEM, AuditActor
from apps.connections.errors import CredentialRequiredError
from apps.connections.models import CatalogColumn, CatalogTable, Connection
from apps.connections.selectors import context_of, open_source
from apps.vault.errors import VaultError
from apps.vault.services import seal_for_worker
from apps.warehouses.errors import WarehouseError
from apps.warehouses.types import TableInfo

TARGET_FIELDS = ("dialect", "host", "port", "database", "username")


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
    current_app.tasks["connections.check_connection"].delay(str(connection.pk), tenant_id=str(connection.tenant_id))
    deadline = time.monotonic() + wait_s
    while True:
        found = Connection.objects.get(pk=connection.pk)
        if (found.checked_at is not None and found.checked_at >= now) or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def check(connection: Connection) -> None:
    """Open the source, note its health and its catalogue. In the worker."""
    health, text, tables = Connection.Health.OK, "", None
    try:
        source = open_source(connection)
        try:
            source.check()
            tables = source.catalog()
        finally:
            source.close()
    except WarehouseError as error:
        health, text = Connection.Health.FAILED, error.message
    except VaultError:
        health, text = Connection.Health.FAILED, "The credential does not open for this target; write it again."
    now = timezone.now()
    with transaction.atomic():
        Connection.objects.filter(pk=connection.pk, version=connection.version).update(
            health=health, health_text=text, checked_at=now
        )
        if tables is not None:
            save_catalog(connection, tables, now=now)
        facts = {"health": str(health), "tables": len(tables or ())}
        record("connections.connection_checked", connection, by=SYSTEM, now=now, facts=facts)


def save_catalog(connection: Connection, tables: list[TableInfo], *, now: datetime) -> None:
    """Replace the catalogue by what was found."""
    CatalogColumn.objects.filter(table__connection=connection).delete()
    CatalogTable.objects.filter(connection=connection).delete()
    rows = CatalogTable.objects.bulk_create(
        CatalogTable(connection=connection, schema=table.schema, name=table.name, seen_at=now) for table in tables
    )
    CatalogColumn.objects.bulk_create(
        CatalogColumn(table=row, name=column.name, type=column.type, position=column.position, is_nullable=column.is_nullable)
        for row, table in zip(rows, tables, strict=True)
        for column in table.columns
    )


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
