"""Edges on our own host: our staff ask, enter and withdraw. Nothing of a customer is shown here."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.http.request import split_domain_port
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from apps.access.middleware import ActorRequest
from apps.support import policies, selectors, services
from apps.support.errors import NotPermittedError, RequestStateError, UnknownCustomerError
from apps.support.forms import AccessRequestForm

HOME = "/support/"


def _origin(request: ActorRequest, host: str) -> str:
    """Return the customer's origin, on the port through which we are reached ourselves."""
    _, port = split_domain_port(request.get_host())
    return f"{request.scheme}://{host}{f':{port}' if port else ''}"


@require_http_methods(["GET", "POST"])
def request_list(request: ActorRequest) -> HttpResponse:
    policies.staff_or_404(request.actor)
    form = AccessRequestForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            _ask(request, form)
            messages.success(request, "Sent. The customer's administrators can decide now.")
            return HttpResponseRedirect(HOME)
        except (ValidationError, UnknownCustomerError) as error:
            form.add_error(None, error if isinstance(error, ValidationError) else str(error))
    rows = selectors.staff_rows(request.actor, now=timezone.now())
    status = 422 if request.method == "POST" else 200
    response = render(request, "support/staff_requests.html", {"form": form, "rows": rows}, status=status)
    # "Enter" is a form that ends at the customer's host
    origins = {_origin(request, row.customer_host) for row in rows if row.can_enter}
    response.csp_form_action = tuple(sorted(origins))  # type: ignore[attr-defined]  # read by the header middleware
    return response


def _ask(request: ActorRequest, form: AccessRequestForm) -> None:
    asked = form.cleaned_data
    services.request_access(
        tenant_slug=asked["tenant"], reason=asked["reason"], reason_text=asked["reason_text"], ticket=asked["ticket"],
        minutes=asked["minutes"], asks_values=asked["asks_values"], by=request.actor, now=timezone.now(),
    )  # fmt: skip


@require_POST
def request_enter(request: ActorRequest, request_id: UUID) -> HttpResponse:
    """Go to the customer's host with a ticket that works once, for a minute."""
    policies.staff_or_404(request.actor)
    try:
        customer, ticket = services.issue_ticket(request_id, by=request.actor, now=timezone.now())
    except NotPermittedError:
        raise Http404 from None
    except (RequestStateError, UnknownCustomerError) as error:
        messages.warning(request, str(error))
        return HttpResponseRedirect(HOME)
    return HttpResponseRedirect(f"{_origin(request, customer.host)}/support/enter/{ticket}/")


@require_POST
def request_withdraw(request: ActorRequest, request_id: UUID) -> HttpResponse:
    policies.staff_or_404(request.actor)
    try:
        services.withdraw_request(request_id, by=request.actor, now=timezone.now())
    except NotPermittedError:
        raise Http404 from None
    except RequestStateError as error:
        messages.warning(request, str(error))
    return HttpResponseRedirect(HOME)
