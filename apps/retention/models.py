"""State of timed purging, and of erasures that are under way."""

import uuid
from datetime import datetime

from django.db import models

from apps.accounts.models import User
from apps.tenants.models import TenantOwnedModel

MAX_REASON = 500


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


class ErasureOrder(TenantOwnedModel):
    """That a tenant's administrators want the whole tenant erased, and what became of it.

    Nothing of it happens by itself: the operator carries it out when the waiting time is over. Until then any
    administrator takes it back.
    """

    requested_by = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    requested_at = models.DateTimeField()
    reason = models.CharField(max_length=MAX_REASON, blank=True)
    wait_days = models.PositiveSmallIntegerField(help_text="from the last word that was needed until it may be done")
    confirm_by = models.DateTimeField(help_text="when it lapses, where a second administrator has to confirm it")
    confirmed_by = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="+")
    confirmed_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(
        null=True, help_text="from when it may be carried out; nothing before it is confirmed"
    )
    taken_back_by = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True, help_text="taken back, or lapsed where nobody has")
    begun_at = models.DateTimeField(null=True, help_text="when the operator began to carry it out")

    class Meta:
        ordering = ("-requested_at",)
        verbose_name = "erasure of the whole tenant"
        verbose_name_plural = "erasure of the whole tenant"
        constraints = (
            models.UniqueConstraint(fields=("tenant",), condition=models.Q(ended_at=None), name="retention_one_order"),
        )

    def __str__(self) -> str:
        return f"request of {self.requested_at:%Y-%m-%d} to erase the whole tenant"

    def state(self, now: datetime) -> str:
        """Say in a word how it stands: ``unconfirmed``, ``waiting``, ``due``, ``begun``, ``taken back`` or ``lapsed``."""
        if self.ended_at is not None:
            return "taken back" if self.taken_back_by_id else "lapsed"
        if self.begun_at is not None:
            return "begun"
        if self.due_at is None:
            return "unconfirmed" if now < self.confirm_by else "lapsed"
        return "waiting" if now < self.due_at else "due"


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
