"""Which tests execute which lines: a mutant meets those alone that could notice it, the likeliest and quickest first."""

import hashlib
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.mutants.spoiling import ROOT, Mutant

Measure = Callable[[Path, Sequence[str]], None]
"""runs some files of tests, and writes what they executed"""
GROUP = 30
ALL_LINES = -1


def files_in(place: Path, pattern: str) -> Iterable[Path]:
    """Return the files of a folder that fit a pattern, or a file itself."""
    return [place] if place.is_file() else place.rglob(pattern)


@dataclass(frozen=True)
class Test:
    """A test, how long it takes, and what it executes: a bit per line of each file."""

    __test__ = False

    name: str
    seconds: float
    is_drawn: bool
    """whether its examples are made by chance"""
    lines: dict[str, int]

    @property
    def file(self) -> str:
        """The file that it is in."""
        return self.name.partition("::")[0]


class Reached:
    """What is known of the files of tests, kept for as long as they do not change.

    When the code changes, a test counts as one that executes all of a changed file of which it executed any line.
    """

    def __init__(self, path: Path, code: Iterable[str]) -> None:
        self.path = path
        self._code = {
            file.relative_to(ROOT).as_posix(): _hash(file) for place in code for file in (ROOT / place).rglob("*.py")
        }
        self._kept: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
        self._tests: dict[str, list[Test]] = {}

    def learn(self, places: Sequence[str], measure: Measure) -> None:
        """Measure the files of tests in these places that have changed, some at a time."""
        unknown = [name for name in _files(places) if self._kept.get(name, {}).get("hash") != _hash(ROOT / name)]
        for start in range(0, len(unknown), GROUP):
            names = unknown[start : start + GROUP]
            place = self.path.with_name("reached.coverage")
            measure(place, names)
            self._note(names, place)

    def _note(self, names: list[str], place: Path) -> None:
        told = json.loads(place.with_suffix(".json").read_text("utf-8"))
        by_context = _lines(place)
        for name in names:
            masks: dict[tuple[str, str], int] = {}
            tests = []
            for test, item in told.items():
                if test.partition("::")[0] == name:
                    found: Counter[str] = Counter()
                    for context in (test, *item["shares"]):
                        for path, mask in by_context.get(context, {}).items():
                            found[path] |= mask
                    numbers = [masks.setdefault((path, f"{mask:x}"), len(masks)) for path, mask in found.items()]
                    tests.append((test, item["seconds"], item["is_drawn"], numbers))
            self._kept[name] = {
                "hash": _hash(ROOT / name), "code": self._code, "masks": list(masks), "tests": tests,
            }  # fmt: skip
        self.path.write_text(json.dumps(self._kept), "utf-8")

    def tests_of(self, mutant: Mutant) -> list[Test]:
        """Return the tests that execute any line of a mutant's statement, the likeliest to notice it first.

        That is one of each way through its function: those first that end there, as a refusal does, then what is called
        like the file, then the quickest; then a second one of each way, and so on; at the end tests by chance.
        """
        wanted = sum(1 << line for line in mutant.lines)
        if not mutant.is_inside:
            wanted = ALL_LINES  # executed when the file is loaded, and what it makes is used anywhere in it
        found = [test for test in self._all(mutant.tests) if test.lines.get(mutant.path, 0) & wanted]
        stem, around = Path(mutant.path).stem, sum(1 << line for line in mutant.around)
        found.sort(key=lambda test: (stem not in Path(test.file).stem, test.seconds))
        seen: Counter[int] = Counter()
        rank: dict[str, int] = {}
        for test in found:
            way = test.lines[mutant.path] & around
            rank[test.name] = seen[way]
            seen[way] += 1
        after = sum(1 << line for line in mutant.around if line >= mutant.lines.stop)
        return sorted(found, key=lambda test: (test.is_drawn, rank[test.name], bool(test.lines[mutant.path] & after)))

    def _all(self, places: Sequence[str]) -> list[Test]:
        return [test for name in self._known(places) for test in self._of(name)]

    def _known(self, places: Sequence[str]) -> list[str]:
        """Return the files of tests in these places but for those that were written since."""
        return [name for name in _files(places) if name in self._kept]

    def _of(self, name: str) -> list[Test]:
        if name not in self._tests:
            kept = self._kept[name]
            masks = [
                (path, int(mask, 16) if kept["code"].get(path) == self._code.get(path) else ALL_LINES)
                for path, mask in kept["masks"]
            ]
            self._tests[name] = [
                Test(test, seconds, is_drawn, dict(masks[number] for number in numbers))
                for test, seconds, is_drawn, numbers in kept["tests"]
            ]
        return self._tests[name]


def _files(places: Sequence[str]) -> list[str]:
    found = {file for place in places for file in files_in(ROOT / place, "test_*.py")}
    return [file.relative_to(ROOT).as_posix() for file in sorted(found)]


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _lines(place: Path) -> dict[str, dict[str, int]]:
    """Return what coverage has written: the executed lines of each file by context, a bit per line."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    with sqlite3.connect(place) as database:
        rows = database.execute(
            "SELECT context.context, file.path, line_bits.numbits FROM line_bits"
            " JOIN context ON context.id = line_bits.context_id JOIN file ON file.id = line_bits.file_id"
        )
        for context, path, bits in rows:
            found[context][Path(path).relative_to(ROOT).as_posix()] = int.from_bytes(bits, "little")
    database.close()
    return found
