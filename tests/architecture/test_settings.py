"""Production starts with its own keys or not at all, and says why in one line."""

import os
import subprocess
import sys

import pytest

from tests.databases import ROOT

GOOD = {
    "DJANGO_SETTINGS_MODULE": "omni.settings.production",
    "OMNI_DATABASE_URL": "postgresql://omni_app:x@db.example/omni",
    "OMNI_REDIS_URL": "redis://redis.example",
    "OMNI_SECRET_KEY": "b7d1f0c2a94e4d3f8a6b5c7d9e0f1a2b3c4d5e6f",
    "OMNI_MASTER_KEY": "0c9e8d7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d",
    "OMNI_WORKER_PUBLIC_KEY_FILE": "/etc/omni/worker_public_key",
}


def start(tmp_path: object, **changes: str | None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OMNI_", "DJANGO_"))}
    environment |= {key: value for key, value in (GOOD | changes).items() if value is not None}
    environment["OMNI_STATE_DIR"] = str(tmp_path)
    code = "from django.conf import settings; print(settings.SECURE_HSTS_SECONDS, settings.SESSION_COOKIE_SECURE)"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_production_starts_with_everything_given(tmp_path: object) -> None:
    found = start(tmp_path)
    assert found.returncode == 0, found.stderr
    assert found.stdout.split()[1] == "True"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OMNI_SECRET_KEY", None),
        ("OMNI_MASTER_KEY", None),
        ("OMNI_WORKER_PUBLIC_KEY_FILE", None),
        ("OMNI_MASTER_KEY", "short"),
        ("OMNI_MASTER_KEY", "sample-master-key-0123456789-0123456789"),
        ("OMNI_MASTER_KEY", GOOD["OMNI_SECRET_KEY"]),
        ("OMNI_DATABASE_URL", "mysql://x@db.example/omni"),
        ("OMNI_SECRET_KEY_FILE", "/nonexistent"),
    ],
)
def test_production_does_not_start_without(tmp_path: object, name: str, value: str | None) -> None:
    changes: dict[str, str | None] = {name: value}
    if name.endswith("_FILE") and value:
        changes[name.removesuffix("_FILE")] = None
    found = start(tmp_path, **changes)
    assert found.returncode == 2
    assert found.stderr.startswith("omni: ")
    assert len(found.stderr.strip().splitlines()) == 1
