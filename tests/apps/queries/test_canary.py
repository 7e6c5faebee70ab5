"""A value that was queried, kept and purged is in no file of ours in clear, before or after."""

import os
import resource
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import redis
from celery import current_app
from celery.signals import before_task_publish
from django.conf import settings

from apps.access.selectors import actor_for_user
from apps.accounts.models import GroupMembership, User, UserGroup
from apps.queries.models import CachedResult
from apps.queries.services import answer
from apps.queries.types import Answer, Pending
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
    for folder, _, names in os.walk(os.environ["OMNI_STATE_DIR"]):  # passes over a folder that was removed meanwhile
        for path in (Path(folder) / name for name in names):
            try:
                if path.is_file() and text.encode() in path.read_bytes():
                    found.append(path.name)
            except OSError:
                continue  # a file of the server's that was removed meanwhile
    return found


def test_what_is_passed_to_the_worker_is_ids_and_nothing_that_was_asked(max_: User) -> None:
    GroupMembership.objects.create(user=max_, group=UserGroup.objects.create(name="Finance"))
    question = {"dataset": "Sales", "fields": ["orders.email"], "filters": {"orders.email": {"is": CANARY}}}
    messages: list[str] = []

    def keep(sender: str, body: object, headers: object, properties: object, **rest: object) -> None:
        messages.append(repr((sender, body, headers, properties)))

    before_task_publish.connect(keep)
    current_app.conf.task_always_eager = False
    try:
        pending = answer(actor_for_user(max_), question, now=datetime.now(UTC), wait_s=0)
    finally:
        current_app.conf.task_always_eager = True
        before_task_publish.disconnect(keep)
    assert isinstance(pending, Pending)
    (message,) = messages
    assert "queries.run_next" in message
    with redis.Redis.from_url(settings.OMNI_REDIS_URL) as client:
        names = client.keys("omni:line:waiting:*")
        line = b" ".join(member for name in names for member in client.zrange(name, 0, -1)).decode()
    assert str(pending.run_id) in line
    for text in (message, line):
        assert CANARY not in text
        assert "orders.email" not in text


def test_a_process_that_dies_leaves_no_core() -> None:
    assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)


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
