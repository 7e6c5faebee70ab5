"""Pages to look at: a model, a version, a comparison. Nothing is written here."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from apps.access.admin import actor_of
from apps.access.sites import tenant_admin_site
from apps.datamodels import policies, selectors
from apps.datamodels.models import DataModel, ModelVersion
from apps.datamodels.services import validate_version
from apps.datamodels.types import ChangeKind, Validation
from apps.semantic.errors import Problem


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file in a version's list; ``change`` is against the version it began with."""

    path: str
    change: ChangeKind | None
    faults: int = 0
    warnings: int = 0


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """A time during which a version was the current one; ``until`` is None while it is."""

    version: ModelVersion
    since: datetime
    by: str
    until: datetime | None = None
    is_roll_back: bool = False


def page(request: HttpRequest, template: str, data_model: DataModel, **context: Any) -> HttpResponse:
    """Render one of the house's admin pages."""
    shared = {"opts": DataModel._meta, "data_model": data_model}
    site = tenant_admin_site.each_context(request)
    return TemplateResponse(request, f"admin/datamodels/{template}.html", {**site, **shared, **context})


def url_of(version: ModelVersion, name: str = "version_page") -> str:
    """Return the address of one of a version's pages."""
    return reverse(f"admin:datamodels_{name}", args=(version.data_model_id, version.number))


@require_GET
def model_page(request: HttpRequest, key: UUID) -> HttpResponse:
    """Show what is current, what is drafted, and what was published when."""
    data_model = policies.visible_or_404(actor_of(request), key)
    current = selectors.current_version(data_model)
    drafts = selectors.open_drafts(data_model)
    return page(
        request, "model_page", data_model, title=data_model.name, subtitle="Versions", current=current,
        drafts=[(draft, draft.base_number != (current.number if current else None)) for draft in drafts],
        history=_history(data_model), datasets=data_model.datasets.filter(is_published=True),
        waiting=len(selectors.unclassified_fields(current)) if current else 0,
    )  # fmt: skip


def _history(data_model: DataModel) -> list[HistoryRow]:
    rows: list[HistoryRow] = []
    until = None
    for item in selectors.history_of(data_model):
        rows.append(HistoryRow(item.version, item.published_at, item.published_by, until, item.is_roll_back))
        until = item.published_at
    return rows


@require_GET
def version_page(request: HttpRequest, key: UUID, number: int) -> HttpResponse:
    """Show a version: its problems, its files, and, when asked to check, what stands against publishing it."""
    version = policies.version_or_404(actor_of(request), key, number)
    is_checked = request.GET.get("check") == "1"
    now = timezone.now()
    found = (
        validate_version(version, by=actor_of(request), now=now)
        if is_checked
        else Validation(selectors.problems_of(version))
    )
    current = selectors.current_version(version.data_model)
    base = selectors.version_by_number(version.data_model, version.base_number)
    return page(
        request, "version_page", version.data_model, title=str(version), subtitle=_state(version), version=version,
        found=found, is_checked=is_checked, current=current, base=base,
        is_stale=version.is_draft and version.base_number != (current.number if current else None),
        files=_file_rows(version, base, found.problems), waiting=len(selectors.unclassified_fields(version)),
    )  # fmt: skip


def _state(version: ModelVersion) -> str:
    return "Current" if version.is_current else "Draft" if version.is_draft else "Published before"


def _file_rows(version: ModelVersion, base: ModelVersion | None, problems: tuple[Problem, ...]) -> list[FileRow]:
    before = selectors.files_of(base) if base is not None else {}
    after = selectors.files_of(version)
    rows = []
    for path in sorted({*before, *after}):
        is_new, is_gone = path not in before, path not in after
        change: ChangeKind | None = "added" if is_new else "removed" if is_gone else "changed"
        own = [item for item in problems if item.file == path]
        faults = sum(not item.is_warning for item in own)
        is_same = before.get(path) == after.get(path)
        rows.append(FileRow(path, None if is_same else change, faults, len(own) - faults))
    return rows


@require_GET
def diff_page(request: HttpRequest, key: UUID, number: int) -> HttpResponse:
    """Compare a version with another, by default the one it began with."""
    version = policies.version_or_404(actor_of(request), key, number)
    before = _other(version, request.GET.get("from", ""))
    versions = ModelVersion.objects.filter(data_model=version.data_model, discarded_at=None)
    return page(
        request, "diff_page", version.data_model, title=f"What changes with {version}", version=version, before=before,
        diff=selectors.version_diff(before, version), versions=versions,
    )  # fmt: skip


def _other(version: ModelVersion, text: str) -> ModelVersion | None:
    """Return the version to compare with."""
    if not text:
        return selectors.version_by_number(version.data_model, version.base_number)
    if not text.isdecimal() or len(text) > 9:
        raise Http404
    found = selectors.version_by_number(version.data_model, int(text))
    if found is None or found.discarded_at is not None:
        raise Http404
    return found
