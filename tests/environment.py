"""Loaded before Django's settings: a state directory and services of the tests' own."""

import gc
import os
import tempfile
from pathlib import Path

gc.set_threshold(
    200_000, 20, 50
)  # trees of SQL are many small objects: a fifth of the time went into looking for cycles
STATE_DIR = os.environ.setdefault("OMNI_STATE_DIR", str(Path(tempfile.gettempdir()) / f"omni-test-{os.getuid()}"))
(Path(STATE_DIR) / "static").mkdir(parents=True, exist_ok=True)
os.environ.setdefault("OMNI_SECRET_KEY", "test-only-secret-key-0123456789abcdef")
os.environ.setdefault("OMNI_MASTER_KEY", "test-only-master-key-0123456789abcdef")
os.environ["OMNI_PROCESS"] = (
    "worker"  # tasks run in the calling process; tests of the web's blindness say so themselves
)

from apps.embedded import provide  # noqa: E402  (the state directory must be set first)

provide(os.environ)
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
_redis_database = 1 if WORKER == "main" else 2 + int(WORKER.removeprefix("gw"))
os.environ["OMNI_REDIS_URL"] = f"{os.environ['OMNI_REDIS_URL'].split('?')[0]}?db={_redis_database}"
