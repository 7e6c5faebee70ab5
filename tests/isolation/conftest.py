"""The two houses are built once for all tests of a file."""

from collections.abc import Iterator

import pytest

from tests.isolation.houses import Ledger, World, world


@pytest.fixture(scope="module")
def houses(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[World]:
    with django_db_blocker.unblock(), world() as made:  # type: ignore[attr-defined]
        yield made


@pytest.fixture(scope="module")
def ledger(houses: World) -> Iterator[Ledger]:
    found = Ledger()
    yield found
    found.close()
