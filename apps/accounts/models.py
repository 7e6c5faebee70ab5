"""Who a person is. No table here has a password column."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.base_session import AbstractBaseSession
from django.core.validators import URLValidator
from django.db import models
from django.db.models.functions import Lower

from apps.tenants.binding import current_tenant_id
from apps.tenants.managers import TenantManager
from apps.tenants.models import Tenant, TenantOwnedModel


class UserManager(TenantManager["User"]):
    """Look-ups that Django's authentication expects."""

    def get_by_natural_key(self, key: str) -> "User":
        return self.get(pk=key)


class User(TenantOwnedModel, AbstractBaseUser):
    """A person of exactly one tenant, or of the platform. Identity is issuer + subject; e-mail is a label.

    A person who was invited has no subject until the first sign-in through the tenant's own provider.
    """

    password = None  # type: ignore[assignment]  # the inherited column is removed: no password exists anywhere
    issuer = models.CharField(max_length=255, blank=True, editable=False)
    subject = models.CharField(max_length=255, null=True, blank=True, editable=False)
    email = models.EmailField()
    name = models.CharField(max_length=150, blank=True)
    is_active = models.BooleanField(default=True)
    is_tenant_admin = models.BooleanField(
        "administrator", default=False, help_text="may administer this tenant; sees no data without permission"
    )
    groups: "models.ManyToManyField[UserGroup, GroupMembership]" = models.ManyToManyField(
        "UserGroup", through="GroupMembership", related_name="user_set", related_query_name="user", blank=True
    )
    session_version = models.PositiveIntegerField(default=1, editable=False, help_text="raised to end all sessions")
    timezone = models.CharField(max_length=64, default="UTC")
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "id"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    is_superuser = False  # nobody is: there is no switch that skips a check

    class Meta:
        ordering = ("email",)
        verbose_name, verbose_name_plural = "person", "people"
        constraints = (
            models.UniqueConstraint(fields=("tenant", "issuer", "subject"), name="accounts_user_identity"),
            models.UniqueConstraint(models.F("tenant"), Lower("email"), name="accounts_user_email"),
        )

    def __str__(self) -> str:
        return self.name or self.email

    def get_username(self) -> str:
        """Return what pages call the person."""
        return self.email

    def clean(self) -> None:
        """Keep the key as it is: the inherited method would write the address into it."""

    @property
    def is_staff(self) -> bool:
        """Django's word for: may open an admin site."""
        return self.is_tenant_admin

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Global permissions do not exist; object permissions are asked through ``apps.access``."""
        return False

    def has_module_perms(self, app_label: str) -> bool:
        return False

    def set_password(self, raw_password: str | None) -> None:
        raise TypeError("passwords do not exist here")

    def set_unusable_password(self) -> None:
        """Nothing to do: there is no password to make unusable."""

    def has_usable_password(self) -> bool:
        return False

    def get_session_auth_hash(self) -> str:
        """Change with ``session_version``, which ends every session of the person."""
        return f"{self.pk}:{self.session_version}"


class UserGroup(TenantOwnedModel):
    """A named set of people; permissions are held by its id, never by its name."""

    name = models.CharField(max_length=120)
    description = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("name",)
        verbose_name = "group"
        constraints = (models.UniqueConstraint(fields=("tenant", "name"), name="accounts_group_name"),)

    def __str__(self) -> str:
        return self.name


class GroupMembership(TenantOwnedModel):
    """That a person is in a group, and who said so."""

    class Source(models.TextChoices):
        CLAIM = "claim"
        ADMINISTRATOR = "administrator"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    group = models.ForeignKey(UserGroup, on_delete=models.CASCADE, related_name="memberships")
    source = models.CharField(max_length=20, choices=Source.choices, default=Source.ADMINISTRATOR)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("user", "group"), name="accounts_membership_once"),)

    def __str__(self) -> str:
        return f"{self.user} in {self.group}"


class IdentityProvider(TenantOwnedModel):
    """Where a tenant's people sign in. The client secret is sealed and never shown."""

    class Protocol(models.TextChoices):
        OIDC = "oidc", "OpenID Connect"

    slug = models.SlugField(max_length=40, help_text="part of the callback address")
    name = models.CharField(max_length=80, help_text="on the sign-in button")
    protocol = models.CharField(max_length=10, choices=Protocol.choices, default=Protocol.OIDC)
    issuer = models.CharField(
        max_length=255,
        validators=[URLValidator(schemes=["https", "http"])],
        help_text="the provider's issuer; its discovery document is read from there",
    )
    client_id = models.CharField(max_length=255)
    SEALED: ClassVar[dict[str, str]] = {"sealed_client_secret": "client_secret"}
    sealed_client_secret = models.BinaryField(editable=False)
    scopes = models.CharField(max_length=255, default="openid profile email")
    is_enabled = models.BooleanField(default=True)
    admits_uninvited = models.BooleanField(
        default=False, help_text="create a person at the first sign-in; otherwise only invited people may enter"
    )
    required_amr = models.CharField(
        max_length=60, blank=True, help_text="authentication method the provider must confirm, e.g. mfa"
    )

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "slug"), name="accounts_provider_slug"),)

    def __str__(self) -> str:
        return self.name


class AttributeDefinition(TenantOwnedModel):
    """A user attribute that policies may use. It has no default: unset means refused."""

    class Type(models.TextChoices):
        STRING = "string"
        NUMBER = "number"
        BOOLEAN = "boolean"
        DATE = "date"

    name = models.SlugField(max_length=60, help_text="the reference used in model files")
    label = models.CharField(max_length=120)
    description = models.CharField(max_length=300, blank=True)
    type = models.CharField(max_length=10, choices=Type.choices, default=Type.STRING)
    is_list = models.BooleanField(default=False, help_text="may hold several values")

    class Meta:
        ordering = ("name",)
        verbose_name = "attribute"
        constraints = (models.UniqueConstraint(fields=("tenant", "name"), name="accounts_attribute_name"),)

    def __str__(self) -> str:
        return self.label or self.name


class UserAttribute(TenantOwnedModel):
    """A person's value of an attribute, and where it came from."""

    class Source(models.TextChoices):
        CLAIM = "claim"
        INVITATION = "invitation", "invitation, until the identity provider speaks"
        ADMINISTRATOR = "administrator"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="attribute_values")
    definition = models.ForeignKey(AttributeDefinition, on_delete=models.CASCADE, related_name="values")
    values = models.JSONField(help_text="a list of values of the attribute's type; never empty")
    source = models.CharField(max_length=20, choices=Source.choices, default=Source.ADMINISTRATOR)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("user", "definition"), name="accounts_attribute_once"),)

    def __str__(self) -> str:
        return f"{self.definition.name} of {self.user}"


class ClaimMapping(TenantOwnedModel):
    """A provider's claim → an attribute, or a claim of group names → groups."""

    provider = models.ForeignKey(IdentityProvider, on_delete=models.CASCADE, related_name="mappings")
    claim = models.CharField(max_length=120, help_text="dotted path in the claims, e.g. org.region")
    definition = models.ForeignKey(
        AttributeDefinition,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="mappings",
        help_text="leave empty to read names of groups from the claim",
    )

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("provider", "claim", "definition"), name="accounts_mapping_once"),
        )

    def __str__(self) -> str:
        return f"{self.claim} → {self.definition or 'groups'}"


class ApiToken(TenantOwnedModel):
    """A person's token for the API: shown once, kept as a hash."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=80)
    digest = models.BinaryField(unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)
        verbose_name = "API token"

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"


class UserSession(AbstractBaseSession):
    """A browser session of one tenant."""

    tenant = models.ForeignKey(
        Tenant, on_delete=models.PROTECT, default=current_tenant_id, editable=False, related_name="+"
    )
    user_id = models.UUIDField(null=True, db_index=True)

    objects = TenantManager()  # type: ignore[assignment,misc]  # the store reads and writes rows itself

    class Meta:
        indexes = (models.Index(fields=("tenant", "expire_date")),)
