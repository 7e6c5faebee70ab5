"""Spoils one guard after another in a copy of the code and sees that a test notices.

``make mutants`` prints each mutant that survives with its place, then the counts. A mutant takes away a predicate, a
mask, a gate or a demand: a call that fails, a condition that refuses, an element that is added to a list of rules.

It takes hours. ``MUTANTS=200`` takes that many by chance, as many of each target as its share (``MUTANTS_SEED=1`` takes
others). ``MUTANTS_TESTS=tests/semantic/verify``, or some files, asks these alone, as the proof's guards have to be noticed by the proof's own
tests. What has been found out is kept in ``mutants.jsonl`` under the state directory: a run that was stopped goes on
where it stopped. A change of a file asks again about its mutants, a change of tests about those that survived them; who
takes tests away starts over without the file.
"""

import ast
import hashlib
import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import Any

from tests.mutants.reached import Reached, files_in
from tests.mutants.runner import TestRunner

ROOT = Path(__file__).resolve().parents[2]
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
# One database finds most; a mutant that it does not notice meets all of them.
ON_ONE_DATABASE = ("-k", "not postgres and not mysql and not spark")
OPTIONS = ("-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider")
WORKERS = int(os.environ.get("TEST_JOBS", "2"))
LINE = 120


@dataclass(frozen=True)
class Mutant:
    """One change of one file: ``source`` is the file with the change in it."""

    path: str
    line: int
    what: str
    source: str
    tests: tuple[str, ...]
    lines: range
    """of the statement in which it is"""

    @property
    def is_pure(self) -> bool:
        """Say whether it is in a package that knows nothing of Django."""
        return self.path.startswith("apps/semantic/")


class Spoiler(ast.NodeTransformer):
    """Makes the change at one place: the ``wanted``-th that it comes by."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.seen = -1
        self.what = ""
        self.line = 0
        self.lines = range(0)
        self._statement: ast.stmt | None = None

    def _is_wanted(self, node: ast.AST, what: str) -> bool:
        self.seen += 1
        if self.seen != self.wanted:
            return False
        self.what, self.line = what, getattr(node, "lineno", 0)
        whole = self._statement or node
        self.lines = range(getattr(whole, "lineno", 0), (getattr(whole, "end_lineno", 0) or 0) + 1)
        return True

    def visit(self, node: ast.AST) -> Any:
        """Know the statement that is looked at: an expression of several lines is executed when any of them is."""
        before = self._statement
        if isinstance(node, ast.stmt):
            self._statement = node
        found = super().visit(node)
        self._statement = before
        return found

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """Leave types alone."""
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """Leave types alone."""
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """Leave names of types alone: ``Field = Dimension | Measure``."""
        names = [item for item in ast.walk(node.value) if isinstance(item, ast.Name)]
        is_union = isinstance(node.value, ast.BinOp) and isinstance(node.value.op, ast.BitOr)
        if is_union and all(item.id[:1].isupper() and not item.id.isupper() for item in names):
            return node
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Leave types alone."""
        returns, node.returns = node.returns, None
        self.generic_visit(node)
        node.returns = returns
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """Drop a demand or a check that stands alone."""
        self.generic_visit(node)
        call = node.value
        if isinstance(call, ast.Call):
            name = ast.unparse(call.func).rpartition(".")[2]
            is_guard = name.startswith(
                ("demand", "prove", "_prove", "check", "_check", "expect", "_expect", "take", "_take")
            )
            if is_guard and self._is_wanted(node, f"drop {name}(…)"):
                return ast.copy_location(ast.Pass(), node)
        return node

    def visit_If(self, node: ast.If) -> ast.AST:
        """Never refuse where a branch raises."""
        self.generic_visit(node)
        refuses = any(isinstance(item, ast.Raise) for item in node.body)
        if refuses and self._is_wanted(node, f"never: {ast.unparse(node.test)[:60]}"):
            node.test = ast.copy_location(ast.Constant(value=False), node.test)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        """Leave out one condition of an AND, or one reason of an OR."""
        self.generic_visit(node)
        for index in range(len(node.values)):
            if self._is_wanted(node, f"without: {ast.unparse(node.values[index])[:60]}"):
                rest = [value for place, value in enumerate(node.values) if place != index]
                return rest[0] if len(rest) == 1 else ast.copy_location(ast.BoolOp(node.op, rest), node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Let all() and any() of a generator hold."""
        self.generic_visit(node)
        if (
            isinstance(node.func, ast.Name)
            and node.func.id in ("all", "holds")
            and self._is_wanted(node, f"{node.func.id} → True")
        ):
            return ast.copy_location(ast.Constant(value=True), node)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """Leave out one side of a union, an intersection or a sum of lists."""
        self.generic_visit(node)
        if isinstance(node.op, ast.BitAnd | ast.BitOr) and self._is_wanted(
            node, f"left side only: {ast.unparse(node)[:60]}"
        ):
            return node.left
        return node


def mutants_of(path: Path, tests: tuple[str, ...]) -> Iterator[Mutant]:
    """Yield every mutant of a file."""
    text = path.read_text("utf-8")
    number = 0
    while True:
        spoiler = Spoiler(number)
        tree = ast.fix_missing_locations(spoiler.visit(ast.parse(text)))
        if not spoiler.what:
            return
        name = path.relative_to(ROOT).as_posix()
        yield Mutant(name, spoiler.line, spoiler.what, ast.unparse(tree), tests, spoiler.lines)
        number += 1


def all_mutants() -> list[Mutant]:
    """Return the mutants of all targets."""
    found: list[Mutant] = []
    for target, tests in TARGETS.items():
        place = ROOT / target
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            found += mutants_of(path, tests)
    return found


def chosen(every: list[Mutant]) -> list[Mutant]:
    """Return the mutants whose path holds one of the arguments, or all; of these ``MUTANTS`` by chance, if that is set."""
    wanted = [item for item in every if not sys.argv[1:] or any(text in item.path for text in sys.argv[1:])]
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
        survived = self._found.get(_key(mutant))
        return survived is None or survived not in ("", self._hash(mutant.tests))

    def is_alive(self, mutant: Mutant) -> bool:
        """Say whether a mutant survived."""
        return self._found.get(_key(mutant)) != ""

    def note(self, mutant: Mutant, *, is_alive: bool) -> None:
        """Keep what became of a mutant: the hash of the tests that it survived, empty when it did not."""
        survived = self._found[_key(mutant)] = self._hash(mutant.tests) if is_alive else ""
        line = {
            "key": _key(mutant), "survived": survived, "place": f"{mutant.path}:{mutant.line}", "what": mutant.what,
        }  # fmt: skip
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def _hash(self, tests: tuple[str, ...]) -> str:
        if tests not in self._tests:
            files = sorted(file for place in tests for file in files_in(ROOT / place, "*.py"))
            self._tests[tests] = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
        return self._tests[tests]


def _key(mutant: Mutant) -> str:
    return hashlib.sha256(f"{mutant.path}\n{mutant.source}".encode()).hexdigest()


def survives(mutant: Mutant, copy: Path, runner: TestRunner, reached: Reached) -> bool:
    """Say whether all tests pass with the mutant in a copy of the code: those that execute it, as no other could notice."""
    tests = reached.tests_of(mutant.path, mutant.lines, mutant.tests)
    if not tests:
        return True
    place = copy / mutant.path
    good = place.read_text("utf-8")
    place.write_text(mutant.source, "utf-8")
    try:
        return runner.passes((*OPTIONS, *ON_ONE_DATABASE, *tests)) and runner.passes((*OPTIONS, *tests))
    finally:
        place.write_text(good, "utf-8")


def started(copy: Path, mutant: Mutant, *, is_tried: bool = True) -> TestRunner:
    """Return a runner of tests in a copy of the code, after all tests have passed there unspoiled.

    Raises:
        AssertionError: they do not pass.
    """
    environment = os.environ | {
        "OMNI_STATE_DIR": str(copy / "state"), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(copy),
        "OMNI_FUZZ_CASES": "100", "OMNI_FUZZ_SHRINK": "0",
    }  # fmt: skip
    runner = TestRunner(copy, environment, is_pure=mutant.is_pure)
    if is_tried and not runner.passes_unspoiled((*OPTIONS, *mutant.tests)):
        runner.stop()
        raise AssertionError(f"{' '.join(mutant.tests)} fails before anything is spoiled")
    return runner


def measure(wanted: list[Mutant], reached: Reached, copies: list[Path]) -> None:
    """Find out which lines the files of tests execute that have changed since, or the code."""
    by_name = {name: mutant for mutant in wanted for name in reached.unknown(mutant.tests)}
    lock = Lock()

    def work(number: int) -> None:
        for _, group in groupby(list(by_name.items())[number :: len(copies)], key=lambda item: item[1].is_pure):
            own = list(group)
            runner = started(copies[number], own[0][1], is_tried=False)
            for name, _ in own:
                found = runner.measured(name)
                with lock:
                    reached.note(name, *found)
            runner.stop()

    with ThreadPoolExecutor(len(copies)) as pool:
        list(pool.map(work, range(len(copies))))


def run(wanted: list[Mutant], journal: Journal, copies: list[Path], reached: Reached) -> None:
    """Try mutants side by side, each worker in its own copy, and tell survivors as they are found."""

    def work(number: int) -> None:
        for _, group in groupby(wanted[number :: len(copies)], key=lambda mutant: mutant.tests):
            own = list(group)
            runner = started(copies[number], own[0])
            for mutant in own:
                is_alive = survives(mutant, copies[number], runner, reached)
                journal.note(mutant, is_alive=is_alive)
                if is_alive:
                    tell(mutant)
            runner.stop()

    with ThreadPoolExecutor(len(copies)) as pool:
        list(pool.map(work, range(len(copies))))


def tell(mutant: Mutant) -> None:
    """Print a mutant that survives."""
    sys.stdout.write(f"survives  {mutant.path}:{mutant.line}: {mutant.what}\n"[: LINE * 2])
    sys.stdout.flush()


def main() -> int:
    """Run the mutants whose file's path holds one of the arguments, all without arguments."""
    wanted = chosen(all_mutants())
    journal = Journal(Path(os.environ.get("OMNI_STATE_DIR", ROOT / "var")) / "mutants.jsonl")
    open_ = [mutant for mutant in wanted if journal.is_open(mutant)]
    for mutant in wanted:
        if not journal.is_open(mutant) and journal.is_alive(mutant):
            tell(mutant)
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder) / str(number) for number in range(WORKERS if open_ else 0)]
        for copy in copies:
            ignored = shutil.ignore_patterns(".git", ".venv", "var", "__pycache__", ".mypy_cache", ".ruff_cache")
            shutil.copytree(ROOT, copy, ignore=ignored)
        if open_:
            reached = Reached(journal.path.with_name("reached.json"), ROOT, TARGETS)
            measure(open_, reached, copies)
            run(open_, journal, copies, reached)
    survived = sum(journal.is_alive(mutant) for mutant in wanted)
    counts = {"mutants": len(wanted), "killed": len(wanted) - survived, "survived": survived}
    sys.stdout.write(json.dumps(counts) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
