"""One installation for all fault tests of a process; each test begins without runs and without workers."""

import os
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
        if kept := os.environ.get("FAULTS_LOGS"):
            for log in found.folder.glob("*.log"):
                (Path(kept) / log.name).write_bytes(log.read_bytes())


@pytest.fixture
def house(_house: Installation) -> Installation:
    """The installation, with nothing waiting, nothing kept and nobody at work."""
    _house.crew(is_wanted=False)
    return _clean(_house)


@pytest.fixture
def busy_house(_house: Installation) -> Installation:
    """The same with its worker of four and the beat, which lives through these tests."""
    _clean(_house).crew()
    return _house


def _clean(_house: Installation) -> Installation:
    _house.forget_runs()
    with redis.Redis.from_url(_house.environ["OMNI_REDIS_URL"]) as client:
        client.flushall()
    return _house
