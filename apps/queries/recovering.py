"""Runs whose worker or whose place in the line was lost: begun once more, then failed clearly. PostgreSQL has the truth."""

import logging
import time
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.queries import flights, line
from apps.queries.errors import TEXTS
from apps.queries.models import QueryRun
from apps.queries.running import MAX_ATTEMPTS
from apps.tenants.binding import bound, bound_tenant_id
from apps.tenants.selectors import living

logger = logging.getLogger(__name__)
BOTH_LOOKS = 3
"""A run is lost when two looks find it without a lease, this many renewals apart by a clock that does not jump: leases that
went with Redis, or because its clock was set forward, are back by then."""


def look_after(*, everything: bool, now: datetime) -> int:
    """Look after runs that lost their lease, or after all of every tenant's; return how many workers are wanted."""
    suspected = {tenant_id: frozenset(runs) for tenant_id, runs in line.lost().items()}
    tenants = _active(None if everything else suspected)
    unheld: dict[UUID, list[UUID]] = {}
    for tenant_id in tenants:
        with bound(tenant_id):
            put_back_waiting(now=now, among=None if everything else suspected[tenant_id])
            unheld[tenant_id] = _without_lease(now, None if everything else suspected[tenant_id])
    if any(unheld.values()):
        time.sleep(BOTH_LOOKS * line.renew_s())
    held = line.leased()
    for tenant_id, runs in unheld.items():
        with bound(tenant_id):
            for run_id in runs:
                if run_id not in held:
                    _take_up_again(run_id)
    for tenant_id, lost in suspected.items():
        line.looked_after(tenant_id, lost)
    return line.wanted()


def _active(among: Iterable[UUID] | None) -> list[UUID]:
    active = living().order_by("slug")
    found = active if among is None else active.filter(pk__in=list(among))
    return list(found.values_list("pk", flat=True))


def put_back_waiting(*, now: datetime, among: Iterable[UUID] | None = None) -> None:
    """Put the bound tenant's queued runs back into the line, those that are not there.

    One that is being taken at this moment may be put back once too often: it is begun once all the same.
    """
    queued = QueryRun.objects.filter(state=QueryRun.State.QUEUED, leader_id=None, expires_at__gt=now)
    if among is not None:
        queued = queued.filter(pk__in=list(among))
    for run in queued.select_related("dataset__data_model__connection").order_by("created_at"):
        put_back(run)


def put_back(run: QueryRun) -> bool:
    """Put a queued run into the line where it is not there; say whether it was missing."""
    connection = run.dataset.data_model.connection
    if line.position(run.pk, connection.pk) is not None or run.pk in line.leased():
        return False
    line.join(run.pk, connection, run.priority, asked_at=run.created_at)
    return True


def _without_lease(now: datetime, among: Iterable[UUID] | None) -> list[UUID]:
    running = QueryRun.objects.filter(state=QueryRun.State.RUNNING, leader_id=None, expires_at__gt=now)
    if among is not None:
        running = running.filter(pk__in=list(among))
    found = list(running.order_by("created_at").values_list("pk", flat=True))
    held = line.leased() if found else frozenset()
    return [run_id for run_id in found if run_id not in held]


@transaction.atomic
def _change(run: QueryRun, **changes: object) -> bool:
    mine = QueryRun.objects.filter(pk=run.pk, state=QueryRun.State.RUNNING, attempts=run.attempts)
    return bool(mine.update(**changes))


def _take_up_again(run_id: UUID) -> None:
    """Queue a lost run once more, or say that it has failed."""
    found = QueryRun.objects.select_related("dataset__data_model__connection")
    run = found.filter(pk=run_id, state=QueryRun.State.RUNNING).first()
    if run is None:
        return
    logger.warning("run %s of tenant %s lost its worker (attempt %s)", run.pk, bound_tenant_id(), run.attempts)
    if run.attempts < MAX_ATTEMPTS:
        if _change(run, state=QueryRun.State.QUEUED, started_at=None):
            line.join(run.pk, run.dataset.data_model.connection, run.priority, asked_at=run.created_at)
        return
    failed = {"state": QueryRun.State.FAILED, "error_code": "lost", "error_text": TEXTS["lost"]}
    if _change(run, **failed, finished_at=timezone.now()):
        flights.land(run.cache_key, run.pk)
