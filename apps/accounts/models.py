"""Who a person is. No table here has a password column."""

from typing import Any, ClassVar
from urllib.parse import urlsplit
from uuid import uuid4

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.base_session import AbstractBaseSession
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator, URLValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.timezone import now

from apps.tenants.binding import current_tenant_id
from apps.tenants.managers import TenantManager
from apps.tenants.models import Tenant, TenantOwnedModel

MAX_ISSUER = 255


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


class ServiceAccount(User):
    """A user that no person is: it holds tokens, groups, attributes and permissions, and can never sign in."""

    class Meta:
        proxy = True
        verbose_name = "service account"


class UserGroup(TenantOwnedModel):
    """A named set of people; permissions are held by its id, never by its name. Groups hold no groups."""

    class Origin(models.TextChoices):
        ADMINISTRATOR = "administrator", "made here; claims may name members"
        SCIM = "scim", "kept by the identity provider over SCIM"

    name = models.CharField(max_length=120)
    description = models.CharField(max_length=200, blank=True)
    origin = models.CharField("kept by", max_length=20, choices=Origin.choices, default=Origin.ADMINISTRATOR)
    external_id = models.CharField(max_length=255, blank=True, editable=False, help_text="the SCIM client's own id")
    claim_value = models.CharField(
        "name in the claim", max_length=255, blank=True,
        help_text="what the identity provider's claim says for this group, such as an object id; empty: the group's name",
    )  # fmt: skip
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)
        verbose_name = "group"
        constraints = (
            models.UniqueConstraint(fields=("tenant", "name"), name="accounts_group_name"),
            models.UniqueConstraint(
                fields=("tenant", "claim_value"), condition=~models.Q(claim_value=""), name="accounts_group_claim"
            ),
        )

    def __str__(self) -> str:
        return self.name


class GroupMembership(TenantOwnedModel):
    """That a person is in a group, and who said so; each source has a row of its own and touches no other's."""

    class Source(models.TextChoices):
        CLAIM = "claim", "identity provider, at sign-in"
        SCIM = "scim", "identity provider, over SCIM"
        ADMINISTRATOR = "administrator"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    group = models.ForeignKey(UserGroup, on_delete=models.CASCADE, related_name="memberships")
    source = models.CharField(max_length=20, choices=Source.choices, default=Source.ADMINISTRATOR)

    class Meta:
        verbose_name = "member"
        ordering = ("group__name", "user__email")
        constraints = (models.UniqueConstraint(fields=("user", "group", "source"), name="accounts_membership_once"),)
        indexes = (models.Index(fields=("tenant", "group", "source")),)

    def __str__(self) -> str:
        return f"{self.user} in {self.group}"


class IdentityProvider(TenantOwnedModel):
    """Where a tenant's people sign in. A client secret is sealed and never shown; SAML needs none."""

    class Protocol(models.TextChoices):
        OIDC = "oidc", "OpenID Connect"
        SAML = "saml", "SAML 2.0"

    class NameId(models.TextChoices):
        PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent", "persistent (recommended)"
        UNSPECIFIED = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified", "unspecified"
        EMAIL = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress", "e-mail address"

    slug = models.SlugField(
        "short name", max_length=40, help_text="part of the addresses that you enter at the provider: choose it once"
    )
    name = models.CharField(max_length=80, help_text="on the sign-in button")
    protocol = models.CharField(max_length=10, choices=Protocol.choices, default=Protocol.OIDC)
    issuer = models.CharField(
        "issuer or entity id",
        max_length=255,
        blank=True,
        help_text="what the provider calls itself; it must say exactly this in every answer",
    )
    client_id = models.CharField(max_length=255, blank=True, help_text="as the provider shows it")
    SEALED: ClassVar[dict[str, str]] = {"sealed_client_secret": "client_secret"}
    sealed_client_secret = models.BinaryField(editable=False, default=bytes)
    scopes = models.CharField(max_length=255, default="openid profile email")
    sso_url = models.CharField(
        "sign-in address", max_length=500, blank=True, help_text="where people are sent (binding HTTP-Redirect)"
    )
    certificates = models.JSONField(default=list, blank=True, help_text="that the provider signs with; the key counts")
    name_id_format = models.CharField(
        "NameID format",
        max_length=80,
        choices=NameId.choices,
        default=NameId.PERSISTENT,
        help_text="how the provider names people. An address or a login name may belong to somebody else one day",
    )
    email_attribute = models.CharField(
        "e-mail attribute",
        max_length=200,
        blank=True,
        help_text="attribute that holds the e-mail address; empty for the usual names",
    )
    allows_unsolicited = models.BooleanField(
        "may start sign-ins",
        default=False,
        help_text="accept people who start at the provider's own page. "
        "Such an answer is bound to no browser of ours: leave it off unless you need it",
    )
    is_enabled = models.BooleanField(
        default=True, help_text="switched off, nobody signs in by it, and those who have are out at their next click"
    )
    admits_uninvited = models.BooleanField(
        default=False, help_text="create a person at the first sign-in; otherwise only invited people may enter"
    )
    required_amr = models.CharField(
        "required method",
        max_length=120,
        blank=True,
        help_text="authentication method the provider must confirm, e.g. mfa (OpenID Connect: amr; SAML: the context class)",
    )

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "slug"), name="accounts_provider_slug"),)

    def __str__(self) -> str:
        return self.name

    @property
    def is_saml(self) -> bool:
        return self.protocol == self.Protocol.SAML

    @property
    def identity_issuer(self) -> str:
        """What a person's issuer is when this provider names them; no two protocols name the same people."""
        return f"saml:{self.issuer}" if self.is_saml else self.issuer

    def clean(self) -> None:
        """Ask for what the protocol needs, and for addresses that are addresses."""
        needed = ("issuer", "sso_url", "certificates") if self.is_saml else ("issuer", "client_id")
        errors = {name: "This is needed." for name in needed if not getattr(self, name)}
        address = "sso_url" if self.is_saml else "issuer"
        if address not in errors and not is_address(getattr(self, address)):
            errors[address] = "Enter an address that begins with https://."
        if self.is_saml and len(self.identity_issuer) > MAX_ISSUER:
            errors["issuer"] = f"This is longer than {MAX_ISSUER} characters."
        if errors:
            raise ValidationError(errors)


def is_address(text: str) -> bool:
    """Say whether a text is an absolute HTTP address without a user name, a fragment or odd characters."""
    try:
        URLValidator(schemes=["https", "http"])(text)
    except ValidationError:
        return False
    parts = urlsplit(text)
    return not parts.fragment and "@" not in parts.netloc and not set(text) & set('"<>\\^`{|}')


class EmailDomain(TenantOwnedModel):
    """A domain of e-mail addresses whose people sign in by one provider. For SAML it also vouches for the addresses."""

    provider = models.ForeignKey(IdentityProvider, on_delete=models.CASCADE, related_name="domains")
    domain = models.CharField(
        max_length=253,
        validators=[RegexValidator(r"^(?=.{3,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$")],
        help_text="in small letters, e.g. acme.example",
    )

    class Meta:
        ordering = ("domain",)
        verbose_name = "e-mail domain"
        constraints = (models.UniqueConstraint(fields=("tenant", "domain"), name="accounts_domain_once"),)

    def __str__(self) -> str:
        return self.domain


class SpentAssertion(TenantOwnedModel):
    """A SAML assertion that has been used: it is not taken twice. Kept until it is over anyway."""

    provider = models.ForeignKey(IdentityProvider, on_delete=models.CASCADE, related_name="+")
    digest = models.BinaryField(editable=False)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("provider", "digest"), name="accounts_assertion_once"),)

    def __str__(self) -> str:
        return f"assertion until {self.expires_at}"


class AttributeDefinition(TenantOwnedModel):
    """A user attribute that policies may use. It has no default: unset means refused.

    Its name is what models say; it never changes. Type and number of values change only while nobody has one.
    """

    class Type(models.TextChoices):
        STRING = "string"
        NUMBER = "number"
        BOOLEAN = "boolean"
        DATE = "date"

    name = models.SlugField(
        max_length=60,
        validators=[RegexValidator(r"^(?!omni_)", "Names that begin with omni_ are the system's own.")],
        help_text="the reference used in model files; it stays as it is",
    )
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
    """A person's value of an attribute from one source. Which source holds is worked out in ``accounts.attributes``."""

    class Source(models.TextChoices):
        CLAIM = "claim", "identity provider, at sign-in"
        SCIM = "scim", "identity provider, over SCIM"
        INVITATION = "invitation", "invitation, until the identity provider speaks"
        ADMINISTRATOR = "administrator"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="attribute_values")
    definition = models.ForeignKey(AttributeDefinition, on_delete=models.CASCADE, related_name="values")
    values = models.JSONField(help_text="a list of values of the attribute's type; never empty")
    source = models.CharField(max_length=20, choices=Source.choices, default=Source.ADMINISTRATOR)
    origin = models.CharField(
        max_length=300,
        blank=True,
        editable=False,
        help_text="the claim and its provider, the SCIM token, or who set it",
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("user", "definition", "source"), name="accounts_attribute_once"),
        )

    def __str__(self) -> str:
        return f"{self.definition.name} of {self.user}"


class GroupAttribute(TenantOwnedModel):
    """What the members of a group have where nothing of their own says otherwise."""

    group = models.ForeignKey(UserGroup, on_delete=models.CASCADE, related_name="attribute_values")
    definition = models.ForeignKey(AttributeDefinition, on_delete=models.CASCADE, related_name="group_values")
    values = models.JSONField(help_text="a list of values of the attribute's type; never empty")
    origin = models.CharField(max_length=300, blank=True, editable=False, help_text="who set it")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "attribute of a group"
        constraints = (models.UniqueConstraint(fields=("group", "definition"), name="accounts_group_attribute_once"),)

    def __str__(self) -> str:
        return f"{self.definition.name} of {self.group}"


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


class LastClaims(TenantOwnedModel):
    """What the identity provider said of a person at the last sign-in, sealed under the tenant's key."""

    SEALED: ClassVar[dict[str, str]] = {"sealed_claims": "claims"}
    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="last_claims")
    provider = models.ForeignKey(IdentityProvider, on_delete=models.CASCADE, related_name="+")
    sealed_claims = models.BinaryField(editable=False)
    received_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"claims of {self.user}"


class UserSession(AbstractBaseSession):
    """A browser session of one tenant. Its key is the browser's secret and is shown nowhere; pages name it by its id."""

    class Kind(models.TextChoices):
        PROVIDER = "provider", "identity provider"
        RECOVERY = "recovery", "recovery link"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    session_key = models.CharField(max_length=40, unique=True, editable=False)
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
    address = models.CharField(max_length=45, blank=True)
    browser = models.CharField(max_length=300, blank=True, help_text="what the browser says of itself")

    objects = TenantManager()  # type: ignore[assignment,misc]  # the store reads and writes rows itself

    class Meta:
        ordering = ("-last_seen_at",)
        verbose_name = "session"
        indexes = (models.Index(fields=("tenant", "expire_date")),)

    def __str__(self) -> str:
        return f"session of {self.user or 'nobody yet'}"


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
