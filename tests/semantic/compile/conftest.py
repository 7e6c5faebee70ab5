import os
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from hypothesis import configuration

from apps.semantic.model.types import SemanticModel
from apps.semantic.query.types import SemanticQuery
from apps.semantic.scope import AccessScope
from tests.semantic import shop

# Beside the other state of the tests: a folder in the repository would be collected.
configuration.set_hypothesis_home_dir(Path(os.environ["OMNI_STATE_DIR"]) / "hypothesis")

Ask = Callable[..., list[tuple[object, ...]]]


@pytest.fixture(scope="module")
def rows() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = shop.database()
    yield connection
    connection.close()


@pytest.fixture
def ask(rows: duckdb.DuckDBPyConnection) -> Ask:
    """Compile, prove and execute."""

    def execute(
        query: SemanticQuery, scope: AccessScope = shop.EVERYTHING, of: SemanticModel = shop.MODEL
    ) -> list[tuple[object, ...]]:
        compiled = shop.compiled(query, scope, of)
        return rows.execute(compiled.sql, compiled.parameters).fetchall()

    return execute
