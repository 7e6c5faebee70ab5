"""While a source works: hold on to the run, and cancel at the source when somebody wishes so or the run is another's."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from apps.queries import flights, line
from apps.queries.errors import SupersededError
from apps.queries.line import Lease
from apps.warehouses.alarms import Alarm
from apps.warehouses.errors import WarehouseError
from apps.warehouses.types import Warehouse

logger = logging.getLogger(__name__)
POLL_S = 0.2


class Watch:
    """What the watcher has seen, and what it passes on: how many rows have come."""

    def __init__(self) -> None:
        self.rows = 0
        self.is_lost = False

    def came(self, rows: int) -> None:
        self.rows = rows


@contextmanager
def watched(lease: Lease, source: Warehouse) -> Iterator[Watch]:
    """Watch over the block, in which the source works.

    While Redis is away nobody can cancel, and nobody can take the run either: the block goes on.

    Raises:
        SupersededError: another worker took the run, for this one was silent for too long.
    """
    watch, is_over = Watch(), threading.Event()

    def look_on() -> None:
        renewed_at, told = began_at, 0
        while not is_over.is_set():
            try:
                if flights.is_asked_to_cancel(lease.run_id):
                    source.cancel()
                    return
                if time.monotonic() - renewed_at >= line.renew_s():
                    renewed_at = time.monotonic()
                    watch.is_lost = not line.renew(lease)
                if watch.is_lost:
                    source.cancel()
                    return
                if watch.rows != told:
                    told = watch.rows
                    flights.tell_rows(lease.run_id, told)
            except redis.RedisError:
                logger.warning("Redis is away; run %s goes on", lease.run_id)
            is_over.wait(POLL_S)

    began_at = time.monotonic()
    watcher = Alarm(POLL_S, look_on)
    try:
        yield watch
    except WarehouseError as error:
        if watch.is_lost:
            raise SupersededError from error
        raise
    finally:
        is_over.set()
        watcher.end()
