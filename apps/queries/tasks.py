"""Tasks carry ids; the tenant is bound by their base class, or by the line that names it."""

import logging
from uuid import UUID

import redis
from celery import shared_task
from django.utils import timezone
from kombu.exceptions import KombuError

from apps.queries import hands, line, recovering, running
from apps.tenants.tasks import TenantTask

logger = logging.getLogger(__name__)


@shared_task(base=TenantTask, name="queries.execute_run", acks_late=True)
def execute_run(run_id: str) -> None:
    """Execute a queued run; one that has begun or ended is left alone."""
    running.execute(UUID(run_id), now=timezone.now())


@shared_task(name="queries.run_next", acks_late=True, time_limit=hands.LAST_RESORT_S)
def run_next() -> None:
    """Execute the run whose turn it is. The message says that there may be one; the line says which.

    A process with a hand passes the message on to whichever hand is free.
    """
    if hands.is_there():
        line.ring()
        return
    lease = line.take()
    if lease is None:
        return
    try:
        hands.execute_leased(lease)
    finally:
        _send_for_the_next()


def _send_for_the_next() -> None:
    """Have the next run taken. Without Redis the beat sends for workers."""
    try:
        if line.wanted():
            run_next.delay()
    except (redis.RedisError, KombuError):
        logger.warning("Redis is away; runs wait until it is back")


@shared_task(name="queries.look_after_runs", acks_late=True)
def look_after_runs(everything: bool = False) -> None:
    """Begin lost runs once more, and put runs that wait back into a line that was lost; safe to deliver twice."""
    for _ in range(recovering.look_after(everything=everything, now=timezone.now())):
        run_next.delay()
