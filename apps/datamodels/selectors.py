"""Read models: the current version, and what it means."""

import logging
from functools import lru_cache
from uuid import UUID

from apps.connections.models import CatalogTable, Connection
from apps.datamodels.attributes import attribute_problems
from apps.datamodels.catalogue import TableColumns, kinds_in_source, missing
from apps.datamodels.comparing import compare_files
from apps.datamodels.meaning import compare_meaning
from apps.datamodels.models import DataModel, Dataset, ModelFile, ModelPublication, ModelVersion
from apps.datamodels.types import UnclassifiedField, VersionDiff
from apps.semantic.errors import ModelError, Problem, UnreadableModelError
from apps.semantic.model.former import is_other_name
from apps.semantic.model.kinds import check_kinds
from apps.semantic.model.reading import read_model
from apps.semantic.model.stored import StoredTables
from apps.semantic.model.types import Measure, SemanticModel
from apps.tenants.binding import bound_tenant_id

logger = logging.getLogger(__name__)


def current_version(data_model: DataModel) -> ModelVersion | None:
    """Return the version that answers queries, with its model and connection."""
    return (
        ModelVersion.objects.select_related("data_model__connection")
        .filter(data_model_id=data_model.pk, is_current=True)
        .first()
    )


def version_by_number(data_model: DataModel, number: int | None) -> ModelVersion | None:
    """Return one version of the model, with its model and connection."""
    found = ModelVersion.objects.select_related("data_model__connection").filter(data_model_id=data_model.pk)
    return found.filter(number=number).first() if number is not None else None


def open_drafts(data_model: DataModel) -> list[ModelVersion]:
    """Return the drafts that somebody may still publish, newest first."""
    found = ModelVersion.objects.filter(data_model_id=data_model.pk, published_at=None, discarded_at=None)
    return list(found.select_related("data_model__connection"))


def history_of(data_model: DataModel) -> list[ModelPublication]:
    """Return what was published when and by whom, newest first."""
    found = ModelPublication.objects.filter(version__data_model_id=data_model.pk)
    return list(found.select_related("version__data_model"))


def files_of(version: ModelVersion) -> dict[str, str]:
    """Return path → content."""
    return dict(ModelFile.objects.filter(version=version).values_list("path", "content"))


def semantic_model(version: ModelVersion) -> SemanticModel:
    """Return the version's meaning; parsed once per process where it is published, since it never changes then.

    Raises:
        ModelError: the files of a draft do not make a model.
        UnreadableModelError: nor do those of a published version, by rules that are newer than it.
    """
    connection = version.data_model.connection
    if version.published_at is None:
        stored = _stored(connection.pk, connection.stored_digest)
        return read_model(files_of(version), dialect=connection.dialect, stored=stored)
    source = connection.pk, connection.dialect, connection.stored_digest
    found = _parsed(bound_tenant_id(), version.pk, version.digest, source)
    if isinstance(found, SemanticModel):
        return found
    raise UnreadableModelError(found)


@lru_cache(maxsize=64)
def _parsed(
    tenant_id: UUID, version_id: UUID, digest: str, source: tuple[UUID, str, str]
) -> SemanticModel | tuple[Problem, ...]:
    connection_id, dialect, stored_digest = source
    files = dict(ModelFile.objects.filter(version_id=version_id).values_list("path", "content"))
    try:
        return read_model(files, dialect=dialect, stored=_stored(connection_id, stored_digest))
    except ModelError as error:
        logger.error("version %s of a model, published once, has faults: %s", version_id, error)
        return error.problems


def _stored(connection_id: UUID, digest: str) -> StoredTables:
    """Return which tables of a source are stored, as it was when this digest was noted; none where that is past."""
    tables = CatalogTable.objects.filter(connection_id=connection_id).values_list("schema", "name", "is_stored")
    found = [*tables] if digest else []
    is_current = bool(found) and Connection.objects.filter(pk=connection_id, stored_digest=digest).exists()
    return StoredTables(found if is_current else ())


def meaning_or_none(version: ModelVersion) -> SemanticModel | None:
    """Return what a version means; None while it has faults."""
    try:
        return semantic_model(version)
    except ModelError:
        return None


def problems_of(version: ModelVersion) -> tuple[Problem, ...]:
    """Return everything that is wrong or doubtful with a version, its source's catalogue included, by place."""
    try:
        meaning = semantic_model(version)
    except ModelError as error:
        return error.problems
    warnings = (item for item in meaning.warnings if isinstance(item, Problem))
    found = {*warnings, *attribute_problems(meaning), *missing_in_source(version, meaning)}
    found |= set(unsuited_in_source(version, meaning))
    return tuple(sorted(found, key=lambda item: (item.file, item.line, item.column, item.message)))


def missing_in_source(version: ModelVersion, meaning: SemanticModel) -> tuple[Problem, ...]:
    """Return a warning for each table and column that the catalogue, as last read, does not have."""
    catalogue = catalogue_of(version.data_model.connection_id)
    return missing(meaning, catalogue) if catalogue else ()


def unsuited_in_source(version: ModelVersion, meaning: SemanticModel) -> tuple[Problem, ...]:
    """Return what does not suit the types of the source's columns, as the catalogue was last read.

    A version with such faults is kept as a draft and never published; a published one goes on, for its files did not change.
    """
    catalogue = catalogue_of(version.data_model.connection_id)
    return tuple(dict.fromkeys(check_kinds(meaning, kinds_in_source(meaning, catalogue)))) if catalogue else ()


def catalogue_of(connection_id: UUID) -> tuple[TableColumns, ...]:
    """Return the tables that the connection's last check found."""
    tables = CatalogTable.objects.filter(connection_id=connection_id).prefetch_related("columns")
    return tuple(
        TableColumns(table.schema, table.name, tuple((column.name, column.type) for column in table.columns.all()))
        for table in tables
    )


def version_diff(before: ModelVersion | None, after: ModelVersion) -> VersionDiff:
    """Compare two versions; None stands for an empty model."""
    files = compare_files(files_of(before) if before is not None else {}, files_of(after))
    old, new = meaning_or_none(before) if before is not None else None, meaning_or_none(after)
    if new is None or (before is not None and old is None):
        return VersionDiff(files)
    return VersionDiff(files, compare_meaning(old, new))


def unclassified_fields(version: ModelVersion) -> tuple[UnclassifiedField, ...]:
    """Return the fields of a version that are closed to everybody because nobody has said what they hold."""
    meaning = meaning_or_none(version)
    if meaning is None:
        return ()
    found = []
    for view in meaning.views.values():
        if view.alias_of is not None:
            continue
        for item in view.fields:
            # what stands in no file of its own cannot be given a label there
            is_written = not is_other_name(item) and item.source != view.source
            if item.classification == "unclassified" and is_written:
                kind = "measure" if isinstance(item, Measure) else item.type
                found.append(
                    UnclassifiedField(
                        item.id, view.name, item.name, kind, item.source.file, item.source.line,
                        isinstance(item, Measure),
                    )
                )  # fmt: skip
    return tuple(sorted(found, key=lambda item: (item.file, item.line)))


def dataset_by_name(name: str) -> Dataset | None:
    """Return the published data set of this name with its model; no rights are checked."""
    return Dataset.objects.select_related("data_model__connection").filter(name=name, is_published=True).first()
