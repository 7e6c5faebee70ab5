"""Spoils one guard after another and sees that a test notices.

``make mutants`` prints each mutant that survives with its place, then the counts. A mutant takes away a predicate, a
mask, a gate or a demand: a call that fails, a condition that refuses, an element that is added to a list of rules.

``MUTANTS=200`` takes that many by chance, as many of each target as its share (``MUTANTS_SEED=1`` takes others).
``MUTANTS_TESTS=tests/semantic/verify``, or some files, asks these alone, as the proof's guards have to be noticed by the
proof's own tests. ``MUTANTS_SECONDS=30`` lets a mutant meet no more tests than take so long, on one database and on the
others. What has been found out is kept in ``mutants.jsonl`` under the state directory: a run that was stopped goes on
where it stopped. A change of a file asks again about its mutants, a change of tests about those that survived them; who
takes tests away starts over without the file.
"""

import hashlib
import json
import os
import random
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.mutants.reached import Reached, Test, files_in
from tests.mutants.runner import NEVER, NOT_SPOILED, TestRunner, measure, passes_loaded
from tests.mutants.spoiling import ROOT, Mutant, mutants_of

GOVERNANCE_TESTS = ("tests/apps/governance", "tests/apps/queries")
TARGETS = {
    "apps/semantic/verify": ("tests/semantic/verify", "tests/semantic/compile", "tests/semantic/features"),
    "apps/semantic/compile": (
        "tests/semantic/compile", "tests/semantic/features", "tests/semantic/verify", "tests/semantic/golden",
        "tests/reference",
    ),
    "apps/semantic/model": ("tests/semantic/model", "tests/semantic/features", "tests/semantic/verify"),
    "apps/semantic/query": ("tests/semantic/query", "tests/semantic/features"),
    "apps/governance": GOVERNANCE_TESTS,
}  # fmt: skip
FEW, MORE = 8, 30
OTHER_DATABASES = ("postgres", "mysql")
"""that the tests on DuckDB may also ask: Spark would have to start for each mutant"""
WITHOUT_DATABASE = ("apps/semantic/query/", "apps/governance/")
"""where what is decided is the same on every database"""
WORKERS = int(os.environ.get("TEST_JOBS", "2"))
SECONDS = float(os.environ.get("MUTANTS_SECONDS", "inf"))
LEAST_S, TIMES_AS_LONG = 30.0, 5
LINE = 120
LOADED = "some test, with the file loaded spoiled"


def all_mutants() -> list[Mutant]:
    """Return the mutants of all targets."""
    found: list[Mutant] = []
    for target, tests in TARGETS.items():
        place = ROOT / target
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            found += mutants_of(path, tests)
    return found


def chosen(every: list[Mutant]) -> list[Mutant]:
    """Return the mutants whose path holds one of the arguments, in their order, or all; ``MUTANTS`` of them by chance."""
    parts = sys.argv[1:] or [""]
    by_part = [[item for item in every if part in item.path] for part in parts]
    wanted = list(dict.fromkeys(item for items in by_part for item in items))
    if tests := tuple(os.environ.get("MUTANTS_TESTS", "").split()):
        wanted = [replace(item, tests=tests) for item in wanted]
    count = int(os.environ.get("MUTANTS", "0"))
    if not 0 < count < len(wanted):
        return wanted
    chance = random.Random(int(os.environ.get("MUTANTS_SEED", "0")))
    found: list[Mutant] = []
    for tests in dict.fromkeys(item.tests for item in wanted):
        own = [item for item in wanted if item.tests == tests]
        found += chance.sample(own, max(1, round(count * len(own) / len(wanted))))
    return found


class Journal:
    """What has been found out: one line of JSON per mutant, under the hash of its source."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        self._found: dict[str, str] = {item["key"]: item["survived"] for item in map(json.loads, lines)}
        self._tests: dict[tuple[str, ...], str] = {}

    def is_open(self, mutant: Mutant) -> bool:
        """Say whether a mutant has to be tried: it never was, or it survived other tests than there are now."""
        survived = self._found.get(mutant.key)
        return survived is None or survived not in ("", self._hash(mutant.tests))

    def is_alive(self, mutant: Mutant) -> bool:
        """Say whether a mutant survived."""
        return self._found.get(mutant.key) != ""

    def note(self, mutant: Mutant, killer: str) -> None:
        """Keep what became of a mutant: the test that failed, or the hash of those that it survived."""
        survived = self._found[mutant.key] = "" if killer else self._hash(mutant.tests)
        line = {
            "key": mutant.key, "survived": survived, "place": f"{mutant.path}:{mutant.line}", "what": mutant.what,
            "by": killer,
        }  # fmt: skip
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def _hash(self, tests: tuple[str, ...]) -> str:
        if tests not in self._tests:
            files = sorted(file for place in tests for file in files_in(ROOT / place, "*.py"))
            texts = [str(SECONDS).encode(), *(file.read_bytes() for file in files)]
            self._tests[tests] = hashlib.sha256(b"".join(texts)).hexdigest()
        return self._tests[tests]


class Worker:
    """Tries one mutant after another, by the tests that a process of its own holds."""

    def __init__(self, reached: Reached, places: Iterable[str], environment: dict[str, str]) -> None:
        self._reached, self._environment = reached, environment
        self._runner = TestRunner(list(places), environment)
        self._trusted: set[str] = set()
        """tests that pass by themselves on code that nothing has spoiled"""
        self._doubtful: set[str] = set()
        self._killers: dict[str, list[str]] = {}

    def killer(self, mutant: Mutant) -> str:
        """Return a test that notices a mutant, nothing when all pass: at first a few, then all, then on other databases."""
        tests = self._reached.tests_of(mutant)
        if not tests or mutant.is_inside:
            return self._first(mutant, tests)
        names = [test.name for test in _within(tests, SECONDS)]
        return "" if passes_loaded(mutant.path, mutant.number, names, self._environment) else LOADED

    def _first(self, mutant: Mutant, tests: list[Test]) -> str:
        before = self._killers.setdefault(mutant.path, [])
        tests.sort(key=lambda test: before.index(test.name) if test.name in before else len(before))
        tests = list(_within(tests, SECONDS))
        others = [
            replace(test, name=name)
            for test in ([] if mutant.path.startswith(WITHOUT_DATABASE) else tests)
            for dialect in OTHER_DATABASES
            if (name := test.name.replace("duckdb", dialect)) != test.name and name in self._runner.known
        ]
        for batch in (tests[:FEW], tests[FEW:MORE], tests[MORE:], list(_within(others, SECONDS))):
            if killer := self._killer(mutant, batch):
                before.insert(0, killer)
                return killer
        return ""

    def _killer(self, mutant: Mutant, tests: list[Test]) -> str:
        """Return a test that fails on a mutant, and passes without."""
        limit_s = max(LEAST_S, TIMES_AS_LONG * sum(test.seconds for test in tests))
        while names := _by_file([test.name for test in tests if test.name not in self._doubtful]):
            killer = self._runner.killer(mutant.path, mutant.number, names, limit_s)
            if killer == NOT_SPOILED:
                sys.stdout.write(f"not there {mutant.path}:{mutant.line}: {mutant.what}\n"[: LINE * 2])
                return ""
            if killer not in names or killer in self._trusted:
                return killer
            if not self._runner.killer(mutant.path, NEVER, [killer], limit_s):
                self._trusted.add(killer)
                return killer
            self._doubtful.add(killer)
            sys.stdout.write(f"doubtful  {killer}\n")
        return ""

    def stop(self) -> None:
        """End the process."""
        self._runner.stop()


def _within(tests: Iterable[Test], seconds: float) -> Iterator[Test]:
    """Yield the first tests that take so long together, one at least."""
    for test in tests:
        yield test
        seconds -= test.seconds
        if seconds < 0:
            return


def _by_file(names: list[str]) -> list[str]:
    """Put tests of a file together, as they share what it makes; files as they come first."""
    files = list(dict.fromkeys(name.partition("::")[0] for name in names))
    return sorted(names, key=lambda name: files.index(name.partition("::")[0]))


def environment(state: Path, number: int) -> dict[str, str]:
    """Return a worker's own environment: services and databases that no other run uses."""
    own = {
        "OMNI_STATE_DIR": str(state / "mutants" / str(number)), "PYTHONDONTWRITEBYTECODE": "1",
        "OMNI_FUZZ_CASES": "100", "OMNI_FUZZ_SHRINK": "0",
    }  # fmt: skip
    return os.environ | own


def run(wanted: list[Mutant], journal: Journal, reached: Reached, state: Path) -> None:
    """Try mutants side by side, and tell survivors as they are found."""
    places = sorted({place for mutant in wanted for place in mutant.tests})
    left = iter(wanted)

    def work(number: int) -> None:
        worker = Worker(reached, places, environment(state, number))
        for mutant in left:
            killer = worker.killer(mutant)
            journal.note(mutant, killer)
            if not killer:
                tell(mutant)
        worker.stop()

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(WORKERS)))


def tell(mutant: Mutant) -> None:
    """Print a mutant that survives."""
    sys.stdout.write(f"survives  {mutant.path}:{mutant.line}: {mutant.what}\n"[: LINE * 2])
    sys.stdout.flush()


def main() -> int:
    """Run the mutants whose file's path holds one of the arguments, all without arguments."""
    wanted = chosen(all_mutants())
    state = Path(os.environ.get("OMNI_STATE_DIR", ROOT / "var"))
    journal = Journal(state / "mutants.jsonl")
    open_ = [mutant for mutant in wanted if journal.is_open(mutant)]
    for mutant in wanted:
        if not journal.is_open(mutant) and journal.is_alive(mutant):
            tell(mutant)
    if open_:
        reached = Reached(state / "reached.json", TARGETS)
        places = sorted({place for mutant in open_ for place in mutant.tests})
        reached.learn(places, partial(measure, environment=environment(state, 0)))
        run(open_, journal, reached, state)
    survived = sum(journal.is_alive(mutant) for mutant in wanted)
    counts = {"mutants": len(wanted), "killed": len(wanted) - survived, "survived": survived}
    sys.stdout.write(json.dumps(counts) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
