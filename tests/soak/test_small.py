"""A soak of some thousand requests and tasks, and the proof that its detector detects."""

from collections.abc import Iterator

import pytest
from django.db import connections

from tests import databases
from tests.environment import WORKER
from tests.soak.driving import Handlers, Side, drive, handlers, leak
from tests.soak.sides import make_side


@pytest.fixture
def sides(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[tuple[Side, Side]]:
    with django_db_blocker.unblock():  # type: ignore[attr-defined]  # a fixture of pytest-django without a type
        yield make_side("acme"), make_side("globex")
        connections.close_all()
        databases.remove_rows(WORKER)


@pytest.fixture
def application() -> Iterator[Handlers]:
    with handlers() as found:
        yield found


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_nothing_crosses_over(application: Handlers, sides: tuple[Side, Side]) -> None:
    found = drive(application, sides, count=2400, threads=6, seed=7, seconds=120)
    assert found.crossings == []
    assert found.left_bound == []
    assert {"page", "request", "stopped request", "stream", "task", "stopped task"} <= found.done.keys()
    assert sum(found.done.values()) >= 2400


@pytest.mark.parametrize("path", ["/soak/kept/", "/soak/stuck/"])
def test_the_detector_detects(application: Handlers, sides: tuple[Side, Side], path: str) -> None:
    found = drive(application, sides, count=80, threads=2, seed=7, seconds=60, one=leak(path))
    if path == "/soak/stuck/":  # what is told with every statement shows nobody else's rows; what stays behind is found
        assert "the connection" in found.left_bound
    else:
        assert found.crossings
