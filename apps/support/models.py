"""Customer-controlled access for our staff. The customer's rows hang on the customer's tenant."""

from django.db import models

from apps.datamodels.models import Dataset
from apps.tenants.models import TenantOwnedModel


class SupportRequest(TenantOwnedModel):
    """A staff member's wish to enter, and what the customer made of it. Pending requests expire by themselves."""

    class Reason(models.TextChoices):
        CUSTOMER_TICKET = "customer_ticket", "You asked us for help"
        INCIDENT = "incident", "We are looking into an incident"
        MAINTENANCE = "maintenance", "Maintenance that needs a look inside"

    class State(models.TextChoices):
        PENDING = "pending", "waiting for approval"
        APPROVED = "approved"
        DENIED = "denied"
        WITHDRAWN = "withdrawn"
        REVOKED = "revoked", "ended by the customer"

    staff_id = models.UUIDField(help_text="person of the platform's tenant")
    staff_label = models.CharField(max_length=200)
    reason = models.CharField(max_length=30, choices=Reason.choices)
    reason_text = models.TextField(max_length=1000)
    ticket = models.CharField(max_length=80, blank=True)
    asked_minutes = models.PositiveIntegerField()
    asked_datasets = models.ManyToManyField(Dataset, through="RequestedDataset", related_name="+")
    asks_values = models.BooleanField(default=False, help_text="wants to see values, not only structure")
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text="a pending request lapses then")
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=200, blank=True)
    granted_minutes = models.PositiveIntegerField(null=True)
    grants_values = models.BooleanField(default=False)
    granted_until = models.DateTimeField(null=True, help_text="the approval itself ends then, entered or not")

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.staff_label}, {self.get_reason_display()}"


class RequestedDataset(TenantOwnedModel):
    """A data set in a request, and whether the customer granted it."""

    request = models.ForeignKey(SupportRequest, on_delete=models.CASCADE, related_name="requested")
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="+")
    is_granted = models.BooleanField(default=False)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("request", "dataset"), name="support_dataset_once"),)

    def __str__(self) -> str:
        return str(self.dataset)


class SupportSession(TenantOwnedModel):
    """A staff member inside, until it ends, expires or is ended by the customer."""

    request = models.ForeignKey(SupportRequest, on_delete=models.CASCADE, related_name="sessions")
    started_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=200, blank=True)
    staff_version = models.PositiveIntegerField(
        default=0, editable=False, help_text="of the staff member's own sessions when it began: what ends those ends it"
    )

    class Meta:
        ordering = ("-started_at",)

    def __str__(self) -> str:
        return f"visit of {self.request.staff_label}"


class StaffRequestReference(TenantOwnedModel):
    """On the platform's side: which request a staff member made, and where. It holds nothing of the customer's."""

    staff_id = models.UUIDField()
    customer_tenant_id = models.UUIDField()
    customer_slug = models.SlugField(max_length=40)
    request_id = models.UUIDField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.customer_slug
