"""Bring a draft up to the current version: three ways, file by file."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from django.db import transaction

from apps.audit.services import record
from apps.audit.types import AuditActor
from apps.datamodels.errors import RebaseConflictError
from apps.datamodels.models import ModelVersion
from apps.datamodels.selectors import current_version, files_of, version_by_number
from apps.datamodels.services.storing import digest_of, locked_draft, locked_model, write_files

Side = Literal["draft", "published"]


def merged(
    base: Mapping[str, str], ours: Mapping[str, str], theirs: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Merge two sets of files that began as ``base``.

    Returns:
        The files, where only one side touched a file as that side has it; and the names of those that both sides
        changed differently, which are missing from the files.
    """
    files: dict[str, str] = {}
    conflicts = []
    for path in sorted({*base, *ours, *theirs}):
        was, mine, other = base.get(path), ours.get(path), theirs.get(path)
        if mine != other and was not in (mine, other):
            conflicts.append(path)
            continue
        chosen = mine if other == was else other
        if chosen is not None:
            files[path] = chosen
    return files, conflicts


@transaction.atomic
def rebase_draft(
    draft: ModelVersion, *, digest: str, by: AuditActor, now: datetime, choices: Mapping[str, Side] | None = None
) -> ModelVersion:
    """Take over what was published since the draft began; the draft then begins with the current version.

    Args:
        choices: for files that both sides changed, whose content is kept.

    Raises:
        RebaseConflictError: both sides changed the same file differently; nothing is saved.
        DraftChangedError, NotADraftError: nothing is saved.
    """
    locked_model(draft.data_model)
    draft = locked_draft(draft, digest)
    current = current_version(draft.data_model)
    number = current.number if current is not None else None
    if number == draft.base_number:
        return draft
    base = version_by_number(draft.data_model, draft.base_number)
    before = files_of(draft)
    theirs = files_of(current) if current is not None else {}
    files, conflicts = merged(files_of(base) if base is not None else {}, before, theirs)
    chosen = choices or {}
    if open_conflicts := [path for path in conflicts if path not in chosen]:
        raise RebaseConflictError(open_conflicts)
    for path in conflicts:
        content = (before if chosen[path] == "draft" else theirs).get(path)
        if content is not None:
            files[path] = content
    write_files(draft, before, files)
    facts = {"base": draft.base_number, "new_base": number, "conflicts": conflicts}
    draft.digest, draft.base_number, draft.changed_at, draft.changed_by = digest_of(files), number, now, by.label
    draft.save(update_fields=["digest", "base_number", "changed_at", "changed_by"])
    record("datamodels.draft_rebased", draft, by=by, now=now, facts=facts)
    return draft
