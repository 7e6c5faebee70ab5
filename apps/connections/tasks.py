"""Tasks carry ids; the tenant is bound by their base class."""

from uuid import UUID

import pyarrow as pa
from celery import shared_task
from celery.signals import worker_init
from django.utils import timezone

from apps.connections.adopting import adopt
from apps.connections.checking import check, claim_due
from apps.connections.models import Connection
from apps.tenants.binding import bound
from apps.tenants.selectors import living
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


@shared_task(base=TenantTask, name="connections.adopt_credential")
def adopt_credential(connection_id: str) -> None:
    """Try a credential that was proposed; one that was withdrawn or taken up meanwhile is left alone."""
    adopt(UUID(connection_id), now=timezone.now())


@shared_task(name="connections.refresh_schemas", acks_late=True)
def refresh_schemas() -> None:
    """Queue the checks that are due, tenant by tenant; each is claimed once, however often the message comes."""
    now = timezone.now()
    for tenant_id in living().order_by("slug").values_list("pk", flat=True):
        with bound(tenant_id):
            for key in claim_due(now=now):
                check_connection.delay(str(key), tenant_id=str(tenant_id))
