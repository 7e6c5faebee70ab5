"""The beat's purge. It belongs to no tenant: the service binds one at a time."""

from celery import shared_task
from django.utils import timezone

from apps.retention.erasure.restored import erase_returned
from apps.retention.errors import PurgeIncompleteError
from apps.retention.rotating import finish_due_rotations
from apps.retention.services import purge_expired as purge


@shared_task(name="retention.purge_expired", acks_late=True)
def purge_expired() -> None:
    """Erase anew whoever came back from a backup, and purge all tenants; safe to deliver twice."""
    erase_returned(now=timezone.now())
    report = purge(now=timezone.now())
    if not report.is_complete:
        raise PurgeIncompleteError(", ".join(tenant.slug for tenant in report.tenants if tenant.error))


@shared_task(name="retention.finish_rotations", acks_late=True)
def finish_rotations() -> None:
    """Destroy old tenant keys whose time has come; safe to deliver twice."""
    finish_due_rotations(now=timezone.now())
