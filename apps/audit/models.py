"""What happened: append-only."""

from django.db import models

from apps.tenants.models import TenantOwnedModel


class AuditEvent(TenantOwnedModel):
    """One thing that happened in a tenant. The runtime role can insert and select, and give a note its place once.

    A note is an event without a place in the chain yet: what is noted in great numbers gets its place some seconds later.
    """

    sequence = models.BigIntegerField(null=True, help_text="1, 2, 3 … within the tenant; empty for a moment in a note")
    happened_at = models.DateTimeField()
    verb = models.CharField(max_length=80, help_text="app.past_tense, e.g. support.session_opened")
    actor_kind = models.CharField(max_length=20)
    actor_id = models.UUIDField(null=True)
    actor_label = models.CharField(max_length=200)
    on_behalf_of = models.CharField(max_length=200, blank=True)
    support_session_id = models.UUIDField(null=True)
    object_type = models.CharField(max_length=80, blank=True)
    object_id = models.CharField(max_length=80, blank=True)
    object_label = models.CharField(max_length=200, blank=True)
    facts = models.JSONField(
        default=dict, help_text="names, counts, fingerprints; never values of customer data, never secrets"
    )
    previous_hash = models.BinaryField(default=b"")
    hash = models.BinaryField(default=b"")

    class Meta:
        ordering = ("-sequence",)
        constraints = (models.UniqueConstraint(fields=("tenant", "sequence"), name="audit_event_sequence"),)
        indexes = (
            models.Index(fields=("tenant", "-happened_at")),
            models.Index(fields=("tenant", "verb", "-happened_at")),
            models.Index(fields=("tenant", "support_session_id")),
            models.Index(
                fields=("tenant", "happened_at"), condition=models.Q(sequence=None), name="audit_event_unplaced"
            ),
        )

    def __str__(self) -> str:
        return f"{self.sequence or 'not placed yet'} {self.verb}"
