"""Spoils one guard after another in a copy of the code and sees that a test notices.

``make mutants`` prints each mutant that survives with its place, then the counts. A mutant takes away a predicate, a
mask, a gate or a demand: a call that fails, a condition that refuses, an element that is added to a list of rules.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGETS = {
    "apps/semantic/verify": ("tests/semantic/verify", "tests/semantic/features", "tests/semantic/compile"),
    "apps/semantic/compile": (
        "tests/semantic/compile",
        "tests/semantic/features",
        "tests/semantic/verify",
        "tests/reference",
    ),
    "apps/governance/fields.py": ("tests/apps/governance", "tests/apps/queries"),
    "apps/governance/scopes.py": ("tests/apps/governance", "tests/apps/queries"),
    "apps/governance/deciding.py": ("tests/apps/governance", "tests/apps/queries"),
    "apps/governance/selectors.py": ("tests/apps/governance", "tests/apps/queries"),
}
TIMEOUT_S = 300
WORKERS = int(os.environ.get("TEST_JOBS", "2"))


@dataclass(frozen=True)
class Mutant:
    """One change of one file: ``source`` is the file with the change in it."""

    path: str
    line: int
    what: str
    source: str
    tests: tuple[str, ...]


class Spoiler(ast.NodeTransformer):
    """Makes the change at one place: the ``wanted``-th that it comes by."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.seen = -1
        self.what = ""
        self.line = 0

    def _is_wanted(self, node: ast.AST, what: str) -> bool:
        self.seen += 1
        if self.seen != self.wanted:
            return False
        self.what, self.line = what, getattr(node, "lineno", 0)
        return True

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """Leave types alone."""
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """Leave types alone."""
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

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
        yield Mutant(name, spoiler.line, spoiler.what, ast.unparse(tree), tests)
        number += 1


def all_mutants() -> list[Mutant]:
    """Return the mutants of all targets."""
    found: list[Mutant] = []
    for target, tests in TARGETS.items():
        place = ROOT / target
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            found += mutants_of(path, tests)
    return found


def survives(mutant: Mutant, copy: Path) -> bool:
    """Say whether all tests pass with the mutant in a copy of the code."""
    place = copy / mutant.path
    good = place.read_text("utf-8")
    place.write_text(mutant.source, "utf-8")
    try:
        return passes(mutant.tests, copy)
    finally:
        place.write_text(good, "utf-8")


def passes(tests: tuple[str, ...], copy: Path) -> bool:
    """Say whether tests pass in a copy; a mutant that never ends does not."""
    environment = os.environ | {
        "OMNI_STATE_DIR": str(copy / "state"), "PYTHONDONTWRITEBYTECODE": "1", "OMNI_FUZZ_CASES": "60", "PYTHONPATH": str(copy),
    }  # fmt: skip
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", *tests]
    try:
        found = subprocess.run(command, cwd=copy, env=environment, capture_output=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return found.returncode == 0


def main() -> int:
    """Run the mutants whose file's path holds one of the arguments, all without arguments; each n-th with ``OMNI_MUTANTS_EVERY=n``."""
    wanted = [item for item in all_mutants() if not sys.argv[1:] or any(text in item.path for text in sys.argv[1:])]
    wanted = wanted[:: int(os.environ.get("OMNI_MUTANTS_EVERY", "1"))]
    survivors: list[Mutant] = []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(WORKERS) as pool:
        copies = [Path(folder) / str(number) for number in range(WORKERS)]
        for copy in copies:
            ignored = shutil.ignore_patterns(".git", ".venv", "var", "__pycache__", ".mypy_cache", ".ruff_cache")
            shutil.copytree(ROOT, copy, ignore=ignored)
        for tests in {mutant.tests for mutant in wanted}:
            if not passes(tests, copies[0]):
                sys.stderr.write(f"{' '.join(tests)} fails before anything is spoiled\n")
                return 1

        def work(number: int) -> list[Mutant]:
            own = wanted[number::WORKERS]
            found = []
            for mutant in own:
                if survives(mutant, copies[number]):
                    found.append(mutant)
                    sys.stdout.write(f"survives  {mutant.path}:{mutant.line}: {mutant.what}\n")
                    sys.stdout.flush()
            return found

        for found in pool.map(work, range(WORKERS)):
            survivors += found
    counts = {"mutants": len(wanted), "killed": len(wanted) - len(survivors), "survived": len(survivors)}
    sys.stdout.write(json.dumps(counts) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
