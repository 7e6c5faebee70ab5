"""DuckDB files of tests: the same statements make a file once per process; each test gets a copy."""

import tempfile
from functools import cache
from pathlib import Path

import duckdb


def write_file(path: Path, *statements: str) -> None:
    """Write a file that holds what the statements make, in place of one that is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # whoever holds the old one open keeps it
    path.write_bytes(_made(statements))


@cache
def _made(statements: tuple[str, ...]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.duckdb"
        with duckdb.connect(str(path)) as connection:
            for statement in statements:
                connection.execute(statement)
        return path.read_bytes()
