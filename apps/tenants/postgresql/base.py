"""Django's PostgreSQL backend, with the bound tenant told to every transaction.

The setting is transaction-local, so that a connection that is reused, by us or by a
transaction pooler, carries nobody's tenant over. A statement outside a transaction gets
one of its own; with no tenant bound the setting stays empty and row-level security
shows no row.
"""

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus

from apps.tenants.binding import current_tenant_id

SETTING = "omni.tenant_id"


class DatabaseWrapper(base.DatabaseWrapper):
    """Connection whose transactions know the tenant."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_told = False
        self.execute_wrappers.append(self._execute_for_tenant)

    def apply_tenant_binding(self) -> None:
        """Have the next statement of an open transaction say whose it is; do nothing outside one."""
        self._is_told = False

    def _set_autocommit(self, autocommit: bool) -> None:
        super()._set_autocommit(autocommit)  # type: ignore[misc]  # missing in the stubs
        self._is_told = False

    def _execute_for_tenant(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        if self.in_atomic_block:
            self._tell()
            return execute(sql, params, many, context)
        if current_tenant_id() is None:
            return execute(sql, params, many, context)
        with transaction.atomic(using=self.alias):
            self._tell()
            return execute(sql, params, many, context)

    def _tell(self) -> None:
        """Set the transaction's tenant, unless it knows or has failed (then only a rollback can follow)."""
        if self._is_told or self.connection.info.transaction_status is TransactionStatus.INERROR:
            return
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT set_config(%s, %s, true)", (SETTING, str(current_tenant_id() or "")))
        self._is_told = True
