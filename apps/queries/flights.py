"""Single-flight and wake-ups through Redis: ids and flags only, never data."""

import time
from functools import lru_cache
from typing import Any
from uuid import UUID

import redis
from django.conf import settings

from apps.tenants.binding import bound_tenant_id

FLIGHT_S = 180
DONE_S = 600


@lru_cache(maxsize=1)
def _client() -> "redis.Redis":
    return redis.Redis.from_url(settings.OMNI_REDIS_URL, socket_timeout=5, socket_connect_timeout=2)


def _flight(cache_key: str) -> str:
    return f"omni:flight:{bound_tenant_id()}:{cache_key}"


def lead_or_follow(cache_key: str, run_id: UUID) -> UUID:
    """Return the run that leads: this one, or the one that is on its way with the same governed query."""
    name = _flight(cache_key)
    if _client().set(name, str(run_id), nx=True, ex=FLIGHT_S):
        return run_id
    leader: Any = _client().get(name)
    if leader is None:  # it landed between the two calls
        return lead_or_follow(cache_key, run_id)
    return UUID(bytes(leader).decode())


def land(cache_key: str, run_id: UUID) -> None:
    """Say that a run has ended, and let the next one lead."""
    client, name = _client(), _flight(cache_key)
    client.set(f"omni:done:{run_id}", 1, ex=DONE_S)
    if client.get(name) == str(run_id).encode():
        client.delete(name)


def wait(run_id: UUID, wait_s: float) -> bool:
    """Wait for a run to end; say whether it has."""
    deadline, pause = time.monotonic() + wait_s, 0.002
    name = f"omni:done:{run_id}"
    while not _client().exists(name):
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return False
        time.sleep(min(pause, remaining))
        pause = min(pause * 1.5, 0.03)
    return True


def ask_to_cancel(run_id: UUID) -> None:
    _client().set(f"omni:cancel:{run_id}", 1, ex=DONE_S)


def is_asked_to_cancel(run_id: UUID) -> bool:
    return bool(_client().exists(f"omni:cancel:{run_id}"))
