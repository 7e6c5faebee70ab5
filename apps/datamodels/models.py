"""What the data means: files, versions, data sets."""

from django.db import models

from apps.access.models import TenantGroupPermission, TenantUserPermission
from apps.connections.models import Connection
from apps.tenants.models import TenantOwnedModel


class DataModel(TenantOwnedModel):
    """A governed model over one connection."""

    name = models.SlugField(max_length=60)
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="data_models")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=("tenant", "name"), name="datamodels_model_name"),)

    def __str__(self) -> str:
        return self.name


class ModelVersion(TenantOwnedModel):
    """One state of a model's files. A published version never changes; drafts may."""

    data_model = models.ForeignKey(DataModel, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    digest = models.CharField(max_length=64, help_text="SHA-256 over the files")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=200, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    is_current = models.BooleanField(default=False, help_text="the version that queries use")

    class Meta:
        ordering = ("-number",)
        constraints = (
            models.UniqueConstraint(fields=("data_model", "number"), name="datamodels_version_number"),
            models.UniqueConstraint(
                fields=("data_model",), condition=models.Q(is_current=True), name="datamodels_one_current"
            ),
        )

    def __str__(self) -> str:
        return f"{self.data_model} v{self.number}"


class ModelFile(TenantOwnedModel):
    """One YAML file, kept as it was written."""

    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="files")
    path = models.CharField(max_length=255)
    content = models.TextField()

    class Meta:
        ordering = ("path",)
        constraints = (models.UniqueConstraint(fields=("version", "path"), name="datamodels_file_path"),)

    def __str__(self) -> str:
        return self.path


class Dataset(TenantOwnedModel):
    """A published topic. The id stays the same over versions: permissions, cache keys and audit use it."""

    data_model = models.ForeignKey(DataModel, on_delete=models.CASCADE, related_name="datasets")
    name = models.CharField(max_length=120)
    label = models.CharField(max_length=200, blank=True)
    description = models.TextField(blank=True)
    is_published = models.BooleanField(default=True, help_text="in the current version of the model")

    class Meta:
        ordering = ("name",)
        verbose_name = "data set"
        default_permissions = ()
        permissions = (("query_dataset", "Can query the data set"),)
        constraints = (models.UniqueConstraint(fields=("tenant", "name"), name="datamodels_dataset_name"),)

    def __str__(self) -> str:
        return self.label or self.name


class DatasetUserPermission(TenantUserPermission):
    content_object = models.ForeignKey(Dataset, on_delete=models.CASCADE)


class DatasetGroupPermission(TenantGroupPermission):
    content_object = models.ForeignKey(Dataset, on_delete=models.CASCADE)
