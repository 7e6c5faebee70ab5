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
        default_permissions = ()
        permissions = (("manage_datamodel", "Can read, draft and publish the model"),)
        constraints = (models.UniqueConstraint(fields=("tenant", "name"), name="datamodels_model_name"),)

    def __str__(self) -> str:
        return self.name


class ModelVersion(TenantOwnedModel):
    """One state of a model's files. A published version never changes, which the database enforces; drafts may."""

    class Origin(models.TextChoices):
        EDIT = "edit", "edited here"
        IMPORT = "import", "imported"
        REFRESH = "refresh", "schema refresh"

    data_model = models.ForeignKey(DataModel, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    digest = models.CharField(max_length=64, help_text="SHA-256 over the files")
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.IMPORT)
    base_number = models.PositiveIntegerField(null=True, blank=True, help_text="the version that the draft began with")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=200, blank=True)
    author_id = models.UUIDField(null=True, blank=True)
    changed_at = models.DateTimeField(null=True, blank=True)
    changed_by = models.CharField(max_length=200, blank=True)
    published_at = models.DateTimeField(null=True, blank=True, help_text="first published")
    discarded_at = models.DateTimeField(null=True, blank=True)
    is_current = models.BooleanField(default=False, help_text="the version that queries use")

    class Meta:
        ordering = ("-number",)
        constraints = (
            models.UniqueConstraint(fields=("data_model", "number"), name="datamodels_version_number"),
            models.UniqueConstraint(
                fields=("data_model",), condition=models.Q(is_current=True), name="datamodels_one_current"
            ),
            models.CheckConstraint(
                condition=models.Q(published_at=None) | models.Q(discarded_at=None),
                name="datamodels_published_stays",
            ),
            models.CheckConstraint(
                condition=models.Q(is_current=False) | models.Q(published_at__isnull=False),
                name="datamodels_current_is_published",
            ),
        )

    def __str__(self) -> str:
        return f"{self.data_model} v{self.number}"

    @property
    def is_draft(self) -> bool:
        """Say whether it can be edited."""
        return self.published_at is None and self.discarded_at is None


class ModelPublication(TenantOwnedModel):
    """That a version became the current one: rows are added, never changed."""

    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="publications")
    published_at = models.DateTimeField()
    published_by = models.CharField(max_length=200)
    replaced_number = models.PositiveIntegerField(null=True, help_text="the version that was current before")

    class Meta:
        ordering = ("-published_at",)

    def __str__(self) -> str:
        return f"{self.version} at {self.published_at:%Y-%m-%d %H:%M}"

    @property
    def is_roll_back(self) -> bool:
        return self.replaced_number is not None and self.replaced_number > self.version.number


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


class DataModelUserPermission(TenantUserPermission):
    content_object = models.ForeignKey(DataModel, on_delete=models.CASCADE)


class DataModelGroupPermission(TenantGroupPermission):
    content_object = models.ForeignKey(DataModel, on_delete=models.CASCADE)
