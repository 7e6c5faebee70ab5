"""Open connections; in a worker only, since nothing else can open a credential."""

import json
from typing import Any

from django.conf import settings

from apps.connections.models import Connection
from apps.vault.services import open_for_worker
from apps.warehouses.errors import WarehouseError
from apps.warehouses.opening import open_warehouse
from apps.warehouses.pool import Pool
from apps.warehouses.postgres import PostgresWarehouse
from apps.warehouses.targets import Allowed
from apps.warehouses.types import Target, Warehouse

_pool = Pool()


def context_of(connection: Connection) -> bytes:
    """Return what a credential is sealed to: whose it is, and everything that says where it leads."""
    parts = [
        str(connection.tenant_id), str(connection.pk), connection.dialect, connection.host, connection.port,
        connection.database, connection.username,
    ]  # fmt: skip
    return json.dumps(parts).encode()


def target_of(connection: Connection) -> Target:
    """Return where the connection leads."""
    options = tuple(sorted((str(name), str(value)) for name, value in connection.options.items()))
    return Target(
        connection.dialect, connection.host, connection.port, connection.database, connection.username, options,
        settings.OMNI_DATA_DIR,
    )  # fmt: skip


def is_our_own(target: Target) -> bool:
    """Say whether the target is the application's own database, which no connection may use."""
    own = settings.DATABASES["default"]
    names = {own["NAME"], "postgres", "template0", "template1"}
    same_host = target.host == own["HOST"] or (
        target.host in ("localhost", "127.0.0.1", "::1") and own["HOST"] in ("", "localhost", "127.0.0.1", "::1")
    )
    roles = {own["USER"], settings.DATABASES["owner"]["USER"], "postgres"}
    return target.dialect == "postgres" and same_host and (target.database in names or target.username in roles)


class PooledSource:
    """A lent session: closing gives it back."""

    def __init__(self, key: tuple[Any, ...], session: PostgresWarehouse) -> None:
        self._key, self._session = key, session
        self.execute, self.catalog, self.check, self.cancel = (
            session.execute, session.catalog, session.check, session.cancel
        )  # fmt: skip

    def close(self) -> None:
        _pool.give_back(self._key, self._session)


def open_source(connection: Connection) -> Warehouse:
    """Open a session on the connection's source.

    Raises:
        WarehouseError: the target is refused, unreachable, or refuses the credential.
        NoWorkerKeyError, SealError: this process may not, or the credential is for another target.
    """
    target, allowed = target_of(connection), Allowed(tuple(settings.OMNI_ALLOWED_SOURCES))
    if is_our_own(target):
        raise WarehouseError("refused_target", "The application's own database cannot be a source.")
    secret = None
    if connection.sealed_credential:
        secret = open_for_worker(bytes(connection.sealed_credential), context=context_of(connection)).decode()
    if target.dialect != "postgres":
        return open_warehouse(target, secret, allowed=allowed)
    key = (connection.tenant_id, connection.pk, connection.version)
    return PooledSource(key, _pool.take(key, lambda: PostgresWarehouse(target, secret, allowed=allowed)))
