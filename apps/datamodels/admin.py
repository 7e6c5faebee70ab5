"""Models for a tenant's administrators: versions, files with problems at their line, data sets and who may query them."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.access.admin import (
    HoldersAdmin,
    ReadOnlyAdmin,
    ReadOnlyInline,
    TenantModelAdmin,
    TenantModelForm,
    actor_of,
)
from apps.access.sites import tenant_admin_site
from apps.datamodels.models import (
    DataModel,
    Dataset,
    DatasetGroupPermission,
    DatasetUserPermission,
    ModelFile,
    ModelVersion,
)
from apps.datamodels.selectors import files_of
from apps.datamodels.services import publish_version, save_file
from apps.semantic.errors import ModelError
from apps.semantic.model.reading import read_model


class VersionInline(ReadOnlyInline):
    model = ModelVersion
    fields = ("number", "created_at", "created_by", "published_at", "is_current")
    readonly_fields = fields


@admin.register(DataModel, site=tenant_admin_site)
class DataModelAdmin(ReadOnlyAdmin):
    """Models come in by ``import_model``; single files can be edited here."""

    list_display = ("name", "connection", "current", "created_at")
    search_fields = ("name",)
    fields = ("name", "connection")
    inlines = (VersionInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[DataModel]:
        found: QuerySet[DataModel] = super().get_queryset(request).select_related("connection")
        return found.prefetch_related("versions")

    @admin.display(description="current version")
    def current(self, data_model: DataModel) -> str:
        return next((f"v{version.number}" for version in data_model.versions.all() if version.is_current), "–")


@admin.register(ModelVersion, site=tenant_admin_site)
class ModelVersionAdmin(ReadOnlyAdmin):
    """History; publishing an older version rolls back."""

    list_display = ("data_model", "number", "created_at", "created_by", "published_at", "is_current")
    list_filter = ("data_model", "is_current")
    actions = ("publish",)

    @admin.action(description="Publish the selected version", permissions=["view"])
    def publish(self, request: HttpRequest, queryset: QuerySet[ModelVersion]) -> None:
        versions = list(queryset.select_related("data_model__connection")[:2])
        if len(versions) != 1:
            messages.error(request, "Choose exactly one version.")
            return
        try:
            publish_version(versions[0], by=actor_of(request), now=datetime.now(UTC))
        except ModelError as error:
            for problem in error.problems[:20]:
                messages.error(request, str(problem))
        else:
            messages.success(request, f"{versions[0]} answers queries now.")


class ModelFileForm(TenantModelForm):
    """The whole model is checked with the edited file before anything is stored."""

    content = forms.CharField(widget=UnfoldAdminTextareaWidget(attrs={"rows": 16, "spellcheck": "false"}), strip=False)
    publish = forms.BooleanField(
        required=False, initial=True, label="publish at once", help_text="else a draft is kept"
    )

    class Meta:
        model = ModelFile
        fields = ("content",)

    def clean_content(self) -> str:
        content: str = self.cleaned_data["content"].replace("\r\n", "\n")
        version = self.instance.version
        files = files_of(version) | {self.instance.path: content}
        try:
            read_model(files, dialect=version.data_model.connection.dialect)
        except ModelError as error:
            raise forms.ValidationError([str(problem) for problem in error.problems[:50]]) from None
        return content


@admin.register(ModelFile, site=tenant_admin_site)
class ModelFileAdmin(TenantModelAdmin):
    """Files of the current versions. Saving makes a new version; nothing published ever changes."""

    form = ModelFileForm
    list_display = ("path", "version")
    list_filter = ("version__data_model",)
    search_fields = ("path", "content")
    fields = ("path", "version", "content", "publish")
    readonly_fields = ("path", "version")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelFile]:
        found: QuerySet[ModelFile] = super().get_queryset(request)
        return found.filter(version__is_current=True).select_related("version__data_model__connection")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ModelFile, form: Any, change: bool) -> None:
        version = save_file(
            obj.version.data_model, path=obj.path, content=form.cleaned_data["content"],
            publish=form.cleaned_data["publish"], by=actor_of(request), now=datetime.now(UTC),
        )  # fmt: skip
        state = "published" if version.is_current or form.cleaned_data["publish"] else "kept as a draft"
        messages.info(request, f"{version} was {state}.")


@admin.register(Dataset, site=tenant_admin_site)
class DatasetAdmin(HoldersAdmin):
    """Published topics and who may query them; rows, fields and masks follow from the model."""

    permission = "query_dataset"
    group_table, user_table = DatasetGroupPermission, DatasetUserPermission
    list_display = ("name", "label", "data_model", "is_published")
    list_filter = ("data_model", "is_published")
    search_fields = ("name", "label")
    fields = ("name", "label", "description", "data_model", "is_published", "holder_groups", "holders")
    readonly_fields = ("name", "label", "description", "data_model", "is_published")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
