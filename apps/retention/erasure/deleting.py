"""Delete a tenant's rows in batches. The count is written in the transaction of the deletion, so that it is right whenever it ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connections, transaction

from apps.retention.erasure.catalogue import Catalogue, Group, Table
from apps.tenants.binding import bound

BATCH_ROWS = 5_000
WHERE = {"tenant": "%(tenant)s"}
BATCH = 'DELETE FROM "{name}" WHERE ctid = ANY (ARRAY(SELECT ctid FROM "{name}" WHERE {condition} LIMIT {most}))'
ALL = 'DELETE FROM "{name}" WHERE {condition}'
MENTION = 'DELETE FROM "{name}" WHERE "{column}" = %(tenant)s'
ANY_LEFT = 'SELECT EXISTS (SELECT FROM "{name}" WHERE {condition})'
ADD = """
UPDATE retention_erasurerequest SET rows = jsonb_set(rows, ARRAY[%(table)s], to_jsonb(coalesce((rows->>%(table)s)::bigint, 0) + %(count)s))
 WHERE id = %(request)s
"""
MAY_DELETE = "SELECT c.oid::regclass::text FROM pg_class c WHERE c.oid = ANY (%s::regclass[]) AND has_table_privilege(c.oid, 'DELETE')"


class Deleter:
    """Deletes rows of one tenant through one connection; ``request_id`` is whose account the counts go to, if anyone's."""

    def __init__(self, tenant_id: UUID, *, alias: str, request_id: UUID | None) -> None:
        self.tenant_id, self.alias, self.request_id = tenant_id, alias, request_id

    def delete_in_batches(self, catalogue: Catalogue) -> int:
        """Delete all rows, a batch per transaction; tables that hang together go in one. Return how many."""
        return sum(self._group(group, catalogue.knots) for group in catalogue.groups)

    def delete_rest(self, catalogue: Catalogue) -> int:
        """Delete whatever is there, within the transaction that is open. Return how many."""
        return sum(self._delete(table, ALL) for table in catalogue.tables)

    def delete_mentions(self, catalogue: Catalogue, holder_id: UUID) -> dict[str, int]:
        """Delete rows of another tenant (the platform's) that name this one, within the transaction that is open."""
        found = {}
        for name, column in catalogue.mentions:
            with bound(holder_id), connections[self.alias].cursor() as cursor:
                cursor.execute(MENTION.format(name=name, column=column), {"tenant": self.tenant_id})
                found[f"{name}.{column}"] = int(cursor.rowcount)
        return found

    def left(self, catalogue: Catalogue) -> list[str]:
        """Return the tables that hold a row of the tenant."""
        return [table.name for table in catalogue.tables if self._has(table)]

    def may_delete(self, catalogue: Catalogue) -> Catalogue:
        """Return what the connection's role may delete from."""
        with connections[self.alias].cursor() as cursor:
            cursor.execute(MAY_DELETE, [[table.name for table in catalogue.tables]])
            names = {row[0] for row in cursor.fetchall()}
        groups = tuple(
            Group(tuple(table for table in group.tables if table.name in names)) for group in catalogue.groups
        )
        return Catalogue(groups, (), catalogue.knots)

    def _group(self, group: Group, knots: frozenset[str]) -> int:
        if any(table.name in knots for table in group.tables):
            with self._transaction():
                return sum(self._delete(table, ALL) for table in group.tables)
        return sum(self._in_batches(table) for table in group.tables)

    def _in_batches(self, table: Table) -> int:
        deleted = 0
        while True:
            with self._transaction():
                batch = self._delete(table, BATCH)
            deleted += batch
            if batch < BATCH_ROWS:
                return deleted

    def _delete(self, table: Table, statement: str) -> int:
        text = statement.format(name=table.name, condition=table.condition.format(**WHERE), most=BATCH_ROWS)
        with bound(self.tenant_id), connections[self.alias].cursor() as cursor:
            cursor.execute(text, {"tenant": self.tenant_id})
            count = int(cursor.rowcount)
            if self.request_id is not None:
                cursor.execute(ADD, {"table": table.name, "count": count, "request": self.request_id})
        return count

    def _has(self, table: Table) -> bool:
        text = ANY_LEFT.format(name=table.name, condition=table.condition.format(**WHERE))
        with bound(self.tenant_id), connections[self.alias].cursor() as cursor:
            cursor.execute(text, {"tenant": self.tenant_id})
            return bool(cursor.fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with bound(self.tenant_id), transaction.atomic(using=self.alias):
            yield
