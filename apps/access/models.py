"""Bases of the object permission tables, roles, and views as another person.

Each object's own app declares its two direct-FK tables from the bases.
"""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from guardian.models import (
    GroupObjectPermissionAbstract,
    GroupObjectPermissionBase,
    UserObjectPermissionAbstract,
    UserObjectPermissionBase,
)

from apps.access.roles import BUILT_IN, NAMES, capabilities_of
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


class Role(TenantOwnedModel):
    """A named set of capabilities that a tenant has put together itself."""

    name = models.CharField(max_length=80)
    description = models.CharField(max_length=200, blank=True)
    capabilities = models.JSONField(default=list, help_text="names of capabilities")

    class Meta:
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=("tenant", "name"), name="access_role_name"),)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse names that are no capabilities."""
        if not isinstance(self.capabilities, list) or len(capabilities_of(self.capabilities)) != len(self.capabilities):
            raise ValidationError({"capabilities": "Choose from the list."})


class RoleAssignment(TenantOwnedModel):
    """That a person, the members of a group, or everybody (neither is named) has a role: a built-in one or a custom one."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, blank=True, related_name="role_assignments")
    group = models.ForeignKey(
        UserGroup, on_delete=models.CASCADE, null=True, blank=True, related_name="role_assignments"
    )
    built_in = models.CharField(max_length=30, blank=True, choices=[(code, NAMES[code]) for code in BUILT_IN])
    role = models.ForeignKey(Role, on_delete=models.CASCADE, null=True, blank=True, related_name="assignments")

    class Meta:
        verbose_name = "role of somebody"
        verbose_name_plural = "who has which role"
        constraints = (
            models.CheckConstraint(condition=Q(user=None) | Q(group=None), name="access_role_of_one"),
            models.CheckConstraint(
                condition=Q(built_in="", role__isnull=False) | (~Q(built_in="") & Q(role=None)), name="access_role_one"
            ),
            models.UniqueConstraint(
                fields=("tenant", "user", "group", "built_in", "role"), name="access_role_once", nulls_distinct=False
            ),
        )

    def __str__(self) -> str:
        return f"{self.who}: {self.role_name}"

    @property
    def who(self) -> str:
        return str(self.user or self.group or "everybody")

    @property
    def role_name(self) -> str:
        return self.role.name if self.role else NAMES.get(self.built_in, self.built_in)

    def clean(self) -> None:
        """Say in words what the constraints demand."""
        if self.user_id and self.group_id:
            raise ValidationError("Name a person or a group, not both; neither means everybody.")
        if bool(self.built_in) == bool(self.role_id):
            raise ValidationError("Choose a built-in role or one of your own.")


class AccessReview(TenantOwnedModel):
    """That somebody has looked at who can see an object, or at what a person can see, and signed it off. Evidence: kept."""

    subject_kind = models.CharField(max_length=40)
    subject_id = models.UUIDField()
    subject_label = models.CharField(max_length=200)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the exported list as it was")
    entries = models.PositiveIntegerField()
    note = models.CharField(max_length=500, blank=True)
    reviewed_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    reviewed_by_label = models.CharField(max_length=200)
    reviewed_at = models.DateTimeField()

    class Meta:
        ordering = ("-reviewed_at",)
        indexes = (models.Index(fields=("tenant", "subject_kind", "subject_id")),)

    def __str__(self) -> str:
        return f"{self.subject_label}, reviewed by {self.reviewed_by_label}"
