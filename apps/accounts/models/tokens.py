"""What stands in for a person: tokens of the API and of SCIM, sessions."""

from uuid import uuid4

from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models.functions import Lower
from django.utils.timezone import now

from apps.accounts.models.people import User
from apps.accounts.models.providers import IdentityProvider
from apps.tenants.binding import current_tenant_id
from apps.tenants.managers import TenantManager
from apps.tenants.models import Tenant, TenantOwnedModel


class ApiToken(TenantOwnedModel):
    """A token for the API: shown once, kept as a hash."""

    class Scope(models.TextChoices):
        READ = "read", "read: data sets, fields and explanations, no rows"
        QUERY = "query", "query: read, and run queries"
        ADMIN = "admin", "admin: query, and administer tokens and sessions"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=80)
    scope = models.CharField(max_length=10, choices=Scope.choices, default=Scope.QUERY)
    digest = models.BinaryField(unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    refused_at = models.DateTimeField(
        null=True, editable=False, help_text="last refused for where it came from, as far as noted"
    )

    class Meta:
        ordering = ("-created_at",)
        verbose_name = "API token"

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"


class ScimToken(TenantOwnedModel):
    """What an identity provider's SCIM client shows: for people and groups only, shown once, kept as a hash."""

    name = models.CharField(max_length=80)
    digest = models.BinaryField(unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=200, editable=False)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    refused_at = models.DateTimeField(
        null=True, editable=False, help_text="last refused for where it came from, as far as noted"
    )

    class Meta:
        ordering = ("-created_at",)
        verbose_name = "SCIM token"

    def __str__(self) -> str:
        return self.name


class ScimProfile(TenantOwnedModel):
    """What a SCIM client has said of a person. Whoever has none is named by their address over SCIM."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="scim_profile")
    user_name = models.CharField(max_length=255)
    external_id = models.CharField(max_length=255, blank=True)
    document = models.JSONField(default=dict, help_text="displayName, name and emails as the client sent them")
    is_made_here = models.BooleanField(default=True, help_text="made over SCIM, not invited before")
    updated_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(models.F("tenant"), Lower("user_name"), name="accounts_scim_user_name"),)
        indexes = (models.Index(fields=("tenant", "external_id")),)

    def __str__(self) -> str:
        return self.user_name


class UserSession(AbstractBaseSession):
    """A browser session of one tenant. Its key is the browser's secret: here is only its hash; pages name it by its id."""

    class Kind(models.TextChoices):
        PROVIDER = "provider", "identity provider"
        RECOVERY = "recovery", "recovery link"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    session_key = None  # type: ignore[assignment]  # takes the base class's column away
    digest = models.BinaryField(unique=True, editable=False)
    tenant = models.ForeignKey(
        Tenant, on_delete=models.PROTECT, default=current_tenant_id, editable=False, related_name="+"
    )
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="sessions")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.PROVIDER)
    provider = models.ForeignKey(
        IdentityProvider, on_delete=models.CASCADE, null=True, related_name="+", help_text="by which the person came in"
    )
    provider_name = models.CharField(max_length=80, blank=True)
    started_at = models.DateTimeField(default=now)
    last_seen_at = models.DateTimeField(default=now, help_text="written at most once a minute")
    refused_at = models.DateTimeField(
        null=True, editable=False, help_text="last refused for where it came from, as far as noted"
    )
    address = models.CharField(max_length=45, blank=True)
    browser = models.CharField(max_length=300, blank=True, help_text="what the browser says of itself")

    objects = TenantManager()  # type: ignore[assignment,misc]  # the store reads and writes rows itself

    class Meta:
        ordering = ("-last_seen_at",)
        verbose_name = "session"
        indexes = (models.Index(fields=("tenant", "expire_date")),)

    def __str__(self) -> str:
        return f"session of {self.user or 'nobody yet'}"
