"""Rows of versions and files, and the locks on them. Callers check and audit."""

import hashlib
from collections.abc import Mapping

from django.db.models import Max

from apps.audit.types import AuditActor
from apps.datamodels.errors import DraftChangedError, NotADraftError
from apps.datamodels.models import DataModel, ModelFile, ModelVersion


def digest_of(files: Mapping[str, str]) -> str:
    """Return a hash over names and contents."""
    digest = hashlib.sha256()
    for path in sorted(files):
        for part in (path, files[path]):
            digest.update(len(part.encode()).to_bytes(8, "big") + part.encode())
    return digest.hexdigest()


def locked_model(data_model: DataModel) -> DataModel:
    """Wait until nobody else publishes or adds a version of the model; hold that until the transaction ends."""
    return DataModel.objects.select_for_update().get(pk=data_model.pk)


def locked_draft(draft: ModelVersion, digest: str | None) -> ModelVersion:
    """Return the draft as it is now, held until the transaction ends.

    Args:
        digest: of the draft as the writer saw it; None where nobody has read it before.

    Raises:
        NotADraftError: it was published or discarded.
        DraftChangedError: it has another digest by now.
    """
    found = (
        ModelVersion.objects.select_for_update(of=("self",))
        .select_related("data_model__connection")
        .filter(pk=draft.pk)
        .first()
    )
    if found is None or not found.is_draft:
        raise NotADraftError
    if digest is not None and found.digest != digest:
        raise DraftChangedError(found.changed_by or found.created_by)
    return found


def store_version(
    data_model: DataModel, files: Mapping[str, str], *, origin: ModelVersion.Origin, base: int | None, by: AuditActor
) -> ModelVersion:
    """Write a new version that nobody uses yet."""
    locked_model(data_model)
    last = ModelVersion.objects.filter(data_model=data_model).aggregate(last=Max("number"))["last"] or 0
    version = ModelVersion.objects.create(
        data_model=data_model, number=last + 1, digest=digest_of(files), created_by=by.label, author_id=by.user_id,
        origin=origin, base_number=base,
    )  # fmt: skip
    write_files(version, {}, files)
    return version


def write_files(version: ModelVersion, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Make a draft's files those of ``after``; ``before`` is what it holds."""
    gone = [path for path, content in before.items() if after.get(path) != content]
    ModelFile.objects.filter(version=version, path__in=gone).delete()
    ModelFile.objects.bulk_create(
        ModelFile(version=version, path=path, content=content)
        for path, content in sorted(after.items())
        if before.get(path) != content
    )
