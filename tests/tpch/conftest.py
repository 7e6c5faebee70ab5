"""TPC-H at scale 0.1 in a schema of its own, in DuckDB and in PostgreSQL."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.demo.sources import TPCH
from tests.semantic.features.engines import DuckDB, Engine, PostgreSQL, engine

SCALE = "0.1"
# Without them PostgreSQL would take minutes for the official SQL.
INDEXES = ("partsupp (ps_partkey)", "lineitem (l_partkey)", "lineitem (l_orderkey)", "orders (o_custkey)")


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tpch")
    program = shutil.which("tpchgen-cli", path=str(Path(sys.executable).parent)) or "tpchgen-cli"
    subprocess.run([program, "csv", "-s", SCALE, "--output-dir", str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def database(request: pytest.FixtureRequest, tables: Path) -> Iterator[Engine]:
    with engine(request.param, "tpch") as found:
        found.rows("CREATE SCHEMA tpch")
        found.rows("USE tpch" if isinstance(found, DuckDB) else "SET LOCAL search_path TO tpch")
        for table, columns in TPCH.items():
            found.rows(f"CREATE TABLE tpch.{table} ({columns})")
            _fill(found, table, tables / f"{table}.csv")
        if isinstance(found, PostgreSQL):
            for index in INDEXES:
                found.rows(f"CREATE INDEX ON tpch.{index}")
            found.rows("ANALYZE")
        yield found


def _fill(found: Engine, table: str, path: Path) -> None:
    if isinstance(found, PostgreSQL):
        with (
            path.open("rb") as file,
            found.connection.cursor().copy(f"COPY tpch.{table} FROM STDIN (FORMAT csv, HEADER)") as copy,
        ):
            while chunk := file.read(1 << 20):
                copy.write(chunk)
    else:
        found.rows(f"COPY tpch.{table} FROM '{path}' (HEADER)")
