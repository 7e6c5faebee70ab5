"""How gunicorn serves: ``gunicorn --config python:omni.serving omni.wsgi --bind …``.

The application is loaded once and then forked, so that workers share what does not change, and the first request finds
everything loaded.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from django.conf import settings
from django.db import connections
from django.urls import get_resolver

from omni.collecting import collect_rarely, freeze

workers = 2
threads = 8
keepalive = 75
preload_app = True
forwarder_headers = ""
"""nobody says where the application is mounted, nor another path than the request line's: a proxy hands on what clients send"""
control_socket_disable = True
"""nobody adjusts a running server through a socket in some home directory, which a second one would take over"""


class _Refusal(MetaPathFinder):
    """Says of some packages that they are not installed."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name in self.names:
            raise ModuleNotFoundError(f"{name} is not wanted here", name=name)
        return None


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Have packages not be found while the block runs; afterwards they are there for whoever asks."""
    refusal = _Refusal(*names)
    sys.meta_path.insert(0, refusal)
    try:
        yield
    finally:
        sys.meta_path.remove(refusal)


def load_arrow() -> None:
    """Load pyarrow alone. It looks once whether numpy and pandas are there, 45 MB that no web process has a use for."""
    with without("numpy", "pandas"):
        import_module("pyarrow").array([0])  # it looks for pandas at its first array


load_arrow()


def when_ready(server: Any) -> None:
    """Load what requests would load, and keep all of it out of the collector's sight, hence unchanged and shared."""
    for urls in (settings.PLATFORM_URLCONF, settings.TENANT_URLCONF):
        assert get_resolver(urls).url_patterns  # noqa: S101  (they are loaded when they are asked for)
    connections.close_all()
    freeze()


def post_fork(server: Any, worker: Any) -> None:
    """Collect more rarely than a script would."""
    collect_rarely()
