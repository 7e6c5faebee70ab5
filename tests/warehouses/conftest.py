"""Real sources: a DuckDB file in a data folder, and a database with a reader on the embedded PostgreSQL."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.warehouses.duckdb import DuckDBWarehouse
from apps.warehouses.mysql import MySQLWarehouse
from apps.warehouses.opening import open_warehouse
from apps.warehouses.postgres import PostgresWarehouse
from apps.warehouses.types import Limits, PooledWarehouse, Target, Warehouse
from tests.environment import WORKER
from tests.semantic.features.engines import MARIADB
from tests.warehouses.samples import (
    FAR,
    KEPT,
    LOCAL,
    PASSWORD,
    TOTALS,
    VIEW,
    WORKED_OUT,
    make_file,
    mariadb_database,
    reader_database,
    spark_schema,
)

AMPLE = Limits(max_rows=1_000_000, max_bytes=512 * 1024 * 1024, timeout_s=20)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    make_file(folder / "shop.duckdb", VIEW, WORKED_OUT)
    return folder


@pytest.fixture
def file(data_dir: Path) -> Target:
    return Target("duckdb", database="shop.duckdb", data_dir=data_dir)


@pytest.fixture(scope="session")
def database() -> Iterator[Target]:
    with reader_database(f"warehouse_source_{WORKER}", VIEW, KEPT, TOTALS, *FAR) as target:
        yield target


@pytest.fixture
def shop(file: Target) -> Iterator[DuckDBWarehouse]:
    """A session on the DuckDB file."""
    source = DuckDBWarehouse(file, None)
    yield source
    source.close()


@pytest.fixture
def mill(database: Target) -> Iterator[PostgresWarehouse]:
    """A session on the PostgreSQL database."""
    source = PostgresWarehouse(database, PASSWORD, allowed=LOCAL)
    yield source
    source.close()


@pytest.fixture(scope="session")
def market() -> Iterator[Target]:
    """A database on a real MariaDB."""
    address = os.environ.get(MARIADB)
    if not address:
        pytest.skip(f"set {MARIADB} to mysql://user:password@host:port/database to run this on MariaDB")
    with mariadb_database(address, f"omni_source_{WORKER}") as target:
        yield target


@pytest.fixture
def stall(market: Target) -> Iterator[MySQLWarehouse]:
    """A session on the MariaDB database."""
    source = MySQLWarehouse(market, PASSWORD, allowed=LOCAL)
    yield source
    source.close()


@pytest.fixture(scope="session")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A schema on a real Spark Connect server."""
    with spark_schema(tmp_path_factory.mktemp("spark")) as target:
        yield target


@pytest.fixture
def press(plant: Target) -> Iterator[PooledWarehouse]:
    """A session on the Spark server."""
    source = open_warehouse(plant, None, allowed=LOCAL)
    yield source
    source.close()


@pytest.fixture(params=["shop", "mill", "stall", "press"])
def source(request: pytest.FixtureRequest) -> Warehouse:
    """Each of the four in turn: what the port promises, all keep."""
    found: Warehouse = request.getfixturevalue(request.param)
    return found


Rows = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def rows() -> Rows:
    def ask(source: Warehouse, statement: str, *parameters: Any, limits: Limits = AMPLE) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = source.execute(statement, parameters, limits).table.to_pylist()
        return found

    return ask
