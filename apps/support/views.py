"""Edges on a tenant's host: administrators decide and watch; a staff member enters and leaves."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.access.middleware import ActorRequest
from apps.access.selectors import anonymous
from apps.accounts import confirming
from apps.support import policies, selectors, services, tickets
from apps.support.errors import NotPermittedError, RequestStateError, TicketError
from apps.support.forms import ApprovalForm
from apps.support.middleware import SESSION_KEY
from apps.support.models import SupportRequest

APPROVING_NEEDS = "Letting support in needs a fresh sign-in. Nothing was approved yet; approve it again here."


def _detail_url(request_id: UUID) -> str:
    return f"/support/requests/{request_id}/"


@require_GET
def request_list(request: ActorRequest) -> HttpResponse:
    policies.reviewer_or_404(request.actor)
    now = timezone.now()
    rows = [(row, selectors.state_text(row, now=now)) for row in policies.visible(request.actor)[:100]]
    running = selectors.running_sessions(now=now)
    return render(request, "support/request_list.html", {"rows": rows, "running": running})


def _page(request: ActorRequest, found: SupportRequest, form: ApprovalForm | None, status: int = 200) -> HttpResponse:
    now = timezone.now()
    is_open = found.state == found.State.APPROVED and found.granted_until is not None and now < found.granted_until
    context = {
        "found": found,
        "state_text": selectors.state_text(found, now=now),
        "is_waiting": found.state == found.State.PENDING and now < found.expires_at,
        "is_open": is_open,
        "form": form or ApprovalForm(found),
        "granted": selectors.granted_names(found),
        "sessions": selectors.sessions_of(found),
        "running": selectors.running_sessions(now=now).filter(request=found).first(),
        "lines": selectors.log_of(found),
    }
    return render(request, "support/request_detail.html", context, status=status)


@require_GET
def request_detail(request: ActorRequest, request_id: UUID) -> HttpResponse:
    return _page(request, policies.visible_or_404(request.actor, request_id), None)


@require_GET
def request_log(request: ActorRequest, request_id: UUID) -> HttpResponse:
    """Answer with the lines of the log; the page asks again every two seconds."""
    found = policies.visible_or_404(request.actor, request_id)
    return render(request, "support/_log.html", {"lines": selectors.log_of(found)})


@require_POST
def request_approve(request: ActorRequest, request_id: UUID) -> HttpResponse:
    found = policies.visible_or_404(request.actor, request_id)
    form = ApprovalForm(found, request.POST)
    if not form.is_valid():
        return _page(request, found, form, status=422)
    if away := confirming.required(request, back_to=_detail_url(request_id), needs=APPROVING_NEEDS):
        return away
    try:
        services.approve_request(
            found, minutes=form.cleaned_data["minutes"], dataset_ids=[row.pk for row in form.cleaned_data["datasets"]],
            grants_values=form.cleaned_data.get("grants_values", False), by=request.actor, now=timezone.now(),
        )  # fmt: skip
    except ValidationError as error:
        form.add_error(None, error)
        return _page(request, found, form, status=422)
    except RequestStateError as error:
        messages.warning(request, str(error))
    except NotPermittedError:
        raise Http404 from None
    return HttpResponseRedirect(_detail_url(request_id))


@require_POST
def request_deny(request: ActorRequest, request_id: UUID) -> HttpResponse:
    return _decide(request, request_id, services.deny_request)


@require_POST
def request_end(request: ActorRequest, request_id: UUID) -> HttpResponse:
    """End an approval and whoever is inside under it."""
    return _decide(request, request_id, services.revoke_request)


def _decide(request: ActorRequest, request_id: UUID, decide: "services.Decision") -> HttpResponse:
    found = policies.visible_or_404(request.actor, request_id)
    try:
        decide(found, by=request.actor, now=timezone.now())
    except RequestStateError as error:
        messages.warning(request, str(error))
    except NotPermittedError:
        raise Http404 from None
    return HttpResponseRedirect(_detail_url(request_id))


@require_http_methods(["GET", "POST"])
def enter(request: ActorRequest, ticket: str) -> HttpResponse:
    """Show a button; pressing it uses the ticket up. A browser that fetches links ahead presses nothing."""
    entry = tickets.peek(ticket)
    if entry is None or entry.tenant_id != request.tenant.id:
        return render(request, "support/ticket_over.html", status=404)
    if request.method == "GET":
        return render(request, "support/enter.html")
    try:
        session = services.open_session(ticket, now=timezone.now())
    except (TicketError, RequestStateError):
        return render(request, "support/ticket_over.html", status=404)
    request.session.flush()  # nobody else's session goes on beside the visit
    request.session[SESSION_KEY] = str(session.pk)
    request.session.set_expiry(session.expires_at)
    return HttpResponseRedirect("/")


@require_POST
def leave(request: ActorRequest) -> HttpResponse:
    if request.actor.support is None:
        raise Http404
    services.end_session(request.actor.support.session_id, by=request.actor, now=timezone.now())
    request.session.flush()
    request.actor = anonymous(request.tenant.id)
    return render(request, "support/left.html")
