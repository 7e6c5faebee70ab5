"""Edit drafts file by file. Whoever edits says which state they saw; nobody overwrites what they have not seen."""

import re
from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from apps.audit.services import record
from apps.audit.types import AuditActor
from apps.datamodels.errors import FileRefusedError, UnknownFileError
from apps.datamodels.folders import MAX_FILE_BYTES, MAX_FILES, PLAIN_NAMES, SUFFIXES
from apps.datamodels.models import DataModel, ModelFile, ModelVersion
from apps.datamodels.selectors import current_version, files_of
from apps.datamodels.services.storing import digest_of, locked_draft, locked_model, store_version, write_files

PATH = re.compile(r"[A-Za-z0-9_.\- ]+(/[A-Za-z0-9_.\- ]+)*")
MAX_PATH = 255
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@transaction.atomic
def open_draft(
    data_model: DataModel,
    *,
    by: AuditActor,
    now: datetime,
    origin: ModelVersion.Origin = ModelVersion.Origin.EDIT,
) -> ModelVersion:
    """Return the author's open draft of this origin, or a new one with the current version's files."""
    locked_model(data_model)
    found = ModelVersion.objects.filter(
        data_model=data_model, published_at=None, discarded_at=None, origin=origin, author_id=by.user_id
    ).first()
    if found is not None:
        return found
    current = current_version(data_model)
    files = files_of(current) if current is not None else {}
    base = current.number if current is not None else None
    draft = store_version(data_model, files, origin=origin, base=base, by=by)
    record("datamodels.draft_opened", draft, by=by, now=now, facts={"base": base, "origin": str(origin)})
    return draft


@transaction.atomic
def save_draft_file(
    draft: ModelVersion, *, path: str, content: str, digest: str, by: AuditActor, now: datetime
) -> ModelVersion:
    """Give a file of the draft this content, or add it. Problems are kept and shown; publishing refuses them.

    Raises:
        DraftChangedError, NotADraftError: nothing is saved.
        FileRefusedError: the name leads out of the folder or is none of a model file, or the file is too large.
    """
    content = content.replace("\r\n", "\n")
    check_file(path, content)
    draft = locked_draft(draft, digest)
    files = files_of(draft)
    if path not in files and len(files) >= MAX_FILES:
        raise FileRefusedError(f"A model has at most {MAX_FILES} files.")
    kind = "changed" if path in files else "added"
    return _written(draft, files, files | {path: content}, facts={"path": path, "kind": kind}, by=by, now=now)


@transaction.atomic
def rename_file(
    draft: ModelVersion, *, path: str, new_path: str, digest: str, by: AuditActor, now: datetime
) -> ModelVersion:
    """Give a file of the draft another name.

    Raises:
        DraftChangedError, NotADraftError, UnknownFileError: nothing is saved.
        FileRefusedError: the new name is taken, or none of a model file.
    """
    draft = locked_draft(draft, digest)
    files = files_of(draft)
    if path not in files:
        raise UnknownFileError(path)
    check_file(new_path, files[path])
    if new_path in files:
        raise FileRefusedError(f"There is a file {new_path} already.")
    after = {name: content for name, content in files.items() if name != path} | {new_path: files[path]}
    facts = {"path": new_path, "kind": "renamed", "before": path}
    return _written(draft, files, after, facts=facts, by=by, now=now)


@transaction.atomic
def remove_file(draft: ModelVersion, *, path: str, digest: str, by: AuditActor, now: datetime) -> ModelVersion:
    """Take a file out of the draft.

    Raises:
        DraftChangedError, NotADraftError, UnknownFileError: nothing is saved.
    """
    draft = locked_draft(draft, digest)
    files = files_of(draft)
    if path not in files:
        raise UnknownFileError(path)
    after = {name: content for name, content in files.items() if name != path}
    return _written(draft, files, after, facts={"path": path, "kind": "removed"}, by=by, now=now)


@transaction.atomic
def edit_files(
    draft: ModelVersion,
    files: Mapping[str, str],
    *,
    digest: str,
    facts: Mapping[str, object],
    by: AuditActor,
    now: datetime,
) -> ModelVersion:
    """Make these the files of the draft; ``facts`` say in the log what for.

    Raises:
        DraftChangedError, NotADraftError, FileRefusedError: nothing is saved.
    """
    draft = locked_draft(draft, digest)
    before = files_of(draft)
    for path, content in files.items():
        if before.get(path) != content:
            check_file(path, content)
    if len(files) > MAX_FILES:
        raise FileRefusedError(f"A model has at most {MAX_FILES} files.")
    return _written(draft, before, files, facts=facts, by=by, now=now)


@transaction.atomic
def discard_draft(draft: ModelVersion, *, by: AuditActor, now: datetime) -> None:
    """Remove the draft's files; its number stays taken.

    Raises:
        NotADraftError: it was published or discarded.
    """
    draft = locked_draft(draft, None)
    ModelFile.objects.filter(version=draft).delete()
    ModelVersion.objects.filter(pk=draft.pk).update(discarded_at=now, changed_at=now, changed_by=by.label)
    record("datamodels.draft_discarded", draft, by=by, now=now)


def check_file(path: str, content: str) -> None:
    """Refuse what no model file is called or holds.

    Raises:
        FileRefusedError: with what is wrong, for the person who wrote it.
    """
    name = path.rpartition("/")[2]
    if not PATH.fullmatch(path) or ".." in path.split("/") or len(path) > MAX_PATH:
        raise FileRefusedError("A file's name has letters, digits, spaces, “_”, “-”, “.”, and “/” between folders.")
    if not name.endswith(SUFFIXES) and name not in PLAIN_NAMES:
        raise FileRefusedError("A model file ends in .yaml, for example orders.view.yaml or Sales.topic.yaml.")
    if len(content.encode("utf-8", "replace")) > MAX_FILE_BYTES:
        raise FileRefusedError(f"A file has at most {MAX_FILE_BYTES:,} bytes.")
    if found := CONTROL.search(content):
        line = content.count("\n", 0, found.start()) + 1
        raise FileRefusedError(f"Line {line} holds a control character.")


def _written(
    draft: ModelVersion,
    before: Mapping[str, str],
    after: Mapping[str, str],
    *,
    facts: Mapping[str, object],
    by: AuditActor,
    now: datetime,
) -> ModelVersion:
    """Write the files and the digest over them; the log says what was done."""
    write_files(draft, before, after)
    draft.digest, draft.changed_at, draft.changed_by = digest_of(after), now, by.label
    draft.save(update_fields=["digest", "changed_at", "changed_by"])
    record("datamodels.draft_saved", draft, by=by, now=now, facts=facts)
    return draft
