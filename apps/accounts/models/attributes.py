"""Attributes: what there are, what people and groups have, and where they come from."""

from django.core.validators import RegexValidator
from django.db import models

from apps.accounts.models.groups import UserGroup
from apps.accounts.models.people import User
from apps.accounts.models.providers import IdentityProvider
from apps.tenants.models import TenantOwnedModel


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
