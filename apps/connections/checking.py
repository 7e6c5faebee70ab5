"""The worker's side: open the source, note its health and its catalogue."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from apps.audit.services import record
from apps.audit.types import SYSTEM
from apps.connections.models import CatalogColumn, CatalogTable, Connection
from apps.connections.selectors import open_source
from apps.vault.errors import VaultError
from apps.warehouses.errors import WarehouseError
from apps.warehouses.types import TableInfo

BATCH = 2_000


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
    _note(connection, health, text, tables, now=timezone.now())


@transaction.atomic
def _note(connection: Connection, health: str, text: str, tables: list[TableInfo] | None, *, now: datetime) -> None:
    """Write down what was found, unless the connection has been changed meanwhile."""
    current = Connection.objects.filter(pk=connection.pk, version=connection.version)
    if not current.update(health=health, health_text=text, checked_at=now):
        return
    if tables is not None:
        save_catalog(connection, tables, now=now)
    facts = {"health": str(health), "tables": len(tables or ())}
    record("connections.connection_checked", connection, by=SYSTEM, now=now, facts=facts)


def save_catalog(connection: Connection, tables: list[TableInfo], *, now: datetime) -> None:
    """Replace the catalogue by what was found."""
    CatalogColumn.objects.filter(table__connection=connection).delete()
    CatalogTable.objects.filter(connection=connection).delete()
    rows = CatalogTable.objects.bulk_create(
        [CatalogTable(connection=connection, schema=table.schema, name=table.name, seen_at=now) for table in tables],
        batch_size=BATCH,
    )
    columns = (
        CatalogColumn(
            table=row, name=column.name, type=column.type, position=column.position, is_nullable=column.is_nullable
        )
        for row, table in zip(rows, tables, strict=True)
        for column in table.columns
    )
    CatalogColumn.objects.bulk_create(columns, batch_size=BATCH)
