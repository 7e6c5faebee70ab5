"""Runs tests on spoiled code without starting anew each time.

``python -m tests.mutants.runner held PLACE…`` collects the tests of these places once and answers requests on stdin: it
forks, exchanges the code of the spoiled functions in the fork's memory, and runs the tests that are named there.
``measured FILE PLACE…`` runs all of them under coverage, one context per test, and writes what each took into a file.
``loaded PATH NUMBER PLACE…`` loads one file spoiled and runs them: for what is executed before there are tests.
"""

import contextlib
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import _lru_cache_wrapper
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

from tests.mutants.spoiling import ROOT, spoiled

CODE = ("apps/semantic", "apps/governance")
CACHED = ("apps.semantic", "apps.governance", "tests.")
OPTIONS = (
    "-q", "--tb=native", "--assert=plain", "--durations=1", "-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist",
)  # fmt: skip
NEVER = -1
TIME_IS_UP = "its time was up"
NOT_SPOILED = "nothing was exchanged"
LOADED_S = 600.0
LOADED = {"PYTEST_XDIST_WORKER": "gw9"}
"""a database of its own: it is dropped at the end, and the process that holds tests needs its one"""


class TestRunner:
    """The other end: a process that holds tests, and code to spoil."""

    __test__ = False

    def __init__(self, places: Sequence[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            _command("held", *places), cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self.known: frozenset[str] = frozenset(self._answer())

    def killer(self, path: str, number: int, tests: Sequence[str], limit_s: float) -> str:
        """Return the test that fails on a mutant, nothing when all pass; a run that never ends has failed."""
        question = self._process.stdin
        if question is None:
            raise BrokenPipeError("The runner has no pipes.")
        question.write(json.dumps([path, number, tests, limit_s]) + "\n")
        question.flush()
        return str(self._answer())

    def _answer(self) -> Any:
        return json.loads(self._process.stdout.readline()) if self._process.stdout else None

    def stop(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()


def measure(file: Path, places: Sequence[str], environment: dict[str, str]) -> None:
    """Run tests under coverage and write what they executed: a context per test, as coverage keeps it.

    Raises:
        AssertionError: a test fails before anything is spoiled.
    """
    with file.with_suffix(".log").open("w") as log:
        ended = subprocess.run(
            _command("measured", str(file), *places), cwd=ROOT, env=environment, stdout=log, check=False
        )
    if ended.returncode:
        raise AssertionError(f"tests fail before anything is spoiled: see {file.with_suffix('.log')}")


def passes_loaded(path: str, number: int, places: Sequence[str], environment: dict[str, str]) -> bool:
    """Say whether tests pass when a file is loaded spoiled."""
    command = _command("loaded", path, str(number), *places)
    nowhere = subprocess.DEVNULL
    try:
        ended = subprocess.run(
            command, cwd=ROOT, env=environment | LOADED, stdout=nowhere, stderr=nowhere, timeout=LOADED_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return ended.returncode == 0


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tests.mutants.runner", *arguments]


class Held:
    """Serves requests in the place of pytest's own loop, once all tests are collected."""

    def __init__(self, answers: Callable[[Any], None], questions: Iterator[str]) -> None:
        self._answer, self._questions = answers, questions

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        functions = _functions()
        texts = {path: (ROOT / path).read_text("utf-8") for path in _files()}
        with _database(session):
            _forget()
            gc.collect()
            gc.freeze()  # forks share what nobody looks at
            self._answer(list(items))
            for line in self._questions:
                path, number, tests, limit_s = json.loads(line)

                def spoil(path: str = path, number: int = number) -> bool:
                    return number == NEVER or _exchange(path, texts[path], number, functions)

                self._answer(_forked(session, [items[name] for name in tests], spoil, limit_s))
        return True


def _files() -> Iterator[str]:
    for place in CODE:
        for path in (ROOT / place).rglob("*.py"):
            yield path.relative_to(ROOT).as_posix()


Place = tuple[str, str, int]


def _functions() -> dict[Place, list[FunctionType]]:
    """Return the functions of the code by where they are written."""
    found: dict[Place, list[FunctionType]] = defaultdict(list)
    names = {str(ROOT / path) for path in _files()}
    for item in gc.get_objects():
        if isinstance(item, FunctionType) and item.__code__.co_filename in names:
            code = item.__code__
            found[code.co_filename, code.co_qualname, code.co_firstlineno].append(item)
    return found


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Return the code of functions within a file's, but for what is within them: that goes with them."""
    for item in code.co_consts:
        if isinstance(item, CodeType):
            is_function = bool(item.co_flags & 0x2)  # its names are its own: a class body's are not
            yield from [item] if is_function else _codes(item)


def _exchange(path: str, text: str, number: int, functions: dict[Place, list[FunctionType]]) -> bool:
    """Give the functions of a file that differ their spoiled code, and say whether there is one.

    What has been kept of the old code's answers is forgotten.
    """
    name, has_changed = str(ROOT / path), False
    for code in _codes(compile(spoiled(text, number), name, "exec", dont_inherit=True)):
        for function in functions[name, code.co_qualname, code.co_firstlineno]:
            if function.__code__ != code and function.__code__.co_freevars == code.co_freevars:
                function.__code__ = code
                has_changed = True
    _forget()
    return has_changed


def _caches() -> list[Any]:
    if not _kept:
        _kept.extend(
            item
            for item in gc.get_objects()
            if isinstance(item, _lru_cache_wrapper) and str(item.__module__).startswith(CACHED)
        )
    return _kept


_kept: list[Any] = []


def _forget() -> None:
    for item in _caches():
        item.cache_clear()


@contextlib.contextmanager
def _database(session: pytest.Session) -> Iterator[None]:
    """Make the test database once, for all forks."""
    if not any(item.nodeid.startswith("tests/apps/") for item in session.items):
        yield
        return
    from django.db import connections
    from pytest_django.plugin import blocking_manager_key

    from tests import databases
    from tests.environment import WORKER

    own = databases.drop_copy
    with session.config.stash[blocking_manager_key].unblock():
        databases.use_copy(WORKER)
        connections.close_all()
        databases.use_copy = databases.drop_copy = lambda worker: None
        yield
        own(WORKER)


def _forked(session: pytest.Session, items: list[pytest.Item], spoil: Callable[[], bool], limit_s: float) -> str:
    """Run tests in a fork until one fails: return its name, nothing when none does."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.close(reading)
        try:
            killer = _first_failure(session, items) if spoil() else NOT_SPOILED
        except BaseException as error:  # noqa: BLE001 (a fork must not go on with its parent's work)
            killer = f"{type(error).__name__}: {error}"
        os.write(writing, b"\n" + killer.encode())
        os._exit(0)
    os.close(writing)
    said = b""
    until = time.monotonic() + limit_s
    while (left := until - time.monotonic()) > 0 and select.select([reading], [], [], left)[0]:
        if not (part := os.read(reading, 65536)):
            break
        said += part
        if b"\n" in said:
            break
    else:
        said = b"\n" + TIME_IS_UP.encode()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    os.close(reading)
    os.waitpid(child, 0)
    return said.partition(b"\n")[2].decode() if b"\n" in said else "it died"


def _first_failure(session: pytest.Session, items: list[pytest.Item]) -> str:
    failed = ""
    for place, item in enumerate(items):
        following = items[place + 1] if place + 1 < len(items) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            failed = item.nodeid
            break
    if failed:
        with contextlib.suppress(Exception):
            session._setupstate.teardown_exact(None)
    return failed


class Measured:
    """Tells coverage which test is at work, and notes how long each took and which fixtures it shares."""

    def __init__(self, found: Any, file: Path) -> None:
        self._coverage, self._file = found, file
        self._context: list[str] = [""]
        self._told: dict[str, dict[str, Any]] = {}
        self._shared_s = 0.0

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out what is also asked of DuckDB: it executes the same, or nearly."""
        names = {item.nodeid for item in items}
        items[:] = [item for item in items if not names & _on_duckdb(item.nodeid)]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        _forget()
        begun, self._shared_s = time.monotonic(), 0.0
        self._enter(item.nodeid)
        try:
            return (yield)
        finally:
            self._leave()
            shared = [
                _fixture(found[-1])
                for found in getattr(item, "_fixtureinfo").name2fixturedefs.values()  # noqa: B009 (an item of Python's has one)
                if found[-1].scope != "function"
            ]
            is_drawn = hasattr(getattr(item, "function", None), "hypothesis")
            seconds = time.monotonic() - begun - self._shared_s
            self._told[item.nodeid] = {"seconds": seconds, "shares": shared, "is_drawn": is_drawn}

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Generator[None, object, object]:
        if fixturedef.scope == "function":
            return (yield)
        begun, is_outermost = time.monotonic(), len(self._context) == 2
        self._enter(_fixture(fixturedef))
        try:
            return (yield)
        finally:
            self._leave()
            self._shared_s += time.monotonic() - begun if is_outermost else 0

    def _enter(self, context: str) -> None:
        self._context.append(context)
        self._coverage.switch_context(context)

    def _leave(self) -> None:
        self._context.pop()
        self._coverage.switch_context(self._context[-1])

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        self._coverage.save()
        self._file.with_suffix(".json").write_text(json.dumps(self._told), "utf-8")


def _on_duckdb(name: str) -> set[str]:
    return {name.replace(dialect, "duckdb") for dialect in ("postgres", "mysql", "spark")} - {name}


def _fixture(fixturedef: Any) -> str:
    return f"{fixturedef.baseid}::fixture:{fixturedef.argname}"


class SpoiledLoader(importlib.abc.MetaPathFinder):
    """Loads one file spoiled."""

    def __init__(self, path: str, number: int) -> None:
        self._name = path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        self._path, self._number = ROOT / path, number

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Answer for that file's module alone."""
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(
            fullname, self._path, loader=_Loader(fullname, str(self._path), self._number)
        )


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, number: int) -> None:
        super().__init__(name, path)
        self._number = number

    def get_code(self, fullname: str) -> CodeType:
        text = Path(self.path).read_text("utf-8")
        return compile(spoiled(text, self._number), self.path, "exec", dont_inherit=True)


def _hold(places: list[str]) -> int:
    answers = os.fdopen(os.dup(1), "w")
    questions = os.fdopen(os.dup(0))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)

    def answer(said: Any) -> None:
        answers.write(json.dumps(said) + "\n")
        answers.flush()

    return int(pytest.main([*OPTIONS, *places], plugins=[Held(answer, iter(questions.readline, ""))]))


def _measure(file: Path, places: list[str]) -> int:
    import coverage

    file.unlink(missing_ok=True)
    found = coverage.Coverage(data_file=str(file), include=[str(ROOT / place / "*") for place in CODE])
    found.start()
    return int(pytest.main([*OPTIONS, *places], plugins=[Measured(found, file)]))


def main() -> int:
    """Do what the first argument says."""
    kind, *rest = sys.argv[1:]
    if kind == "held":
        return _hold(rest)
    if kind == "measured":
        return _measure(Path(rest[0]), rest[1:])
    sys.meta_path.insert(0, SpoiledLoader(rest[0], int(rest[1])))
    return int(pytest.main([*OPTIONS, "-x", *rest[2:]]))


if __name__ == "__main__":
    sys.exit(main())
