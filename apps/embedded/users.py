"""Which processes use the embedded services. The last one to leave stops them; a process that was killed does not count."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock between processes."""
    with (folder / "lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _started_at(pid: int) -> float | None:
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None


def _alive(folder: Path) -> dict[int, float]:
    try:
        noted = json.loads((folder / "users.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):  # never written, or the machine was switched off while writing
        return {}
    users = {int(pid): float(started) for pid, started in noted.items()}
    # A number that was given to a new process after a restart has another start time.
    return {pid: started for pid, started in users.items() if _started_at(pid) == started}


def _write(folder: Path, users: dict[int, float]) -> None:
    draft = folder / f"users.{os.getpid()}"
    draft.write_text(json.dumps(users))
    draft.replace(folder / "users.json")


def join(folder: Path) -> None:
    """Count the calling process; the lock must be held."""
    started = _started_at(os.getpid())
    _write(folder, _alive(folder) | {os.getpid(): started or 0.0})


def leave(folder: Path) -> bool:
    """Stop counting the calling process; say whether it was the last. The lock must be held."""
    users = _alive(folder)
    users.pop(os.getpid(), None)
    _write(folder, users)
    return not users
