"""Publish versions: the one road to it, for imports, drafts and roll backs."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from apps.audit.services import record
from apps.audit.types import AuditActor
from apps.connections.models import Connection
from apps.datamodels.attributes import attribute_problems
from apps.datamodels.errors import (
    FileRefusedError,
    PublishRefusedError,
    StaleDraftError,
    UnknownFileError,
    VersionError,
)
from apps.datamodels.gates import Publication, objections
from apps.datamodels.models import DataModel, Dataset, ModelPublication, ModelVersion
from apps.datamodels.selectors import current_version, files_of, problems_of, semantic_model, unsuited_in_source
from apps.datamodels.services.drafts import MAX_PATH, check_file
from apps.datamodels.services.storing import digest_of, locked_draft, locked_model, store_version
from apps.datamodels.types import Validation
from apps.semantic.model.reading import read_model
from apps.semantic.model.types import SemanticModel


@transaction.atomic
def import_files(
    *, connection: Connection, name: str, files: Mapping[str, str], publish: bool, by: AuditActor, now: datetime
) -> ModelVersion:
    """Store a folder of files as a new version; the same files as the current version make none.

    Raises:
        ModelError: the files do not make a model; nothing is stored.
        ValidationError: the model's name is malformed.
        FileRefusedError: a file's name or content cannot be kept; nothing is stored.
        VersionError: the model of this name is over another connection; nothing is stored.
        PublishRefusedError: a gate stands against it; nothing is stored.
    """
    for path, content in files.items():
        try:
            check_file(path, content)
        except FileRefusedError as error:
            raise FileRefusedError(f"{path[:MAX_PATH]}: {error}") from None
    meaning = read_model(files, dialect=connection.dialect)
    data_model = DataModel.objects.filter(name=name).first()
    if data_model is None:
        data_model = DataModel(name=name, connection=connection)
        data_model.full_clean(exclude=["tenant"])
        data_model.save()
    locked_model(data_model)
    if data_model.connection_id != connection.pk:
        raise VersionError(f"The model {name} is over the connection {data_model.connection}; choose another name.")
    current = current_version(data_model)
    if current is not None and current.digest == digest_of(files):
        return current
    base = current.number if current is not None else None
    version = store_version(data_model, files, origin=ModelVersion.Origin.IMPORT, base=base, by=by)
    record("datamodels.model_imported", version, by=by, now=now, facts={"files": len(files)})
    if publish:
        _publish(version, meaning, by=by, now=now)
    return version


@transaction.atomic
def publish_version(version: ModelVersion, *, by: AuditActor, now: datetime, digest: str | None = None) -> None:
    """Make a version the one that queries use; one that was published before rolls back.

    Args:
        digest: of a draft as the person saw it; None publishes it as it is.

    Raises:
        ModelError: its files do not make a model with today's connection.
        PublishRefusedError: a gate stands against it.
        StaleDraftError: it is a draft, and another version was published after it began.
        DraftChangedError: the draft was saved after the person saw it.
        NotADraftError: the draft was discarded.
    """
    locked_model(version.data_model)
    current = current_version(version.data_model)
    if version.published_at is None:
        version = locked_draft(version, digest)
        if (current.number if current is not None else None) != version.base_number:
            raise StaleDraftError(version.base_number, current.number if current is not None else None)
    elif current is not None and current.pk == version.pk:
        raise VersionError(f"{version} answers queries already.")
    meaning = read_model(files_of(version), dialect=version.data_model.connection.dialect)
    _publish(version, meaning, by=by, now=now)


def _publish(version: ModelVersion, meaning: SemanticModel, *, by: AuditActor, now: datetime) -> None:
    if against := standing_against(Publication(version, meaning, by, now)):
        raise PublishRefusedError(against)
    before = current_version(version.data_model)
    ModelVersion.objects.filter(data_model=version.data_model, is_current=True).update(is_current=False)
    ModelVersion.objects.filter(pk=version.pk, published_at=None).update(published_at=now)
    ModelVersion.objects.filter(pk=version.pk).update(is_current=True)
    _publish_datasets(version.data_model, meaning)
    replaced = before.number if before is not None else None
    publication = ModelPublication.objects.create(
        version=version, published_at=now, published_by=by.label, replaced_number=replaced
    )
    verb = "datamodels.version_rolled_back" if publication.is_roll_back else "datamodels.version_published"
    facts = {"data_sets": sorted(meaning.datasets), "replaced": replaced}
    record(verb, version, by=by, now=now, facts=facts)


def validate_version(version: ModelVersion, *, by: AuditActor, now: datetime) -> Validation:
    """Return all problems of a version and, where nothing is wrong, what stands against publishing it now.

    Whatever a gate may write is undone: nothing is published here.
    """
    problems = problems_of(version)
    if any(not item.is_warning for item in problems):
        return Validation(problems)
    with transaction.atomic():
        against = standing_against(Publication(version, semantic_model(version), by, now))
        transaction.set_rollback(True)
    return Validation(problems, against)


def standing_against(publication: Publication) -> tuple[str, ...]:
    """Return what stands against a publication: rules that no attribute can meet, wrong types, names taken, what all gates say."""
    unsuited = (item for item in unsuited_in_source(publication.version, publication.meaning) if not item.is_warning)
    without = tuple(str(problem) for problem in (*attribute_problems(publication.meaning), *unsuited))
    taken = Dataset.objects.filter(name__in=publication.meaning.datasets).exclude(
        data_model=publication.version.data_model
    )
    own = tuple(
        f"Another model has a data set “{name}” already; give this topic another name."
        for name in taken.order_by("name").values_list("name", flat=True)
    )
    return without + own + objections(publication)


def _publish_datasets(data_model: DataModel, meaning: SemanticModel) -> None:
    for name, topic in meaning.datasets.items():
        Dataset.objects.update_or_create(
            data_model=data_model,
            name=name,
            defaults={"label": topic.label or name, "description": topic.description, "is_published": True},
        )
    Dataset.objects.filter(data_model=data_model).exclude(name__in=meaning.datasets).update(is_published=False)


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
