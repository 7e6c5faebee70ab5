"""After the rows: what PostgreSQL itself still remembers of them."""

import logging
from collections.abc import Iterable

from django.db import OperationalError, connections

from apps.tenants.binding import unbound
from apps.vault.models import TenantKey, TimedKey

logger = logging.getLogger(__name__)
KEY_TABLES = tuple(model._meta.db_table for model in (TenantKey, TimedKey))
REWRITE = "ALTER TABLE {} ALTER COLUMN wrapped TYPE bytea USING wrapped || ''::bytea"
"""of a table of keys: what is seen now alone is written, where VACUUM FULL keeps what some other transaction may still see"""
CLEAR = """
SELECT pg_clear_attribute_stats('public', %s, a.attname::text, false)
  FROM pg_attribute a WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
"""
CAN_CLEAR = "SELECT to_regprocedure('pg_clear_attribute_stats(text, text, text, boolean)') IS NOT NULL"
LOCK_TIMEOUT = "500ms"
"""while it is waited for, everybody else who wants a table of keys waits as well"""
TRIES = 5


def tidy(tables: Iterable[str], *, alias: str) -> list[str]:
    """Vacuum what was deleted from, and sample it anew: the planner's statistics hold values of rows. Return what was not done.

    Tables of keys are written anew, so that no old version of a key stays in their files, whoever reads other tables
    meanwhile. The log of writes and backups keep theirs until they end.
    """
    undone = []
    with unbound():
        for table in sorted({*tables} | {*KEY_TABLES}):
            if not any(_is_vacuumed(table, alias) for _ in range(TRIES)):
                logger.warning("%s is in use: its old row versions stay until the next vacuum", table)
                undone.append(table)
    return undone


def _is_vacuumed(table: str, alias: str) -> bool:
    try:
        _vacuum(table, alias)
    except OperationalError:  # somebody holds it
        return False
    return True


def _vacuum(table: str, alias: str) -> None:
    connection = connections[alias]
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        try:
            if table in KEY_TABLES:
                cursor.execute(REWRITE.format(connection.ops.quote_name(table)))
            cursor.execute(f"VACUUM (ANALYZE) {connection.ops.quote_name(table)}")
            cursor.execute("SELECT count(*) = 0 FROM pg_class WHERE oid = %s::regclass AND reltuples > 0", [table])
            is_empty = cursor.fetchone()[0]
            cursor.execute(CAN_CLEAR)
            if is_empty and cursor.fetchone()[0]:  # an empty table keeps the statistics of what it held
                cursor.execute(CLEAR, [table, table])
        finally:
            cursor.execute("RESET lock_timeout")
