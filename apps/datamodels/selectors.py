"""Read models: the current version, and what it means."""

from functools import lru_cache
from uuid import UUID

from apps.datamodels.models import DataModel, Dataset, ModelFile, ModelVersion
from apps.semantic.model.reading import read_model
from apps.semantic.model.types import SemanticModel
from apps.tenants.binding import bound_tenant_id


def current_version(data_model: DataModel) -> ModelVersion | None:
    """Return the version that answers queries, with its model and connection."""
    return (
        ModelVersion.objects.select_related("data_model__connection")
        .filter(data_model_id=data_model.pk, is_current=True)
        .first()
    )


def files_of(version: ModelVersion) -> dict[str, str]:
    """Return path → content."""
    return dict(ModelFile.objects.filter(version=version).values_list("path", "content"))


def semantic_model(version: ModelVersion) -> SemanticModel:
    """Return the version's meaning; parsed once per process, since a published version never changes."""
    return _parsed(bound_tenant_id(), version.pk, version.digest, version.data_model.connection.dialect)


@lru_cache(maxsize=64)
def _parsed(tenant_id: UUID, version_id: UUID, digest: str, dialect: str) -> SemanticModel:
    files = dict(ModelFile.objects.filter(version_id=version_id).values_list("path", "content"))
    return read_model(files, dialect=dialect)


def dataset_by_name(name: str) -> Dataset | None:
    """Return the published data set of this name with its model; no rights are checked."""
    return Dataset.objects.select_related("data_model__connection").filter(name=name, is_published=True).first()
