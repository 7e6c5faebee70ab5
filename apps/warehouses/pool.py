"""Sessions kept open in a worker: one bounded pool over all tenants and connections."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from apps.warehouses.postgres import PostgresWarehouse

MAX_IDLE = 20
MAX_IDLE_S = 60.0
Key = tuple[Any, ...]


@dataclass
class Pool:
    """Idle sessions by what they were opened for; the longest idle ones are closed first."""

    _idle: "OrderedDict[Key, tuple[float, PostgresWarehouse]]" = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, key: Key, make: Callable[[], PostgresWarehouse]) -> PostgresWarehouse:
        """Return an idle session of this key, or a new one."""
        with self._lock:
            since, found = self._idle.pop(key, (0.0, None))
        if found is not None and found.is_usable and time.monotonic() - since < MAX_IDLE_S:
            return found
        if found is not None:
            found.close()
        return make()

    def give_back(self, key: Key, session: PostgresWarehouse) -> None:
        """Keep a session for the next query, or close it."""
        if not session.is_usable:
            session.close()
            return
        with self._lock:
            replaced = self._idle.pop(key, None)
            self._idle[key] = (time.monotonic(), session)
            dropped = [self._idle.popitem(last=False)[1] for _ in range(max(0, len(self._idle) - MAX_IDLE))]
        for _, old in (*dropped, *([replaced] if replaced else [])):
            old.close()
