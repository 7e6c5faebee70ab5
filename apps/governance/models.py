"""What a tenant wants of publishing, and what its administrators have asked of each other."""

from datetime import datetime

from django.db import models
from django.db.models import F, Q

from apps.accounts.models import User
from apps.datamodels.models import DataModel, ModelVersion
from apps.tenants.models import TenantOwnedModel


class PublishingPolicy(TenantOwnedModel):
    """One row per tenant, made when something is switched on first; without one everything is off."""

    needs_second_administrator = models.BooleanField(
        default=False, help_text="a version that widens what anybody gets waits for another administrator"
    )
    changed_at = models.DateTimeField()

    class Meta:
        verbose_name = verbose_name_plural = "publishing policy"
        constraints = (models.UniqueConstraint(fields=("tenant",), name="governance_one_policy"),)

    def __str__(self) -> str:
        return "publishing policy"


class ApprovalRequest(TenantOwnedModel):
    """That an administrator asked for another one's word, and what became of it. Kept: it is evidence.

    A request to publish is for exactly one state of the files over exactly one current version.
    """

    class Kind(models.TextChoices):
        PUBLISH = "publish", "publish a version that widens"
        SWITCH_OFF = "switch_off", "let one administrator publish alone"

    class State(models.TextChoices):
        PENDING = "pending", "waiting"
        APPROVED = "approved"
        REFUSED = "refused"
        WITHDRAWN = "withdrawn"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    data_model = models.ForeignKey(DataModel, on_delete=models.CASCADE, null=True, related_name="+")
    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, null=True, related_name="+")
    digest = models.CharField(max_length=64, blank=True, help_text="of the files that were asked about")
    base_version_id = models.UUIDField(null=True, help_text="the version that was current")
    base_publication_id = models.UUIDField(null=True, help_text="and the publication that made it so")
    note = models.CharField(max_length=500, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    requested_by = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    requested_at = models.DateTimeField()
    decided_by = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(help_text="an open request lapses then, and so does an approval")

    class Meta:
        ordering = ("-requested_at",)
        constraints = (
            models.CheckConstraint(
                condition=Q(decided_by=None) | ~Q(decided_by=F("requested_by")), name="governance_not_oneself"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=("approved", "refused")) | Q(decided_by__isnull=False, decided_at__isnull=False),
                name="governance_decided_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(kind="switch_off", version=None, data_model=None)
                | Q(kind="publish", version__isnull=False, data_model__isnull=False) & ~Q(digest=""),
                name="governance_asks_about_something",
            ),
            models.UniqueConstraint(
                fields=("version", "digest"), condition=Q(state="pending", kind="publish"), name="governance_asked_once"
            ),
            models.UniqueConstraint(
                fields=("tenant",), condition=Q(state="pending", kind="switch_off"), name="governance_asked_off_once"
            ),
        )

    def __str__(self) -> str:
        return str(self.version) if self.version_id else self.get_kind_display()

    def is_open(self, now: datetime) -> bool:
        """Say whether it waits for a decision."""
        return self.state == self.State.PENDING and now < self.expires_at

    def state_text(self, now: datetime) -> str:
        """Say in a word how it stands."""
        has_lapsed = self.state in (self.State.PENDING, self.State.APPROVED) and now >= self.expires_at
        return "expired" if has_lapsed and self.kind == self.Kind.PUBLISH else self.get_state_display()
