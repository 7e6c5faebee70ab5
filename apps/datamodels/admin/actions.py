"""Pages that write: each posts to one service and says what came of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST

from apps.access.admin import actor_of
from apps.accounts import confirming
from apps.datamodels import policies, selectors, services
from apps.datamodels.admin.pages import page, url_of
from apps.datamodels.comparing import compare_files
from apps.datamodels.errors import (
    DraftChangedError,
    PublishRefusedError,
    RebaseConflictError,
    UnknownFileError,
    VersionError,
)
from apps.datamodels.models import ModelVersion
from apps.datamodels.panels import panels_of
from apps.datamodels.services.rebasing import Side
from apps.datamodels.services.refreshing import LABELS
from apps.semantic.errors import ModelError, Problem

REFRESH_WAIT_S = 12.0
PUBLISHING_NEEDS = "Publishing needs a fresh sign-in. Nothing was published yet; look again, and publish."
get_or_post = require_http_methods(["GET", "POST"])


@contextmanager
def told(request: HttpRequest) -> Iterator[None]:
    """Say what stood against an action at the top of the next page."""
    try:
        yield
    except PublishRefusedError as error:
        for text in error.objections[:20]:
            messages.error(request, text)
    except ModelError as error:
        for problem in error.problems[:20]:
            messages.error(request, str(problem))
    except RebaseConflictError:
        raise  # asks for choices of its own
    except VersionError as error:
        messages.error(request, str(error))


@require_POST
def start_draft(request: HttpRequest, key: UUID) -> HttpResponse:
    """Open the administrator's own draft."""
    data_model = policies.visible_or_404(actor_of(request), key)
    draft = services.open_draft(data_model, by=actor_of(request), now=timezone.now())
    return HttpResponseRedirect(url_of(draft))


@require_POST
def refresh(request: HttpRequest, key: UUID) -> HttpResponse:
    """Have the worker read the source, and show the draft that came of it."""
    data_model = policies.visible_or_404(actor_of(request), key)
    here = HttpResponseRedirect(reverse("admin:datamodels_model_page", args=(key,)))
    with told(request):
        outcome = services.refresh_schema(data_model, by=actor_of(request), now=timezone.now(), wait_s=REFRESH_WAIT_S)
        found = outcome.refresh
        for text in (*map(str, found.missing[:20]), *found.skipped[:20]):
            messages.warning(request, text)
        if outcome.draft is None:
            messages.success(request, "The source has no table and no column that the model does not know.")
            return here
        news = f"{len(found.new_views)} new tables and {len(found.new_fields)} new columns"
        messages.success(request, f"{news} are proposed. Nobody sees them before they are classified and published.")
        return HttpResponseRedirect(url_of(outcome.draft))
    return here


@get_or_post
def file_page(request: HttpRequest, key: UUID, number: int) -> HttpResponse:
    """Show one file with its problems above it; save, rename or remove it in a draft."""
    version = policies.version_or_404(actor_of(request), key, number)
    path = request.GET.get("path", "").strip()
    files = selectors.files_of(version)
    is_new = path not in files
    if not path or (is_new and not version.is_draft):
        raise Http404
    if request.method == "POST":
        return _edit_file(request, version, path)
    if is_new:
        try:
            services.check_file(path, "")
        except VersionError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(url_of(version))
    return _show_file(request, version, path, files.get(path, ""))


def _edit_file(request: HttpRequest, version: ModelVersion, path: str) -> HttpResponse:
    act = EDITS.get(request.POST.get("act", "save"))
    if act is None:
        raise Http404
    try:
        return act(request, version, path)
    except UnknownFileError:
        raise Http404 from None
    except VersionError as error:
        messages.error(request, str(error))
        if request.POST.get("act", "save") != "save" or not version.is_draft:
            return HttpResponseRedirect(url_of(version))
        fresh = policies.version_or_404(actor_of(request), version.data_model_id, version.number)
        content = request.POST.get("content", "").replace("\r\n", "\n")
        return _show_file(request, fresh, path, content, is_lost=isinstance(error, DraftChangedError))


def _save(request: HttpRequest, version: ModelVersion, path: str) -> HttpResponse:
    draft = services.save_draft_file(
        version, path=path, content=request.POST.get("content", ""), digest=request.POST.get("digest", ""),
        by=actor_of(request), now=timezone.now(),
    )  # fmt: skip
    messages.success(request, f"{path} is saved in the draft.")
    return HttpResponseRedirect(f"{url_of(draft, 'file_page')}?{urlencode({'path': path})}")


def _rename(request: HttpRequest, version: ModelVersion, path: str) -> HttpResponse:
    new_path = request.POST.get("new_path", "").strip()
    services.rename_file(
        version, path=path, new_path=new_path, digest=request.POST.get("digest", ""), by=actor_of(request),
        now=timezone.now(),
    )  # fmt: skip
    messages.success(request, f"{path} is called {new_path} now.")
    return HttpResponseRedirect(url_of(version))


def _remove(request: HttpRequest, version: ModelVersion, path: str) -> HttpResponse:
    services.remove_file(
        version, path=path, digest=request.POST.get("digest", ""), by=actor_of(request), now=timezone.now()
    )
    messages.success(request, f"{path} is no longer in the draft.")
    return HttpResponseRedirect(url_of(version))


EDITS: dict[str, Callable[[HttpRequest, ModelVersion, str], HttpResponse]] = {
    "save": _save,
    "rename": _rename,
    "remove": _remove,
}


def _show_file(
    request: HttpRequest, version: ModelVersion, path: str, content: str, *, is_lost: bool = False
) -> HttpResponse:
    """Show the editor; ``is_lost`` adds how the text differs from what somebody else saved meanwhile."""
    saved = selectors.files_of(version).get(path, "")
    lines = content.splitlines()
    problems: list[tuple[Problem, str]] = [
        (item, lines[item.line - 1] if 0 < item.line <= len(lines) else "")
        for item in selectors.problems_of(version)
        if item.file == path
    ]
    others = sum(item.file != path and not item.is_warning for item in selectors.problems_of(version))
    return page(
        request, "file_page", version.data_model, title=path, subtitle=str(version), version=version, path=path,
        content=content, problems=problems, others=others,
        lost=compare_files({path: saved}, {path: content}) if is_lost else (),
    )  # fmt: skip


@get_or_post
def classify_page(request: HttpRequest, key: UUID, number: int) -> HttpResponse:
    """Show the fields that nobody sees yet; write what each of them holds."""
    version = policies.version_or_404(actor_of(request), key, number)
    fields = selectors.unclassified_fields(version)
    if request.method == "POST":
        everything = request.POST.get("everything", "")
        labels = {item.id: request.POST.get(f"label:{item.id}", "") or everything for item in fields}
        chosen = {name: label for name, label in labels.items() if label}
        with told(request):
            services.classify_fields(
                version, chosen, digest=request.POST.get("digest", ""), by=actor_of(request), now=timezone.now()
            )
            messages.success(request, f"{len(chosen)} fields are classified in the draft.")
            return HttpResponseRedirect(url_of(version))
        return HttpResponseRedirect(url_of(version, "classify_page"))
    return page(
        request, "classify_page", version.data_model, title="Classify new fields", subtitle=str(version),
        version=version, fields=fields, labels=LABELS,
    )  # fmt: skip


@get_or_post
def publish_page(request: HttpRequest, key: UUID, number: int) -> HttpResponse:
    """Show what publishing would change and what stands against it; publish, or roll back."""
    version = policies.version_or_404(actor_of(request), key, number)
    if request.method == "POST":
        if (away := confirming.required(request, needs=PUBLISHING_NEEDS)) is not None:
            return away
        with told(request):
            services.publish_version(
                version, digest=request.POST.get("digest", ""), by=actor_of(request), now=timezone.now()
            )
            messages.success(request, f"{version} answers queries now.")
            return HttpResponseRedirect(reverse("admin:datamodels_model_page", args=(key,)))
        return HttpResponseRedirect(url_of(version))
    current = selectors.current_version(version.data_model)
    is_stale = version.is_draft and version.base_number != (current.number if current else None)
    verb = "Publish" if version.is_draft else "Roll back to"
    return page(
        request, "publish_page", version.data_model, title=f"{verb} {version}", version=version, current=current,
        found=services.validate_version(version, by=actor_of(request), now=timezone.now()), is_stale=is_stale,
        diff=selectors.version_diff(current, version), panels=panels_of(version),
    )  # fmt: skip


@get_or_post
def rebase_page(request: HttpRequest, key: UUID, number: int) -> HttpResponse:
    """Take over what was published since; where both sides changed a file, ask whose to keep."""
    version = policies.version_or_404(actor_of(request), key, number)
    conflicts: tuple[str, ...] = ()
    if request.method == "POST":
        choices: dict[str, Side] = {}
        for name, value in request.POST.items():
            if name.startswith("keep:") and value in ("draft", "published"):
                choices[name.removeprefix("keep:")] = "draft" if value == "draft" else "published"
        try:
            with told(request):
                services.rebase_draft(
                    version, digest=request.POST.get("digest", ""), choices=choices, by=actor_of(request),
                    now=timezone.now(),
                )  # fmt: skip
                messages.success(request, "The draft begins with the current version now. Look at it, and publish.")
        except RebaseConflictError as error:
            conflicts = error.paths
        if not conflicts:
            return HttpResponseRedirect(url_of(version))
    current = selectors.current_version(version.data_model)
    mine, theirs = selectors.files_of(version), selectors.files_of(current) if current is not None else {}
    shown = [(path, compare_files({path: theirs.get(path, "")}, {path: mine.get(path, "")})) for path in conflicts]
    return page(
        request, "rebase_page", version.data_model, title=f"Bring {version} up to date", version=version,
        current=current, conflicts=shown,
    )  # fmt: skip


@get_or_post
def discard_page(request: HttpRequest, key: UUID, number: int) -> HttpResponse:
    """Ask, and remove the draft's files."""
    version = policies.version_or_404(actor_of(request), key, number)
    if not version.is_draft:
        raise Http404
    if request.method == "POST":
        with told(request):
            services.discard_draft(version, by=actor_of(request), now=timezone.now())
            messages.success(request, f"{version} was discarded.")
        return HttpResponseRedirect(reverse("admin:datamodels_model_page", args=(key,)))
    return page(request, "discard_page", version.data_model, title=f"Discard {version}?", version=version)
