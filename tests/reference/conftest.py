from collections.abc import Iterator

import pytest

from tests.reference.asking import make_tables
from tests.semantic.features.engines import Engine, engine


@pytest.fixture(scope="module", params=["duckdb", "postgres", "mysql", "spark"])
def database(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with engine(request.param, "omni_worlds") as found:
        make_tables(found)
        yield found
