"""The beat's task: places for notes. It belongs to no tenant and binds one at a time."""

from celery import shared_task

from apps.audit.notes import place_notes
from apps.tenants.binding import bound
from apps.tenants.selectors import active_tenants


@shared_task(name="audit.place_notes", acks_late=True)
def place_all_notes() -> None:
    """Give all notes their places; safe to deliver twice."""
    for tenant in active_tenants():
        with bound(tenant.id):
            place_notes()
