"""End a running statement from another thread: when its time is over, or because somebody asks."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from apps.warehouses.alarms import Alarm
from apps.warehouses.errors import WarehouseError

REPEAT_S = 0.2
PATIENCE_S = 2.0


class Stopper:
    """Watches over one session.

    A signal that arrives just before the source begins to work is lost; therefore it is repeated until the
    statement is over, and a source that does not listen is cut off. A session that was stopped answers no more.
    """

    def __init__(self, signal: Callable[[], None], cut_off: Callable[[], None]) -> None:
        self._signal, self._cut_off = signal, cut_off
        self._is_over = threading.Event()
        self._is_over.set()
        self._lock = threading.Lock()
        self.reason = ""

    @contextmanager
    def watched(self, timeout_s: float) -> Iterator[None]:
        """Run the block; stop what runs in it when ``timeout_s`` is over.

        Raises:
            WarehouseError: the session was stopped before the block began.
        """
        self._is_over.clear()
        alarm = Alarm(timeout_s, lambda: self.stop("timed_out"))
        try:
            if self.reason:
                raise WarehouseError(self.reason)
            yield
        finally:
            self._is_over.set()
            alarm.call_off()

    def stop(self, reason: str = "cancelled") -> None:
        """Stop what runs, and return when it is over or cut off; the first reason counts."""
        with self._lock:
            self.reason = self.reason or reason
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if self._is_over.is_set():
                return
            self._signal()
            if self._is_over.wait(REPEAT_S):
                return
        self._cut_off()
