"""What a tenant has outside of the database: names in Redis, and its folder of files."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from apps.queries.flights import client

MOST_BYTES = 100_000
"""a longer value in Redis is none of ours"""


def forget_in_redis(tenant_id: UUID, run_ids: Iterable[UUID]) -> int:
    """Remove every name of the tenant's, and what is about it under names that all share; return how many.

    Redis knows ids only. Names of runs carry no tenant; those that are not known any more end by themselves in minutes.
    """
    wanted = {str(tenant_id), *map(str, run_ids)}
    redis, removed = client(), 0
    for name in redis.scan_iter(count=1_000):
        if any(text in name.decode(errors="replace") for text in wanted):
            removed += int(redis.delete(name))
        else:
            removed += _forget_within(redis, name, str(tenant_id).encode())
    return removed


def _forget_within(redis: Any, name: bytes, text: bytes) -> int:
    kind = redis.type(name)
    if kind == b"string":
        is_ours = redis.strlen(name) <= MOST_BYTES and text in (redis.get(name) or b"")
        return int(redis.delete(name)) if is_ours else 0
    if kind == b"set":
        return sum(int(redis.srem(name, member)) for member in redis.sscan_iter(name) if text in member)
    if kind == b"zset":
        return sum(int(redis.zrem(name, member)) for member, _ in redis.zscan_iter(name) if text in member)
    if kind == b"hash":
        found = [field for field, value in redis.hscan_iter(name) if text in field or text in value]
        return sum(int(redis.hdel(name, field)) for field in found)
    if kind == b"list":  # messages of the broker, where it is this Redis; elsewhere they are refused when they come
        return sum(int(redis.lrem(name, 0, item)) for item in redis.lrange(name, 0, -1) if text in item)
    return 0


def remove_files(slug: str) -> int:
    """Remove the folder whose DuckDB files the tenant's connections may name; return how many files it held."""
    folder = Path(settings.OMNI_DATA_DIR) / slug
    if folder.is_symlink():
        folder.unlink()
        return 1
    if not folder.is_dir():
        return 0
    count = sum(1 for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    shutil.rmtree(folder)
    return count
