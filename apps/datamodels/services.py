"""Write models: import, publish, edit. A published version never changes."""

import hashlib
from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import Max

from apps.audit.services import record
from apps.audit.types import AuditActor
from apps.connections.models import Connection
from apps.datamodels.errors import UnknownFileError
from apps.datamodels.models import DataModel, Dataset, ModelFile, ModelVersion
from apps.datamodels.selectors import current_version, files_of
from apps.semantic.model.reading import read_model
from apps.semantic.model.types import SemanticModel


def digest_of(files: Mapping[str, str]) -> str:
    """Return a hash over names and contents."""
    digest = hashlib.sha256()
    for path in sorted(files):
        for part in (path, files[path]):
            digest.update(len(part.encode()).to_bytes(8, "big") + part.encode())
    return digest.hexdigest()


@transaction.atomic
def import_files(
    *, connection: Connection, name: str, files: Mapping[str, str], publish: bool, by: AuditActor, now: datetime
) -> ModelVersion:
    """Store a folder of files as a new version; the same files as the current version make none.

    Raises:
        ModelError: the files do not make a model; nothing is stored.
        ValidationError: the model's name is malformed.
    """
    meaning = read_model(files, dialect=connection.dialect)
    data_model = DataModel.objects.filter(name=name).first()
    if data_model is None:
        data_model = DataModel(name=name, connection=connection)
        data_model.full_clean(exclude=["tenant"])
        data_model.save()
    current = current_version(data_model)
    if current is not None and current.digest == digest_of(files):
        return current
    version = _store(data_model, files, by=by)
    record("datamodels.model_imported", version, by=by, now=now, facts={"files": len(files)})
    if publish:
        _publish(version, meaning, by=by, now=now)
    return version


def _store(data_model: DataModel, files: Mapping[str, str], *, by: AuditActor) -> ModelVersion:
    DataModel.objects.select_for_update().get(pk=data_model.pk)
    last = ModelVersion.objects.filter(data_model=data_model).aggregate(last=Max("number"))["last"] or 0
    version = ModelVersion.objects.create(
        data_model=data_model, number=last + 1, digest=digest_of(files), created_by=by.label
    )
    ModelFile.objects.bulk_create(
        ModelFile(version=version, path=path, content=content) for path, content in sorted(files.items())
    )
    return version


@transaction.atomic
def publish_version(version: ModelVersion, *, by: AuditActor, now: datetime) -> None:
    """Make a version the one that queries use; an older one rolls back.

    Raises:
        ModelError: its files do not make a model with today's connection.
    """
    _publish(version, read_model(files_of(version), dialect=version.data_model.connection.dialect), by=by, now=now)


def _publish(version: ModelVersion, meaning: SemanticModel, *, by: AuditActor, now: datetime) -> None:
    data_model = version.data_model
    ModelVersion.objects.filter(data_model=data_model, is_current=True).update(is_current=False)
    ModelVersion.objects.filter(pk=version.pk).update(is_current=True, published_at=now)
    for name, topic in meaning.topics.items():
        Dataset.objects.update_or_create(
            data_model=data_model,
            name=name,
            defaults={"label": topic.label or name, "description": topic.description, "is_published": True},
        )
    Dataset.objects.filter(data_model=data_model).exclude(name__in=meaning.topics).update(is_published=False)
    record("datamodels.version_published", version, by=by, now=now, facts={"data_sets": sorted(meaning.topics)})


@transaction.atomic
def save_file(
    data_model: DataModel, *, path: str, content: str, publish: bool, by: AuditActor, now: datetime
) -> ModelVersion:
    """Make a new version in which one file has this content.

    Raises:
        ModelError: the files do not make a model then; nothing is stored.
        UnknownFileError: the model has no such file.
    """
    current = current_version(data_model)
    files = files_of(current) if current else {}
    if path not in files:
        raise UnknownFileError(path)
    return import_files(
        connection=data_model.connection, name=data_model.name, files=files | {path: content}, publish=publish, by=by,
        now=now,
    )  # fmt: skip
