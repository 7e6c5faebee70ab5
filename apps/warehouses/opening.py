"""Dialect → adapter. An adapter is one file here and one line below; its driver is loaded when somebody uses it."""

from importlib import import_module

from apps.warehouses.duckdb import DuckDBWarehouse
from apps.warehouses.errors import WarehouseError
from apps.warehouses.targets import Allowed
from apps.warehouses.types import PooledWarehouse, Target, Warehouse

SERVERS = {"postgres": "PostgresWarehouse", "mysql": "MySQLWarehouse"}
"""adapters of servers, whose sessions can be lent again: file and class"""
DIALECTS = ("duckdb", *SERVERS)


def open_warehouse(target: Target, secret: str | None, *, allowed: Allowed) -> Warehouse:
    """Open a read-only session.

    Raises:
        WarehouseError: the target is not allowed, not reachable, or refuses the credential.
    """
    return (
        DuckDBWarehouse(target, secret) if target.dialect == "duckdb" else open_server(target, secret, allowed=allowed)
    )


def open_server(target: Target, secret: str | None, *, allowed: Allowed) -> PooledWarehouse:
    """Open a read-only session on a server.

    Raises:
        WarehouseError: as :func:`open_warehouse`.
    """
    if target.dialect not in SERVERS:
        raise WarehouseError("refused_target", "There is no adapter for this dialect.")
    adapter = getattr(import_module(f"apps.warehouses.{target.dialect}"), SERVERS[target.dialect])
    found: PooledWarehouse = adapter(target, secret, allowed=allowed)
    return found
