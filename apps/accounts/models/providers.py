"""Identity providers, and what they said."""

import hashlib
import json
from typing import ClassVar
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator, URLValidator
from django.db import models

from apps.accounts.models.people import MAX_ISSUER, User
from apps.tenants.models import TenantOwnedModel

ENDS_SESSIONS = ("is_enabled", "protocol", "issuer", "client_id", "required_amr", "sso_url", "certificates", "name_id_format",
                 "email_attribute", "allows_unsolicited")  # fmt: skip
"""a provider in which any of these has changed is another one"""
ANOTHERS_NAME = (
    "Another provider here calls itself so, and does not sign with these keys: whoever holds them could come in as anybody "
    "of that one. See where this comes from. To bring new keys for both, switch one off meanwhile."
)


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

    @property
    def mark(self) -> str:
        """What a provider is another one without: a sign-in that began before a change is not finished after it."""
        said = [str(self.pk), *(getattr(self, name) for name in ENDS_SESSIONS)]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()

    def clean(self) -> None:
        """Ask for what the protocol needs, and for addresses that are addresses."""
        needed = ("issuer", "sso_url", "certificates") if self.is_saml else ("issuer", "client_id")
        errors = {name: "This is needed." for name in needed if not getattr(self, name)}
        address = "sso_url" if self.is_saml else "issuer"
        if address not in errors and not is_address(getattr(self, address)):
            errors[address] = "Enter an address that begins with https://."
        if self.is_saml and len(self.identity_issuer) > MAX_ISSUER:
            errors["issuer"] = f"This is longer than {MAX_ISSUER} characters."
        if self.is_saml and self.is_enabled and not errors and self._takes_anothers_name():
            errors["issuer"] = ANOTHERS_NAME
        if errors:
            raise ValidationError(errors)

    def _takes_anothers_name(self) -> bool:
        """Say whether another provider here names the same people and does not sign with all keys of this one.

        An entity id is whatever the metadata says; who brings it may have written somebody else's, beside keys of their
        own. Those would then name everybody of the other provider. OpenID Connect asks the issuer's own address instead.
        """
        others = IdentityProvider.objects.exclude(pk=self.pk).filter(protocol=self.protocol, issuer=self.issuer)
        return any(set(self.certificates) - set(other.certificates) for other in others.filter(is_enabled=True))


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


class LastClaims(TenantOwnedModel):
    """What the identity provider said of a person at the last sign-in, sealed under the tenant's key."""

    SEALED: ClassVar[dict[str, str]] = {"sealed_claims": "claims"}
    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="last_claims")
    provider = models.ForeignKey(IdentityProvider, on_delete=models.CASCADE, related_name="+")
    sealed_claims = models.BinaryField(editable=False)
    received_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"claims of {self.user}"
