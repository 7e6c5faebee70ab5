"""Schema refresh: what the source has and the model does not becomes a draft that nobody sees anything of."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from django.db import transaction

from apps.audit.services import record
from apps.audit.types import AuditActor
from apps.connections.models import Connection
from apps.connections.services import CHECK_WAIT_S, check_now
from apps.datamodels.catalogue import propose
from apps.datamodels.errors import CannotEditTextError, FileRefusedError, SourceSilentError, VersionError
from apps.datamodels.models import DataModel, ModelVersion
from apps.datamodels.selectors import (
    catalogue_of,
    current_version,
    files_of,
    meaning_or_none,
    open_drafts,
    unclassified_fields,
)
from apps.datamodels.services.drafts import edit_files, open_draft
from apps.datamodels.services.storing import locked_model
from apps.datamodels.types import Refresh
from apps.datamodels.yaml_text import set_classification
from apps.semantic.model.types import Classification

LABELS: tuple[str, ...] = tuple(name for name in get_args(Classification) if name not in ("", "unclassified"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a refresh came to; ``draft`` is None when the source has nothing new."""

    refresh: Refresh
    draft: ModelVersion | None = None


def refresh_schema(
    data_model: DataModel, *, by: AuditActor, now: datetime, with_tables: bool = True, wait_s: float = CHECK_WAIT_S
) -> Outcome:
    """Have a worker read the source's catalogue, and propose what is new in it. Not inside a transaction.

    Raises:
        SourceSilentError: no worker answered in time, or the source did not.
        VersionError: there is nothing to compare the source with.
    """
    found = check_now(data_model.connection, by=by, now=now, wait_s=wait_s)
    if found.health != Connection.Health.OK:
        raise SourceSilentError(found.health_text or f"No worker answered within {wait_s:.0f} seconds.")
    return propose_new(data_model, by=by, now=now, with_tables=with_tables)


@transaction.atomic
def propose_new(data_model: DataModel, *, by: AuditActor, now: datetime, with_tables: bool = True) -> Outcome:
    """Write what the catalogue, as last read, has more into the refresh draft: the open one, else a new one.

    Raises:
        VersionError: the model has no version, or the open refresh draft has faults.
    """
    locked_model(data_model)
    drafts = [draft for draft in open_drafts(data_model) if draft.origin == ModelVersion.Origin.REFRESH]
    basis = drafts[0] if drafts else current_version(data_model)
    if basis is None:
        raise VersionError("The model has no published version to compare the source with.")
    meaning = meaning_or_none(basis)
    if meaning is None:
        raise VersionError(f"{basis} has faults. Correct or discard it, and refresh then.")
    files = files_of(basis)
    found = propose(meaning, files, catalogue_of(data_model.connection_id), with_tables=with_tables)
    facts = {
        "views": list(found.new_views), "fields": list(found.new_fields), "missing": len(found.missing),
        "skipped": len(found.skipped),
    }  # fmt: skip
    draft = drafts[0] if drafts else None
    if found.files != files:
        if draft is None:
            draft = open_draft(data_model, by=by, now=now, origin=ModelVersion.Origin.REFRESH)
        draft = edit_files(draft, found.files, digest=draft.digest, facts={"kind": "refreshed"}, by=by, now=now)
    record("datamodels.schema_refreshed", draft or data_model, by=by, now=now, facts=facts)
    return Outcome(found, draft)


@transaction.atomic
def classify_fields(
    draft: ModelVersion, labels: Mapping[str, str], *, digest: str, by: AuditActor, now: datetime
) -> ModelVersion:
    """Write labels at fields of the draft that nobody has classified; ``labels`` is field id → label.

    Raises:
        FileRefusedError: a label is none, a field is not among the unclassified ones, or its text cannot be changed.
        DraftChangedError, NotADraftError: nothing is saved.
    """
    waiting = {item.id: item for item in unclassified_fields(draft)}
    files = files_of(draft)
    for field_id, label in labels.items():
        if label not in LABELS:
            raise FileRefusedError(f"A field is {', '.join(LABELS[:-1])} or {LABELS[-1]}.")
        if (item := waiting.get(field_id)) is None:
            raise FileRefusedError("One of the fields does not wait for a classification any more.")
        try:
            files[item.file] = set_classification(item.file, files[item.file], item.name, label)
        except CannotEditTextError as error:
            raise FileRefusedError(f"{field_id}: {error}.") from None
    facts = {"kind": "classified", **{label: sorted(k for k, v in labels.items() if v == label) for label in LABELS}}
    return edit_files(draft, files, digest=digest, facts=facts, by=by, now=now)
