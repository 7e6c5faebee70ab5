"""What a tenant has outside of the database: names in Redis, and its folder of files."""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from apps.queries.flights import client

logger = logging.getLogger(__name__)
MOST_BYTES = 100_000
"""a longer value in Redis is none of ours"""


def forget_in_redis(tenant_id: UUID, ids: Iterable[object]) -> int:
    """Remove every name of the tenant's, and what is about it under names that all share; return how many.

    Redis knows ids only: the tenant's, and those of its runs and connections, which are given as ``ids``. Names of runs
    that are not known any more end by themselves in minutes.
    """
    wanted = [str(key).encode() for key in (tenant_id, *ids)]
    redis, removed = client(), 0
    for name in redis.scan_iter(count=1_000):
        if any(text in name for text in wanted):
            removed += int(redis.delete(name))
        else:
            removed += _forget_within(redis, name, lambda value: any(text in value for text in wanted))
    return removed


def _forget_within(redis: Any, name: bytes, is_ours: Callable[[bytes], bool]) -> int:
    kind = redis.type(name)
    if kind == b"string":
        is_short = redis.strlen(name) <= MOST_BYTES
        return int(redis.delete(name)) if is_short and is_ours(redis.get(name) or b"") else 0
    if kind == b"set":
        return sum(int(redis.srem(name, member)) for member in redis.sscan_iter(name) if is_ours(member))
    if kind == b"zset":
        return sum(int(redis.zrem(name, member)) for member, _ in redis.zscan_iter(name) if is_ours(member))
    if kind == b"hash":
        found = [field for field, value in redis.hscan_iter(name) if is_ours(field) or is_ours(value)]
        return sum(int(redis.hdel(name, field)) for field in found)
    if kind == b"list":  # messages of the broker, where it is this Redis; elsewhere they are refused when they come
        return sum(int(redis.lrem(name, 0, item)) for item in redis.lrange(name, 0, -1) if is_ours(item))
    return 0


def remove_files(slug: str, *, until: datetime | None = None) -> int:
    """Remove the folder whose DuckDB files the tenant's connections may name; return how many files went.

    ``until`` leaves files that were changed after it: whoever had the short name since then has the folder too.
    """
    folder = Path(settings.OMNI_DATA_DIR) / slug
    if folder.is_symlink():
        folder.unlink()
        return 1
    count = 0
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder before the folder
        if path.is_dir() and not path.is_symlink():
            _remove_if_empty(path)
        elif until is None or path.lstat().st_mtime <= until.timestamp():
            path.unlink(missing_ok=True)
            count += 1
        else:
            logger.warning("a file in the folder of an erased tenant is younger than its erasure: %s stays", path)
    if folder.is_dir():
        _remove_if_empty(folder)
    return count


def _remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()
