from collections.abc import Iterator

import pytest

from tests.semantic.features.engines import engine
from tests.semantic.features.store import Store


@pytest.fixture(scope="module", params=["duckdb", "postgres", "mysql", "spark"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    with engine(request.param, "omni_store") as found:
        yield Store(found)
