"""Write models: import, edit drafts, publish, roll back, refresh. A published version never changes."""

from apps.datamodels.services.drafts import (
    check_file,
    discard_draft,
    edit_files,
    open_draft,
    remove_file,
    rename_file,
    save_draft_file,
)
from apps.datamodels.services.publishing import import_files, publish_version, save_file, validate_version
from apps.datamodels.services.rebasing import rebase_draft
from apps.datamodels.services.refreshing import classify_fields, propose_new, refresh_schema
from apps.datamodels.services.storing import digest_of

__all__ = [
    "check_file",
    "classify_fields",
    "digest_of",
    "discard_draft",
    "edit_files",
    "import_files",
    "open_draft",
    "propose_new",
    "publish_version",
    "rebase_draft",
    "refresh_schema",
    "remove_file",
    "rename_file",
    "save_draft_file",
    "save_file",
    "validate_version",
]
