"""Whose data this is. Every tenant-owned table hangs on :class:`TenantOwnedModel`."""

import uuid

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models

from apps.tenants.addresses import network_faults
from apps.tenants.binding import current_tenant_id
from apps.tenants.managers import TenantManager


class Tenant(models.Model):
    """One customer, or the platform itself. Platform-wide table: it names customers and holds nothing of theirs."""

    class Kind(models.TextChoices):
        CUSTOMER = "customer"
        PLATFORM = "platform"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.SlugField(
        unique=True,
        max_length=40,
        validators=[RegexValidator(r"^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$", "lower-case letters, digits and hyphens")],
    )
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.CUSTOMER)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    session_idle_min = models.PositiveIntegerField(default=120, validators=[MinValueValidator(5)])
    session_lifetime_min = models.PositiveIntegerField(default=720, validators=[MinValueValidator(15)])
    token_max_days = models.PositiveIntegerField(default=366, validators=[MinValueValidator(1)])
    confirm_within_min = models.PositiveIntegerField(default=15, validators=[MinValueValidator(1)])
    networks_people = models.JSONField(default=list, blank=True)
    networks_tokens = models.JSONField(default=list, blank=True)
    networks_scim = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ("slug",)
        constraints = (
            models.UniqueConstraint(fields=("kind",), condition=models.Q(kind="platform"), name="tenants_one_platform"),
        )

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Take no allow-list that could not be read again, whoever writes it."""
        names = ("networks_people", "networks_tokens", "networks_scim")
        faults = {name: fault for name in names if (fault := network_faults(getattr(self, name)))}
        if faults:
            raise ValidationError(faults)


class SignInSettings(Tenant):
    """The part of a tenant's row that its own administrators decide: limits of sign-in and from where one may come."""

    class Meta:
        proxy = True
        verbose_name = verbose_name_plural = "sign-in and access"


class TenantDomain(models.Model):
    """A host name and whose it is; read before any tenant is bound."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="domains")
    host = models.CharField(max_length=253, unique=True, help_text="without port, lower case")
    is_primary = models.BooleanField(default=True)

    class Meta:
        ordering = ("host",)

    def __str__(self) -> str:
        return self.host


class Tombstone(models.Model):
    """A tenant that was erased, or is being erased: nobody is let into it again. Platform-wide; it names nobody.

    The same stands in a file outside of the database, which a restored backup does not undo.
    """

    id = models.UUIDField(primary_key=True, editable=False, help_text="the tenant's")
    certificate_id = models.UUIDField()
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("began_at",)

    def __str__(self) -> str:
        return str(self.pk)


class TenantOwnedModel(models.Model):
    """Base of every tenant-owned table: a key, the tenant, and a manager that raises when no tenant is bound.

    The database adds the other two locks: see :mod:`apps.tenants.isolation`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(
        Tenant, on_delete=models.PROTECT, default=current_tenant_id, editable=False, related_name="+"
    )

    objects = TenantManager()

    class Meta:
        abstract = True
