"""Tasks carry ids; the tenant is bound by their base class."""

from uuid import UUID

from celery import shared_task
from django.utils import timezone

from apps.queries import running
from apps.tenants.tasks import TenantTask


@shared_task(base=TenantTask, name="queries.execute_run", acks_late=True)
def execute_run(run_id: str) -> None:
    """Execute a queued run; a finished run is left alone."""
    running.execute(UUID(run_id), now=timezone.now())
