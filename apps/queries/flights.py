"""Single-flight and wake-ups through Redis: ids and flags only, never data."""

import logging
import time
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

import redis
from django.conf import settings

from apps.tenants.binding import bound_tenant_id

logger = logging.getLogger(__name__)
DONE_S = 600
WISH = "omni:cancel:"
BLOCK_S = 2.0
"""below the client's time-out"""
AWAY_PAUSE_S = 0.03


@lru_cache(maxsize=1)
def client() -> "redis.Redis":
    """Return this process's client."""
    return redis.Redis.from_url(settings.OMNI_REDIS_URL, socket_timeout=5, socket_connect_timeout=2)


LEAD = """
local leader = redis.call('GET', KEYS[1])
if leader then return leader end
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[3]) then return false end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return ARGV[1]
"""
LAND = """
redis.call('XADD', KEYS[1], 'MAXLEN', 1, '*', 'ended', 1)
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('DEL', KEYS[2])
if redis.call('GET', KEYS[3]) == ARGV[1] then redis.call('DEL', KEYS[3]) end
return 1
"""
FREE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""


@cache
def _step(text: str) -> Any:
    return client().register_script(text)


def _flight(cache_key: str) -> str:
    return f"omni:flight:{bound_tenant_id()}:{cache_key}"


def _landing(run_id: UUID) -> str:
    return f"omni:landed:{run_id}"


def lead_or_follow(cache_key: str, run_id: UUID, *, waiting: str, most: int) -> UUID | None:
    """Return the run that leads: this one, or the one that is on its way with the same governed query.

    None: this one would lead, and the line ``waiting`` has ``most`` in it already.
    """
    keys, arguments = [_flight(cache_key), waiting], [str(run_id), settings.OMNI_RUN_LIFETIME_S, most]
    leader: Any = _step(LEAD)(keys=keys, args=arguments)
    return UUID(bytes(leader).decode()) if leader else None


def land(cache_key: str, run_id: UUID) -> None:
    """Say that a run has ended, and let the next one lead. Without Redis those who wait look for themselves."""
    try:
        _step(LAND)(keys=[_landing(run_id), f"omni:rows:{run_id}", _flight(cache_key)], args=[str(run_id), DONE_S])
    except redis.RedisError:
        logger.warning("Redis was not told that run %s has ended", run_id)


def free(cache_key: str, run_id: UUID) -> None:
    """Let another run lead where this one does."""
    _step(FREE)(keys=[_flight(cache_key)], args=[str(run_id)])


def wait(run_id: UUID, wait_s: float) -> bool:
    """Wait for a run to end; say whether it has. Without Redis nobody can say, and the time is waited for.

    The end is a stream's entry, which stays: whoever comes late finds it, and any number may wait for it.
    """
    deadline = time.monotonic() + wait_s
    while True:
        remaining = deadline - time.monotonic()
        try:
            if client().xread({_landing(run_id): "0"}, count=1, block=_block_ms(remaining)):
                return True
        except redis.RedisError:
            time.sleep(max(0.0, min(AWAY_PAUSE_S, remaining)))
        if remaining <= 0:
            return False


def _block_ms(remaining_s: float) -> int | None:
    """Return for how long Redis shall hold the call: not at all when time is up (0 would be for ever)."""
    return max(1, int(min(remaining_s, BLOCK_S) * 1000)) if remaining_s > 0 else None


def ask_to_cancel(run_id: UUID) -> None:
    """Wish that a run be cancelled at its source."""
    client().set(f"{WISH}{run_id}", 1, ex=DONE_S)


def tell_rows(run_id: UUID, rows: int) -> None:
    """Say how many rows of a run have come so far."""
    client().set(f"omni:rows:{run_id}", rows, ex=DONE_S)


def rows_so_far(run_id: UUID) -> int | None:
    """Return how many rows of a run have come; None when nobody has said."""
    found: Any = client().get(f"omni:rows:{run_id}")
    return None if found is None else int(found)


def is_asked_to_cancel(run_id: UUID) -> bool:
    return bool(client().exists(f"{WISH}{run_id}"))
