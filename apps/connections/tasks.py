"""Tasks carry ids; the tenant is bound by their base class."""

from uuid import UUID

import pyarrow as pa
from celery import shared_task
from celery.signals import worker_init

from apps.connections.checking import check
from apps.connections.models import Connection
from apps.tenants.tasks import TenantTask


@worker_init.connect
def warm_up(**_: object) -> None:
    """Load before forking what the first query would wait 0.3 s for: pyarrow looks for pandas at its first array."""
    pa.array([0])


@shared_task(base=TenantTask, name="connections.check_connection")
def check_connection(connection_id: str) -> None:
    """Check a connection; one that is gone is left alone."""
    connection = Connection.objects.filter(pk=UUID(connection_id)).first()
    if connection is not None:
        check(connection)
