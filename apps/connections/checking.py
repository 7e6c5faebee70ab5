"""The worker's side: open the source, note its health, what its user may do, and its catalogue."""

import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from apps.audit.services import record
from apps.audit.types import SYSTEM
from apps.connections.adopting import adopt
from apps.connections.models import KEPT_CHECKS, CatalogColumn, CatalogTable, Connection, ConnectionCheck
from apps.connections.selectors import open_source
from apps.vault.errors import VaultError
from apps.warehouses.errors import WarehouseError
from apps.warehouses.types import TableInfo

BATCH = 2_000
"""rows of one statement; also the tables that are in memory as objects at a time"""
ADD_COLUMNS = f"""
INSERT INTO {CatalogColumn._meta.db_table} (id, tenant_id, table_id, name, type, position, is_nullable)
SELECT gen_random_uuid(), %s, * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::int[], %s::boolean[])
"""
"""one statement for thousands of rows: a database has many more columns than tables"""


@dataclass
class Found:
    """What a check found. ``tables`` are read from what the source has sent already; None when it did not get so far."""

    health: str = Connection.Health.OK
    text: str = ""
    rights: list[str] = field(default_factory=list)
    tables: Iterator[TableInfo] | None = None
    took_ms: int = 0


def check(connection: Connection) -> None:
    """Open the source, note its health, its user's rights and its catalogue. In the worker."""
    if connection.pending_credential:
        adopt(connection.pk, now=timezone.now())
        connection.refresh_from_db()
    begun = time.monotonic()
    found = _look(connection)
    found.took_ms = int((time.monotonic() - begun) * 1000)
    try:
        _note(connection, found, now=timezone.now())
    except WarehouseError as error:  # the catalogue is too large
        failed = Found(Connection.Health.FAILED, error.message, took_ms=found.took_ms)
        _note(connection, failed, now=timezone.now())


def _look(connection: Connection) -> Found:
    found = Found()
    try:
        source = open_source(connection)
        try:
            source.check()
            found.rights = [str(right) for right in source.rights()]
            found.tables = source.catalog()
        finally:
            source.close()
    except WarehouseError as error:
        found.health, found.text = Connection.Health.FAILED, f"{error.message} {error.hint}".strip()
    except VaultError:
        found.health = Connection.Health.FAILED
        found.text = "The credential does not open for this target; write it again."
    return found


@transaction.atomic
def _note(connection: Connection, found: Found, *, now: datetime) -> None:
    """Write down what was found, unless the connection has been changed meanwhile."""
    current = Connection.objects.filter(pk=connection.pk, version=connection.version)
    noted = {"health": found.health, "health_text": found.text, "checked_at": now}
    if found.health == Connection.Health.OK:
        noted["excess_rights"] = found.rights
    if not current.update(**noted):
        return
    count = save_catalog(connection, found.tables, now=now) if found.tables is not None else 0
    ConnectionCheck.objects.create(
        connection=connection, checked_at=now, health=found.health, text=found.text, took_ms=found.took_ms,
        tables_count=count,
    )  # fmt: skip
    kept = ConnectionCheck.objects.filter(connection=connection).values_list("pk", flat=True)[:KEPT_CHECKS]
    ConnectionCheck.objects.filter(connection=connection).exclude(pk__in=list(kept)).delete()
    facts = {"health": str(found.health), "tables": count, "excess_rights": len(found.rights)}
    record("connections.connection_checked", connection, by=SYSTEM, now=now, facts=facts)


def claim_due(*, now: datetime) -> list[UUID]:
    """Return the bound tenant's connections whose schema is due, and move their next time on: nobody else claims them."""
    due = Connection.objects.filter(refresh_due_at__lte=now).values_list("pk", "refresh_every_h", "refresh_due_at")
    return [
        key
        for key, hours, at in due
        if Connection.objects.filter(pk=key, refresh_due_at=at).update(
            refresh_due_at=now + timedelta(hours=hours) if hours else None
        )
        and hours
    ]


def save_catalog(connection: Connection, tables: Iterable[TableInfo], *, now: datetime) -> int:
    """Make the catalogue what was found; return the number of tables. A table that is as it was is not written anew."""
    known = {
        (schema, name): (key, digest)
        for schema, name, key, digest in CatalogTable.objects.filter(connection=connection).values_list(
            "schema", "name", "pk", "digest"
        )
    }
    count, stored = 0, hashlib.sha256()
    source = iter(tables)
    while batch := list(islice(source, BATCH)):
        changed = []
        for table in batch:
            count += 1
            stored.update(repr((table.schema, table.name, table.is_stored)).encode())
            key, digest = known.pop((table.schema, table.name), (None, ""))
            if key is None or digest != digest_of(table):
                changed.append((key, table))
        _remove([key for key, _ in changed if key is not None])
        _add(connection, [table for _, table in changed], now)
    _remove([key for key, _ in known.values()])
    CatalogTable.objects.filter(connection=connection).exclude(seen_at=now).update(seen_at=now)
    Connection.objects.filter(pk=connection.pk).update(stored_digest=stored.hexdigest()[:32])
    return count


def digest_of(table: TableInfo) -> str:
    """Return what changes whenever a column does, or whether the table is stored."""
    return hashlib.sha256(repr((table.columns, table.is_stored)).encode()).hexdigest()[:32]


def _remove(keys: list[UUID]) -> None:
    for position in range(0, len(keys), BATCH):
        part = keys[position : position + BATCH]
        CatalogColumn.objects.filter(table_id__in=part).delete()
        CatalogTable.objects.filter(pk__in=part).delete()


def _add(connection: Connection, tables: list[TableInfo], now: datetime) -> None:
    rows = CatalogTable.objects.bulk_create(
        [
            CatalogTable(
                connection=connection,
                schema=table.schema,
                name=table.name,
                seen_at=now,
                digest=digest_of(table),
                is_stored=table.is_stored,
            )
            for table in tables
        ],
        batch_size=BATCH,
    )
    found = [(row.pk, column) for row, table in zip(rows, tables, strict=True) for column in table.columns]
    if not found:
        return
    with database.cursor() as cursor:
        cursor.execute(
            ADD_COLUMNS,
            (
                connection.tenant_id, [key for key, _ in found], [column.name for _, column in found],
                [column.type for _, column in found], [column.position for _, column in found],
                [column.is_nullable for _, column in found],
            ),
        )  # fmt: skip
