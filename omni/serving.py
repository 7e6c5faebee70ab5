"""How gunicorn serves: ``gunicorn --config python:omni.serving omni.wsgi --bind …``.

The application is loaded once and then forked, so that workers share what does not change, and the first request finds
everything loaded.
"""

import gc
from typing import Any

import pyarrow as pa
from django.conf import settings
from django.db import connections
from django.urls import get_resolver

workers = 2
threads = 8
keepalive = 75
preload_app = True

YOUNG, MIDDLE, OLD = 20_000, 20, 50
"""objects more than were freed before the youngest are looked at; how often those that survive are looked at with them.
A question makes some thousand objects of a tree, which die with it: looking at them in between finds nothing."""


def when_ready(server: Any) -> None:
    """Load what requests would load, and keep all of it out of the collector's sight, hence unchanged and shared."""
    for urls in (settings.PLATFORM_URLCONF, settings.TENANT_URLCONF):
        assert get_resolver(urls).url_patterns  # noqa: S101  (they are loaded when they are asked for)
    pa.array([0])  # looks for other libraries at its first array
    connections.close_all()
    gc.collect()
    gc.freeze()


def post_fork(server: Any, worker: Any) -> None:
    """Collect more rarely than a script would."""
    gc.set_threshold(YOUNG, MIDDLE, OLD)
