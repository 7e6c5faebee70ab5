"""A tile's rows as a file: asked for on the tile, waited for on a page, fetched where programs fetch it."""

from http import HTTPStatus
from uuid import UUID

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from apps.dashboards import policies
from apps.dashboards.choices import read_choices
from apps.dashboards.tiles import UNAVAILABLE, tile_query
from apps.dashboards.types import DownloadView, TileStatus
from apps.dashboards.views import ActorRequest
from apps.queries import downloads
from apps.queries.errors import NoDownloadError, QueryFailedError, UnknownRunError
from apps.queries.services import own_run
from apps.queries.types import Pending
from apps.semantic.errors import MissingAttributeError, QueryError, UnknownDatasetError, UnknownFieldError

ONLY_ON_PAGES = ("limit", "totals", "subtotals", "pivots")
GONE = "This file is gone. Ask for it again on the dashboard."
UNUSABLE = "This tile cannot be downloaded with the filters of the page."


@require_POST
def tile_download(request: ActorRequest, slug: str, tile_id: UUID) -> HttpResponse:
    """Have all rows of a tile's question made into a file, with the page's filters and the reader's own rights."""
    tile = policies.visible_tile_or_404(request.actor, slug, tile_id)
    choices = read_choices(tile.dashboard.filters.all(), request.GET)
    if any(choice.problem for choice in choices):
        return _refused(request, UNUSABLE, HTTPStatus.BAD_REQUEST)
    try:
        asked = tile_query(request.actor, tile, choices)
        question = {name: value for name, value in asked.items() if name not in ONLY_ON_PAGES}
        run_id = downloads.begin(request.actor, question, now=timezone.now())
    except (NoDownloadError, MissingAttributeError) as error:
        return _refused(request, error.message, HTTPStatus.FORBIDDEN)
    except QueryFailedError as error:
        is_closed = error.code == "forbidden"  # values are hidden from this visit
        return _refused(request, error.message, HTTPStatus.FORBIDDEN if is_closed else HTTPStatus.SERVICE_UNAVAILABLE)
    except (UnknownDatasetError, UnknownFieldError):
        return _refused(request, UNAVAILABLE, HTTPStatus.FORBIDDEN)
    except QueryError:
        return _refused(request, UNUSABLE, HTTPStatus.BAD_REQUEST)
    return HttpResponseRedirect(reverse("dashboards:download", args=(run_id,)))


@require_GET
def download_page(request: ActorRequest, run_id: UUID) -> HttpResponse:
    """Say how far a download of the reader's is; when it is made, where it lies and how long."""
    now = timezone.now()
    try:
        run = own_run(request.actor, run_id, now=now)
        found = downloads.state(request.actor, run_id, now=now) if run.is_download else None
    except UnknownRunError as error:
        raise Http404 from error
    if found is None:
        raise Http404
    if isinstance(found, Pending):
        return _shown(request, DownloadView(run.pk, run.dataset, "working", found.told(now=now).capitalize()))
    if found.error_code:
        status: TileStatus = "cancelled" if found.error_code == "cancelled" else "failed"
        return _shown(request, DownloadView(run.pk, run.dataset, status, QueryFailedError(found.error_code).message))
    made = downloads.kept(request.actor, run_id, now=now)
    if made is None:
        return _shown(request, DownloadView(run.pk, run.dataset, "failed", GONE))
    return _shown(request, DownloadView(run.pk, run.dataset, "ready", made=made))


def _shown(request: ActorRequest, view: DownloadView) -> HttpResponse:
    return render(request, "dashboards/download.html", {"view": view})


def _refused(request: ActorRequest, message: str, status: HTTPStatus) -> HttpResponse:
    return render(
        request, "dashboards/download.html", {"view": DownloadView(None, None, "failed", message)}, status=status
    )
