"""What lies in the tree: nothing that was downloaded, and no checker silenced without a word."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
NOT_OURS = {"var", "node_modules", "__pycache__", "staticfiles"}
MOST_BYTES = 600_000
DOWNLOADED = (".whl", ".gz", ".zip", ".duckdb", ".parquet", ".pem", ".rdb")
SILENCES = re.compile(r"# (type: ignore(\[[a-z, -]+\])?|noqa: [A-Z0-9, ]+)|except (Base)?Exception\b[^:#]*:")
REASON = re.compile(r"\s*[#(-]*\s*[A-Za-z]\S*\s+\S+")
"""two words at least"""


def files() -> Iterator[Path]:
    """Yield the files of the project, those that the environment and runs leave in it aside."""
    for folder, inner, names in os.walk(ROOT):
        inner[:] = [name for name in inner if name not in NOT_OURS and (not name.startswith(".") or name == ".ci")]
        yield from (Path(folder) / name for name in names)


def has_reason(line: str) -> bool:
    """Say whether a line that silences a checker, or catches everything, says why."""
    ends = [match.end() for match in SILENCES.finditer(line)]
    return not ends or REASON.match(line[ends[-1] :]) is not None


def test_nothing_that_was_downloaded_or_built_lies_in_the_tree() -> None:
    found = list(files())
    assert len(found) > 800
    assert [str(path) for path in found if path.suffix in DOWNLOADED or path.stat().st_size > MOST_BYTES] == []


def test_who_silences_a_checker_or_catches_everything_says_why() -> None:
    sources = [path for path in files() if path.suffix == ".py" and path != Path(__file__)]
    silent = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if not has_reason(line)
    ]
    assert silent == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x = y  # type: ignore[misc]", False), ("x = y  # type: ignore[misc]  # the base has no types", True),
        ("import x  # noqa: E402", False), ("import x  # noqa: E402 (after the settings)", True), ("except Exception:", False),
        ("except Exception as error:  # whatever it is, it is told", True), ("x = 1", True),
    ],
)  # fmt: skip
def test_a_reason_is_told_from_none(line: str, expected: bool) -> None:
    assert has_reason(line) is expected
