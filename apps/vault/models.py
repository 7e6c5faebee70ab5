"""Keys at rest. Nothing here is readable without a key that is not in this database."""

from typing import ClassVar

from django.db import models
from django_cryptography.fields import encrypt

from apps.tenants.models import TenantOwnedModel
from apps.vault.master import opened_by_either


class TenantKey(TenantOwnedModel):
    """A tenant's own keyset, wrapped twice: by the master key, and by the encrypted field of the application."""

    version = models.PositiveIntegerField(default=1)
    wrapped = opened_by_either(encrypt(models.BinaryField()))
    created_at = models.DateTimeField(auto_now_add=True)
    destroyed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "version"), name="vault_tenantkey_version"),)

    def __str__(self) -> str:
        return f"version {self.version}"


class TimedKey(TenantOwnedModel):
    """A key that seals one tenant's temporary data of one time slot; destroyed when the slot's data has expired."""

    SEALED: ClassVar[dict[str, str]] = {"wrapped": "wrapped"}
    """fields sealed by the tenant key, and the name of the column that each is sealed to; every app says it like this"""

    slot_start = models.DateTimeField()
    slot_end = models.DateTimeField(help_text="data sealed under this key expires no later than this")
    wrapped = models.BinaryField(help_text="sealed by the tenant key")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "slot_end"), name="vault_timedkey_slot"),)
        indexes = (models.Index(fields=("tenant", "slot_end")),)
