"""The hand of a worker's process: a thread that takes runs from the line as soon as somebody asks, with no broker between.

It waits for the line's bell, and looks by itself every two seconds, so that a ring that was lost costs no more than that.
Where no hand listens, a message of the broker says that there may be a run, as it does for everything else that workers
do. What a hand may not do: anything but ``running.execute`` under a lease, like a task.
"""

import logging
import os
import signal
import threading
from typing import Any

import redis
from celery.signals import worker_process_init, worker_process_shutdown, worker_shutdown
from django.conf import settings
from django.db import close_old_connections, connections
from django.utils import timezone

from apps.queries import line, running
from apps.queries.line import Lease
from apps.tenants.binding import bound
from apps.warehouses.alarms import Alarm

logger = logging.getLogger(__name__)
LAST_RESORT_S = 3600
"""after which the process of a run is killed that neither its own limit, nor cancelling, nor cutting its line has ended"""
LOOKS_EVERY_S = 2.0
"""well below the time that a hand counts as there, and below the time-out of the client of Redis"""
PAUSE_S = 1.0


class Hand(threading.Thread):
    """One run after another, one at a time."""

    def __init__(self) -> None:
        super().__init__(name="hand", daemon=True)
        self._is_over = threading.Event()

    def run(self) -> None:
        while not self._is_over.is_set():
            try:
                close_old_connections()
                if not self._worked():
                    line.listen(LOOKS_EVERY_S)
            except redis.RedisError:
                logger.warning("Redis is away; no run is taken")
                self._is_over.wait(PAUSE_S)
            except Exception:  # it goes on whatever it was; runs that wait are not lost, and the log has the reason
                logger.exception("a run was dropped")
                self._is_over.wait(PAUSE_S)
        connections.close_all()

    def end(self) -> None:
        """Take no run any more, and return when the one at work has ended, or the bell has been listened to for the last time."""
        self._is_over.set()
        self.join()
        try:
            line.retire()
        except redis.RedisError:
            logger.warning("Redis is away; it finds out by itself that a hand is gone")

    def _worked(self) -> bool:
        """Execute the run whose turn it is; False when there is none."""
        lease = line.take(is_hand=True)
        if lease is None:
            return False
        resort = Alarm(LAST_RESORT_S, lambda: os.kill(os.getpid(), signal.SIGKILL))
        try:
            execute_leased(lease)
        finally:
            resort.call_off()
        return True


def execute_leased(lease: Lease) -> None:
    """Execute a run; the slot is given back whatever happens. Without Redis the lease ends by itself."""
    try:
        with bound(lease.tenant_id):
            running.execute(lease.run_id, now=timezone.now(), lease=lease)
    finally:
        try:
            line.leave(lease)
        except redis.RedisError:
            logger.warning("Redis is away; the slot of run %s is free when its lease ends", lease.run_id)


_hand: list[Hand] = []
"""of this process; one that was forked has none"""


def is_there() -> bool:
    """Say whether this process has a hand."""
    return bool(_hand) and _hand[0].is_alive()


@worker_process_init.connect
def begin(**_: Any) -> None:
    """Give a worker's process its hand; only a process that may open sources gets one."""
    if settings.OMNI_IS_WORKER and not is_there():
        _hand[:] = [Hand()]
        _hand[0].start()


@worker_process_shutdown.connect
@worker_shutdown.connect
def end(**_: Any) -> None:
    """Let the hand end its run before the process ends."""
    while _hand:
        _hand.pop().end()
