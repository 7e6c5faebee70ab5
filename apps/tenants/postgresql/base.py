"""Django's PostgreSQL backend, with the bound tenant told to every transaction.

The setting is transaction-local, so that a connection that is reused, by us or by a
transaction pooler, carries nobody's tenant over. A statement outside a transaction is
sent in one message with the setting: PostgreSQL runs the statements of one message as
one transaction. With no tenant bound the setting stays empty and row-level security
shows no row.
"""

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from django.db import ProgrammingError, transaction
from django.db.backends.postgresql import base, operations
from django.db.backends.utils import CursorWrapper
from psycopg import ClientCursor, Cursor
from psycopg.pq import ConnStatus, Format, TransactionStatus

from apps.tenants.binding import current_tenant_id
from apps.tenants.postgresql.messages import one_message

SETTING = "omni.tenant_id"
TELL = "SELECT set_config(%s, %s, true)"


def _tenant_text() -> str:
    return str(current_tenant_id() or "")


class PreparedCursor(Cursor[Any]):
    """Sends its statements prepared: the server plans each once per connection, and not again for every request."""

    def execute(
        self, query: Any, params: Any = None, *, prepare: bool | None = None, binary: bool | None = None
    ) -> Self:
        return super().execute(query, params, prepare=True, binary=binary)


class DatabaseOperations(operations.DatabaseOperations):
    """Django's, for logs of statements in tests: a prepared one is logged as it is written."""

    def last_executed_query(self, cursor: Any, sql: str, params: Any) -> str:
        return super().last_executed_query(cursor, sql, params) or sql


class DatabaseWrapper(base.DatabaseWrapper):
    """Connection whose transactions know the tenant."""

    ops_class = DatabaseOperations

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_told = False
        self._told_in_message: str | None = None
        self.execute_wrappers.append(self._execute_for_tenant)

    def apply_tenant_binding(self) -> None:
        """Have the next statement of an open transaction say whose it is; do nothing outside one."""
        self._is_told = False

    def is_usable(self) -> bool:
        """Say whether the server still holds its end, without a round trip: it sends nothing unasked but its farewell."""
        if self.connection is None or self.connection.pgconn.status != ConnStatus.OK:
            return False
        readable, _, _ = select.select([self.connection.fileno()], [], [], 0)
        return not readable

    def prepared_cursor(self, *, is_binary: bool = False) -> CursorWrapper:
        """Return a cursor for the statements of every request: few, and always the same texts with other values.

        ``is_binary`` has values come as the server holds them: for statements that return bytes, which are twice as
        long as text.
        """
        self.close_if_health_check_failed()  # once per request, as for every other cursor
        self.ensure_connection()
        with self.wrap_database_errors:
            inner = PreparedCursor(self.connection)
            if is_binary:
                inner.format = Format.BINARY
            cursor: CursorWrapper = self._prepare_cursor(inner)  # type: ignore[attr-defined]  # Django's own name, which its stubs leave out
        return cursor

    @contextmanager
    def one_message(self) -> Iterator[None]:
        """Send the prepared statements of the block together: one round trip, and outside a transaction one of their own.

        Their rows can be read when the block is over. What the database refuses leaves nothing of any of them; an
        exception of ours does not take back what was sent before it, so they should only read.
        """
        if self.in_atomic_block or self._told_in_message is not None:
            yield
            return
        self.close_if_health_check_failed()
        self.ensure_connection()
        with self.wrap_database_errors, one_message(self.connection):
            tenant = _tenant_text()
            PreparedCursor(self.connection).execute(TELL, (SETTING, tenant))
            self._told_in_message = tenant
            try:
                yield
            finally:
                self._told_in_message = None

    def _set_autocommit(self, autocommit: bool) -> None:
        super()._set_autocommit(autocommit)  # type: ignore[misc]  # missing in the stubs
        self._is_told = False

    def _execute_for_tenant(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        if self.in_atomic_block:
            self._tell()
            return execute(sql, params, many, context)
        if self._told_in_message is not None:
            if self._told_in_message != _tenant_text():
                raise ProgrammingError("A message holds statements of one tenant only.")
            return execute(sql, params, many, context)
        tenant_id = current_tenant_id()
        if tenant_id is None:
            return execute(sql, params, many, context)
        if isinstance(context["cursor"].cursor, PreparedCursor):
            with self.wrap_database_errors, one_message(self.connection):  # one message, hence one transaction
                PreparedCursor(self.connection).execute(TELL, (SETTING, str(tenant_id)))
                return execute(sql, params, many, context)
        if not many and isinstance(sql, str) and isinstance(context["cursor"].cursor, ClientCursor):
            found = execute(f"SELECT set_config('{SETTING}', '{tenant_id}', true);\n{sql}", params, many, context)
            context["cursor"].nextset()
            return found
        with transaction.atomic(using=self.alias):
            self._tell()
            return execute(sql, params, many, context)

    def _tell(self) -> None:
        """Set the transaction's tenant, unless it knows or has failed (then only a rollback can follow)."""
        if self._is_told or self.connection.info.transaction_status is TransactionStatus.INERROR:
            return
        with self.wrap_database_errors, self.connection.cursor() as cursor:
            cursor.execute(TELL, (SETTING, _tenant_text()))
        self._is_told = True
