"""Edges: read the request, ask policies and selectors, answer."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape
from django.views.decorators.http import require_GET, require_POST

from apps.access.types import Actor
from apps.dashboards import policies, selectors
from apps.dashboards.choices import canonical_query, query_string, read_choices
from apps.dashboards.suggesting import options_of
from apps.dashboards.themes import draw_svg
from apps.dashboards.tiles import refresh_tiles, view_tile
from apps.dashboards.types import DashboardPage
from apps.dashboards.why import why_tile
from apps.queries import services as queries
from apps.queries.errors import QueryFailedError, UnknownRunError

TILE_WAIT_S = 0.4
LAST_PAGE = 10_000
SVG_WAIT_S = 20.0


class ActorRequest(HttpRequest):
    """A request after the middleware: it knows who asks."""

    actor: Actor


@require_GET
def dashboard_list(request: ActorRequest) -> HttpResponse:
    """Show a page of dashboards, in the order of their titles."""
    number = _page(request)
    dashboards, has_more = selectors.dashboard_cards(policies.visible(request.actor), number)
    counts = selectors.tile_counts(dashboards)
    cards = [(dashboard, counts[dashboard.pk]) for dashboard in dashboards]
    around = {"number": number, "previous": number - 1, "next": number + 1 if has_more else None}
    return render(request, "dashboards/dashboard_list.html", {"cards": cards, "page": around})


@require_GET
def dashboard_detail(request: ActorRequest, slug: str) -> HttpResponse:
    dashboard = policies.visible_or_404(request.actor, slug)
    canonical = canonical_query(dashboard.filters.all(), request.GET)
    if canonical is not None:
        return HttpResponseRedirect(f"{request.path}?{canonical}" if canonical else request.path)
    is_static = request.GET.get("static") == "1"
    now = timezone.now()
    page = selectors.dashboard_page(request.actor, dashboard, request.GET, now=now, is_static=is_static)
    context = {"page": page, "options": _static_options(request, page) if is_static else ()}
    return render(request, "dashboards/dashboard_detail.html", context)


@require_POST
def dashboard_refresh(request: ActorRequest, slug: str) -> HttpResponse:
    """Have every tile asked anew, with the filters of the page; then show the page again."""
    dashboard = policies.visible_or_404(request.actor, slug)
    choices = read_choices(dashboard.filters.all(), request.GET)
    refresh_tiles(request.actor, policies.tiles_of(dashboard), choices)
    query = query_string(choices)
    address = reverse("dashboards:dashboard_detail", args=(dashboard.slug,))
    return HttpResponseRedirect(f"{address}?{query}" if query else address)


def _static_options(request: ActorRequest, page: DashboardPage) -> dict[str, object]:
    """Read the values of the filters at once, for a page that cannot fetch them later."""
    return {
        choice.filter.key: options_of(
            request.actor, choice, page.query_string, now=timezone.now(), wait_s=TILE_WAIT_S * 5
        )
        for choice in page.choices
        if choice.filter.kind == choice.filter.Kind.CHOICE
    }


@require_GET
def tile_detail(request: ActorRequest, slug: str, tile_id: UUID) -> HttpResponse:
    """Answer with the tile, or with nothing while it is still working on the run that the page already shows."""
    tile = policies.visible_tile_or_404(request.actor, slug, tile_id)
    choices = read_choices(tile.dashboard.filters.all(), request.GET)
    run_id = _run_id(request)
    view = view_tile(
        request.actor, tile, choices, now=timezone.now(), wait_s=0 if run_id else TILE_WAIT_S, run_id=run_id
    )
    if run_id and view.status == "working" and view.run_id == run_id:
        return HttpResponse(status=204)
    return render(request, "dashboards/_tile.html", {"view": view})


@require_GET
def tile_svg(request: ActorRequest, slug: str, tile_id: UUID) -> HttpResponse:
    """Draw a chart on the server, for readers without scripts and for print."""
    tile = policies.visible_tile_or_404(request.actor, slug, tile_id)
    choices = read_choices(tile.dashboard.filters.all(), request.GET)
    view = view_tile(request.actor, tile, choices, now=timezone.now(), wait_s=SVG_WAIT_S)
    if view.spec is None:
        raise Http404
    svg = draw_svg(dict(view.spec), is_dark=request.GET.get("theme") == "dark")
    return HttpResponse(svg, content_type="image/svg+xml")


@require_GET
def tile_why(request: ActorRequest, slug: str, tile_id: UUID) -> HttpResponse:
    """Say why the tile shows what it shows: as a panel of the page, or as a page of its own."""
    tile = policies.visible_tile_or_404(request.actor, slug, tile_id)
    choices = read_choices(tile.dashboard.filters.all(), request.GET)
    why = why_tile(request.actor, tile, choices, now=timezone.now())
    is_panel = request.headers.get("HX-Request") == "true"
    template = "dashboards/_why.html" if is_panel else "dashboards/tile_why.html"
    return render(request, template, {"why": why, "is_panel": is_panel, "query_string": query_string(choices)})


@require_GET
def filter_options(request: ActorRequest, slug: str, key: str) -> HttpResponse:
    item = policies.visible_filter_or_404(request.actor, slug, key)
    if item.kind != item.Kind.CHOICE:
        raise Http404
    choices = read_choices(item.dashboard.filters.all(), request.GET)
    choice = next(choice for choice in choices if choice.filter.pk == item.pk)
    run_id = _run_id(request)
    query = query_string(choices)
    wait_s = 0 if run_id else TILE_WAIT_S
    options = options_of(request.actor, choice, query, now=timezone.now(), wait_s=wait_s, run_id=run_id)
    return render(request, "dashboards/_filter_options.html", {"options": options})


@require_GET
def run_progress(request: ActorRequest, run_id: UUID) -> HttpResponse:
    """Say how far a run of the reader's is; when it has ended, tell the tile around it to fetch itself."""
    now = timezone.now()
    try:
        found = queries.progress(request.actor, run_id, now=now)
    except UnknownRunError as error:
        raise Http404 from error
    if found is None:
        return HttpResponse(status=204, headers={"HX-Trigger": "run-ended"})
    return HttpResponse(escape(found.told(now=now).capitalize()))


@require_POST
def cancel_run(request: ActorRequest, run_id: UUID) -> HttpResponse:
    """Stop a run of the reader's; the tile's next look finds it cancelled."""
    try:
        queries.cancel_run(request.actor, run_id, now=timezone.now())
    except UnknownRunError as error:
        raise Http404 from error
    except QueryFailedError as error:
        return HttpResponse(error.message, status=503, content_type="text/plain")
    return HttpResponse(status=204)


def _page(request: ActorRequest) -> int:
    """Return the page that the address names, from 1 on; what is no number of a page is the first."""
    text = request.GET.get("page", "1")
    return max(1, min(int(text), LAST_PAGE)) if text.isascii() and text.isdigit() else 1


def _run_id(request: ActorRequest) -> UUID | None:
    try:
        return UUID(request.GET.get("run", ""))
    except ValueError:
        return None
