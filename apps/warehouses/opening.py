"""Dialect → adapter. An adapter is one file here and one line below."""

from apps.warehouses.duckdb import DuckDBWarehouse
from apps.warehouses.errors import WarehouseError
from apps.warehouses.postgres import PostgresWarehouse
from apps.warehouses.targets import Allowed
from apps.warehouses.types import Target, Warehouse

DIALECTS = ("duckdb", "postgres")


def open_warehouse(target: Target, secret: str | None, *, allowed: Allowed) -> Warehouse:
    """Open a read-only session.

    Raises:
        WarehouseError: the target is not allowed, not reachable, or refuses the credential.
    """
    if target.dialect == "duckdb":
        return DuckDBWarehouse(target, secret)
    if target.dialect == "postgres":
        return PostgresWarehouse(target, secret, allowed=allowed)
    raise WarehouseError("refused_target", "There is no adapter for this dialect.")
