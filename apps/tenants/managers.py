"""The first lock: a manager that sees the bound tenant's rows and raises when none is bound.

The refusing query set is django-scopes'; unlike that library's own manager this one has no switch that disables it.
"""

from typing import Generic, TypeVar

from django.db import models
from django_scopes.manager import DisabledQuerySet

from apps.tenants.binding import current_tenant_id

M = TypeVar("M", bound=models.Model)


class RefusingQuerySet(DisabledQuerySet):  # type: ignore[misc]  # the base has no types
    """Raises on every use. It can be copied, since form classes copy query sets when they are defined."""

    def all(self) -> "RefusingQuerySet":
        copy: RefusingQuerySet = self._chain()
        return copy


class TenantManager(models.Manager[M], Generic[M]):
    """Rows of the bound tenant only."""

    def get_queryset(self) -> models.QuerySet[M]:
        tenant_id = current_tenant_id()
        if tenant_id is None:
            refusing: models.QuerySet[M] = RefusingQuerySet(self.model, using=self._db, missing_scopes={"tenant"})
            return refusing
        return super().get_queryset().filter(tenant=tenant_id)

    def all(self) -> models.QuerySet[M]:
        return self.get_queryset().all()
