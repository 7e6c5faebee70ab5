"""Real PostgreSQL, real Redis: one embedded server for the run, one database per test process, cloned from a template."""

from collections.abc import Iterator

import pytest

from tests import databases
from tests.environment import WORKER


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """Give this process its own copy of the migrated template."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]  # a fixture of pytest-django without a type
        databases.use_copy(WORKER)
        yield
        databases.drop_copy(WORKER)
