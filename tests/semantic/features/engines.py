"""The databases on which generated SQL is really run."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import urlsplit

import duckdb
import psycopg
import pymysql
import pytest

from apps.network.addresses import LOCAL
from apps.warehouses.duckdb_child import FAULTY_OPTIMIZERS
from apps.warehouses.opening import open_warehouse
from apps.warehouses.targets import Allowed
from apps.warehouses.types import Limits, Target
from tests.spark import Owner, started_spark

AMPLE = Limits(max_rows=1_000_000, max_bytes=256 * 1024 * 1024, timeout_s=120)
MARIADB = "OMNI_TEST_MARIADB_URL"
LOCK_S = 600


class Engine(Protocol):
    """One database with tables in it."""

    dialect: str

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...


class DuckDB:
    dialect = "duckdb"

    def __init__(self) -> None:
        self.database = duckdb.connect(config={"disabled_optimizers": FAULTY_OPTIMIZERS})

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return plain(self.database.execute(sql, list(parameters)).fetchall())


class PostgreSQL:
    """Everything happens in a transaction that is rolled back."""

    dialect = "postgres"

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self.connection.transaction():
            found = self.connection.execute(sql, parameters or None)
            return plain(found.fetchall()) if found.description else []


class MariaDB:
    dialect = "mysql"

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        found: Sequence[Any] = ()
        with self.connection.cursor() as cursor:
            for statement in [sql] if parameters else sql.split(";\n"):
                if statement.strip():
                    cursor.execute(statement, parameters or None)
                    found = cursor.fetchall()
        return plain(found)


class Spark:
    """Questions go through the adapter, as they do for everybody; what makes tables does not."""

    dialect = "spark"

    def __init__(self, port: int, schema: str) -> None:
        self.owner = Owner(port)
        for name, value in (
            ("ansi.enabled", "false"),
            ("storeAssignmentPolicy", "LEGACY"),
            ("session.timeZone", "UTC"),
        ):
            self.owner.tell(f"SET spark.sql.{name} = {value}")
        self.owner.tell(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        target = Target("spark", "127.0.0.1", port, "spark_catalog.default", "reader")
        self.source = open_warehouse(target, None, allowed=Allowed((LOCAL,)))

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if re.match(r"\s*(SELECT|WITH)\b", sql):
            table = self.source.execute(sql, tuple(parameters), AMPLE).table
            columns = [[_naive(value) for value in column.to_pylist()] for column in table.columns]
            return plain(list(zip(*columns, strict=True)))
        for statement in sql.split(";\n"):
            if statement.strip():
                self.owner.tell(statement.replace("TIMESTAMP NULL", "TIMESTAMP"))
        return []

    def close(self) -> None:
        self.source.close()
        self.owner.close()


def _naive(value: Any) -> Any:
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


def plain(rows: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return rows with numbers as Python's own: databases differ in what they make of a sum."""
    return [tuple(_plain(value) for value in row) for row in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


@contextmanager
def engine(dialect: str, schema: str) -> Iterator[Engine]:
    """Start a session on a database; what it makes in ``schema`` is gone afterwards."""
    if dialect == "duckdb":
        found = DuckDB()
        yield found
        found.database.close()
    elif dialect == "postgres":
        with psycopg.connect(os.environ["OMNI_DATABASE_ADMIN_URL"]) as connection:
            connection.execute("SET TIME ZONE 'UTC'")
            yield PostgreSQL(connection)
            connection.rollback()
    elif dialect == "spark":
        with closing(Spark(started_spark(), schema)) as found_spark:
            yield found_spark
    else:
        with _mariadb(schema) as connection:
            yield MariaDB(connection)


@contextmanager
def _mariadb(schema: str) -> Iterator[Any]:
    address = os.environ.get(MARIADB)
    if not address:
        pytest.skip(f"set {MARIADB} to mysql://user:password@host:port/database to run this on MariaDB")
    parts = urlsplit(address)
    connection = pymysql.connect(
        host=parts.hostname, port=parts.port or 3306, user=parts.username, password=parts.password or "", autocommit=True,
        charset="utf8mb4", init_command="SET time_zone = '+00:00', sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,STRICT_ALL_TABLES'",
    )  # fmt: skip
    drop = f"DROP DATABASE IF EXISTS {schema}"
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT GET_LOCK(%s, %s)", (schema, LOCK_S))  # one process at a time has the schema
            assert cursor.fetchone() == (1,), f"another run has held {schema} for {LOCK_S} s"
            cursor.execute(drop)
        yield connection
    finally:
        with suppress(pymysql.Error), connection.cursor() as cursor:
            cursor.execute(drop)
        connection.close()
