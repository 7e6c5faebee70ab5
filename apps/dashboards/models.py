"""The pages that end users see."""

from django.core.exceptions import ValidationError
from django.db import models

from apps.access.models import TenantGroupPermission, TenantUserPermission
from apps.datamodels.models import Dataset
from apps.tenants.models import TenantOwnedModel


class Folder(TenantOwnedModel):
    """Where dashboards are kept."""

    name = models.CharField(max_length=120)
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="children")

    class Meta:
        ordering = ("name",)
        default_permissions = ()
        permissions = (
            ("view_folder", "Can view the folder and what is in it"),
            ("edit_folder", "Can edit the folder and what is in it"),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "parent", "name"), name="dashboards_folder_name", nulls_distinct=False
            ),
        )

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse a folder inside itself."""
        above, seen = self.parent, {self.pk}
        while above is not None:
            if above.pk in seen:
                raise ValidationError({"parent": "A folder cannot lie in itself, nor in a folder below it."})
            seen.add(above.pk)
            above = above.parent


class Dashboard(TenantOwnedModel):
    """A page of tiles over governed data sets."""

    slug = models.SlugField(max_length=80)
    title = models.CharField(max_length=160)
    description = models.TextField(blank=True)
    folder = models.ForeignKey(Folder, on_delete=models.PROTECT, null=True, blank=True, related_name="dashboards")
    archived_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("title",)
        default_permissions = ()
        permissions = (("view_dashboard", "Can view the dashboard"), ("edit_dashboard", "Can edit the dashboard"))
        constraints = (models.UniqueConstraint(fields=("tenant", "slug"), name="dashboards_dashboard_slug"),)
        indexes = (models.Index(fields=("tenant", "title", "id"), name="dashboards_by_title"),)

    def __str__(self) -> str:
        return self.title


class DashboardFilter(TenantOwnedModel):
    """A control of a dashboard; its value lives in the URL as ``f--<key>``."""

    class Kind(models.TextChoices):
        CHOICE = "choice", "values of the field"
        DATE_RANGE = "date_range", "from and until"

    dashboard = models.ForeignKey(Dashboard, on_delete=models.CASCADE, related_name="filters")
    key = models.SlugField(max_length=40)
    label = models.CharField(max_length=80)
    field = models.CharField(max_length=160, help_text="view.field")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    dataset = models.ForeignKey(
        Dataset,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="where its values are read, under the reader's policies",
    )
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("position",)
        constraints = (models.UniqueConstraint(fields=("dashboard", "key"), name="dashboards_filter_key"),)

    def __str__(self) -> str:
        return self.label


class Tile(TenantOwnedModel):
    """One query and how it is drawn."""

    class Chart(models.TextChoices):
        KPI = "kpi", "single number"
        LINE = "line"
        BAR = "bar"
        TABLE = "table"
        HEAT_MAP = "heat_map", "heat map"

    dashboard = models.ForeignKey(Dashboard, on_delete=models.CASCADE, related_name="tiles")
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="+")
    title = models.CharField(max_length=120)
    subtitle = models.CharField(max_length=200, blank=True)
    chart = models.CharField(max_length=20, choices=Chart.choices)
    query = models.JSONField(
        help_text="fields, filters, sorts, limit: the query language of the API, without the data set"
    )
    encoding = models.JSONField(default=dict, blank=True, help_text="which field is on x, y, colour")
    position = models.PositiveIntegerField(default=0)
    width = models.PositiveSmallIntegerField(default=4, help_text="columns of 12")

    class Meta:
        ordering = ("position",)

    def __str__(self) -> str:
        return self.title


class DashboardUserPermission(TenantUserPermission):
    content_object = models.ForeignKey(Dashboard, on_delete=models.CASCADE)


class DashboardGroupPermission(TenantGroupPermission):
    content_object = models.ForeignKey(Dashboard, on_delete=models.CASCADE)


class FolderUserPermission(TenantUserPermission):
    content_object = models.ForeignKey(Folder, on_delete=models.CASCADE)


class FolderGroupPermission(TenantGroupPermission):
    content_object = models.ForeignKey(Folder, on_delete=models.CASCADE)
