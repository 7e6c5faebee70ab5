"""Stop all work of a tenant that is being erased."""

import time
from datetime import datetime
from uuid import UUID

from apps.queries import line
from apps.queries.lining import withdraw
from apps.queries.models import QueryRun
from apps.queries.running import ENDED

PAUSE_S = 0.2


def stop_all_runs(*, now: datetime, wait_s: float = 10.0) -> list[UUID]:
    """Cancel every run of the bound tenant, at its source too; wait for the workers. Return the ids of all its runs.

    What a worker still brings after that finds neither its run nor a key to seal it with.

    Raises:
        QueryFailedError: ``no_queue``: the workers cannot be told.
    """
    runs = QueryRun.objects.all()
    open_runs = list(runs.exclude(state__in=ENDED).select_related("dataset__data_model"))
    for run in open_runs:
        if run.leader_id is None:
            withdraw(run)
    runs.exclude(state__in=ENDED).update(state=QueryRun.State.CANCELLED, error_code="cancelled", finished_at=now)
    known = list(runs.values_list("pk", flat=True))
    deadline = time.monotonic() + wait_s
    while open_runs and line.leased() & {*known} and time.monotonic() < deadline:
        time.sleep(PAUSE_S)
    return known
