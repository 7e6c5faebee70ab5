"""Open connections; in a worker only, since nothing else can open a credential."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.connections.models import Connection
from apps.vault.errors import NoWorkerKeyError
from apps.vault.services import open_for_worker
from apps.warehouses.opening import SERVERS, open_warehouse
from apps.warehouses.pool import Pool
from apps.warehouses.targets import POSTGRES_PORT, Allowed, OwnServer
from apps.warehouses.types import PooledWarehouse, Target, Warehouse

_servers = Pool()
_files = Pool(max_idle=4)
"""each idle session of a file is a process of some 80 MB"""


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
        data_dir_of(connection),
    )  # fmt: skip


def data_dir_of(connection: Connection) -> Path | None:
    """Return the folder whose files this connection may name: its tenant's own, everywhere."""
    if connection.dialect != Connection.Dialect.DUCKDB:
        return None
    return Path(settings.OMNI_DATA_DIR) / connection.tenant.slug


def allowed_targets() -> Allowed:
    """Return what the operator allows besides public addresses, and the application's own database, always refused."""
    servers = [settings.DATABASES[alias] for alias in ("default", "owner")]
    names = frozenset({str(own["NAME"]) for own in servers} | {"postgres", "template0", "template1"})
    roles = frozenset({str(own["USER"]) for own in servers} | {"postgres"})
    own = tuple(OwnServer(str(own["HOST"]), int(own["PORT"] or POSTGRES_PORT), names, roles) for own in servers)
    return Allowed(tuple(settings.OMNI_ALLOWED_SOURCES), own)


class PooledSource:
    """A lent session: closing gives it back."""

    def __init__(self, pool: Pool, key: tuple[Any, ...], session: PooledWarehouse) -> None:
        self._pool, self._key, self._session = pool, key, session
        self.execute, self.stream, self.catalog = session.execute, session.stream, session.catalog
        self.check, self.cancel = session.check, session.cancel

    def close(self) -> None:
        self._pool.give_back(self._key, self._session)


def open_source(connection: Connection) -> Warehouse:
    """Open a session on the connection's source.

    Raises:
        WarehouseError: the target is refused, unreachable, or refuses the credential.
        NoWorkerKeyError, SealError: this process may not, or the credential is for another target.
    """
    if not settings.OMNI_IS_WORKER:
        raise NoWorkerKeyError("only a worker opens sources")
    secret = None
    if connection.sealed_credential:
        secret = open_for_worker(bytes(connection.sealed_credential), context=context_of(connection)).decode()
    target, allowed = target_of(connection), allowed_targets()
    pool = _servers if target.dialect in SERVERS else _files
    key = (connection.tenant_id, connection.pk, connection.version)
    return PooledSource(pool, key, pool.take(key, lambda: open_warehouse(target, secret, allowed=allowed)))
