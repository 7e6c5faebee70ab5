"""Work that is due after a while and mostly called off before: one thread per process waits for all of it.

A timer of the library is a thread each, which a short query would start only to stop it.
"""

import heapq
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)
AGAIN_S = 0.5
_heap: list[tuple[float, int, "Alarm"]] = []
_changed = threading.Condition()
_numbers = itertools.count()
_waiting: list[threading.Thread] = []
SWEEP_BEYOND = 1_000


class Alarm:
    """Work that begins ``after_s`` seconds from now, in a thread of its own, unless it is called off."""

    def __init__(self, after_s: float, work: Callable[[], object]) -> None:
        self.work: Callable[[], object] | None = work
        self.thread: threading.Thread | None = None
        due = time.monotonic() + after_s
        with _changed:
            _see_that_somebody_waits()
            heapq.heappush(_heap, (due, next(_numbers), self))
            if _heap[0][2] is self:
                _changed.notify()

    def call_off(self) -> None:
        """Have it not begin; when it has, return at once. It may be called off twice."""
        with _changed:
            self.work = None
            while _heap and _heap[0][2].work is None:
                heapq.heappop(_heap)
            if len(_heap) > SWEEP_BEYOND:
                _heap[:] = sorted(entry for entry in _heap if entry[2].work is not None)

    def end(self) -> None:
        """As :meth:`call_off`, and wait for the work where it has begun."""
        self.call_off()
        if self.thread is not None:
            self.thread.join()


def _see_that_somebody_waits() -> None:
    if not _waiting or not _waiting[0].is_alive():
        _waiting[:] = [threading.Thread(target=_wait, name="alarms", daemon=True)]
        _waiting[0].start()


def _begin_anew() -> None:
    """Have nothing of the process that this one was forked from: neither its thread nor what was due there."""
    global _changed
    _changed = threading.Condition()
    _heap.clear()
    _waiting.clear()


os.register_at_fork(after_in_child=_begin_anew)


def _wait() -> None:
    with _changed:
        while True:
            remaining = _heap[0][0] - time.monotonic() if _heap else None
            if remaining is None or remaining > 0:
                _changed.wait(remaining)
                continue
            alarm = heapq.heappop(_heap)[2]
            if alarm.work is not None:
                _begin(alarm, alarm.work)


def _begin(alarm: Alarm, work: Callable[[], object]) -> None:
    """Begin the work; where the system gives no thread, that one is put off, and all others still come."""
    thread = threading.Thread(target=work, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        logger.exception("no thread could be started; it is tried again")
        heapq.heappush(_heap, (time.monotonic() + AGAIN_S, next(_numbers), alarm))
        return
    alarm.thread, alarm.work = thread, None
