"""Runs tests again and again on changed code, without starting anew each time.

``python -m tests.mutants.runner`` reads a list of pytest's arguments, the seconds that they may take, and where to write
which lines were executed, as one line of JSON, runs them in a fork of itself, and answers with a line: pytest's exit code,
or -1 when the time was up. What no mutant changes is loaded once, before the forks; each fork loads the rest from the files
as they are by then.
"""

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import coverage
import django
import duckdb  # noqa: F401 (loaded once)
import hypothesis  # noqa: F401 (loaded once)
import psycopg  # noqa: F401 (loaded once)
import pymysql  # noqa: F401 (loaded once)
import pytest
import sqlglot  # noqa: F401 (loaded once)

PURE = ("apps.semantic", "tests.semantic", "tests.reference")
"""packages that Django's apps use and that use none of them: all else may be loaded before they change"""
CODE = ("apps/semantic/*", "apps/governance/*")
TIMES_AS_LONG = 3
LEAST_S = 60.0
POLL_S = 0.02
TIME_IS_UP = -1


class TestRunner:
    """The other end: a process that runs tests in a copy of the code."""

    __test__ = False

    def __init__(self, copy: Path, environment: dict[str, str], *, is_pure: bool) -> None:
        self.is_pure, self.copy = is_pure, copy
        self.limit_s = math.inf
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.mutants.runner", *(["pure"] if is_pure else [])],
            cwd=copy, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def passes_unspoiled(self, arguments: Sequence[str]) -> bool:
        """Say whether all tests pass, however long they take; later runs of them or of fewer may take a few times as long."""
        begun = time.monotonic()
        has_passed = self.passes(arguments)
        self.limit_s = max(LEAST_S, TIMES_AS_LONG * (time.monotonic() - begun))
        return has_passed

    def passes(self, arguments: Sequence[str]) -> bool:
        """Say whether all tests pass; a run that never ends does not."""
        return self._ask(arguments, self.limit_s, None) == 0

    def measured(self, name: str) -> tuple[dict[str, list[int]], float]:
        """Return the lines that one file of tests executes, by file of the code, and how many seconds it takes."""
        place, begun = self.copy / "reached.json", time.monotonic()
        self._ask(("-q", "-p", "no:randomly", "-p", "no:cacheprovider", name), math.inf, str(place))
        return json.loads(place.read_text("utf-8")), time.monotonic() - begun

    def _ask(self, arguments: Sequence[str], limit_s: float, reached: str | None) -> int:
        question, answer = self._process.stdin, self._process.stdout
        if question is None or answer is None:
            raise BrokenPipeError("The runner has no pipes.")
        question.write(json.dumps([arguments, limit_s, reached]) + "\n")
        question.flush()
        return int(answer.readline())

    def stop(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()


def main() -> None:
    """Answer requests until there are none."""
    answers = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    if sys.argv[1:] == ["pure"]:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omni.settings.test")
        django.setup()
        for name in [name for name in sys.modules if name.startswith(PURE)]:
            del sys.modules[name]
    for line in sys.stdin:
        answers.write(f"{_run(*json.loads(line))}\n")
        answers.flush()


def _run(arguments: list[str], limit_s: float, reached: str | None) -> int:
    child = os.fork()
    if child == 0:
        os.setsid()
        os._exit(_tested(arguments) if reached is None else _measured(arguments, Path(reached)))
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(POLL_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return TIME_IS_UP


def _tested(arguments: list[str]) -> int:
    # Modules that are there already cannot be rewritten for pytest's own assertions.
    return int(pytest.main(["--assert=plain", *arguments]))


def _measured(arguments: list[str], reached: Path) -> int:
    """Run tests, and write which lines of the code they executed."""
    root = Path.cwd()
    found = coverage.Coverage(data_file=None, include=[str(root / pattern) for pattern in CODE])
    found.start()
    try:
        return _tested(arguments)
    finally:
        found.stop()
        data = found.get_data()
        lines = {str(Path(name).relative_to(root)): sorted(data.lines(name) or ()) for name in data.measured_files()}
        reached.write_text(json.dumps(lines), "utf-8")


if __name__ == "__main__":
    main()
