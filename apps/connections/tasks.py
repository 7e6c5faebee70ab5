"""Tasks carry ids; the tenant is bound by their base class."""

from uuid import UUID

from celery import shared_task

from apps.connections.checking import check
from apps.connections.models import Connection
from apps.tenants.tasks import TenantTask


@shared_task(base=TenantTask, name="connections.check_connection")
def check_connection(connection_id: str) -> None:
    """Check a connection; one that is gone is left alone."""
    connection = Connection.objects.filter(pk=UUID(connection_id)).first()
    if connection is not None:
        check(connection)
