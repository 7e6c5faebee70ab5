"""Sessions kept open in a worker: one bounded pool over all tenants and connections."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from apps.warehouses.types import PooledWarehouse

MAX_IDLE = 20
MAX_IDLE_S = 60.0


@dataclass
class Pool:
    """Idle sessions by what they were opened for: a key names tenant, connection, its version, the target and the sealed credential.

    At most ``max_idle`` over all keys and none longer than ``max_idle_s``; the longest idle ones are closed first,
    whenever a session is taken or given back.
    """

    max_idle: int = MAX_IDLE
    max_idle_s: float = MAX_IDLE_S
    _idle: "OrderedDict[Hashable, tuple[float, PooledWarehouse]]" = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, key: Hashable, make: Callable[[], PooledWarehouse]) -> PooledWarehouse:
        """Return an idle session of this key that still works, or a new one."""
        with self._lock:
            dropped = self._drop()
            _, found = self._idle.pop(key, (0.0, None))
        _close(dropped)
        if found is not None and found.is_usable:
            return found
        if found is not None:
            found.close()
        return make()

    def give_back(self, key: Hashable, session: PooledWarehouse) -> None:
        """Keep a session for the next query, or close it."""
        if not session.is_usable:
            session.close()
            return
        with self._lock:
            _, replaced = self._idle.pop(key, (0.0, None))
            self._idle[key] = (time.monotonic(), session)
            dropped = self._drop()
        _close(dropped if replaced is None else [*dropped, replaced])

    def _drop(self) -> list[PooledWarehouse]:
        """Take out what is too much or too old; the order is that of their return."""
        dropped = []
        while self._idle:
            since, _ = next(iter(self._idle.values()))
            if len(self._idle) <= self.max_idle and time.monotonic() - since < self.max_idle_s:
                break
            dropped.append(self._idle.popitem(last=False)[1][1])
        return dropped


def _close(sessions: list[PooledWarehouse]) -> None:
    for session in sessions:
        session.close()
