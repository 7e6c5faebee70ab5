"""Statements of the purge, by hand: expired rows go by the page they lie in, and the table gives its space back."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import OperationalError, connection, models

from apps.queries.models import CachedResult
from apps.tenants.binding import unbound
from apps.vault.models import TimedKey

logger = logging.getLogger(__name__)
DELETE = """
DELETE FROM {table} WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM {table} WHERE tenant_id = {bound} AND {column} <= %s LIMIT %s))
"""
SIZE = """
SELECT pg_total_relation_size(oid), has_table_privilege(oid, 'MAINTAIN') FROM pg_class WHERE oid = %s::regclass
"""
MAINTAIN_SINCE = 17_00_00
MANY_ROWS = 10_000
"""fewer rows than this leave their space to those that come next"""
SLACK_BYTES = 32 * 1024 * 1024
MOST_REWRITTEN_BYTES = 256 * 1024 * 1024
"""a table with more than this in use is not rewritten, which would keep its readers waiting for seconds"""


BOUND = "NULLIF(current_setting('omni.tenant_id', true), '')::uuid"
HELD = """
SELECT EXISTS (SELECT FROM {keys} WHERE tenant_id = {bound} AND slot_end <= %s), ARRAY[{expired}], held.oldest, held.size
FROM (SELECT min(created_at) AS oldest, coalesce(sum(length(sealed)), 0) AS size FROM {results} WHERE tenant_id = {bound}) held
"""
EXPIRED = "EXISTS (SELECT FROM {table} WHERE tenant_id = {bound} AND {column} <= %s)"


@dataclass(frozen=True, slots=True)
class Expiring:
    """A table of temporary rows and the column that says until when they live."""

    model: type[models.Model]
    column: str


@dataclass(frozen=True, slots=True)
class Glance:
    """What there is of a tenant's temporary data, and whether any of it is past its time."""

    has_expired_keys: bool
    has_expired_rows: tuple[bool, ...]
    oldest_at: datetime | None
    bytes_held: int


def glance(tables: Sequence[Expiring], *, now: datetime) -> Glance:
    """Look at all of the bound tenant's temporary data in one statement; rows come in the order of ``tables``."""
    quote = connection.ops.quote_name
    expired = ", ".join(
        EXPIRED.format(table=quote(found.model._meta.db_table), column=quote(found.column), bound=BOUND)
        for found in tables
    )
    names = {"keys": quote(TimedKey._meta.db_table), "results": quote(CachedResult._meta.db_table)}
    with connection.cursor() as cursor:
        cursor.execute(HELD.format(expired=expired, bound=BOUND, **names), [now] * (len(tables) + 1))
        keys, rows, oldest_at, size = cursor.fetchone()
    return Glance(keys, tuple(rows), oldest_at, int(size))


def delete_batch(found: Expiring, *, now: datetime, most: int) -> int:
    """Delete at most this many of the bound tenant's expired rows, in one statement; return how many."""
    quote = connection.ops.quote_name
    statement = DELETE.format(table=quote(found.model._meta.db_table), column=quote(found.column), bound=BOUND)
    with connection.cursor() as cursor:
        cursor.execute(statement, [now, most])
        return int(cursor.rowcount)


def give_space_back(*, removed: int, live_bytes: int) -> bool:
    """Return the space of removed results to the system after a large sweep; say whether the table was rewritten.

    Plain vacuum frees what lies at the end of the table. Where little is left and much was taken, the little is
    written anew, which holds readers up for as long as that takes, and gives up at once when it has to wait itself.
    """
    if removed < MANY_ROWS:
        return False
    table = CachedResult._meta.db_table
    with unbound(), connection.cursor() as cursor:
        if cursor.connection.info.server_version < MAINTAIN_SINCE:
            return False
        cursor.execute(SIZE, [table])
        size, may_vacuum = cursor.fetchone() or (0, False)
        if not may_vacuum:
            return False
        cursor.execute(f"VACUUM {connection.ops.quote_name(table)}")
        cursor.execute(SIZE, [table])
        size, _ = cursor.fetchone() or (0, False)
        if live_bytes > MOST_REWRITTEN_BYTES or size <= live_bytes + SLACK_BYTES:
            return False
        return _rewrite(table)


def _rewrite(table: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '500ms'")
        try:
            cursor.execute(f"VACUUM FULL {connection.ops.quote_name(table)}")
        except OperationalError:
            logger.info("the table of results is in use: its space comes back another time")
            return False
        finally:
            cursor.execute("RESET lock_timeout")
    return True
