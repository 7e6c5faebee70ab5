"""Real PostgreSQL, real Redis: one embedded server for the run, one database per test process, cloned from a template.

Commits are real. Rows are removed after each test that used the database, as the owner would, tenant by tenant.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

STATE_DIR = os.environ.setdefault("OMNI_STATE_DIR", str(Path(tempfile.gettempdir()) / f"omni-test-{os.getuid()}"))
os.environ.setdefault("OMNI_SECRET_KEY", "test-only-secret-key-0123456789abcdef")
os.environ.setdefault("OMNI_MASTER_KEY", "test-only-master-key-0123456789abcdef")
os.environ["OMNI_PROCESS"] = "worker"  # tasks run in the calling process; tests of the web's blindness say so themselves
Path(STATE_DIR).mkdir(parents=True, exist_ok=True)

from apps.embedded import provide  # noqa: E402  (the state directory must be set first)

provide(os.environ)
_worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
_redis_database = 1 if _worker == "main" else 2 + int(_worker.removeprefix("gw"))
os.environ["OMNI_REDIS_URL"] = f"{os.environ['OMNI_REDIS_URL'].split('?')[0]}?db={_redis_database}"

from tests import databases  # noqa: E402


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """Give this process its own copy of the migrated template."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        databases.use_copy(_worker)
        yield
        databases.drop_copy(_worker)
