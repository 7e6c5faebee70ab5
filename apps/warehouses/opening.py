"""Dialect → adapter. An adapter is one file here and one line below; its driver is loaded when somebody uses it."""

from importlib import import_module

from apps.warehouses.errors import WarehouseError
from apps.warehouses.targets import Allowed
from apps.warehouses.types import PooledWarehouse, Target

SERVERS = {"postgres": "PostgresWarehouse", "mysql": "MySQLWarehouse", "spark": "SparkWarehouse"}
"""adapters of servers, which have a host and a user: file and class"""
ADAPTERS = {"duckdb": "DuckDBWarehouse", **SERVERS}
DIALECTS = tuple(ADAPTERS)
NOT_INSTALLED = "The driver of this dialect is not installed on the workers: pip install -r requirements-{dialect}.txt"


def open_warehouse(target: Target, secret: str | None, *, allowed: Allowed) -> PooledWarehouse:
    """Open a read-only session.

    Raises:
        WarehouseError: the target is not allowed, not reachable, or refuses the credential.
    """
    if target.dialect not in ADAPTERS:
        raise WarehouseError("refused_target", "There is no adapter for this dialect.")
    try:
        file = import_module(f"apps.warehouses.{target.dialect}")
    except ModuleNotFoundError:
        raise WarehouseError("refused_target", NOT_INSTALLED.format(dialect=target.dialect)) from None
    adapter = getattr(file, ADAPTERS[target.dialect])
    found: PooledWarehouse = adapter(target, secret, allowed=allowed)
    return found
