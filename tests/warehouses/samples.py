"""Sample sources: three orders in a DuckDB file, and in a database with a reader on the embedded PostgreSQL."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pymysql
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from apps.warehouses.targets import Allowed
from apps.warehouses.types import Target
from tests.duckdb_files import write_file
from tests.spark import Owner, spark_server

ADMIN_URL = os.environ["OMNI_DATABASE_ADMIN_URL"]
SOCKET_DIR = str(conninfo_to_dict(ADMIN_URL)["host"])
PASSWORD = "hunter2-canary"
LOCAL = Allowed(("*local*",))
TABLES = (
    "CREATE TABLE orders (id int, country varchar, amount decimal(15, 2))",
    "INSERT INTO orders VALUES (1, 'NO', 100.10), (2, 'NO', 50.05), (3, 'SE', NULL)",
)
VIEW = "CREATE VIEW shares AS SELECT id, amount / id AS share FROM orders"
KEPT = "CREATE TABLE kept (id int, twice int GENERATED ALWAYS AS (id * 2) STORED)"
WORKED_OUT = "CREATE TABLE worked_out (id int, twice int GENERATED ALWAYS AS (id * 2) VIRTUAL)"
TOTALS = "CREATE MATERIALIZED VIEW totals AS SELECT country, SUM(amount) AS amount FROM orders GROUP BY country"
FAR = (
    "CREATE FOREIGN DATA WRAPPER nowhere", "CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere",
    "CREATE FOREIGN TABLE far (id int) SERVER nowhere", "CREATE TABLE parts (id int) PARTITION BY RANGE (id)",
    "CREATE TABLE near PARTITION OF parts FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (id)",
    "CREATE TABLE nearest PARTITION OF near FOR VALUES FROM (0) TO (5)",
    "CREATE FOREIGN TABLE far_part PARTITION OF near FOR VALUES FROM (5) TO (10) SERVER nowhere",
)  # fmt: skip
"""tables of another server, one of them a part of a part of one of this"""
STORED = ("orders", "kept", "totals", "nearest")
"""of these tables and views, those that hold what was written into them"""


def make_file(path: Path, *more: str) -> None:
    write_file(path, *TABLES, *more)


@contextmanager
def mariadb_database(address: str, name: str) -> Iterator[Target]:
    """Make a database, and a user of the same name who may do everything with it; both go afterwards."""
    parts = urlsplit(address)
    admin = pymysql.connect(
        host=parts.hostname,
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
        autocommit=True,
    )
    user = f"'{name}'@'%'"
    gone = (
        f"DROP DATABASE IF EXISTS {name}",
        f"DROP USER IF EXISTS {user}",
        f"DROP USER IF EXISTS '{name}'@'localhost'",
    )
    made = (
        f"CREATE DATABASE {name} CHARACTER SET utf8mb4", f"CREATE USER {user} IDENTIFIED BY '{PASSWORD}'",
        f"CREATE USER '{name}'@'localhost' IDENTIFIED BY '{PASSWORD}'", f"GRANT ALL ON {name}.* TO {user}",
        f"GRANT ALL ON {name}.* TO '{name}'@'localhost'", f"USE {name}", *TABLES[:1],
    )  # fmt: skip
    with closing(admin), admin.cursor() as cursor:
        for statement in (
            *gone,
            *(text.replace("country varchar", "country varchar(20)") for text in made),
            TABLES[1],
            VIEW,
            KEPT,
            WORKED_OUT,
        ):
            cursor.execute(statement)
        yield Target("mysql", parts.hostname or "127.0.0.1", parts.port, name, name)
        for statement in gone:
            cursor.execute(statement)


@contextmanager
def spark_schema(folder: Path) -> Iterator[Target]:
    """Start a server with a schema; Spark has no users, so everybody may do everything with it."""
    with spark_server(folder) as port, closing(Owner(port)) as owner:
        create = TABLES[0].replace("varchar", "string")
        for statement in ("CREATE SCHEMA sales", "USE sales", f"{create} USING parquet", TABLES[1], VIEW):
            owner.tell(statement)
        yield Target("spark", "127.0.0.1", port, "spark_catalog.sales", "reader")


@contextmanager
def reader_database(name: str, *more: str) -> Iterator[Target]:
    """Make a database, and a role of the same name that may do everything with its tables; both go afterwards."""
    identifier = sql.Identifier(name)
    with psycopg.connect(ADMIN_URL, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(identifier))
        admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(identifier))
        admin.execute(sql.SQL("CREATE DATABASE {}").format(identifier))
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(identifier, sql.Literal(PASSWORD)))
        with psycopg.connect(ADMIN_URL, dbname=name) as connection:
            for statement in (*TABLES, *more):
                connection.execute(statement.encode())
            connection.execute(sql.SQL("GRANT ALL ON ALL TABLES IN SCHEMA public TO {}").format(identifier))
            connection.execute(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(identifier))
        yield Target("postgres", SOCKET_DIR, None, name, name)
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))
        admin.execute(sql.SQL("DROP ROLE {}").format(identifier))
