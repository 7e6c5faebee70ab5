"""One installation for all fault tests of a process; each test begins without runs and without workers."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.faults.installation import Installation, installation


@pytest.fixture(scope="session")
def _house() -> Iterator[Installation]:
    with tempfile.TemporaryDirectory(prefix="omni-faults-") as folder, installation(Path(folder) / "state") as found:
        yield found


@pytest.fixture
def house(_house: Installation) -> Installation:
    """The installation, with nothing waiting and nothing kept."""
    _house.forget_runs()
    with redis.Redis.from_url(_house.environ["OMNI_REDIS_URL"]) as client:
        client.flushall()
    return _house
