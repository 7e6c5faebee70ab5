"""State of timed purging, and of erasures that are under way."""

import uuid

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


class ErasureRequest(models.Model):
    """A tenant that is being erased, and what has been done so far; it goes when its certificate has been handed out.

    It names the tenant, so the runtime role may not even read it: erasing is done as the tables' owner.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False, help_text="the certificate's too")
    erased_id = models.UUIDField(help_text="the tenant's")
    slug = models.SlugField(max_length=40)
    requested_by = models.CharField(max_length=200)
    began_at = models.DateTimeField()
    keys_destroyed_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    rows = models.JSONField(default=dict, help_text="table → how many of its rows were deleted")
    facts = models.JSONField(default=dict, help_text="what else the certificate says")

    class Meta:
        ordering = ("began_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("erased_id",), condition=models.Q(ended_at=None), name="retention_one_erasure"
            ),
        )

    def __str__(self) -> str:
        return str(self.pk)
