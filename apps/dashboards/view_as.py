"""Pages of seeing as another person: choose whom, begin, end."""

from urllib.parse import urlencode, urlsplit
from uuid import UUID

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from apps.access.errors import UnknownPersonError
from apps.access.middleware import VIEW_KEY
from apps.access.policies import viewable_people, viewer_or_404
from apps.access.services import VIEW_LIFETIME, end_view, start_view
from apps.access.types import Actor
from apps.accounts import confirming
from apps.accounts.models import User

VIEWING_NEEDS = "Seeing as somebody else needs a fresh sign-in. Choose them again here."
MAX_PEOPLE = 50
DASHBOARDS = ("dashboards:dashboard_detail", "dashboards:dashboard_list")


class ActorRequest(HttpRequest):
    """A request after the middleware: it knows who asks."""

    actor: Actor


@require_GET
def people(request: ActorRequest) -> HttpResponse:
    """List the people as whom the reader may see."""
    viewer_or_404(request.actor)
    wanted = request.GET.get("q", "").strip()[:100]
    found = list(_matching(viewable_people(request.actor), wanted)[: MAX_PEOPLE + 1])
    context = {
        "people": found[:MAX_PEOPLE],
        "has_more": len(found) > MAX_PEOPLE,
        "wanted": wanted,
        "next": dashboard_path(request.GET.get("next", "")),
        "minutes": int(VIEW_LIFETIME.total_seconds() // 60),
    }
    return render(request, "dashboards/view_as.html", context)


def _matching(found: QuerySet[User], wanted: str) -> QuerySet[User]:
    found = found.prefetch_related("groups").order_by("email")
    return found.filter(Q(email__icontains=wanted) | Q(name__icontains=wanted)) if wanted else found


@require_POST
def start(request: ActorRequest) -> HttpResponse:
    """Begin to see as somebody, in this browser's session."""
    viewer_or_404(request.actor)
    path = dashboard_path(request.POST.get("next", ""))
    if away := confirming.required(request, back_to=_choosing(path), needs=VIEWING_NEEDS):
        return away
    try:
        person_id = UUID(request.POST.get("person", ""))
        view = start_view(person_id, by=request.actor, now=timezone.now())
    except (ValueError, UnknownPersonError) as error:
        raise Http404 from error
    request.session[VIEW_KEY] = str(view.pk)
    return HttpResponseRedirect(path or "/")


@require_POST
def end(request: ActorRequest) -> HttpResponse:
    """End it; the reader is themselves from the next page on."""
    held = request.session.pop(VIEW_KEY, None)
    if held is None:
        raise Http404
    end_view(UUID(held), why="ended by the viewer", by=request.actor, now=timezone.now())
    messages.success(request, "You see as yourself again.")
    return HttpResponseRedirect(_choosing(dashboard_path(request.POST.get("next", ""))))


def _choosing(path: str) -> str:
    """Return the address of the page that lists people, from where one goes on to a page of dashboards."""
    return f"{reverse('dashboards:view_as')}?{urlencode({'next': path})}" if path else reverse("dashboards:view_as")


def dashboard_path(address: str) -> str:
    """Return the address of a page of dashboards on this host, with its filters; empty for anything else."""
    parts = urlsplit(address)
    try:
        match = resolve(parts.path)
    except Resolver404:
        return ""
    if parts.scheme or parts.netloc or match.view_name not in DASHBOARDS or address.startswith("//"):
        return ""
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
