"""Sample sources: three orders in a DuckDB file, and in a database with a reader on the embedded PostgreSQL."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from apps.warehouses.targets import Allowed
from apps.warehouses.types import Target

ADMIN_URL = os.environ["OMNI_DATABASE_ADMIN_URL"]
SOCKET_DIR = str(conninfo_to_dict(ADMIN_URL)["host"])
PASSWORD = "hunter2-canary"
LOCAL = Allowed(("*local*",))
TABLES = (
    "CREATE TABLE orders (id int, country varchar, amount decimal(15, 2))",
    "INSERT INTO orders VALUES (1, 'NO', 100.10), (2, 'NO', 50.05), (3, 'SE', NULL)",
)


def make_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:
        for statement in TABLES:
            connection.execute(statement)


@contextmanager
def reader_database(name: str) -> Iterator[Target]:
    """Make a database, and a role of the same name that may do everything with its table; both go afterwards."""
    identifier = sql.Identifier(name)
    with psycopg.connect(ADMIN_URL, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(identifier))
        admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(identifier))
        admin.execute(sql.SQL("CREATE DATABASE {}").format(identifier))
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(identifier, sql.Literal(PASSWORD)))
        with psycopg.connect(ADMIN_URL, dbname=name) as connection:
            for statement in TABLES:
                connection.execute(statement.encode())
            connection.execute(sql.SQL("GRANT ALL ON orders TO {}").format(identifier))
            connection.execute(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(identifier))
        yield Target("postgres", SOCKET_DIR, None, name, name)
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))
        admin.execute(sql.SQL("DROP ROLE {}").format(identifier))
