"""Real sources: a DuckDB file in a data folder, and a database with a reader on the embedded PostgreSQL."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from apps.warehouses.duckdb import DuckDBWarehouse
from apps.warehouses.postgres import PostgresWarehouse
from apps.warehouses.targets import Allowed
from apps.warehouses.types import Limits, Target, Warehouse
from tests.environment import WORKER

ADMIN_URL = os.environ["OMNI_DATABASE_ADMIN_URL"]
DATABASE = READER = f"warehouse_source_{WORKER}"
PASSWORD = "hunter2-canary"
LOCAL = Allowed(("*local*",))
AMPLE = Limits(max_rows=1_000_000, max_bytes=512 * 1024 * 1024, timeout_s=20)
SOCKET_DIR = str(conninfo_to_dict(ADMIN_URL)["host"])
TABLES = (
    "CREATE TABLE orders (id int, country varchar, amount decimal(15, 2))",
    "INSERT INTO orders VALUES (1, 'NO', 100.10), (2, 'NO', 50.05), (3, 'SE', NULL)",
)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    with duckdb.connect(str(folder / "shop.duckdb")) as connection:
        for statement in TABLES:
            connection.execute(statement)
    return folder


@pytest.fixture(scope="session")
def database() -> Iterator[Target]:
    """A database of its own with a reader who may only select; gone afterwards."""
    name = sql.Identifier(DATABASE)
    with psycopg.connect(ADMIN_URL, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(name))
        admin.execute(sql.SQL("CREATE DATABASE {}").format(name))
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(PASSWORD)))
        with psycopg.connect(ADMIN_URL, dbname=DATABASE) as connection:
            for statement in TABLES:
                connection.execute(statement.encode())
            connection.execute(sql.SQL("GRANT ALL ON orders TO {}").format(name))
            connection.execute(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(name))
        yield Target("postgres", SOCKET_DIR, None, DATABASE, READER)
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
        admin.execute(sql.SQL("DROP ROLE {}").format(name))


@pytest.fixture
def shop(data_dir: Path) -> Iterator[DuckDBWarehouse]:
    """A session on the DuckDB file."""
    source = DuckDBWarehouse(Target("duckdb", database="shop.duckdb", data_dir=data_dir), None)
    yield source
    source.close()


@pytest.fixture
def mill(database: Target) -> Iterator[PostgresWarehouse]:
    """A session on the PostgreSQL database."""
    source = PostgresWarehouse(database, PASSWORD, allowed=LOCAL)
    yield source
    source.close()


@pytest.fixture(params=["shop", "mill"])
def source(request: pytest.FixtureRequest) -> Warehouse:
    """Each of the two in turn: what the port promises, both keep."""
    found: Warehouse = request.getfixturevalue(request.param)
    return found


Rows = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def rows() -> Rows:
    def ask(source: Warehouse, statement: str, *parameters: Any, limits: Limits = AMPLE) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = source.execute(statement, parameters, limits).table.to_pylist()
        return found

    return ask
