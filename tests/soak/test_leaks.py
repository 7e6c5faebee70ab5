"""The judge of the soak for leaks: what grows is found, what comes and goes is not."""

import pytest

from tests.soak.leaks import Sample, grown

LOOKS = 90


def samples(**changes: float) -> list[Sample]:
    """Return looks at memory that goes up and down and files that stay, and at what changes so much with each look."""
    return [
        {"web mb": 200 + number % 7, "web files": 40, **{name.replace("_", " "): 100 + number * by for name, by in changes.items()}}
        for number in range(LOOKS)
    ]  # fmt: skip


def test_what_comes_and_goes_has_not_grown() -> None:
    assert grown(samples(worker_mb=0, worker_files=0.01)) == {}


@pytest.mark.parametrize(("name", "by"), [("worker_mb", 0.3), ("worker_files", 0.3), ("worker_threads", 0.3), ("some_rows", 3), ("omni_sessions", 0.2)])  # fmt: skip
def test_what_grows_is_found(name: str, by: float) -> None:
    assert list(grown(samples(**{name: by}))) == [name.replace("_", " ")]
    assert grown(samples(**{name: -by})) == {}


def test_what_appears_late_has_grown_and_what_was_only_there_at_first_has_not() -> None:
    late = [sample | ({"tmp files": 50} if number > 70 else {}) for number, sample in enumerate(samples())]
    first = [sample | ({"tmp files": 50} if number < 30 else {}) for number, sample in enumerate(samples())]
    assert list(grown(late)) == ["tmp files"]
    assert grown(first) == {}
