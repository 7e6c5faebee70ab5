"""State of timed purging."""

from django.db import models

from apps.tenants.models import TenantOwnedModel


class PurgeRun(TenantOwnedModel):
    """What the last purges of this tenant's temporary data did."""

    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    keys_destroyed = models.PositiveIntegerField(default=0)
    rows_removed = models.PositiveIntegerField(default=0)
    oldest_remaining_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-finished_at",)
        indexes = (models.Index(fields=("tenant", "-finished_at")),)
