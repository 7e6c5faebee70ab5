"""Which files of tests execute which lines: a mutant meets those alone that could notice it, the likeliest and quickest first.

Of a file all tests count, as what one of them has made, others may use.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

Lines = dict[str, list[int]]
"""executed lines by file of the code"""
Measure = Callable[[str], tuple[Lines, float]]
"""runs one file of tests, and says what it executed and how many seconds it took"""


def files_in(place: Path, pattern: str) -> Iterable[Path]:
    """Return the files of a folder that fit a pattern, or a file itself."""
    return [place] if place.is_file() else place.rglob(pattern)


class Reached:
    """What is known of the files of tests, kept for as long as neither they nor the code change."""

    def __init__(self, path: Path, root: Path, code: Iterable[str]) -> None:
        self.path, self.root = path, root
        sources = sorted(file for place in code for file in (root / place).rglob("*.py"))
        self._code = hashlib.sha256(b"".join(file.read_bytes() for file in sources)).hexdigest()
        kept = json.loads(path.read_text("utf-8")) if path.exists() else {}
        self._found: dict[str, tuple[str, Lines, float]] = {name: tuple(item) for name, item in kept.items()}

    def unknown(self, tests: Sequence[str]) -> list[str]:
        """Return the files of tests in these places that have to be measured."""
        return [name for name in self._files(tests) if self._found.get(name, ("",))[0] != self._key(name)]

    def note(self, name: str, lines: Lines, seconds: float) -> None:
        """Keep what one file executes."""
        self._found[name] = (self._key(name), lines, seconds)
        self.path.write_text(json.dumps(self._found), "utf-8")

    def tests_of(self, path: str, lines: range, tests: Sequence[str]) -> list[str]:
        """Return the files of tests that execute any of these lines: first what is called like the code, then by time."""
        stem = Path(path).stem
        found = [name for name in self._files(tests) if not set(lines).isdisjoint(self._found[name][1].get(path, ()))]
        return sorted(found, key=lambda name: (stem not in Path(name).stem, self._found[name][2]))

    def _files(self, tests: Sequence[str]) -> list[str]:
        found = {file for place in tests for file in files_in(self.root / place, "test_*.py")}
        return [file.relative_to(self.root).as_posix() for file in sorted(found)]

    def _key(self, name: str) -> str:
        return self._code + hashlib.sha256((self.root / name).read_bytes()).hexdigest()
