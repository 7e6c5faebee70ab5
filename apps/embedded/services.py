"""Start the embedded services once, share them between processes, stop them with the last."""

import atexit
import os
from collections.abc import MutableMapping
from importlib import import_module
from pathlib import Path
from typing import Any

from apps.embedded import users

ROOT = Path(__file__).resolve().parent.parent.parent
_joined: set[Path] = set()


def _service(name: str) -> Any:
    """Return a service's module; an installation with services of its own never loads what is in the wheels."""
    return import_module(f"apps.embedded.{name}")


def provide(environ: MutableMapping[str, str]) -> None:
    """Fill the addresses that ``environ`` leaves open with those of embedded services.

    With ``OMNI_DATABASE_URL`` and ``OMNI_REDIS_URL`` set nothing is started. Calling it
    again is free. Services live under ``OMNI_STATE_DIR`` (default ``var/``) and stop when
    the last process that uses them ends.

    Raises:
        EmbeddedServiceError: a service cannot be started here.
    """
    needs_database = not (environ.get("OMNI_DATABASE_URL") or environ.get("OMNI_DATABASE_URL_FILE"))
    needs_redis = not (environ.get("OMNI_REDIS_URL") or environ.get("OMNI_REDIS_URL_FILE"))
    if not needs_database and not needs_redis:
        return
    folder = Path(environ.get("OMNI_STATE_DIR") or ROOT / "var").resolve() / "embedded"
    folder.mkdir(parents=True, exist_ok=True)
    with users.locked(folder):
        users.join(folder)
        if folder not in _joined:
            _joined.add(folder)
            atexit.register(release, folder, os.getpid())
        if needs_database:
            urls = _service("postgres").start(folder)
            environ["OMNI_DATABASE_URL"] = urls["runtime"]
            environ["OMNI_DATABASE_OWNER_URL"] = urls["owner"]
            environ["OMNI_DATABASE_ADMIN_URL"] = urls["admin"]
        if needs_redis:
            environ["OMNI_REDIS_URL"] = _service("redis").start(folder)


def release(folder: Path, pid: int) -> None:
    """Leave; stop the services when nobody else uses them. A forked child that inherits the hook does nothing."""
    if pid != os.getpid() or not folder.exists():
        return
    with users.locked(folder):
        if users.leave(folder):
            _service("redis").stop(folder)
            _service("postgres").stop(folder)
