"""The page that shows, promise by promise, what holds at this moment."""

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from apps.access.middleware import ActorRequest
from apps.trust import selectors, services


@require_GET
def trust_page(request: ActorRequest) -> HttpResponse:
    """For the tenant's people; a support session is nobody of theirs."""
    if request.actor.kind != "person":
        raise Http404
    now = timezone.now()
    found = services.recent_checks(request.tenant, now=now)
    states = selectors.promise_states(found)
    context = {
        "checked_at": found.at,
        "notices": services.notices(),
        "states": states,
        "broken": sum(state.state == "broken" for state in states),
        "held": sum(state.state == "holds" for state in states),
        "unchecked": sum(state.state == "unchecked" for state in states),
        "kept": selectors.temporary_data(now=now),
    }
    return render(request, "trust/trust_page.html", context)
