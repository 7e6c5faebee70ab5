"""Bases of the object permission tables, and views as another person.

Each object's own app declares its two direct-FK tables from the bases.
"""

from django.db import models
from guardian.models import (
    GroupObjectPermissionAbstract,
    GroupObjectPermissionBase,
    UserObjectPermissionAbstract,
    UserObjectPermissionBase,
)

from apps.accounts.models import User, UserGroup
from apps.tenants.binding import current_tenant_id
from apps.tenants.models import Tenant, TenantOwnedModel


class TenantUserPermission(UserObjectPermissionBase):
    """Base: a person's permission on one object. The subclass adds ``content_object``."""

    tenant = models.ForeignKey(
        Tenant, on_delete=models.PROTECT, default=current_tenant_id, editable=False, related_name="+"
    )

    class Meta(UserObjectPermissionBase.Meta):
        abstract = True


class TenantGroupPermission(GroupObjectPermissionBase):
    """Base: a group's permission on one object. The subclass adds ``content_object``."""

    tenant = models.ForeignKey(
        Tenant, on_delete=models.PROTECT, default=current_tenant_id, editable=False, related_name="+"
    )
    group = models.ForeignKey(UserGroup, on_delete=models.CASCADE)  # type: ignore[assignment]  # the tenant's, not Django's

    class Meta(GroupObjectPermissionBase.Meta):
        abstract = True


class GenericUserPermission(UserObjectPermissionAbstract):
    """The generic table that guardian insists on; a constraint keeps it empty, so that a grant can only be a direct one."""

    class Meta(UserObjectPermissionAbstract.Meta):
        abstract = False
        constraints = (models.CheckConstraint(condition=models.Q(pk__isnull=True), name="access_no_generic_user"),)


class GenericGroupPermission(GroupObjectPermissionAbstract):
    """See :class:`GenericUserPermission`."""

    group = models.ForeignKey(UserGroup, on_delete=models.CASCADE)  # type: ignore[assignment]  # the tenant's, not Django's

    class Meta(GroupObjectPermissionAbstract.Meta):
        abstract = False
        constraints = (models.CheckConstraint(condition=models.Q(pk__isnull=True), name="access_no_generic_group"),)


class ViewSession(TenantOwnedModel):
    """That an administrator sees as another person for a while. Kept when it is over: it is evidence."""

    viewer = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    started_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=~models.Q(viewer=models.F("person")), name="access_view_not_oneself"),
        )

    def __str__(self) -> str:
        return f"{self.viewer} as {self.person}"
