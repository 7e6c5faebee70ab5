"""Open connections; in a worker only, since nothing else can open a credential."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from apps.connections.models import Connection
from apps.vault.errors import NoWorkerKeyError
from apps.vault.services import open_for_worker
from apps.warehouses.opening import SERVERS, open_warehouse
from apps.warehouses.pool import Pool
from apps.warehouses.targets import POSTGRES_PORT, Allowed, OwnServer
from apps.warehouses.types import PooledWarehouse, Target, Warehouse

REDIS_PORT = 6379
BROKER_PORTS = {"amqp": 5672, "amqps": 5671}
NEEDED = {"dialect", "host", "port", "database", "username", "options", "version", "sealed_credential"}
"""what :func:`open_source` reads of a connection"""
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
    """Return what the operator allows besides public addresses, and the application's own servers, always refused."""
    servers = [settings.DATABASES[alias] for alias in ("default", "owner")]
    names = frozenset({str(own["NAME"]) for own in servers} | {"postgres", "template0", "template1"})
    roles = frozenset({str(own["USER"]) for own in servers} | {"postgres"})
    databases = [OwnServer(str(own["HOST"]), int(own["PORT"] or POSTGRES_PORT), names, roles) for own in servers]
    others = [
        own
        for address in (settings.OMNI_REDIS_URL, settings.CELERY_BROKER_URL)
        if (own := _server_at(address)) is not None
    ]
    return Allowed(tuple(settings.OMNI_ALLOWED_NETWORKS), (*databases, *others))


def _server_at(address: str) -> OwnServer | None:
    """Return our Redis or broker as a place where no source can be; one on a socket alone is none."""
    parts = urlsplit(address)
    if not parts.hostname:
        return None
    return OwnServer(parts.hostname, parts.port or BROKER_PORTS.get(parts.scheme, REDIS_PORT), is_whole=True)


class PooledSource:
    """A lent session: closing gives it back."""

    def __init__(self, pool: Pool, key: tuple[Any, ...], session: PooledWarehouse) -> None:
        self._pool, self._key, self._session = pool, key, session
        self.execute, self.stream, self.catalog = session.execute, session.stream, session.catalog
        self.check, self.rights, self.cancel = session.check, session.rights, session.cancel

    def close(self) -> None:
        self._pool.give_back(self._key, self._session)


def credential_of(connection: Connection, sealed: bytes | memoryview | None) -> str | None:
    """Open a credential of the connection, in a worker.

    Raises:
        NoWorkerKeyError, SealError: this process may not, or the credential is for another target.
    """
    if not settings.OMNI_IS_WORKER:
        raise NoWorkerKeyError("only a worker opens sources")
    return open_for_worker(bytes(sealed), context=context_of(connection)).decode() if sealed else None


def try_credential(connection: Connection, sealed: bytes) -> None:
    """Sign in with a credential that is not the connection's yet, and ask the smallest question.

    Raises:
        WarehouseError, NoWorkerKeyError, SealError: as :func:`open_source`.
    """
    secret = credential_of(connection, sealed)
    source = open_warehouse(target_of(connection), secret, allowed=allowed_targets())
    try:
        source.check()
    finally:
        source.close()


def open_source(connection: Connection) -> Warehouse:
    """Open a session on the connection's source, or take an idle one that was opened with this credential for this target.

    Raises:
        WarehouseError: the target is refused, unreachable, or refuses the credential.
        NoWorkerKeyError, SealError: this process may not, or the credential is for another target.
    """
    if not settings.OMNI_IS_WORKER:
        raise NoWorkerKeyError("only a worker opens sources")
    if unread := connection.get_deferred_fields() & NEEDED:  # in one statement, not one for each
        connection.refresh_from_db(fields=unread)
    target, sealed = target_of(connection), bytes(connection.sealed_credential or b"")
    pool = _servers if target.dialect in SERVERS else _files
    key = (connection.tenant_id, connection.pk, connection.version, target, sealed)

    def opened() -> PooledWarehouse:
        return open_warehouse(target, credential_of(connection, sealed), allowed=allowed_targets())

    return PooledSource(pool, key, pool.take(key, opened))
