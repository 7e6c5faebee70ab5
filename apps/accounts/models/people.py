"""People and programs, and what recovers an administrator. No table here has a password column."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower

from apps.tenants.managers import TenantManager
from apps.tenants.models import TenantOwnedModel

if TYPE_CHECKING:
    from apps.accounts.models.groups import GroupMembership, UserGroup

MAX_ISSUER = 255
NOBODYS = ".invalid"
"""the end of addresses that are none (RFC 2606): of service accounts, and of people who have been removed"""


class UserManager(TenantManager["User"]):
    """Look-ups that Django's authentication expects."""

    def get_by_natural_key(self, key: str) -> "User":
        return self.get(pk=key)


class User(TenantOwnedModel, AbstractBaseUser):
    """A person of exactly one tenant, or of the platform. Identity is issuer + subject; e-mail is a label.

    A person who was invited has no subject until the first sign-in through the tenant's own provider.
    """

    class Kind(models.TextChoices):
        PERSON = "person"
        SERVICE = "service", "service account"

    password = None  # type: ignore[assignment]  # the inherited column is removed: no password exists anywhere
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.PERSON, editable=False)
    owner = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="service_accounts",
        help_text="the person who answers for it",
    )
    issuer = models.CharField(max_length=MAX_ISSUER, blank=True, editable=False)
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
    removed_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text="removed over SCIM: nobody any more, kept because the audit log speaks of them",
    )

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
            models.CheckConstraint(
                condition=models.Q(kind="person", owner=None)
                | models.Q(kind="service", owner__isnull=False, subject=None, is_tenant_admin=False),
                name="accounts_service_signs_in_nowhere",
            ),
        )

    def __str__(self) -> str:
        return self.name or self.email

    def get_username(self) -> str:
        """Return what pages call the person."""
        return self.email

    def clean(self) -> None:
        """Keep the key as it is: the inherited method would write the address into it.

        Nobody takes an address that is for those who have none: who is removed needs one that is free.
        """
        is_here = self.kind == self.Kind.PERSON and self.removed_at is None
        if is_here and self.email.lower().endswith(NOBODYS):
            raise ValidationError({"email": f"Nobody can have an address that ends in “{NOBODYS}”."})

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


class ServiceAccount(User):
    """A user that no person is: it holds tokens, groups, attributes and permissions, and can never sign in."""

    class Meta:
        proxy = True
        verbose_name = "service account"


class RecoveryLink(TenantOwnedModel):
    """A way in for an administrator when the identity provider is not set up or does not work: once, for minutes."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    digest = models.BinaryField(unique=True, editable=False)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-issued_at",)

    def __str__(self) -> str:
        return f"recovery link of {self.user}"
