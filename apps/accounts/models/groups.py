"""Groups and who is in them."""

import unicodedata

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Upper
from django.utils import timezone

from apps.accounts.models.people import User
from apps.tenants.models import TenantOwnedModel


class Composed(models.Func):
    """A text with accents as part of their letter."""

    function = "NORMALIZE"
    template = "%(function)s(%(expressions)s, NFC)"
    output_field = models.CharField()


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
        help_text="what the identity provider's claim says for this group, such as its name or an object id; empty: no claim makes members",
    )  # fmt: skip
    namesake = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="not 0: had its name, in other capitals, before names were one of a kind",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)
        verbose_name = "group"
        constraints = (
            models.UniqueConstraint(fields=("tenant", "name"), name="accounts_group_name"),
            models.UniqueConstraint(
                models.F("tenant"), Upper(Composed("name")), models.F("namesake"), name="accounts_group_name_alike"
            ),
            models.UniqueConstraint(
                fields=("tenant", "claim_value"), condition=~models.Q(claim_value=""), name="accounts_group_claim"
            ),
        )

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse a new name that only differs from another one's in capitals, or in how an accent is written."""
        self.name = plain_name(self.name)
        if is_group_name_taken(self, self.name):
            raise ValidationError({"name": "There is a group of this name already."})
        forget_namesakes(self, self.name)


def plain_name(name: str) -> str:
    """Return a name in one spelling: accents as part of their letter, nothing blank around it."""
    return unicodedata.normalize("NFC", name).strip()


def is_group_name_taken(group: UserGroup, name: str) -> bool:
    """Say whether another group of the tenant is called so, in capitals or not; a name that stays as it is is nobody else's."""
    others = UserGroup.objects.exclude(pk=group.pk).filter(name__iexact=name)
    return others.exists() and not UserGroup.objects.filter(pk=group.pk, name=name).exists()


def forget_namesakes(group: UserGroup, name: str) -> None:
    """Let a group that gets another name be one of a kind, whatever it was called like before."""
    if group.namesake and not UserGroup.objects.filter(pk=group.pk, name=name).exists():
        group.namesake = 0


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
