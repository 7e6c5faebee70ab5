"""A value that was queried, kept and purged is in no file of ours in clear, before or after."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import redis
from django.conf import settings

from apps.accounts.models import GroupMembership, User, UserGroup
from apps.queries.models import CachedResult
from apps.queries.types import Answer
from apps.retention.services import purge_expired
from tests import databases
from tests.apps.queries.conftest import CANARY
from tests.environment import WORKER

CONTROL = "control.51c9a3f7@example.com"


def files_with(text: str) -> list[str]:
    """Return the files of PostgreSQL, Redis and our own state that hold the text."""
    with psycopg.connect(databases.ADMIN_URL, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    with redis.Redis.from_url(settings.OMNI_REDIS_URL) as client:
        client.save()
    found = []
    for path in Path(os.environ["OMNI_STATE_DIR"]).rglob("*"):
        try:
            if path.is_file() and text.encode() in path.read_bytes():
                found.append(path.name)
        except OSError:
            continue  # a file of the server's that was removed meanwhile
    return found


def test_the_canary_is_nowhere_in_clear(ask: Callable[..., Answer], max_: User) -> None:
    with psycopg.connect(databases.admin_url(f"omni_test_{WORKER}"), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS canary (text text)")
        connection.execute("INSERT INTO canary VALUES (%s)", (CONTROL,))
        try:
            assert files_with(CONTROL)  # the search finds what is there in clear
        finally:
            connection.execute("DROP TABLE canary")
    GroupMembership.objects.create(user=max_, group=UserGroup.objects.create(name="Finance"))
    kept = ask(max_, "orders.email", "orders.count", filters={"orders.email": {"is": CANARY}})
    assert kept.rows == [(CANARY, 1)]
    assert ask(max_, "orders.email", "orders.count", filters={"orders.email": {"is": CANARY}}).cache.is_hit
    assert files_with(CANARY) == []
    purge_expired(now=datetime.now(UTC) + timedelta(days=2))
    assert not CachedResult.objects.exists()
    assert files_with(CANARY) == []
